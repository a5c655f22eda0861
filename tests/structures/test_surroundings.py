"""Where a cell is not like its perfect crystal, and whether it has become one."""

from __future__ import annotations

import numpy as np
import pytest
from pymatgen.core import Lattice

from defectflow.errors import StructureError
from defectflow.recipes.kinds.lines import Dislocation
from defectflow.structures import hosts
from defectflow.structures.boundary_planes import BoundaryChoice
from defectflow.structures.grain_boundaries import BoundaryScan, grain_boundaries
from defectflow.structures.planar import planar_cells
from defectflow.structures.stacking_faults import named_faults
from defectflow.structures.surroundings import (
    distances_from_defect_A,
    left_of_defect,
    strange_atoms,
)

COPPER = hosts.load("fcc-Cu").structure


@pytest.fixture(scope="module")
def edge():
    (cell,) = Dislocation(burgers=(0.5, -0.5, 0), line=(1, 1, -2)).cells(COPPER)
    return cell


@pytest.mark.parametrize(("fault", "number"), [("intrinsic", 2), ("extrinsic", 2)])
def test_strange_atoms_of_faults_are_near_the_planes_stacked_as_in_hcp(
    fault, number, close_packed_labels
):
    copper = hosts.load("fcc-Cu").structure
    (cell,) = named_faults(copper, fault, 30.0)
    strange = strange_atoms(cell.structure, copper)
    labels = close_packed_labels(cell.structure, 2.556)
    order = np.argsort(cell.structure.cart_coords[:, 2], kind="stable")
    odd = {int(order[k]) for k, label in enumerate(labels) if label == "h"}
    assert len(odd) == number
    assert odd <= set(strange.tolist())
    assert len(strange) == {"intrinsic": 4, "extrinsic": 5}[fault]  # and the planes beside
    assert not len(strange_atoms(cell.pristine, copper))


def test_strange_atoms_of_a_boundary_lie_at_the_boundaries():
    for host in ("rocksalt-MgO", "rutile-TiO2"):
        crystal = hosts.load(host).structure
        choice, scan = BoundaryChoice((0, 0, 1), 5, (3, 1, 0)), BoundaryScan((1, 1), 14.0)
        made = next(grain_boundaries(crystal, choice, scan)).structure
        c = made.lattice.matrix[2, 2]
        away = np.abs((made.cart_coords[:, 2] % (c / 2)) - c / 4)  # 0 at a boundary
        strange = strange_atoms(made, crystal)
        assert 0 < len(strange) < len(made)
        assert away[strange].max() < 5.0
        assert set(np.flatnonzero(away < 1.0)) <= set(strange.tolist())


def test_a_dislocation_is_at_its_cores(edge):
    """Distances from the lines are measured here in the plane across them, with all images."""
    away_A = distances_from_defect_A(edge.structure.cart_coords, edge.structure, COPPER)
    a, b = edge.structure.lattice.matrix[:2, :2]
    images = np.array([i * a + j * b for i in (-1, 0, 1) for j in (-1, 0, 1)])
    places = edge.structure.cart_coords[:, :2]
    gaps = places[:, None, None] - np.array(edge.line.cores_A)[None, :, None] + images
    from_line_A = np.linalg.norm(gaps, axis=-1).min(axis=(1, 2))
    assert from_line_A[away_A < 1e-6].max() < 5.0
    assert from_line_A[away_A < 1e-6].mean() < from_line_A.mean() - 1.0
    assert away_A[np.argmax(from_line_A)] > 2.0
    assert 0.05 < np.mean(away_A < 1e-6) < 0.3


def test_a_fault_is_where_neighbours_are_strange():
    """First neighbours are as in the crystal, hence those beyond decide."""
    (fault,) = planar_cells("stacking_fault", COPPER, fault="intrinsic")
    away_A = distances_from_defect_A(fault.structure.cart_coords, fault.structure, COPPER)
    strange = strange_atoms(fault.structure, COPPER)
    assert np.flatnonzero(away_A < 1e-6).tolist() == strange.tolist()
    heights = fault.structure.cart_coords[:, 2]
    assert away_A.max() < np.ptp(heights) / 2
    with pytest.raises(StructureError, match="all atoms are surrounded as in the crystal"):
        distances_from_defect_A(COPPER.cart_coords, COPPER, COPPER)


@pytest.mark.parametrize("stretch", [0.98, 1.0, 1.03])
def test_a_pair_that_annihilated_is_noticed(edge, stretch):
    """Also where the engine has another lattice constant than the cell was built with."""
    crystal, same = edge.pristine.copy(), edge.structure.copy()
    for one in (crystal, same):
        one.scale_lattice(one.volume * stretch**3)
    assert left_of_defect(edge.structure, crystal, COPPER) == "nothing"
    assert left_of_defect(edge.structure, same, COPPER) == "defect"
    assert left_of_defect(edge.pristine, crystal, COPPER) == "defect"


def test_lines_that_left_faults_are_noticed(edge):
    """Planes stacked otherwise, each whole: what partial dislocations leave when they meet."""
    (fault,) = planar_cells("stacking_fault", COPPER, fault="intrinsic")
    assert left_of_defect(edge.structure, fault.structure, COPPER) == "faults"
    assert left_of_defect(fault.structure, fault.structure, COPPER) == "defect"
    assert left_of_defect(fault.structure, COPPER, COPPER) == "nothing"
    sheared = COPPER.copy()
    sheared.lattice = Lattice(COPPER.lattice.matrix @ [[1, 0, 0.1], [0, 1, 0], [0, 0, 1]])
    assert left_of_defect(edge.structure, sheared, COPPER) == "faults"
    assert left_of_defect(sheared, sheared, COPPER) == "defect"
