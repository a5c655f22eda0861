"""Where a crystal is stable against others, in terms of chemical potentials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from defectflow.errors import MissingData, StructureError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram

#: A host this little above the hull (eV per atom) counts as stable: rounding.
_ON_HULL_EV: Final = 1e-8
#: A phase of the host's own composition within this (eV per atom) counts as the host itself.
_SAME_PHASE_EV: Final = 1e-3
#: Chemical potentials that agree in so many digits (eV) are the same.
_DIGITS: Final = 6


@dataclass(frozen=True)
class Phase:
    """A crystal or molecule with its energy.

    Attributes
    ----------
    formula
        Any multiple of the formula unit.
    energy_eV
        Of all atoms of `formula`.
    """

    name: str
    formula: str
    energy_eV: float


@dataclass(frozen=True)
class Limit:
    """A corner of the region of chemical potentials in which the host is stable.

    Attributes
    ----------
    phases
        Names of the phases that the host is in equilibrium with there.
    chemical_potentials_eV
        By element: energy per atom, on the scale of the energies given.
    """

    phases: tuple[str, ...]
    chemical_potentials_eV: dict[str, float]


def stability_limits(host: Phase, others: Sequence[Phase]) -> tuple[Limit, ...]:
    """Return the corners of the region in which `host` is stable against `others`.

    At each corner the host coexists with as many other phases as it takes to fix the chemical
    potential of every element; with a dopant among the elements, that of the dopant is the highest
    at which no phase with it forms.

    Raises
    ------
    MissingData
        If an element of any phase has no elemental phase among them.
    StructureError
        If the host is not stable against the others: by how much, and against what.
    """
    phases = (host, *(one for one in others if not _is_host(one, host)))
    entries = _entries(phases)
    diagram = _diagram(entries)
    _require_stable(diagram, entries, phases)
    if diagram.dim == 1:
        return (Limit((), {diagram.elements[0].symbol: entries[0].energy_per_atom}),)
    limits: dict[tuple[float, ...], Limit] = {}
    for facet, found in diagram.get_all_chempots(entries[0].composition).items():
        potentials = {element.symbol: float(mu) for element, mu in found.items()}
        names = {phases[int(number)].name for number in facet.split("-")} - {host.name}
        # A corner where more phases meet than needed comes once for each choice of them.
        corner = tuple(round(mu, _DIGITS) for mu in potentials.values())
        known = set(limits[corner].phases) if corner in limits else set()
        limits[corner] = Limit(tuple(sorted(names | known)), potentials)
    return tuple(sorted(limits.values(), key=lambda limit: limit.phases))


def _is_host(phase: Phase, host: Phase) -> bool:
    from pymatgen.core.composition import Composition

    one, other = Composition(phase.formula), Composition(host.formula)
    if one.reduced_formula != other.reduced_formula:
        return False
    difference = phase.energy_eV / one.num_atoms - host.energy_eV / other.num_atoms
    return abs(difference) < _SAME_PHASE_EV


def extreme(limits: Sequence[Limit], element: str, *, rich: bool) -> Limit:
    """Return the limit in which the chemical potential of an element is highest, or lowest.

    Of several such limits the first, in the order of the names of their phases.
    """
    sign = 1 if rich else -1
    return max(limits, key=lambda one: sign * round(one.chemical_potentials_eV[element], _DIGITS))


def _entries(phases: Sequence[Phase]) -> list[PDEntry]:
    from pymatgen.analysis.phase_diagram import PDEntry
    from pymatgen.core.composition import Composition

    # pymatgen joins the names of a facet by hyphens, which our names may hold: numbers do not.
    return [
        PDEntry(Composition(phase.formula), phase.energy_eV, name=str(number))
        for number, phase in enumerate(phases)
    ]


def _diagram(entries: Sequence[PDEntry]) -> PhaseDiagram:
    from pymatgen.analysis.phase_diagram import PhaseDiagram

    elements = {element.symbol for one in entries for element in one.composition.elements}
    pure = {one.composition.elements[0].symbol for one in entries if one.is_element}
    if elements - pure:
        missing = ", ".join(sorted(elements - pure))
        message = (
            f"chemical potentials: no elemental phase of {missing} is given; add its crystal or "
            "molecule to `competing_phases`"
        )
        raise MissingData(message)
    return PhaseDiagram(list(entries))


def _require_stable(
    diagram: PhaseDiagram, entries: Sequence[PDEntry], phases: Sequence[Phase]
) -> None:
    parts, above_eV = diagram.get_decomp_and_e_above_hull(entries[0])
    if above_eV is None or parts is None or above_eV <= _ON_HULL_EV:
        return
    names = " + ".join(sorted(phases[entries.index(entry)].name for entry in parts))
    message = (
        f"host {phases[0].name} is {above_eV * 1000:.1f} meV per atom above {names}: with this "
        "engine there are no chemical potentials at which it is stable; take a phase out of "
        "`competing_phases` if it is known not to form, or another engine"
    )
    raise StructureError(message)
