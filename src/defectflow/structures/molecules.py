"""Gas molecules in a box, and the standard states of the elements.

Bond lengths are measured ones (K. P. Huber, G. Herzberg, Constants of Diatomic Molecules, 1979; G.
Herzberg, Electronic Spectra of Polyatomic Molecules, 1966); they are starting values, every engine
relaxes its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from defectflow.errors import StructureError, did_you_mean

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

#: Edges of the box. They differ, so that no level is degenerate by the shape of the box alone.
_BOX_A: Final = (10.0, 10.3, 10.6)


@dataclass(frozen=True)
class Molecule:
    """A gas molecule.

    Attributes
    ----------
    places_A
        Cartesian coordinates, Å.
    moments_muB
        Starting magnetic moments, one per atom.
    symmetry_number
        Rotations that map it onto itself.
    """

    name: str
    species: tuple[str, ...]
    places_A: tuple[tuple[float, float, float], ...]
    moments_muB: tuple[float, ...]
    symmetry_number: int = 1

    @property
    def magnetic(self) -> bool:
        """Whether the ground state has unpaired electrons."""
        return any(self.moments_muB)

    def boxed(self) -> Structure:
        """Return the molecule in a box of at least 10 Å, with its centre in the middle."""
        import numpy as np
        from pymatgen.core.lattice import Lattice
        from pymatgen.core.structure import Structure

        places = np.array(self.places_A)
        centred = places - places.mean(axis=0) + np.array(_BOX_A) / 2
        lattice = Lattice.orthorhombic(*_BOX_A)
        return Structure(lattice, self.species, centred, coords_are_cartesian=True)


def _diatomic(symbol: str, bond_A: float, moment_muB: float = 0.0) -> Molecule:
    places = ((0.0, 0.0, 0.0), (0.0, 0.0, bond_A))
    return Molecule(f"{symbol}2", (symbol, symbol), places, (moment_muB, moment_muB), 2)


def _closed_shell(
    name: str,
    species: tuple[str, ...],
    places: tuple[tuple[float, float, float], ...],
    symmetry_number: int = 1,
) -> Molecule:
    return Molecule(name, species, places, (0.0,) * len(species), symmetry_number)


_MOLECULES: Final = {
    molecule.name: molecule
    for molecule in (
        _diatomic("H", 0.741),
        _diatomic("N", 1.098),
        _diatomic("O", 1.208, 1.0),
        _diatomic("F", 1.412),
        _diatomic("Cl", 1.988),
        _closed_shell("CO", ("C", "O"), ((0.0, 0.0, 0.0), (0.0, 0.0, 1.128))),
        _closed_shell(
            "CO2", ("C", "O", "O"), ((0.0, 0.0, 0.0), (0.0, 0.0, 1.160), (0.0, 0.0, -1.160)), 2
        ),
        _closed_shell(
            "H2O", ("O", "H", "H"), ((0.0, 0.0, 0.0), (0.757, 0.0, 0.586), (-0.757, 0.0, 0.586)), 2
        ),
    )
}

#: Standard state of an element: a molecule, or the prototype of its crystal.
STANDARD_STATES: Final = {
    **{one.species[0]: name for name, one in _MOLECULES.items() if len(set(one.species)) == 1},
    "Ag": "fcc-Ag",
    "Al": "fcc-Al",
    "Au": "fcc-Au",
    "C": "graphene",
    "Cu": "fcc-Cu",
    "Fe": "bcc-Fe",
    "Ir": "fcc-Ir",
    "K": "bcc-K",
    "Li": "bcc-Li",
    "Mg": "hcp-Mg",
    "Na": "bcc-Na",
    "Ni": "fcc-Ni",
    "Pd": "fcc-Pd",
    "Pt": "fcc-Pt",
    "Ti": "hcp-Ti",
}


def molecule(name: str) -> Molecule:
    """Return the gas molecule of that formula.

    Raises
    ------
    StructureError
        If it is not known.

    Examples
    --------
    >>> molecule("O2").magnetic, len(molecule("H2").boxed())
    (True, 2)
    """
    if name not in _MOLECULES:
        message = f"molecule {name!r} is not known; {did_you_mean(name, _MOLECULES)}"
        raise StructureError(message)
    return _MOLECULES[name]


def molecules() -> tuple[str, ...]:
    """Return the formulae of all gas molecules that are known."""
    return tuple(_MOLECULES)
