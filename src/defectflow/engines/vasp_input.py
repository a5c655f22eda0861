"""What VASP is given: the tags of INCAR and the order of the atoms, as plain data.

Pure functions; nothing here needs VASP, atomate2 or a licence, so that built inputs can be shown
and compared without them. Meanings of tags: https://www.vasp.at/wiki/index.php/Category:INCAR_tag.
"""

from __future__ import annotations

import math
from decimal import ROUND_DOWN, Decimal
from typing import TYPE_CHECKING, Any, Final

from pymatgen.core.periodic_table import Element

from defectflow.engines.vacuum import NORMAL
from defectflow.errors import EngineError, RecipeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pymatgen.core.structure import Structure

    from defectflow.engines.contract import FreeCell
    from defectflow.engines.electrons import ElectronicInput

#: GGA and METAGGA of each functional. VASP's RP is the RPBE of Hammer, Hansen and Nørskov
#: (Phys. Rev. B 59, 7413 (1999)), its RE the revPBE of Zhang and Yang.
_FUNCTIONALS: Final[dict[str, dict[str, str]]] = {
    "PBE": {"GGA": "PE"},
    "RPBE": {"GGA": "RP"},
    "PBEsol": {"GGA": "PS"},
    "r2SCAN": {"METAGGA": "R2SCAN"},
}
SMEARINGS: Final = {"fermi-dirac": -1, "gaussian": 0, "methfessel-paxton": 1}
_DISPERSION: Final = {"d3zero": 11, "d3bj": 12}
#: Tags of the damping for VASP by name in the tables of D3.
_DAMPING: Final = {
    "d3bj": {"s6": "VDW_S6", "s8": "VDW_S8", "a1": "VDW_A1", "a2": "VDW_A2"},
    "d3zero": {"s6": "VDW_S6", "s8": "VDW_S8", "rs6": "VDW_SR"},
}
_MINIMISERS: Final = {"conjugate-gradient": 2, "quasi-newton": 1}
_ISIF: Final[dict[str, int]] = {"fixed": 2, "relax": 3, "scale": 8}
_LAST_S_OR_P: Final = 20  # Ca
_LAST_BEFORE_F: Final = 56  # Ba
#: Distance of grid points, Å: charges change by 0.01 e from here to half of it.
GRID_A: Final = 0.06
#: One value per kind of atom.
PER_KIND: Final = ("LDAUL", "LDAUU", "LDAUJ")
#: Tags that decide what an energy means. Whatever repairs a run must leave them alone: energies
#: with other values cannot be compared.
DECISIVE: Final = (
    *("ENCUT", "PREC", "LREAL", "GGA", "METAGGA", "LASPH", "ISMEAR", "SIGMA", "KSPACING"),
    *("ISPIN", "NELECT", "LDAU", "LDAUU", "IVDW", "ISIF", "LDIPOL", "IDIPOL", "DIPOL"),
)


def poscar_order(structure: Structure) -> list[int]:
    """Return the indices of the atoms in the order of POSCAR: one block per element.

    Elements come in the order of their first atom, and atoms of an element keep theirs.

    Examples
    --------
    >>> from pymatgen.core import Lattice, Structure
    >>> sites = [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    >>> poscar_order(Structure(Lattice.cubic(4), ["Cu", "Al", "Cu", "Al"], sites))
    [0, 2, 1, 3]
    """
    symbols = [site.specie.symbol for site in structure]
    first = {symbol: symbols.index(symbol) for symbol in symbols}
    return sorted(range(len(symbols)), key=lambda index: (first[symbols[index]], index))


def electronic_tags(
    electrons: ElectronicInput,
    structure: Structure,
    settings: Mapping[str, Any],
    neutral_electrons: float,
) -> dict[str, Any]:
    """Return the tags of INCAR that concern the electrons.

    Parameters
    ----------
    structure
        In its own order; ``MAGMOM`` is in the order of POSCAR.
    settings
        VASP's own keys of ``electrons.yaml``.
    neutral_electrons
        Valence electrons of the neutral cell. A charge q removes q of them: ``NELECT``.

    Raises
    ------
    RecipeError
        If VASP does not have the smearing.
    """
    order = poscar_order(structure)
    meta = "METAGGA" in _FUNCTIONALS[electrons.functional]
    tags: dict[str, Any] = {
        **_FUNCTIONALS[electrons.functional],
        "LASPH": True,
        "ENCUT": electrons.cutoff_eV,
        "PREC": settings["precision"],
        "LREAL": "Auto" if settings["real_space_projection"] else False,
        "ALGO": "All" if meta else settings["algorithm"],
        "EDIFF": electrons.energy_eV,
        "NELM": electrons.max_scf_steps,
        "NELMIN": settings["min_scf_steps"],
        "ISMEAR": ismear(electrons.smearing),
        "SIGMA": electrons.smearing_eV,
        "ISPIN": 2 if electrons.spin else 1,
        "LMAXMIX": _highest_l(structure),
        "LORBIT": 11,
        "LWAVE": True,
        "LCHARG": False,
    }
    if meta:
        tags["LMIXTAU"] = True
    if electrons.magnetic_moments is not None:
        tags["MAGMOM"] = [electrons.magnetic_moments[index] for index in order]
    if electrons.dipole_correction:
        tags |= dipole_tags()
    if electrons.charge:
        tags["NELECT"] = neutral_electrons - electrons.charge
    return tags | hubbard_tags(electrons.hubbard_U_eV, structure)


def dipole_tags() -> dict[str, Any]:
    """Return the tags of a dipole correction, about the middle of the cell, where the slab is."""
    return {"LDIPOL": True, "IDIPOL": NORMAL + 1, "DIPOL": [0.5, 0.5, 0.5]}


def ismear(smearing: str) -> int:
    """Return VASP's number of a smearing.

    Raises
    ------
    RecipeError
        If VASP does not have it.
    """
    if smearing not in SMEARINGS:
        message = f"smearing {smearing!r}: VASP has {', '.join(SMEARINGS)}; choose one of them"
        raise RecipeError(message)
    return SMEARINGS[smearing]


def hubbard_tags(hubbard_U_eV: Mapping[str, float], structure: Structure) -> dict[str, Any]:
    """Return the tags of Dudarev's U on d shells; lists are by element in the order of POSCAR."""
    if not any(hubbard_U_eV.values()):
        return {}
    kinds = list(dict.fromkeys(structure[i].specie.symbol for i in poscar_order(structure)))
    return {
        "LDAU": True,
        "LDAUTYPE": 2,
        "LDAUL": [2 if hubbard_U_eV.get(kind) else -1 for kind in kinds],
        "LDAUU": [hubbard_U_eV.get(kind, 0.0) for kind in kinds],
        "LDAUJ": [0.0 for _ in kinds],
    }


def dispersion_tags(dispersion: str | None, functional: str) -> dict[str, Any]:
    """Return the tags of Grimme's D3: VASP's own, with the parameters that every engine uses.

    Raises
    ------
    EngineError
        If there are no parameters for the functional.
    """
    if dispersion is None:
        return {}
    from dftd3.parameters import get_damping_param

    try:
        parameters = get_damping_param(functional.lower(), [dispersion.removeprefix("d3")])
    except KeyError as error:
        message = f"no {dispersion} parameters exist for the functional {functional!r}"
        raise EngineError(message) from error
    damping = {tag: parameters[name] for name, tag in _DAMPING[dispersion].items()}
    return {"IVDW": _DISPERSION[dispersion], **damping}


def static_tags() -> dict[str, Any]:
    """Return the tags of one evaluation; VASP computes the stress with the forces."""
    return {"NSW": 0, "IBRION": -1, "ISIF": 2}


def relax_tags(settings: Mapping[str, Any], cell: FreeCell, structure: Structure) -> dict[str, Any]:
    """Return the tags of a relaxation.

    VASP compares a negative ``EDIFFG`` with the forces and, where the cell moves, with the stress
    times the volume per atom, so that it must satisfy both thresholds.

    Raises
    ------
    RecipeError
        If the minimiser is unknown.
    """
    minimiser = settings["minimiser"]
    if minimiser not in _MINIMISERS:
        message = f"minimiser {minimiser!r}: choose {' or '.join(_MINIMISERS)}"
        raise RecipeError(message)
    limit = settings["fmax_eV_per_A"]
    if cell != "fixed":
        per_atom_A3 = structure.volume / len(structure)
        limit = min(limit, _two_digits_below(settings["stress_max_eV_per_A3"] * per_atom_A3))
    return {
        "NSW": settings["max_steps"],
        "IBRION": _MINIMISERS[minimiser],
        "ISIF": _ISIF[cell],
        "EDIFFG": -limit,
    }


def _two_digits_below(value: float) -> float:
    """Return a positive number cut to two digits: rounded up, VASP would stop too early."""
    digit = Decimal(10) ** (Decimal(value).adjusted() - 1)
    return float(Decimal(value).quantize(digit, rounding=ROUND_DOWN))


def band_tags(settings: Mapping[str, Any], images: int, *, climb: bool) -> dict[str, Any]:
    """Return the tags of a nudged elastic band with VTST's L-BFGS, which needs POTIM = 0."""
    return {
        "IMAGES": images,
        "SPRING": -settings["spring_eV_per_A2"],
        "LCLIMB": climb,
        "NSW": settings["max_steps"] if climb else settings["race_steps"],
        "IBRION": 3,
        "POTIM": 0.0,
        "IOPT": 1,
        "MAXMOVE": settings["max_step_A"],
        "ISIF": 2,
        "EDIFFG": -settings["fmax_eV_per_A" if climb else "loose_fmax_eV_per_A"],
    }


def dos_tags(
    settings: Mapping[str, Any], electrons: float, atoms: int, *, spin: bool
) -> dict[str, Any]:
    """Return the tags of an SCF whose levels are wanted too: more bands, and all projections."""
    occupied = electrons / 2 + (atoms / 2 if spin else 0)
    empty = max(8.0, occupied * (settings["bands_factor"] - 1))
    points = round((settings["highest_eV"] - settings["lowest_eV"]) / settings["step_eV"]) + 1
    return {"NBANDS": math.ceil(occupied + empty), "NEDOS": points, "LWAVE": False}


def charge_tags(structure: Structure) -> dict[str, Any]:
    """Return the tags of an SCF that leaves the densities of atoms and electrons, finely."""
    points = [2 * math.ceil(length / GRID_A / 2) for length in structure.lattice.abc]
    return {
        "LAECHG": True,
        "LCHARG": True,
        **dict(zip(("NGXF", "NGYF", "NGZF"), points, strict=True)),
    }


def _highest_l(structure: Structure) -> int:
    """Return LMAXMIX: up to twice the highest l of the open shells."""
    highest = max(Element(site.specie.symbol).Z for site in structure)
    if highest > _LAST_BEFORE_F:
        return 6
    return 4 if highest > _LAST_S_OR_P else 2


def frozen_flags(count: int, frozen: Sequence[int]) -> list[list[bool]] | None:
    """Return the flags of selective dynamics, atoms in their own order; None if all are free."""
    if not frozen:
        return None
    held = set(frozen)
    return [[index not in held] * 3 for index in range(count)]
