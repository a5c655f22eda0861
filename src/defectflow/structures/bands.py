"""Bands of images between two structures: made and checked before anything is computed.

A band is a list of `Structure` with one lattice, one order of atoms and coordinates that are
continuous along the path (an atom that crosses the cell face is not wrapped back).
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Composition, Element, Lattice, Structure

from defectflow.errors import StructureError
from defectflow.structures.idpp import idpp_positions

if TYPE_CHECKING:
    from collections.abc import Sequence

Array = NDArray[np.float64]

#: Two atoms nearer than this fraction of the sum of their covalent radii overlap.
OVERLAP = 0.6
#: Images nearer than this (Å, all atoms) are the same image.
SAME_IMAGE_A = 0.02
#: Atoms whose displacements differ by less than this fraction of the longest travel together.
TOGETHER = 0.25
#: End points whose cells differ by twice this much are not two states of one crystal.
LARGEST_STRAIN = 0.03


def check_ends(initial: Structure, final: Structure) -> None:
    """Refuse a pair of end points that cannot be the two ends of one band.

    Raises
    ------
    StructureError
        If the number, the species or the order of atoms differ.
    """
    if len(initial) != len(final):
        message = (
            f"end points differ: the initial structure has {len(initial)} atoms "
            f"({initial.formula}), the final one {len(final)} ({final.formula}); "
            "give two structures with the same atoms"
        )
        raise StructureError(message)
    if initial.composition != final.composition:
        message = (
            f"end points differ: {initial.formula} and {final.formula}; "
            "give two structures with the same atoms"
        )
        raise StructureError(message)
    pairs = zip(initial, final, strict=True)
    wrong = [i for i, (a, b) in enumerate(pairs) if a.species != b.species]
    if wrong:
        a, b = initial[wrong[0]], final[wrong[0]]
        message = (
            f"end points list their atoms in different order: atom {wrong[0] + 1} is "
            f"{a.species_string} in the initial and {b.species_string} in the final structure; "
            "reorder one of them"
        )
        raise StructureError(message)


def common_cell(initial: Structure, final: Structure) -> tuple[Structure, Structure, float]:
    """Put both ends into one cell, the mean of theirs, at unchanged fractional coordinates.

    Some published pairs were relaxed in slightly different cells, and a band has only one.

    Returns
    -------
    tuple
        Both structures, and the largest strain that the change meant (0 for equal cells).

    Raises
    ------
    StructureError
        If the cells differ by more than 3 %: these are not two states of one crystal.
    """
    a, b = initial.lattice.matrix, final.lattice.matrix
    if np.allclose(a, b, atol=1e-6):
        return initial.copy(), final.copy(), 0.0
    mean = (a + b) / 2
    strain = float(np.abs(np.linalg.solve(a, mean) - np.eye(3)).max())
    if strain > LARGEST_STRAIN:
        message = (
            f"end points have cells that differ by {2 * strain:.1%}; "
            "a band needs one cell: relax both in the same one"
        )
        raise StructureError(message)
    lattice = Lattice(mean)
    moved = [
        Structure(lattice, s.species, s.frac_coords, site_properties=s.site_properties)
        for s in (initial, final)
    ]
    return moved[0], moved[1], strain


def unwrapped(initial: Structure, final: Structure) -> Structure:
    """Return `final` with every atom in the periodic image nearest to where it starts."""
    difference = final.frac_coords - initial.frac_coords
    shift = np.round(difference)
    candidates = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    vectors = (difference - shift)[:, None, :] + candidates[None, :, :]
    nearest = np.linalg.norm(vectors @ initial.lattice.matrix, axis=-1).argmin(axis=1)
    coords = initial.frac_coords + vectors[np.arange(len(initial)), nearest]
    return Structure(
        initial.lattice,
        final.species,
        coords,
        to_unit_cell=False,
        site_properties=final.site_properties,
    )


def moving_atom(initial: Structure, final: Structure) -> int:
    """Return the index of the atom that travels farthest between two unwrapped ends."""
    return int(np.linalg.norm(final.cart_coords - initial.cart_coords, axis=1).argmax())


def moving_unit(initial: Structure, final: Structure) -> list[int]:
    """Return the indices of all atoms that travel as `moving_atom` does, that one included.

    One for the hop of an ion; both for MgCl, all for a molecule, between two unwrapped ends.
    """
    travel = final.cart_coords - initial.cart_coords
    longest = travel[moving_atom(initial, final)]
    apart = np.linalg.norm(travel - longest, axis=1)
    return [int(atom) for atom in np.flatnonzero(apart <= TOGETHER * np.linalg.norm(longest))]


def unit_name(structure: Structure, atoms: Sequence[int]) -> str:
    """Return the formula of some atoms of a structure, e.g. ``Mg`` or ``MgCl``."""
    found = Composition(Counter(structure[atom].specie.symbol for atom in atoms))
    return "".join(re.sub(r"(?<=[A-Za-z])1$", "", part) for part in found.formula.split())


def interpolate(
    initial: Structure,
    final: Structure,
    images: int,
    *,
    waypoint: Structure | None = None,
    frozen: Sequence[int] = (),
) -> list[Structure]:
    """Make a band of `images` inner images by IDPP, through a waypoint if one is given.

    Parameters
    ----------
    waypoint
        Structure that the path passes, e.g. with the ion relaxed at an interstitial site between
        the ends; None for the straight line.
    frozen
        Indices of atoms that do not move.

    Returns
    -------
    list of Structure
        ``images + 2`` structures, the ends included and untouched.
    """
    check_ends(initial, final)
    final = unwrapped(initial, final)
    start, end = initial.cart_coords, final.cart_coords
    fixed = np.zeros(len(initial), dtype=bool)
    fixed[list(frozen)] = True
    straight = start + np.linspace(0.0, 1.0, images + 2)[:, None, None] * (end - start)
    if waypoint is None:
        path = idpp_positions(straight, initial.lattice.matrix, fixed)
    else:
        check_ends(initial, waypoint)
        middle = unwrapped(initial, waypoint).cart_coords
        middle = np.where(fixed[:, None], start, middle)
        path = _through(start, middle, end, images, initial.lattice.matrix, fixed)
    if not frozen:
        # a rigid shift of the crystal costs nothing and must not lengthen the path
        path -= (path - straight).mean(axis=1, keepdims=True)
    return band_along(initial, path)


def _through(
    start: Array,
    middle: Array,
    end: Array,
    images: int,
    lattice: Array,
    fixed: NDArray[np.bool_],
) -> Array:
    """Return a path of two legs that has `middle` as one of its inner images."""
    first, second = np.linalg.norm(middle - start), np.linalg.norm(end - middle)
    place = int(np.clip(round((images + 1) * first / (first + second)), 1, images))
    legs = []
    for left, right, steps in ((start, middle, place), (middle, end, images + 1 - place)):
        line = left + np.linspace(0.0, 1.0, steps + 1)[:, None, None] * (right - left)
        legs.append(idpp_positions(line, lattice, fixed) if steps > 1 else line)
    path: Array = np.concatenate([legs[0], legs[1][1:]])
    return path


def waypoint_at(initial: Structure, final: Structure, point: Array) -> Structure:
    """Return a structure half-way between two ends with the moving atom at a point (Å).

    Atoms that travel with it keep their places about it.
    """
    final = unwrapped(initial, final)
    atom, unit = moving_atom(initial, final), moving_unit(initial, final)
    middle = (initial.cart_coords + final.cart_coords) / 2
    middle[unit] += point - middle[atom]
    fixed = np.zeros(len(initial), dtype=bool)
    fixed[unit] = True
    path = np.array([initial.cart_coords, middle, final.cart_coords])
    return band_along(initial, idpp_positions(path, initial.lattice.matrix, fixed))[1]


def perturbed(band: Sequence[Structure], amplitude_A: float, seed: int) -> list[Structure]:
    """Push the moving atom off its path, so that a ridge does not hold it.

    The displacement has one random direction, perpendicular to the straight line, grows from zero
    at the ends to `amplitude_A` half-way, and leaves the rest of the crystal alone: a kick to the
    whole crystal could take the inner images into a distortion that the relaxed ends do not have,
    and the barrier would compare two phases.
    """
    generator = np.random.default_rng(seed)
    atom = moving_atom(band[0], band[-1])
    path = np.array([image.cart_coords for image in band])
    along = path[-1, atom] - path[0, atom]
    along /= np.linalg.norm(along)
    kick = generator.normal(size=3)
    kick -= kick @ along * along
    kick *= amplitude_A / np.linalg.norm(kick)
    path[:, atom] += np.sin(np.pi * np.linspace(0, 1, len(band)))[:, None] * kick
    return band_along(band[0], path)


def band_along(like: Structure, path: Array) -> list[Structure]:
    """Return a band of crystals like this one, its atoms along a path (images, atoms, 3), Å."""
    return [
        Structure(like.lattice, like.species, coords, coords_are_cartesian=True, to_unit_cell=False)
        for coords in path
    ]


def check_band(band: Sequence[Structure], frozen: Sequence[int] = ()) -> None:
    """Refuse a band that would waste a calculation.

    Same atoms in the same order in every image, one cell, frozen atoms at rest, images that
    differ from their neighbours, no atom that jumps across the cell, and no overlapping atoms.

    Raises
    ------
    StructureError
        Naming the image (0 is the initial structure) and the atoms.
    """
    for index, image in enumerate(band[1:], start=1):
        check_ends(band[0], image)
        if not np.allclose(image.lattice.matrix, band[0].lattice.matrix, atol=1e-6):
            message = f"image {index} has another cell than image 0; a band needs one cell"
            raise StructureError(message)
        step = np.linalg.norm(image.cart_coords - band[index - 1].cart_coords, axis=1)
        if np.linalg.norm(step) < SAME_IMAGE_A:
            message = f"images {index - 1} and {index} are the same; the path has no length"
            raise StructureError(message)
        half_cell = min(image.lattice.abc) / 2
        if step.max() > half_cell:
            message = (
                f"atom {int(step.argmax()) + 1} jumps {step.max():.2f} Å between images "
                f"{index - 1} and {index}; unwrap the end points"
            )
            raise StructureError(message)
        moved = [
            i for i in frozen if not np.allclose(image[i].coords, band[0][i].coords, atol=1e-4)
        ]
        if moved:
            message = f"atom {moved[0] + 1} is constrained but moves in image {index}"
            raise StructureError(message)
    for index, image in enumerate(band):
        _check_overlap(image, index)


def _check_overlap(image: Structure, index: int) -> None:
    from ase.data import covalent_radii

    radii = np.array([covalent_radii[Element(s.symbol).Z] for s in image.species])
    distances = image.distance_matrix / (radii[:, None] + radii[None, :])
    np.fill_diagonal(distances, np.inf)
    i, j = np.unravel_index(distances.argmin(), distances.shape)
    if distances[i, j] < OVERLAP:
        message = (
            f"atoms {i + 1} ({image[i].species_string}) and {j + 1} ({image[j].species_string}) "
            f"of image {index} overlap: {image.distance_matrix[i, j]:.2f} Å apart; "
            "choose another path or more images"
        )
        raise StructureError(message)
