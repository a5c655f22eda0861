"""Small crystals that every engine of the tests knows."""

from __future__ import annotations

import numpy as np
import pytest
from pymatgen.core.lattice import Lattice
from pymatgen.core.structure import Structure


@pytest.fixture
def copper() -> Structure:
    """Conventional fcc copper, stretched by 2 % and with its atoms off their sites."""
    sites = [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
    structure = Structure(Lattice.cubic(3.70), ["Cu"] * 4, sites)
    moves = np.random.default_rng(7).normal(scale=0.06, size=(4, 3))
    coords = structure.cart_coords + moves
    return Structure(structure.lattice, structure.species, coords, coords_are_cartesian=True)


@pytest.fixture
def oxide() -> Structure:
    """Primitive rocksalt MgO."""
    lattice = Lattice([[0, 2.125, 2.125], [2.125, 0, 2.125], [2.125, 2.125, 0]])
    return Structure(lattice, ["Mg", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])
