"""Primitive cells that the symmetry keeps, judged by spglib's count of irreducible k-points."""

import numpy as np
import pytest
import spglib
from pymatgen.core import Lattice, Structure

from defectflow.engines.electrons import kpoint_mesh
from defectflow.errors import StructureError
from defectflow.structures import hosts
from defectflow.structures.standard_cells import symmetric_primitive
from defectflow.structures.symmetry import operations, primitive

#: One or more of each centring; body-centred lattices with unequal axes keep short vectors.
HOSTS = [
    "fcc-Cu",
    "bcc-Fe",
    "hcp-Mg",
    "rocksalt-MgO",
    "zincblende-ZnSe",
    "spinel-Ti2S4",
    "O3-LiCoO2",
    "delta-V2O5",
    "bronze-TiO2",
    "black-P",
    "alpha-V2O5",
    "rutile-TiO2",
]


def as_cell(structure):
    places = structure.frac_coords.tolist()
    return structure.lattice.matrix.tolist(), places, list(structure.atomic_numbers)


def irreducible(structure, mesh):
    return len(np.unique(spglib.get_ir_reciprocal_mesh(mesh, as_cell(structure))[0]))


@pytest.mark.parametrize("name", HOSTS)
def test_every_operation_keeps_the_mesh(name):
    """k = n / N goes to W^-T k, which has to be a point of the mesh again."""
    cell = symmetric_primitive(hosts.load(name).structure)
    mesh = np.array(kpoint_mesh(cell, 0.17), dtype=float)
    for rotation in operations(cell)[0]:
        steps = np.diag(mesh) @ np.linalg.inv(rotation).T @ np.diag(1 / mesh)
        assert steps == pytest.approx(np.round(steps), abs=1e-6)


@pytest.mark.parametrize("name", [*HOSTS, "anatase-TiO2"])
def test_it_is_the_same_crystal_in_the_same_frame(name):
    whole = hosts.load(name).structure
    cell = symmetric_primitive(whole)
    assert len(cell) == len(primitive(whole))
    assert cell.volume / len(cell) == pytest.approx(whole.volume / len(whole))
    assert np.linalg.det(cell.lattice.matrix) > 0
    for site in cell:
        places = whole.lattice.get_fractional_coords(site.coords)
        here = [one for one in whole if one.specie == site.specie]
        gaps = whole.lattice.get_all_distances(places, [one.frac_coords for one in here])
        assert gaps.min() < 1e-4


def test_a_metal_needs_a_fraction_of_the_points():
    copper = hosts.load("fcc-Cu").structure
    short, symmetric = primitive(copper), symmetric_primitive(copper)
    before = irreducible(short, kpoint_mesh(short, 0.14))
    after = irreducible(symmetric, kpoint_mesh(symmetric, 0.14))
    assert after * 8 < before


def test_an_antiferromagnet_keeps_its_cell():
    """Rocksalt with two formula units stacked along [111], spins of the planes in turn."""
    cell = Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(4.18), ["Ni", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]]
    )
    nickel = np.array([site.specie.symbol == "Ni" for site in cell])
    cell.add_site_property("magmom", (2.0 * nickel).tolist())
    assert len(symmetric_primitive(cell)) == 2
    signs = np.where(np.abs(cell.frac_coords[:, 2] % 1.0) < 0.1, 1, -1)
    cell.add_site_property("magmom", (2.0 * nickel * signs).tolist())
    with pytest.raises(StructureError, match="atoms with moments 2 and -2 become one"):
        symmetric_primitive(cell)
