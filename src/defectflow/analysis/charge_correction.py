"""Finite-size corrections of charged cells, from point charges in an anisotropic dielectric.

A cell of charge q repeats, and a uniform background makes it neutral. The energy of the charge with
its images and that background, and the shift of the average potential that goes with it, are what
a correction takes away. Potentials are electrostatic ones (V): positive near positive charges.

Y. Kumagai, F. Oba, Phys. Rev. B 89, 195205 (2014): the correction of Freysoldt, Neugebauer and Van
de Walle, Phys. Rev. Lett. 102, 016402 (2009), with an anisotropic medium and with the potentials at
atomic sites.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.special import erfc

from defectflow.errors import RecipeError, StructureError
from defectflow.units import BOHR_A, HARTREE_EV

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]

#: e²/(4πε₀) in eV Å.
COULOMB_EV_A: Final = HARTREE_EV * BOHR_A
#: erfc(x) and exp(-x²) at this x are below 1e-16: both sums of Ewald end there.
_REACH: Final = 6.2
_AXES: Final = 3
_SYMMETRIC: Final = 1e-6


@dataclass(frozen=True)
class ChargeCorrection:
    """What is added to the energy of a charged cell, and how sure that is.

    Attributes
    ----------
    point_charge_eV
        Minus the energy of the charge with its images and the background.
    alignment_eV
        Minus q times the mean difference of the potentials far from the defect.
    far_sites
        Number of sites that the alignment is a mean over.
    spread_V
        Standard deviation of the difference over those sites: times q, the error to expect.
    """

    point_charge_eV: float
    alignment_eV: float = 0.0
    far_sites: int = 0
    spread_V: float = 0.0

    @property
    def total_eV(self) -> float:
        """The whole correction."""
        return self.point_charge_eV + self.alignment_eV


def dielectric_tensor(value: ArrayLike) -> Array:
    """Return a dielectric constant, three diagonal elements or a tensor as a 3x3 tensor.

    Raises
    ------
    RecipeError
        If it is not symmetric, or screens less than a vacuum does.
    """
    given = np.asarray(value, dtype=float)
    tensor = given
    if given.shape in ((), (_AXES,)):
        tensor = np.diag(np.broadcast_to(given, _AXES))
    if tensor.shape != (_AXES, _AXES) or not np.allclose(tensor, tensor.T, atol=_SYMMETRIC):
        message = (
            f"dielectric constant {given.tolist()}: give one number, three of the axes, or a "
            "symmetric tensor of three rows"
        )
        raise RecipeError(message)
    lowest = float(np.linalg.eigvalsh(tensor)[0])
    if lowest < 1 - _SYMMETRIC:
        message = (
            f"dielectric constant {given.tolist()}: {lowest:.3g} along one axis is less than that "
            "of a vacuum; give the static one, ions included, relative to the vacuum"
        )
        raise RecipeError(message)
    return np.asarray(tensor, dtype=float)


def lattice_potential_V(
    lattice_A: ArrayLike, dielectric: ArrayLike, places_A: ArrayLike = ((0.0, 0.0, 0.0),)
) -> Array:
    """Return the potential of one unit charge per cell at the origin, with its background.

    At the origin itself the charge's own potential is left out: what remains is that of the images.
    The average over the cell is zero. An anisotropic medium is an isotropic one in coordinates
    stretched by ε^(-1/2), with all potentials divided by the root of det ε; there the sum of Ewald
    is taken.

    Parameters
    ----------
    places_A
        Cartesian, shape (n, 3), relative to the charge.
    """
    tensor = dielectric_tensor(dielectric)
    values, vectors = np.linalg.eigh(tensor)
    stretch = vectors @ np.diag(values**-0.5) @ vectors.T
    lattice = np.asarray(lattice_A, dtype=float) @ stretch
    places = np.atleast_2d(np.asarray(places_A, dtype=float)) @ stretch
    volume = abs(float(np.linalg.det(lattice)))
    width = np.sqrt(np.pi) / volume ** (1 / 3)
    fractions = places @ np.linalg.inv(lattice)
    places = (fractions - np.round(fractions)) @ lattice
    found = np.array([_near(lattice, place, width) for place in places])
    found += _far(lattice, places, width, volume) - np.pi / (volume * width**2)
    scale = COULOMB_EV_A / float(np.sqrt(np.linalg.det(tensor)))
    return np.asarray(scale * found, dtype=float)


def _near(lattice: Array, place: Array, width: float) -> float:
    """Return the part of Ewald's sum in real space, without the charge's own at its own place."""
    distances = np.linalg.norm(_points(lattice, _REACH / width) + place, axis=1)
    here = distances < 1e-9  # noqa: PLR2004 - Å, no atom is as near to another
    rest = distances[~here]
    own = -2 * width / np.sqrt(np.pi) if here.any() else 0.0
    return float(np.sum(erfc(width * rest) / rest) + own)


def _far(lattice: Array, places: Array, width: float, volume: float) -> Array:
    """Return the part of Ewald's sum in reciprocal space."""
    waves = _points(2 * np.pi * np.linalg.inv(lattice).T, 2 * width * _REACH)
    squares = (waves**2).sum(axis=1)
    waves, squares = waves[squares > 0], squares[squares > 0]
    weights = 4 * np.pi / volume * np.exp(-squares / (4 * width**2)) / squares
    return np.asarray(np.cos(places @ waves.T) @ weights, dtype=float)


def _points(lattice: ArrayLike, reach: float) -> Array:
    """Return all lattice points as far from anywhere in the cell around the origin as `reach`."""
    lattice = np.asarray(lattice, dtype=float)
    heights = 1 / np.linalg.norm(np.linalg.inv(lattice), axis=0)
    counts = np.ceil(reach / heights + 0.5).astype(int)
    axes = np.meshgrid(*(np.arange(-n, n + 1) for n in counts), indexing="ij")
    found: Array = np.stack(axes, axis=-1).reshape(-1, _AXES) @ lattice
    return found


def point_charge_correction_eV(lattice_A: ArrayLike, dielectric: ArrayLike, charge: int) -> float:
    """Return minus the energy of a point charge with its images and the background; positive.

    In a cube of edge L it is α q²/(2 ε L) with α = 2.837297: the first term of G. Makov and M. C.
    Payne, Phys. Rev. B 51, 4014 (1995).

    Examples
    --------
    >>> round(point_charge_correction_eV([[10, 0, 0], [0, 10, 0], [0, 0, 10]], 10.0, 2), 5)
    0.81712
    """
    return float(-(charge**2) / 2 * lattice_potential_V(lattice_A, dielectric)[0])


def site_potential_correction(
    lattice_A: ArrayLike,
    dielectric: ArrayLike,
    charge: int,
    places_A: ArrayLike,
    shifts_V: Sequence[float],
) -> ChargeCorrection:
    """Return the correction of Kumagai and Oba, from the potentials at the atoms.

    Parameters
    ----------
    places_A
        Cartesian places of the atoms that the cells with and without the defect share, relative to
        the defect, shape (n, 3).
    shifts_V
        Potential at each of them in the charged cell minus that in the pristine one.

    Raises
    ------
    StructureError
        If no atom lies outside the sphere that touches the Wigner-Seitz cell of the defect.
    """
    places = np.atleast_2d(np.asarray(places_A, dtype=float))
    lattice = np.asarray(lattice_A, dtype=float)
    distances = nearest_distances_A(lattice, places)
    reach = _inner_radius_A(lattice)
    far = distances > reach
    if not far.any():
        message = (
            f"charge correction: none of {len(places)} atoms is farther than {reach:.2f} Å from "
            "the defect, where its potential is that of a point charge; take a larger supercell"
        )
        raise StructureError(message)
    model = charge * lattice_potential_V(lattice, dielectric, places[far])
    rest = np.asarray(shifts_V, dtype=float)[far] - model
    return ChargeCorrection(
        point_charge_eV=point_charge_correction_eV(lattice, dielectric, charge),
        alignment_eV=float(-charge * rest.mean()),
        far_sites=int(far.sum()),
        spread_V=float(rest.std()),
    )


def nearest_distances_A(lattice: Array, places_A: Array) -> Array:
    """Return the distance of each place from the nearest lattice point."""
    inverse = np.linalg.inv(lattice)
    images = _points(lattice, 0.0)
    fractions = places_A @ inverse
    wrapped = (fractions - np.round(fractions)) @ lattice
    return np.asarray(
        np.linalg.norm(wrapped[:, None] + images[None], axis=2).min(axis=1), dtype=float
    )


def _inner_radius_A(lattice: Array) -> float:
    """Return the radius of the sphere that touches the Wigner-Seitz cell."""
    points = np.linalg.norm(_points(lattice, float(np.linalg.norm(lattice, axis=1).min())), axis=1)
    return float(points[points > 1e-9].min() / 2)  # noqa: PLR2004 - all but the origin
