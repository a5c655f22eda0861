"""What a density functional code is given, in one vocabulary for all codes.

An engine turns a `Request` into an `ElectronicInput` and this into its own input; nothing else
decides what a code computes, so that two codes at one level are given the same crystal, k-points,
smearing, moments, charge and Hubbard U.
"""

from __future__ import annotations

import functools
import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import numpy as np
import yaml
from pydantic import ValidationInfo, field_validator

from defectflow import paths
from defectflow.documents.base import content_key
from defectflow.engines.calculators import CalculatorOptions
from defectflow.engines.hubbard import check_by_element
from defectflow.engines.levels import METAL_SPACING, SPACING
from defectflow.engines.model import file_state
from defectflow.errors import RecipeError, StructureError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pymatgen.core.structure import Structure

    from defectflow.engines.request import Request

#: A direction with an empty gap of at least this width is not periodic for the electrons.
VACUUM_A: Final = 7.0
#: More k-points than this along one axis are a typing error.
_MOST_KPOINTS: Final = 60
_NOBLE_CORES: Final = (0, 2, 10, 18, 36, 54, 86)
#: Keeps a mesh from growing because of the last digit of a lattice constant.
_LAST_DIGIT: Final = 1e-3
#: Share of the spacing asked for below which cells are too different for one mesh.
_FINEST_SHARED: Final = 0.8
_CUTOFFS_EV: Final = (100.0, 3000.0)
#: Moments (Bohr magnetons) below this, on every atom, are those of a crystal without any.
_NO_MOMENT: Final = 0.01

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
        present, or the cell is no metal and has an odd number of electrons; ``on``, ``off``:
        always, never.
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
            if value not in _hubbard_sets():
                message = f"no such set of U; {did_you_mean(value, _hubbard_sets())}"
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
        If more electrons are taken away than there are.
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
    return ElectronicInput(
        functional=functional,
        cutoff_eV=cutoff_eV,
        kpoints=kpoint_mesh(structure, kpoint_spacing_per_A(structure, settings)),
        smearing=settings["smearing"],
        smearing_eV=settings["smearing_eV"],
        magnetic_moments=_moments(options["spin"], request),
        charge=request.charge,
        energy_eV=settings["scf_energy_eV_per_atom"] * len(structure),
        max_scf_steps=settings["max_scf_steps"],
        hubbard_U_eV=hubbard_U_eV(structure, options["hubbard_U_eV"]) if hubbard else {},
        stress=request.stress,
    )


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


def counts_as_metal(structure: Structure) -> bool:
    """Tell whether more than two thirds of the atoms are of metallic elements."""
    metals = sum(site.specie.is_metal for site in structure)
    return bool(3 * metals > 2 * len(structure))


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


def vacuum_axes(structure: Structure) -> tuple[int, ...]:
    """Return the lattice directions along which the atoms leave a gap of at least 7 Å."""
    axes = []
    for axis in range(3):
        if not structure.lattice.pbc[axis]:
            axes.append(axis)
            continue
        gap, height_A = widest_gap(structure, axis)
        if gap * height_A >= VACUUM_A:
            axes.append(axis)
    return tuple(axes)


def widest_gap(structure: Structure, axis: int) -> tuple[float, float]:
    """Return the widest gap between atoms along a lattice vector, and the cell's height there.

    The gap as a share of the height; the height (Å) at right angles to the other two vectors.
    """
    others = np.delete(structure.lattice.matrix, axis, axis=0)
    height_A = structure.volume / np.linalg.norm(np.cross(*others))
    places = np.sort(structure.frac_coords[:, axis] % 1.0)
    gaps = np.diff(np.append(places, places[0] + 1.0))
    return float(gaps.max()), float(height_A)


def hubbard_U_eV(structure: Structure, choice: str | dict[str, float]) -> dict[str, float]:
    """Return U by element for this crystal; empty if the set does not apply to it."""
    present = {element.symbol for element in structure.elements}
    if isinstance(choice, dict):
        return {symbol: float(value) for symbol, value in choice.items() if symbol in present}
    table = _hubbard_sets()[choice]
    if not present & set(table["anions"]):
        return {}
    return {symbol: value for symbol, value in table["U_eV"].items() if symbol in present}


def _moments(choice: str, request: Request) -> tuple[float, ...] | None:
    given = request.moments
    symbols = [site.specie.symbol for site in request.structure]
    if choice == "off":
        return None
    if given is not None and len(given) != len(symbols):
        message = f"{len(given)} magnetic moments for {len(symbols)} atoms: give one each"
        raise RecipeError(message)
    table = _starting_moments()
    known = table["moments_muB"]
    magnetic = bool(set(symbols) & set(known))
    if given is None and choice == "auto" and not magnetic:
        return _radical_moments(request)
    others = table["others_muB"] if magnetic or given is not None else table["unknown_muB"]
    given = given or (None,) * len(symbols)
    moments = tuple(
        float(known.get(symbol, others)) if moment is None else moment
        for symbol, moment in zip(symbols, given, strict=True)
    )
    if request.magnetic_moments is None and max(map(abs, moments)) < _NO_MOMENT:
        return _radical_moments(request) or moments
    return moments


def _radical_moments(request: Request) -> tuple[float, ...] | None:
    """Return starting moments of a cell with an unpaired electron that is no metal; else None.

    Without spin its last level holds half an electron of either spin: OH on an insulator comes out
    0.1 eV and more too high. From a slab without moments none would arise, either. In a metal such
    a level lies in a band, and spin changes nothing.
    """
    if counts_as_metal(request.structure):
        return None
    found = unpaired_moments_muB(request.structure, request.charge)
    return None if found is None else tuple(found)


def unpaired_moments_muB(structure: Structure, charge: int) -> list[float] | None:
    """Return starting moments of a cell with an odd number of electrons, one in all.

    None if the number is even, or if the cell holds an element that starts with a moment anyway.

    Examples
    --------
    >>> from pymatgen.core import Lattice, Structure
    >>> cell = Structure(Lattice.cubic(4.2), ["Mg", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    >>> unpaired_moments_muB(cell, 1), unpaired_moments_muB(cell, 2)
    ([0.5, 0.5], None)
    """
    magnetic = set(_starting_moments()["moments_muB"])
    if magnetic & {element.symbol for element in structure.elements}:
        return None
    electrons = sum(site.specie.Z for site in structure) - charge
    return [1 / len(structure)] * len(structure) if electrons % 2 else None


def table_digests(options: Mapping[str, Any]) -> dict[str, str]:
    """Return the digests of the tables of U and of moments that `options` use.

    Only of those that the user's folder has replaced by others: they change numbers, and nothing
    that was computed with other tables is to be taken over.
    """
    found = {}
    chosen = options["hubbard_U_eV"]
    if options["functional"].endswith("+U") and isinstance(chosen, str):
        used, shipped = (one.get(chosen) for one in (_hubbard_sets(), _hubbard_sets(shipped=True)))
        if used != shipped:
            found["hubbard_sha256"] = content_key(used)
    if options["spin"] != "off" and _starting_moments() != _starting_moments(shipped=True):
        found["starting_moments_sha256"] = content_key(_starting_moments())
    return found


def _hubbard_sets(*, shipped: bool = False) -> dict[str, Any]:
    return _table("hubbard", shipped=shipped)


def _starting_moments(*, shipped: bool = False) -> dict[str, Any]:
    return _table("starting_moments", shipped=shipped)


def _table(name: str, *, shipped: bool) -> dict[str, Any]:
    path = paths.find("templates", f"input/dft/{name}.yaml", shipped=shipped)
    return _read(path, file_state(path))


@functools.lru_cache(maxsize=8)
def _read(path: Path, _state: tuple[int, int]) -> dict[str, Any]:
    table: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return table
