"""Crystals and their defects: hosts, supercells, insertion sites, hops and symmetry.

Nothing here knows energies. Input structures are never mutated. Importing this package is cheap:
pymatgen, spglib and scipy are imported by the functions that need them.
"""

from __future__ import annotations

from defectflow.structures import hosts
from defectflow.structures.cells import Cell, Change
from defectflow.structures.coordination import coordination
from defectflow.structures.hops import Hop, distinct_hops
from defectflow.structures.hosts import Host
from defectflow.structures.lattices import nearest_image_distance_A
from defectflow.structures.orbits import orbit
from defectflow.structures.points import antisites, interstitials, substitutions, vacancies
from defectflow.structures.sites import InsertionSite, insertion_sites
from defectflow.structures.supercells import supercell_matrix
from defectflow.structures.symmetry import (
    SymmetryMap,
    apply,
    apply_vectors,
    mapping,
    operations,
    primitive,
    primitive_cells,
    reversing_maps,
    symmetry_maps,
)

__all__ = [
    "Cell",
    "Change",
    "Hop",
    "Host",
    "InsertionSite",
    "SymmetryMap",
    "antisites",
    "apply",
    "apply_vectors",
    "coordination",
    "distinct_hops",
    "hosts",
    "insertion_sites",
    "interstitials",
    "mapping",
    "nearest_image_distance_A",
    "operations",
    "orbit",
    "primitive",
    "primitive_cells",
    "reversing_maps",
    "substitutions",
    "supercell_matrix",
    "symmetry_maps",
    "vacancies",
]
