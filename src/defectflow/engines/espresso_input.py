"""What pw.x is given: namelists and cards from an `ElectronicInput`, as plain data and as text.

Nothing here needs Quantum ESPRESSO, so that built inputs can be shown and compared without it.
Energies go in as Rydberg, lengths as Å.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ase.data import atomic_masses, atomic_numbers

from defectflow.engines.hubbard import d_shell
from defectflow.engines.vacuum import NORMAL, STEP_A
from defectflow.errors import RecipeError
from defectflow.units import RYDBERG_EV

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ase import Atoms

    from defectflow.engines.electrons import ElectronicInput
    from defectflow.engines.espresso_pseudos import Pseudopotential

    Value = str | bool | int | float
    Namelists = dict[str, dict[str, Value]]

#: Names of the files below the calculation's folder.
PREFIX: Final = "calc"
OUTPUT_FOLDER: Final = "out"
#: From this version on Hubbard parameters have a card of their own.
_HUBBARD_CARD: Final = (7, 1)
#: pw.x takes labels of up to three characters, so that one element has at most this many moments.
_MOST_LABELS: Final = 9
#: Roundings of starting moments (Bohr magnetons), the first that gives few enough is taken.
_ROUNDINGS: Final = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
#: A cell with a larger net moment (Bohr magnetons) has an unpaired electron.
_UNPAIRED: Final = 0.5
_SMEARING: Final = {
    "fermi-dirac": "fermi-dirac",
    "gaussian": "gaussian",
    "methfessel-paxton": "methfessel-paxton",
    "marzari-vanderbilt": "marzari-vanderbilt",
}


@dataclass(frozen=True)
class RunControl:
    """What differs between the runs of one calculation.

    Attributes
    ----------
    calculation
        ``scf``, or ``nscf`` for eigenvalues in the potential of an earlier run.
    density_from_file, waves_from_file
        Start from what an earlier run left in the folder.
    max_seconds
        After so much wall time pw.x stops by itself; None: never.
    bands
        Number of bands; None: what pw.x takes for the smearing.
    """

    calculation: str = "scf"
    stress: bool = False
    density_from_file: bool = False
    waves_from_file: bool = False
    max_seconds: float | None = None
    bands: int | None = None


@dataclass(frozen=True)
class Species:
    """Atoms of one element that start with one moment (Bohr magnetons; None without spin)."""

    label: str
    element: str
    moment: float | None


@dataclass(frozen=True)
class PwInput:
    """A built input of pw.x.

    Attributes
    ----------
    namelists
        By name, in order.
    cards
        By the line that opens them, in order; each a list of lines.
    """

    namelists: Namelists
    cards: dict[str, list[str]]

    def text(self) -> str:
        """Return the input as pw.x reads it."""
        lines = []
        for name, entries in self.namelists.items():
            lines.append(f"&{name}")
            lines += [f"  {key} = {_fortran(value)}" for key, value in entries.items()]
            lines.append("/")
        for name, rows in self.cards.items():
            lines += [name, *(f"  {row}" for row in rows)]
        return "\n".join(lines) + "\n"


def pw_input(
    atoms: Atoms,
    electrons: ElectronicInput,
    pseudos: Mapping[str, Pseudopotential],
    numbers: Mapping[str, Any],
    *,
    version: tuple[int, int],
    run: RunControl | None = None,
) -> PwInput:
    """Return the input of pw.x.

    Parameters
    ----------
    pseudos
        By element; all from one folder.
    numbers
        pw.x's own keys of ``electrons.yaml``.
    version
        Of pw.x, which decides how Hubbard parameters are written.

    Raises
    ------
    RecipeError
        If the smearing has no width, or U is asked for on an element without a d shell.
    """
    run = run or RunControl()
    species, labels = label_atoms(atoms.get_chemical_symbols(), electrons.magnetic_moments)
    namelists: Namelists = {
        "CONTROL": _control(pseudos, run),
        "SYSTEM": {"ibrav": 0, "nat": len(atoms), "ntyp": len(species)}
        | _system(electrons, pseudos, numbers, run),
        "ELECTRONS": _electrons(electrons, numbers, run),
    }
    system = namelists["SYSTEM"]
    if electrons.dipole_correction:
        namelists["CONTROL"] |= {"tefield": True, "dipfield": True}
        system |= dipole_entries(float(atoms.cell[NORMAL, NORMAL]))
    if electrons.spin:
        system["nspin"] = 2
        for number, one in enumerate(species, start=1):
            # A fraction of the valence electrons, not Bohr magnetons.
            share = (one.moment or 0.0) / pseudos[one.element].valence
            system[f"starting_magnetization({number})"] = max(-1.0, min(1.0, share))
    cards = {
        "ATOMIC_SPECIES": [_species_line(one, pseudos) for one in species],
        "CELL_PARAMETERS angstrom": [_vector(row) for row in atoms.cell],
        "ATOMIC_POSITIONS angstrom": [
            f"{label} {_vector(row)}" for label, row in zip(labels, atoms.positions, strict=True)
        ],
    } | _kpoints(electrons.kpoints)
    entries, card = _hubbard(species, electrons.hubbard_U_eV, version)
    system.update(entries)
    return PwInput(namelists, cards | card)


def label_atoms(
    symbols: Sequence[str], moments: Sequence[float] | None
) -> tuple[list[Species], list[str]]:
    """Return the species, and the label of each atom: one element with two moments is two species.

    Examples
    --------
    >>> species, labels = label_atoms(["Fe", "Fe", "O"], [4.0, -4.0, 0.0])
    >>> labels
    ['Fe1', 'Fe2', 'O']
    """
    given: list[float | None] = [None] * len(symbols)
    if moments is not None:
        moments = _not_lost(moments)
        for element in set(symbols):
            own = [place for place, symbol in enumerate(symbols) if symbol == element]
            rounded = _rounded([moments[place] for place in own])
            for place, start in zip(own, rounded, strict=True):
                given[place] = start
    kinds = list(dict.fromkeys(zip(symbols, given, strict=True)))
    species: dict[tuple[str, float | None], Species] = {}
    for element, moment in kinds:
        alike = [kind for kind in kinds if kind[0] == element]
        number = alike.index((element, moment)) + 1
        label = element if len(alike) == 1 else f"{element}{number}"
        species[element, moment] = Species(label, element, moment)
    labels = [species[kind].label for kind in zip(symbols, given, strict=True)]
    return list(species.values()), labels


def valence_electrons(symbols: Sequence[str], pseudos: Mapping[str, Pseudopotential]) -> float:
    """Return the number of electrons of the neutral cell that pw.x computes."""
    return sum(pseudos[symbol].valence for symbol in symbols)


def _not_lost(moments: Sequence[float]) -> Sequence[float]:
    """Return moments of which rounding leaves something where they add up to an electron.

    One unpaired electron spread over a cell starts with little on each atom; from zero everywhere
    pw.x finds no moment at all.
    """
    finest, largest = _ROUNDINGS[0], max(map(abs, moments))
    if largest >= finest or abs(sum(moments)) < _UNPAIRED:
        return moments
    return [moment * finest / largest for moment in moments]


def _rounded(moments: Sequence[float]) -> list[float]:
    """Return moments on the finest grid that leaves few enough different ones."""
    rounded: list[float] = list(moments)
    for grid in _ROUNDINGS:
        # Adding zero turns -0.0, which would be another species, into 0.0.
        rounded = [round(round(moment / grid) * grid, 2) + 0.0 for moment in moments]
        if len(set(rounded)) <= _MOST_LABELS:
            break
    return rounded


def _control(pseudos: Mapping[str, Pseudopotential], run: RunControl) -> dict[str, Value]:
    entries: dict[str, Value] = {
        "calculation": run.calculation,
        "prefix": PREFIX,
        "outdir": f"./{OUTPUT_FOLDER}",
        "pseudo_dir": str(next(iter(pseudos.values())).path.parent),
        "tprnfor": run.calculation == "scf",
        "tstress": run.stress,
        "disk_io": "low",
    }
    if run.max_seconds is not None:
        entries["max_seconds"] = run.max_seconds
    return entries


def _system(
    electrons: ElectronicInput,
    pseudos: Mapping[str, Pseudopotential],
    numbers: Mapping[str, Any],
    run: RunControl,
) -> dict[str, Value]:
    if not electrons.smearing_eV > 0:
        message = (
            f"smearing_eV = {electrons.smearing_eV:g}: Quantum ESPRESSO needs a width above zero, "
            "e.g. 0.01 for an insulator"
        )
        raise RecipeError(message)
    augmented = any(one.kind != "NC" for one in pseudos.values())
    factor = numbers["augmented_density_cutoff_factor" if augmented else "density_cutoff_factor"]
    suggested = [one.density_cutoff_eV or 0.0 for one in pseudos.values()] if augmented else [0.0]
    density_eV = max(electrons.cutoff_eV * factor, *suggested)
    entries: dict[str, Value] = {
        "ecutwfc": electrons.cutoff_eV / RYDBERG_EV,
        "ecutrho": density_eV / RYDBERG_EV,
        "occupations": "smearing",
        "smearing": _SMEARING[electrons.smearing],
        "degauss": electrons.smearing_eV / RYDBERG_EV,
    }
    if electrons.charge:
        # pw.x counts the charge of the cell as we do: +1 takes one electron away.
        entries["tot_charge"] = float(electrons.charge)
    if run.bands is not None:
        entries["nbnd"] = run.bands
    return entries


def dipole_entries(height_A: float) -> dict[str, Value]:
    """Return the entries of a dipole correction: a sawtooth that falls off at the cell's ends."""
    width = STEP_A / height_A
    return {
        "edir": NORMAL + 1,
        "emaxpos": 1.0 - width / 2,
        "eopreg": width,
        "eamp": 0.0,
    }


def _electrons(
    electrons: ElectronicInput, numbers: Mapping[str, Any], run: RunControl
) -> dict[str, Value]:
    entries: dict[str, Value] = {
        "conv_thr": electrons.energy_eV / RYDBERG_EV,
        "electron_maxstep": electrons.max_scf_steps,
        "mixing_beta": numbers["mixing_beta"],
        "mixing_mode": numbers["mixing_mode"],
        "diagonalization": numbers["diagonalization"],
    }
    if run.calculation == "nscf":
        entries["diago_full_acc"] = True
    if run.density_from_file and run.calculation == "scf":
        entries["startingpot"] = "file"
    if run.waves_from_file:
        entries["startingwfc"] = "file"
    return entries


def _kpoints(mesh: tuple[int, int, int]) -> dict[str, list[str]]:
    if mesh == (1, 1, 1):
        # Real wave functions: half of the memory and time.
        return {"K_POINTS gamma": []}
    return {"K_POINTS automatic": [" ".join(map(str, (*mesh, 0, 0, 0)))]}


def _hubbard(
    species: Sequence[Species], U_eV: Mapping[str, float], version: tuple[int, int]
) -> tuple[dict[str, Value], dict[str, list[str]]]:
    """Return entries of SYSTEM and a card: Dudarev's form, projected on atomic orbitals."""
    if not U_eV:
        return {}, {}
    shells = {element: d_shell(element) for element in U_eV}
    wanted = [(number, one) for number, one in enumerate(species, start=1) if one.element in U_eV]
    if version >= _HUBBARD_CARD:
        rows = [f"U {one.label}-{shells[one.element]}d {U_eV[one.element]:g}" for _, one in wanted]
        return {}, {"HUBBARD (atomic)": rows}
    entries: dict[str, Value] = {
        "lda_plus_u": True,
        "lda_plus_u_kind": 0,
        "U_projection_type": "atomic",
    }
    for number, one in wanted:
        entries[f"Hubbard_U({number})"] = U_eV[one.element]
    return entries, {}


def _species_line(one: Species, pseudos: Mapping[str, Pseudopotential]) -> str:
    mass = atomic_masses[atomic_numbers[one.element]]
    return f"{one.label} {mass:.4f} {pseudos[one.element].path.name}"


def _vector(row: Sequence[float]) -> str:
    return " ".join(f"{value + 0.0:.10f}" for value in row)


def _fortran(value: Value) -> str:
    if isinstance(value, bool):
        return ".true." if value else ".false."
    if isinstance(value, str):
        return f"'{value}'"
    return str(value) if isinstance(value, int) else f"{value:.10g}"
