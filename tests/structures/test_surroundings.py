"""Atoms that are not surrounded as in the crystal, against labels and places."""

from __future__ import annotations

import numpy as np
import pytest

from defectflow.structures import hosts
from defectflow.structures.boundary_planes import BoundaryChoice
from defectflow.structures.grain_boundaries import BoundaryScan, grain_boundaries
from defectflow.structures.stacking_faults import named_faults
from defectflow.structures.surroundings import strange_atoms


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
