"""Ions and molecules that enter the galleries of a layered host, and the ways they may point."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from defectflow.errors import StructureError, did_you_mean
from defectflow.structures.contacts import nearest_allowed_A

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Two orientations whose atoms are within this distance (Å) are one.
SAME_A: Final = 0.1
#: Bond lengths (Å) and angles (degrees) of ions that no table of molecules has: rounded starting
#: values, which every engine relaxes.
_PYRAMID: Final = (0.98, 111.0)
_MG_CL_A: Final = 2.2
_O_H_A: Final = 0.97


@dataclass(frozen=True, eq=False)
class Guest:
    """An ion or a molecule.

    Attributes
    ----------
    name
        Formula, e.g. ``H2O``.
    species
        Element of each atom.
    places_A
        Cartesian coordinates (n, 3).
    """

    name: str
    species: tuple[str, ...]
    places_A: np.ndarray

    @property
    def single(self) -> bool:
        """Whether it is one atom."""
        return len(self.species) == 1


def guest(source: str | Path) -> Guest:
    """Return the guest of that name, or of that file of a molecule (XYZ and the like).

    Names are an element, ``H3O``, ``MgCl``, ``OH``, ``NH4``, or a molecule of the G2 set such as
    ``H2O``, ``NH3``, ``CH3OH``, ``C6H6`` (L. A. Curtiss et al., J. Chem. Phys. 106, 1063 (1997)).
    Charges are not given: in a neutral cell the host takes up the electrons that an ion lacks.

    Raises
    ------
    StructureError
        If there is no such guest, or the file cannot be read.

    Examples
    --------
    >>> [len(guest(name).species) for name in ("Mg", "H2O", "H3O", "MgCl")]
    [1, 3, 4, 2]
    """
    from pymatgen.core.periodic_table import Element

    name = str(source)
    if name in _ions():
        return _ions()[name]
    if isinstance(source, str) and Element.is_valid_symbol(name):
        return Guest(name, (name,), np.zeros((1, 3)))
    path = Path(source)
    if path.is_file():
        return _from_file(path)
    from ase.data.g2 import data

    table: Mapping[str, Any] = data
    if name in table:
        return _from_table(name, table[name])
    if path.suffix:
        message = f"guest {source}: no such file; check the path (relative to {Path.cwd()})"
        raise StructureError(message)
    near = did_you_mean(name, [*_ions(), *table])
    hint = near if near.startswith("did") else "e.g. Li, H2O, H3O, MgCl, NH3, CH3OH"
    message = f"guest {name!r}: neither an element, a molecule that is known, nor a file; {hint}"
    raise StructureError(message)


def orientations(
    one: Guest, normal: np.ndarray, along: np.ndarray, azimuth_deg: float
) -> list[np.ndarray]:
    """Return the distinct orientations of a guest between two layers: places (n, 3) about a centre.

    Each principal axis points up, down or along the layers, turned about the normal in steps of
    `azimuth_deg` from `along`. The centre is half-way up what the guest needs of a gallery, so that
    it touches both layers alike, and the mean of its atoms in the plane.
    """
    if one.single:
        return [np.zeros((1, 3))]
    upright = np.array([along, np.cross(normal, along), normal])
    body = _principal(one)
    found: list[np.ndarray] = []
    for turn, axes in itertools.product(_steps(azimuth_deg), _octahedral()):
        # Rows are atoms: into the frame of axes, turned, then into the frame of the layers.
        places = body @ axes.T @ _about_z(turn).T @ upright
        places -= np.outer(np.ones(len(places)), _middle(places, one.species, normal))
        if not any(_same(places, other, one.species) for other in found):
            found.append(places)
    return found


def distinct_under(
    found: Sequence[np.ndarray], species: Sequence[str], rotations: np.ndarray
) -> list[np.ndarray]:
    """Return one orientation of each set that the Cartesian `rotations` (m, 3, 3) connect."""
    kept: list[np.ndarray] = []
    for places in found:
        turned = [places @ rotation.T for rotation in rotations]
        if not any(_same(image, other, species) for other in kept for image in turned):
            kept.append(places)
    return kept


def keeping(places: np.ndarray, species: Sequence[str], rotations: np.ndarray) -> np.ndarray:
    """Return which of the Cartesian `rotations` leave an orientation as it is, (m,) booleans."""
    return np.array([_same(places @ rotation.T, places, species) for rotation in rotations])


def _same(first: np.ndarray, second: np.ndarray, species: Sequence[str]) -> bool:
    """Tell whether two sets of atoms coincide, elements included."""
    distances = np.linalg.norm(first[:, None, :] - second[None, :, :], axis=-1)
    other = np.array(species)[:, None] != np.array(species)[None, :]
    distances[other] = np.inf
    return bool(np.all(distances.min(axis=0) < SAME_A) and np.all(distances.min(axis=1) < SAME_A))


def _principal(one: Guest) -> np.ndarray:
    """Return the atoms about their mean, in a frame that the molecule itself defines.

    First the axis along which the atoms spread as along no other (or, where there is none, towards
    the first atom off the centre), then the first atom off that axis.
    """
    centred = one.places_A - one.places_A.mean(axis=0)
    spreads, axes = np.linalg.eigh(centred.T @ centred)
    single = [
        k
        for k in range(3)
        if all(abs(spreads[k] - spreads[j]) > SAME_A for j in range(3) if j != k)
    ]
    first = axes[:, single[0]] if single else _first_of(centred)
    off = centred - np.outer(centred @ first, first)
    second = _first_of(off) if np.linalg.norm(off) > SAME_A else _perpendicular(first)
    body: np.ndarray = centred @ np.array([first, second, np.cross(first, second)]).T
    return body


def _first_of(vectors: np.ndarray) -> np.ndarray:
    """Return the direction of the first vector that has one."""
    longest = np.linalg.norm(vectors, axis=1)
    chosen = vectors[np.flatnonzero(longest > SAME_A)[0]]
    direction: np.ndarray = chosen / np.linalg.norm(chosen)
    return direction


def _perpendicular(axis: np.ndarray) -> np.ndarray:
    unit = np.eye(3)[int(np.argmin(np.abs(axis)))]
    return _first_of((unit - (unit @ axis) * axis)[None, :])


def _middle(places: np.ndarray, species: Sequence[str], normal: np.ndarray) -> np.ndarray:
    """Return the vector along the normal to the middle of the height that the atoms need."""
    heights = places @ normal
    sizes = np.array([nearest_allowed_A(symbol, "O") for symbol in species])
    middle: np.ndarray = ((heights + sizes).max() + (heights - sizes).min()) / 2 * normal
    return middle


def _octahedral() -> list[np.ndarray]:
    """Return the 24 proper rotations of a cube."""
    found = []
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1, -1), repeat=3):
            matrix = np.zeros((3, 3))
            matrix[range(3), order] = signs
            if np.linalg.det(matrix) > 0:
                found.append(matrix)
    return found


def _steps(azimuth_deg: float) -> np.ndarray:
    """Return the turns (radians) below a quarter turn; the cube's rotations do the rest."""
    if not 0 < azimuth_deg <= 90:  # noqa: PLR2004 - a quarter turn
        message = f"azimuth {azimuth_deg:g}°: give a step of more than 0 and at most 90 degrees"
        raise StructureError(message)
    steps: np.ndarray = np.radians(np.arange(0.0, 90.0 - 1e-6, azimuth_deg))
    return steps


def _about_z(angle: float) -> np.ndarray:
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])


def _ions() -> dict[str, Guest]:
    """Return the ions that are built here."""
    return {
        "OH": Guest("OH", ("O", "H"), np.array([[0.0, 0.0, 0.0], [0.0, 0.0, _O_H_A]])),
        "H3O": Guest("H3O", ("O", "H", "H", "H"), _pyramid(*_PYRAMID)),
        "MgCl": Guest("MgCl", ("Mg", "Cl"), np.array([[0.0, 0.0, 0.0], [0.0, 0.0, _MG_CL_A]])),
        "NH4": Guest("NH4", ("N", "H", "H", "H", "H"), _tetrahedron(1.03)),
    }


def _pyramid(bond_A: float, angle_deg: float) -> np.ndarray:
    """Return an atom with three equal bonds at equal angles to each other."""
    tilt = np.arcsin(2 / np.sqrt(3) * np.sin(np.radians(angle_deg) / 2))
    turns = 2 * np.pi / 3 * np.arange(3)
    down = np.full(3, np.cos(tilt))
    bonds = np.stack([np.sin(tilt) * np.cos(turns), np.sin(tilt) * np.sin(turns), -down], axis=1)
    return np.vstack([np.zeros(3), bond_A * bonds])


def _tetrahedron(bond_A: float) -> np.ndarray:
    corners = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3)
    atoms: np.ndarray = np.vstack([np.zeros(3), bond_A * corners])
    return atoms


def _from_table(name: str, entry: Mapping[str, Any]) -> Guest:
    from pymatgen.core.composition import Composition

    species = _spelled(str(entry["symbols"]))
    if len(species) != Composition(str(entry["symbols"])).num_atoms:
        message = f"guest {name}: cannot be built from the table of molecules; give a file"
        raise StructureError(message)
    return Guest(name, species, np.asarray(entry["positions"], dtype=float))


def _spelled(symbols: str) -> tuple[str, ...]:
    """Return the elements of a formula in order, e.g. ``OH2`` as O, H, H."""
    species: list[str] = []
    for symbol, count in re.findall(r"([A-Z][a-z]?)(\d*)", symbols):
        species += [symbol] * int(count or 1)
    return tuple(species)


def _from_file(path: Path) -> Guest:
    from pymatgen.core.structure import Molecule

    try:
        molecule = Molecule.from_file(str(path))
    except Exception as error:  # any parser may fail in its own way
        reason = " ".join(str(error).split()) or type(error).__name__
        message = f"guest {path}: cannot be read ({reason[:120]}); give a molecule as XYZ"
        raise StructureError(message) from error
    species = tuple(site.specie.symbol for site in molecule)
    return Guest(path.stem, species, np.asarray(molecule.cart_coords))
