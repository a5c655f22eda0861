"""What a density functional code is given, in one vocabulary for all codes.

An engine turns a `Request` into an `ElectronicInput` and this into its own input; nothing else
decides what a code computes, so that two codes at one level are given the same crystal, k-points,
smearing, moments, charge and Hubbard U.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import numpy as np
from pydantic import ValidationInfo, field_validator

from defectflow.engines.calculators import CalculatorOptions
from defectflow.engines.dft_tables import hubbard_sets
from defectflow.engines.hubbard import check_by_element
from defectflow.engines.levels import METAL_SPACING, SPACING
from defectflow.engines.spins import counts_as_metal, moments_muB
from defectflow.engines.vacuum import dipole_correction, vacuum_axes
from defectflow.errors import RecipeError, StructureError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pymatgen.core.structure import Structure

    from defectflow.engines.request import Request

#: More k-points than this along one axis are a typing error.
_MOST_KPOINTS: Final = 60
_NOBLE_CORES: Final = (0, 2, 10, 18, 36, 54, 86)
#: Keeps a mesh from growing because of the last digit of a lattice constant.
_LAST_DIGIT: Final = 1e-3
#: Share of the spacing asked for below which cells are too different for one mesh.
_FINEST_SHARED: Final = 0.8
_CUTOFFS_EV: Final = (100.0, 3000.0)

#: The functional that `hubbard_U_eV` belongs to.
_WITH_U: Final = "PBE+U"
Functional = Literal["PBE", "PBE+U", "RPBE", "PBEsol", "r2SCAN"]
Smearing = Literal["fermi-dirac", "gaussian", "methfessel-paxton", "marzari-vanderbilt"]


class ElectronOptions(CalculatorOptions):
    """Options of every engine with electrons.

    Attributes
    ----------
    functional
        Exchange and correlation. ``PBE+U`` is PBE with `hubbard_U_eV`.
    hubbard_U_eV
        Used with ``PBE+U`` alone: the name of a set in ``templates/input/dft/hubbard.yaml``, or U
        by element for the d shell (eV, Dudarev).
    spin
        ``auto``: with spin if moments are given, an element of ``starting_moments.yaml`` is
        present or one with U, or the cell is no metal and has an odd number of electrons; ``on``,
        ``off``: always, never.
    """

    functional: Functional = "PBE"
    hubbard_U_eV: str | dict[str, float] = "materials_project"
    spin: Literal["auto", "on", "off"] = "auto"

    @field_validator("spin", mode="before")
    @classmethod
    def _yaml_words(cls, value: object) -> object:
        """Accept what YAML makes of the bare words on and off."""
        return {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value

    @field_validator("hubbard_U_eV")
    @classmethod
    def _known(cls, value: str | dict[str, float], info: ValidationInfo) -> str | dict[str, float]:
        if isinstance(value, str):
            if value not in hubbard_sets():
                message = f"no such set of U; {did_you_mean(value, hubbard_sets())}"
                raise ValueError(message)
            return value
        check_by_element(value)
        functional = info.data.get("functional", _WITH_U)  # a wrong one is refused by itself
        if value and functional != _WITH_U:
            message = (
                f"functional {functional} takes no U; write functional: {_WITH_U} or leave U out"
            )
            raise ValueError(message)
        return value


@dataclass(frozen=True)
class ElectronicInput:
    """What a code is given beside the atoms.

    Attributes
    ----------
    functional
        Without Hubbard U, which `hubbard_U_eV` lists by element (Dudarev, d shell).
    cutoff_eV
        Of the plane waves.
    kpoints
        Divisions of the Gamma-centred mesh.
    smearing_eV
        Width as the code's own scheme defines it.
    magnetic_moments
        Starting moments, one per atom, Bohr magnetons; None: no spin.
    charge
        Of the cell; removed electrons are positive.
    energy_eV
        SCF threshold for the whole cell.
    dipole_correction
        A step of the potential at the ends of the third vector takes away the field that a slab
        with a dipole has in a periodic cell.
    """

    functional: str
    cutoff_eV: float
    kpoints: tuple[int, int, int]
    smearing: Smearing
    smearing_eV: float
    magnetic_moments: tuple[float, ...] | None
    charge: int
    energy_eV: float
    max_scf_steps: int
    hubbard_U_eV: dict[str, float] = field(default_factory=dict)
    stress: bool = False
    dipole_correction: bool = False

    @property
    def spin(self) -> bool:
        """Whether the two spins are computed apart."""
        return self.magnetic_moments is not None

    def record(self) -> dict[str, Any]:
        """Return all of it as plain data, for the document of the result."""
        return asdict(self)


def electronic_input(options: dict[str, Any], request: Request) -> ElectronicInput:
    """Return what a code is given for `request`.

    Parameters
    ----------
    options
        Of the engine: the fields of `ElectronOptions`.

    Raises
    ------
    RecipeError
        If cutoff, k-points or moments are out of range.
    StructureError
        If more electrons are taken away than there are, or the cell is none for a dipole correction
        that is asked for.
    """
    settings, structure = request.settings, request.structure
    functional, _, hubbard = options["functional"].partition("+")
    cutoff_eV = settings["cutoff_eV"]
    if not _CUTOFFS_EV[0] <= cutoff_eV <= _CUTOFFS_EV[1]:
        message = (
            f"cutoff_eV = {cutoff_eV:g}: a plane-wave cutoff lies between {_CUTOFFS_EV[0]:g} and "
            f"{_CUTOFFS_EV[1]:g} eV"
        )
        raise RecipeError(message)
    if settings["smearing"] not in get_args(Smearing):
        hint = did_you_mean(settings["smearing"], get_args(Smearing))
        message = f"smearing {settings['smearing']!r} does not exist; {hint}"
        raise RecipeError(message)
    if settings["max_scf_steps"] < 1:
        message = "max_scf_steps = 0: a self-consistent field needs steps, e.g. 120"
        raise RecipeError(message)
    valence = sum(_valence(site.specie.Z) for site in structure)
    if request.charge >= valence:
        message = f"charge {request.charge:+d}: the cell has only {valence} valence electrons"
        raise StructureError(message)
    U_eV = hubbard_U_eV(structure, options["hubbard_U_eV"]) if hubbard else {}
    return ElectronicInput(
        functional=functional,
        cutoff_eV=cutoff_eV,
        kpoints=kpoint_mesh(structure, kpoint_spacing_per_A(structure, settings)),
        smearing=settings["smearing"],
        smearing_eV=settings["smearing_eV"],
        magnetic_moments=moments_muB(_spin(options["spin"], U_eV), request),
        charge=request.charge,
        energy_eV=settings["scf_energy_eV_per_atom"] * len(structure),
        max_scf_steps=settings["max_scf_steps"],
        hubbard_U_eV=U_eV,
        stress=request.stress,
        dipole_correction=dipole_correction(structure, settings, request.charge),
    )


def _spin(choice: str, U_eV: Mapping[str, float]) -> str:
    """Return whether spin is asked for: U localises electrons, which then have one each."""
    return "on" if choice == "auto" and any(U_eV.values()) else choice


def _valence(atomic_number: int) -> int:
    """Return the number of electrons outside the core of the noble gas before the element."""
    return atomic_number - max(core for core in _NOBLE_CORES if core < atomic_number)


def kpoint_spacing_per_A(structure: Structure, settings: Mapping[str, Any]) -> float:
    """Return the spacing for this crystal; a metal may have one of its own.

    Its Fermi surface needs a finer mesh than filled bands do: the vacancy of aluminium is off by
    0.3 eV with a mesh that is converged for a sulfide.
    """
    everywhere: float = settings["kpoint_spacing_per_A"]
    return settings.get(METAL_SPACING, everywhere) if counts_as_metal(structure) else everywhere


def kpoint_mesh(structure: Structure, spacing_per_A: float) -> tuple[int, int, int]:
    """Return the divisions of a Gamma-centred mesh no coarser than `spacing_per_A`.

    The spacing includes 2π (VASP's KSPACING). A direction across a vacuum gets one point.

    Raises
    ------
    RecipeError
        If the spacing is not positive, or asks for an absurd mesh.

    Examples
    --------
    >>> from pymatgen.core import Lattice, Structure
    >>> kpoint_mesh(Structure(Lattice.cubic(4.0), ["Cu"], [[0, 0, 0]]), 0.25)
    (7, 7, 7)
    """
    if not spacing_per_A > 0:
        message = f"kpoint_spacing_per_A = {spacing_per_A:g}: must be positive, e.g. 0.25"
        raise RecipeError(message)
    lengths = structure.lattice.reciprocal_lattice.abc
    empty = vacuum_axes(structure)
    mesh = tuple(
        1 if axis in empty else max(1, math.ceil(length / spacing_per_A - _LAST_DIGIT))
        for axis, length in enumerate(lengths)
    )
    if max(mesh) > _MOST_KPOINTS:
        message = (
            f"kpoint_spacing_per_A = {spacing_per_A:g}: gives a mesh of "
            f"{' x '.join(map(str, mesh))}; a usual spacing is 0.15 to 0.5"
        )
        raise RecipeError(message)
    return mesh  # type: ignore[return-value]


def shared_spacing(
    structures: Sequence[Structure], settings: Mapping[str, Any]
) -> dict[str, float]:
    """Return the settings that give crystals one mesh, none coarser than `settings` say.

    For cells whose energies are subtracted and whose vectors are alike, as those of a fault and of
    its crystal, which has a plane more: at one spacing the longer of them may get a point less
    across the planes. In silver that is 2 meV per atom, more than a fault costs.

    Returns
    -------
    dict
        Empty if the mesh is one already, if there are no k-points, or if cells are so different
        that one mesh would need a spacing below four fifths of the one asked for.

    Examples
    --------
    >>> from pymatgen.core import Lattice, Structure
    >>> def stack(planes):
    ...     places = [[0, 0, k / planes] for k in range(planes)]
    ...     return Structure(Lattice.tetragonal(2.9, 2.4 * planes), ["Ag"] * planes, places)
    >>> cells = [stack(11), stack(12)]
    >>> [kpoint_mesh(cell, 0.22) for cell in cells]
    [(10, 10, 2), (10, 10, 1)]
    >>> spacing = shared_spacing(cells, {"kpoint_spacing_per_A": 0.22})["kpoint_spacing_per_A"]
    >>> round(spacing, 4), {kpoint_mesh(cell, spacing) for cell in cells}
    (0.2177, {(10, 10, 2)})
    """
    if SPACING not in settings:
        return {}
    lengths = np.array([one.lattice.reciprocal_lattice.abc for one in structures])
    asked_per_A = kpoint_spacing_per_A(structures[0], settings)
    spacing_per_A, before_per_A = asked_per_A, math.inf
    while _FINEST_SHARED * asked_per_A < spacing_per_A < before_per_A:
        meshes = np.array([kpoint_mesh(one, spacing_per_A) for one in structures])
        if (meshes == meshes[0]).all():
            known = {SPACING, METAL_SPACING} & set(settings)
            return dict.fromkeys(sorted(known), spacing_per_A) if before_per_A < math.inf else {}
        most = meshes.max(axis=0)
        # A mesh has n points as soon as it needs more than n - 1.
        enough = lengths / (most - 1 + 2 * _LAST_DIGIT)
        before_per_A, spacing_per_A = spacing_per_A, float(enough[meshes < most].min())
    return {}


def hubbard_U_eV(structure: Structure, choice: str | dict[str, float]) -> dict[str, float]:
    """Return U by element for this crystal; empty if the set does not apply to it."""
    present = {element.symbol for element in structure.elements}
    if isinstance(choice, dict):
        return {symbol: float(value) for symbol, value in choice.items() if symbol in present}
    table = hubbard_sets()[choice]
    if not present & set(table["anions"]):
        return {}
    return {symbol: value for symbol, value in table["U_eV"].items() if symbol in present}
