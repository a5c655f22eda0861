"""Electrochemical reactions on a surface: balance, computational hydrogen electrode, overpotential.

The computational hydrogen electrode (J. K. Nørskov et al., J. Phys. Chem. B 108, 17886 (2004),
doi:10.1021/jp047349j): at 0 V against the reversible hydrogen electrode H⁺ + e⁻ is in equilibrium
with 1/2 H2 at 1 bar. A step that takes up n pairs (H⁺ + e⁻) then changes by + n e U with the
potential. Positive n are taken up (reduction), negative are given off (oxidation).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from defectflow.errors import RecipeError, did_you_mean
from defectflow.units import BOLTZMANN_EV_PER_K

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Free energy of 2 H2O -> O2 + 2 H2, from experiment: 4 x 1.229 V. The energy of O2, which density
#: functionals get wrong, is never computed (Nørskov 2004).
OXYGEN_EV: Final = 4.92
#: Scaling of OOH* with OH* on oxides and metals: I. C. Man et al., ChemCatChem 3, 1159 (2011).
SCALING_OOH_OH_EV: Final = 3.2
_SYMBOL: Final = re.compile(r"([A-Z][a-z]?)(\d*)")
_FORMULA: Final = re.compile(r"(?:[A-Z][a-z]?\d*)+")


def composition(species: str) -> Counter[str]:
    """Return the atoms of a species by element; a star, for the surface, holds none.

    Raises
    ------
    RecipeError
        If it is no formula.

    Examples
    --------
    >>> sorted(composition("OOH*").items()), composition("*")
    ([('H', 1), ('O', 2)], Counter())
    """
    text = species.rstrip("*")
    if text and not _FORMULA.fullmatch(text):
        message = f"species {species!r}: not a formula; write it as OOH* or H2O"
        raise RecipeError(message)
    atoms: Counter[str] = Counter()
    for symbol, count in _SYMBOL.findall(text):
        atoms[symbol] += int(count or 1)
    return atoms


def total(amounts: Mapping[str, float]) -> dict[str, float]:
    """Return the atoms of several species, each with its amount, by element; no zeros."""
    atoms: dict[str, float] = {}
    for species, amount in amounts.items():
        for symbol, count in composition(species).items():
            atoms[symbol] = atoms.get(symbol, 0.0) + amount * count
    return {symbol: count for symbol, count in atoms.items() if abs(count) > 1e-9}  # noqa: PLR2004


def check_balance(left: Mapping[str, float], right: Mapping[str, float], pairs: float = 0) -> None:
    """Refuse a reaction that makes or destroys atoms.

    Parameters
    ----------
    left, right
        Amounts by species.
    pairs
        (H⁺ + e⁻) that are taken up on the left.

    Raises
    ------
    RecipeError
        Naming the first element that is not balanced.
    """
    before, after = total({**left}), total({**right})
    before["H"] = before.get("H", 0.0) + pairs
    for symbol in sorted({*before, *after}):
        one, other = before.get(symbol, 0.0), after.get(symbol, 0.0)
        if abs(one - other) > 1e-6:  # noqa: PLR2004 - rounding
            message = (
                f"reaction {equation(left, right, pairs)}: not balanced, {one:g} {symbol} on the "
                f"left and {other:g} on the right; add what is missing"
            )
            raise RecipeError(message)
    if _stars(left) != _stars(right):
        message = (
            f"reaction {equation(left, right, pairs)}: {_stars(left):g} sites on the left and "
            f"{_stars(right):g} on the right; a bare site is written *"
        )
        raise RecipeError(message)


def equation(left: Mapping[str, float], right: Mapping[str, float], pairs: float = 0) -> str:
    """Return a reaction as it is written.

    Examples
    --------
    >>> equation({"O*": 1}, {"OH*": 1}, 1)
    'O* + H⁺ + e⁻ -> OH*'
    >>> equation({"H2O": 1, "*": 1}, {"OH*": 1}, -1)
    'H2O + * -> OH* + H⁺ + e⁻'
    """
    sides = [_side(left, pairs), _side(right, -pairs)]
    return " -> ".join(sides)


def formation(adsorbate: str, references: Sequence[str]) -> dict[str, float]:
    """Return the amounts of the references that hold the atoms of an adsorbate.

    Raises
    ------
    RecipeError
        If they cannot hold them, or in more than one way.

    Examples
    --------
    >>> formation("OOH", ["H2", "H2O"])
    {'H2': -1.5, 'H2O': 2.0}
    """
    wanted = composition(adsorbate)
    parts = {name: composition(name) for name in references}
    elements = sorted({*wanted, *(symbol for part in parts.values() for symbol in part)})
    rows = [
        [Fraction(parts[name][symbol]) for name in references] + [Fraction(wanted[symbol])]
        for symbol in elements
    ]
    solved = _solved(rows, len(references))
    if solved is None:
        message = (
            f"adsorbate {adsorbate}: its atoms cannot be counted against {', '.join(references)} "
            "in exactly one way; give one reference per element"
        )
        raise RecipeError(message)
    amounts = {name: float(value) for name, value in zip(references, solved, strict=True) if value}
    check_balance({**amounts, "*": 1}, {f"{adsorbate}*": 1})
    return amounts


def pairs_of(amounts: Mapping[str, float]) -> float:
    """Return the pairs (H⁺ + e⁻) that stand for the H2 among the references of an adsorbate."""
    return 2 * amounts.get("H2", 0.0)


def against_oxygen(amounts: Mapping[str, float]) -> dict[str, float]:
    """Return references with 1/2 O2 + H2 in the place of each H2O, without those left at zero.

    Examples
    --------
    >>> against_oxygen({"H2O": 2.0, "H2": -1.5})
    {'O2': 1.0, 'H2': 0.5}
    """
    water = amounts.get("H2O", 0.0)
    rest = {name: count for name, count in amounts.items() if name not in {"H2O", "H2"}}
    found = {"O2": water / 2, **rest, "H2": amounts.get("H2", 0.0) + water}
    return {name: count for name, count in found.items() if abs(count) > 1e-9}  # noqa: PLR2004


def at_potential_eV(
    pairs: float, potential_V: float, pH: float | None = None, temperature_K: float = 298.15
) -> float:
    """Return what a potential adds to the free energy of a reaction that takes up `pairs`.

    Parameters
    ----------
    potential_V
        Against the reversible hydrogen electrode; against the standard one if `pH` is given, where
        each proton costs k T ln 10 per unit of pH.

    Examples
    --------
    >>> round(at_potential_eV(-1, 1.23), 2), round(at_potential_eV(1, 0.0, pH=14), 2)
    (-1.23, 0.83)
    """
    proton = 0.0 if pH is None else BOLTZMANN_EV_PER_K * temperature_K * math.log(10) * pH
    return pairs * (potential_V + proton)


@dataclass(frozen=True)
class Pathway:
    """A reaction as a sequence of states, each joined to the next by one step.

    Attributes
    ----------
    name
        As a recipe calls it.
    states
        Amounts by species; pairs (H⁺ + e⁻) are left out, the balance gives them.
    equilibrium_V
        Against the reversible hydrogen electrode, from experiment.
    source
        Of that number.
    """

    name: str
    states: tuple[Mapping[str, float], ...]
    equilibrium_V: float
    source: str

    def adsorbates(self) -> tuple[str, ...]:
        """Return the species on the surface, without stars, in order."""
        names = [name.rstrip("*") for state in self.states for name in state if name.endswith("*")]
        return tuple(dict.fromkeys(name for name in names if name))

    def gases(self) -> tuple[str, ...]:
        """Return the molecules, in order."""
        names = [name for state in self.states for name in state if not name.endswith("*")]
        return tuple(dict.fromkeys(names))

    def pairs(self) -> tuple[int, ...]:
        """Return the pairs (H⁺ + e⁻) that each step takes up; negative ones are given off.

        Raises
        ------
        RecipeError
            If a step is not balanced by them.
        """
        found = []
        for left, right in zip(self.states, self.states[1:], strict=False):
            taken = total(right).get("H", 0.0) - total(left).get("H", 0.0)
            check_balance(left, right, taken)
            found.append(round(taken))
        return tuple(found)


_WATER: Final = {"H2O": 2.0, "*": 1.0}
_OXYGEN_STATES: Final = (
    {"O2": 1.0, "*": 1.0},
    {"OOH*": 1.0},
    {"O*": 1.0, "H2O": 1.0},
    {"OH*": 1.0, "H2O": 1.0},
    _WATER,
)
_NORSKOV: Final = "2 H2O -> O2 + 2 H2 costs 4.92 eV (experiment), 1.23 V for each of 4 electrons"
#: Standard free energies of formation at 298 K, kJ/mol: CO2 -394.36, CO -137.17, H2O(l) -237.13,
#: CH4 -50.5 (CRC Handbook of Chemistry and Physics). CO2 + H2 -> CO + H2O then costs 20.06, over
#: 2 F; CO2 + 4 H2 -> CH4 + 2 H2O gives 130.4, over 8 F.
_CARBON_MONOXIDE_V: Final = -0.104
_METHANE_V: Final = 0.169
_CARBON: Final = "standard free energies of formation, CRC Handbook of Chemistry and Physics"
_CARBON_STATES: Final = (
    {"CO2": 1.0, "*": 1.0},
    {"COOH*": 1.0},
    {"CO*": 1.0, "H2O": 1.0},
)

PATHWAYS: Final[dict[str, Pathway]] = {
    one.name: one
    for one in (
        Pathway("HER", ({"*": 1.0}, {"H*": 1.0}, {"H2": 1.0, "*": 1.0}), 0.0, "by definition"),
        Pathway("ORR", _OXYGEN_STATES, OXYGEN_EV / 4, _NORSKOV),
        Pathway("OER", _OXYGEN_STATES[::-1], OXYGEN_EV / 4, _NORSKOV),
        Pathway(
            "CO2RR-CO",
            (*_CARBON_STATES, {"CO": 1.0, "H2O": 1.0, "*": 1.0}),
            _CARBON_MONOXIDE_V,
            _CARBON,
        ),
        Pathway(
            "CO2RR-CHO",
            (*_CARBON_STATES, {"CHO*": 1.0, "H2O": 1.0}),
            _METHANE_V,
            f"of methane, whose later steps are not looked at; {_CARBON}",
        ),
    )
}


def pathway(name: str) -> Pathway:
    """Return the reaction of that name.

    Raises
    ------
    RecipeError
        If there is none.
    """
    if name not in PATHWAYS:
        message = f"reaction {name!r} does not exist; {did_you_mean(name, PATHWAYS)}"
        raise RecipeError(message)
    return PATHWAYS[name]


@dataclass(frozen=True)
class Overpotential:
    """What limits a reaction, by thermodynamics alone.

    Attributes
    ----------
    limiting_V
        Least extreme potential (against the reversible hydrogen electrode) at which every step with
        electrons goes downhill: the highest for a reduction, the lowest for an oxidation.
    step
        Index of the step that decides.
    value_V
        How far that is beyond the equilibrium potential.
    """

    limiting_V: float
    step: int
    value_V: float


def overpotential(
    steps_eV: Sequence[float], pairs: Sequence[int], equilibrium_V: float
) -> Overpotential:
    """Return the overpotential of a reaction from the free energies of its steps at 0 V.

    Steps without electrons do not count: no potential moves them.

    Raises
    ------
    RecipeError
        If no step has electrons, or some take them up and others give them off.

    Examples
    --------
    >>> round(overpotential([1.3, 0.9, 1.6, 1.12], [-1, -1, -1, -1], 1.23).value_V, 2)
    0.37
    >>> round(overpotential([-0.1, 0.1], [1, 1], 0.0).value_V, 2)
    0.1
    """
    electric = [k for k, count in enumerate(pairs) if count]
    signs = {count > 0 for count in pairs if count}
    if len(signs) != 1:
        message = "reaction: its steps have to be all reductions or all oxidations"
        raise RecipeError(message)
    limits = {k: -steps_eV[k] / pairs[k] for k in electric}
    reduction = signs.pop()
    step = (min if reduction else max)(limits, key=lambda k: limits[k])
    gap = equilibrium_V - limits[step]
    return Overpotential(limits[step], step, gap if reduction else -gap)


def _stars(amounts: Mapping[str, float]) -> float:
    return sum(amount for name, amount in amounts.items() if name.endswith("*"))


def _side(amounts: Mapping[str, float], pairs: float) -> str:
    terms = [f"{'' if n == 1 else f'{n:g} '}{name}" for name, n in amounts.items() if n > 0]
    if pairs > 0:
        many = "" if pairs == 1 else f"{pairs:g} "
        terms.append(f"{many}(H⁺ + e⁻)" if many else "H⁺ + e⁻")
    return " + ".join(terms)


def _solved(rows: list[list[Fraction]], unknowns: int) -> list[Fraction] | None:
    """Return the one solution of linear equations (last column: right sides); None without."""
    rows, done = [list(row) for row in rows], 0
    for column in range(unknowns):
        pivot = next((k for k in range(done, len(rows)) if rows[k][column]), None)
        if pivot is None:
            return None
        rows[done], rows[pivot] = rows[pivot], rows[done]
        rows[done] = [value / rows[done][column] for value in rows[done]]
        for k, row in enumerate(rows):
            if k != done and row[column]:
                rows[k] = [a - row[column] * b for a, b in zip(row, rows[done], strict=True)]
        done += 1
    if any(row[-1] for row in rows[done:]):
        return None
    return [rows[k][-1] for k in range(unknowns)]
