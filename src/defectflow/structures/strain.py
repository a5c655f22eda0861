"""Homogeneous strain of a crystal, with or without a defect in it.

Conventions. The strain vector is Voigt's, in the Cartesian frame of the structure:
``(e_xx, e_yy, e_zz, g_yz, g_xz, g_xy)``, dimensionless, positive for stretching, with engineering
shears g = 2 e. Two measures are known:

- ``small``: e is the symmetric part of the displacement gradient and the deformation is F = 1 + e.
  Applied exactly, whatever its size; two such strains do not simply add.
- ``finite``: e is the Green-Lagrange strain E = (F^T F - 1) / 2 and F = (1 + 2 E)^(1/2).

Both deformations are symmetric: the lattice is stretched, not turned. Lattice vectors a become F a;
fractional coordinates stay as they are. The measures agree to first order.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from defectflow.errors import StructureError
from defectflow.structures.cells import Cell
from defectflow.structures.equivalence import equivalent_images
from defectflow.structures.symmetry import SYMPREC_A

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pymatgen.core.structure import Structure

Measure = Literal["small", "finite"]
Voigt = tuple[float, float, float, float, float, float]

_NORMAL: Final = 3
_COMPONENTS: Final = 6
#: Rows and columns of the shears in Voigt's order.
_SHEARS: Final = ((1, 2), (0, 2), (0, 1))
#: Strains of a larger magnitude are taken for a percentage given by mistake.
LARGEST: Final = 0.5


def uniaxial(strain: float, direction: Sequence[float]) -> Voigt:
    """Return the Voigt vector of a stretch along a Cartesian direction, of fixed width across it.

    Examples
    --------
    >>> uniaxial(0.02, (0, 0, 1))
    (0.0, 0.0, 0.02, 0.0, 0.0, 0.0)
    """
    unit = _unit(direction)
    return _voigt(strain * np.outer(unit, unit))


def biaxial(strain: float, normal: Sequence[float] = (0.0, 0.0, 1.0)) -> Voigt:
    """Return the Voigt vector of an equal stretch of all directions in the plane of that normal.

    Examples
    --------
    >>> biaxial(-0.01)
    (-0.01, -0.01, 0.0, 0.0, 0.0, 0.0)
    """
    unit = _unit(normal)
    return _voigt(strain * (np.eye(_NORMAL) - np.outer(unit, unit)))


def shear(angle: float, plane_normal: Sequence[float], direction: Sequence[float]) -> Voigt:
    """Return the Voigt vector of a pure shear: a plane glides along a direction within it.

    Parameters
    ----------
    angle
        Engineering shear g = 2 e, radians for a small one.

    Raises
    ------
    StructureError
        If the direction does not lie in the plane.
    """
    normal, along = _unit(plane_normal), _unit(direction)
    if abs(float(normal @ along)) > 1e-6:  # noqa: PLR2004 - rounding
        message = (
            f"shear along {tuple(direction)}: not in the plane of normal {tuple(plane_normal)}; "
            "give two perpendicular directions"
        )
        raise StructureError(message)
    return _voigt(angle / 2 * (np.outer(normal, along) + np.outer(along, normal)))


def volumetric(relative_volume: float, measure: Measure = "small") -> Voigt:
    """Return the isotropic Voigt vector that changes the volume by dV/V = `relative_volume`.

    Exact, not linearised: 1 + dV/V is the cube of the stretch.
    """
    if relative_volume <= -1:
        message = f"dV/V = {relative_volume:g}: nothing would be left; give more than -1"
        raise StructureError(message)
    stretch = float(np.cbrt(1 + relative_volume))
    strain = stretch - 1 if measure == "small" else (stretch**2 - 1) / 2
    return (strain, strain, strain, 0.0, 0.0, 0.0)


def deformation(strain: Sequence[float], measure: Measure = "small") -> np.ndarray:
    """Return the deformation gradient F (3, 3) of a Voigt vector: column vectors become F x.

    Raises
    ------
    StructureError
        If it is not six numbers, larger than `LARGEST`, or turns the crystal inside out.
    """
    values = np.asarray(strain, dtype=float)
    if values.shape != (_COMPONENTS,) or not np.all(np.isfinite(values)):
        message = f"strain {list(strain)}: give six numbers, e_xx e_yy e_zz g_yz g_xz g_xy"
        raise StructureError(message)
    if np.abs(values).max() > LARGEST:
        message = (
            f"strain {values[np.abs(values).argmax()]:g}: strains are fractions, at most "
            f"{LARGEST:g} in size; 2 % is 0.02"
        )
        raise StructureError(message)
    tensor = np.diag(values[:_NORMAL])
    for value, (i, j) in zip(values[_NORMAL:], _SHEARS, strict=True):
        tensor[i, j] = tensor[j, i] = value / 2
    lengths, axes = np.linalg.eigh(tensor)
    stretches = 1 + lengths if measure == "small" else 1 + 2 * lengths
    if stretches.min() <= 0:
        message = f"strain {values.tolist()}: compresses a direction to nothing; give a smaller one"
        raise StructureError(message)
    gradient: np.ndarray = np.eye(_NORMAL) + tensor
    if measure == "finite":
        gradient = axes @ np.diag(np.sqrt(stretches)) @ axes.T
    return gradient


def strained_structure(
    structure: Structure, strain: Sequence[float], measure: Measure = "small"
) -> Structure:
    """Return a strained copy of a crystal; fractional coordinates and atom order are kept.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> host = hosts.load("fcc-Al").structure
    >>> round(strained_structure(host, volumetric(0.1)).volume / host.volume, 12)
    1.1
    """
    from pymatgen.core.lattice import Lattice

    gradient = deformation(strain, measure)
    moved = structure.copy()
    moved.lattice = Lattice(structure.lattice.matrix @ gradient.T)
    return moved


def strained_hosts(
    structure: Structure, strains: Iterable[Sequence[float]], measure: Measure = "small"
) -> Iterator[Cell]:
    """Yield a crystal under each strain, as cells in which nothing else is changed.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> host = hosts.load("1T-TiS2").structure
    >>> [cell.name for cell in strained_hosts(host, [biaxial(e) for e in (-0.02, 0.0)])]
    ['e(xx=-2%,yy=-2%)', 'unstrained']
    """
    vectors = [tuple(strain) for strain in strains]
    structures = [strained_structure(structure, vector, measure) for vector in vectors]
    return (
        Cell(one, structure, strain_label(vector) or "unstrained", "strain", (), 1)
        for one, vector in zip(structures, vectors, strict=True)
    )


def strained(
    cell: Cell,
    strain: Sequence[float],
    measure: Measure = "small",
    symprec: float = SYMPREC_A,
) -> Cell:
    """Return a defect cell whose structure and pristine reference are strained alike.

    The changes stay as they are, their places being fractional. The multiplicity is counted anew:
    strain may tell places apart that were equivalent. The cell then stands for those that are
    still equivalent to it; strain the host first and generate from that to get all of them.

    Examples
    --------
    >>> from defectflow.structures import hosts, vacancies
    >>> cell = next(vacancies(hosts.load("rutile-TiO2").structure, "O"))
    >>> strained(cell, uniaxial(0.02, (1, 1, 0))).multiplicity, cell.multiplicity
    (2, 4)
    """
    pristine = strained_structure(cell.pristine, strain, measure)
    before = equivalent_images(cell.pristine, cell.changed, symprec)
    after = equivalent_images(pristine, cell.changed, symprec)
    return replace(
        cell,
        structure=strained_structure(cell.structure, strain, measure),
        pristine=pristine,
        name=f"{cell.name} {strain_label(strain)}".strip(),
        multiplicity=max(round(cell.multiplicity * after / before), 1),
    )


def strain_label(strain: Sequence[float]) -> str:
    """Return a strain for a name, e.g. ``e(xx=+2%,yy=+2%)``; empty if there is none."""
    axes = ("xx", "yy", "zz", "yz", "xz", "xy")
    said = [f"{axis}={100 * e:+.4g}%" for axis, e in zip(axes, strain, strict=True) if e]
    return f"e({','.join(said)})" if said else ""


def _voigt(tensor: np.ndarray) -> Voigt:
    """Return the Voigt vector of a symmetric tensor, shears doubled."""
    components = [tensor[k, k] for k in range(_NORMAL)] + [2 * tensor[i, j] for i, j in _SHEARS]
    xx, yy, zz, yz, xz, xy = (float(one) + 0.0 for one in components)  # no -0.0
    return (xx, yy, zz, yz, xz, xy)


def _unit(direction: Sequence[float]) -> np.ndarray:
    vector = np.asarray(direction, dtype=float)
    if vector.shape != (_NORMAL,) or not np.linalg.norm(vector) > 0:
        message = f"direction {list(direction)}: give three Cartesian components, not all zero"
        raise StructureError(message)
    unit: np.ndarray = vector / np.linalg.norm(vector)
    return unit
