"""Sizes of jobs beside counting by brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from defectflow.engines import engine
from defectflow.engines.request import Request
from defectflow.launch.sizes import Size, irreducible, size_of_input, size_of_request

HCP = Structure(
    Lattice.hexagonal(3.2, 5.2), ["Mg", "Mg"], [[1 / 3, 2 / 3, 0.25], [2 / 3, 1 / 3, 0.75]]
)
FCC = Structure(
    Lattice.cubic(4.05), ["Al"] * 4, [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
)
LOW = Structure(
    Lattice.from_parameters(3, 4, 5, 80, 95, 103), ["O", "H"], [[0, 0, 0], [0.2, 0.1, 0.3]]
)


def cell(structure):
    return structure.lattice.matrix, structure.frac_coords, [s.specie.Z for s in structure]


@pytest.mark.parametrize("structure", [HCP, FCC, LOW], ids=["hcp", "fcc", "triclinic"])
@pytest.mark.parametrize("mesh", [(4, 4, 3), (5, 5, 5), (1, 2, 1)])
def test_kpoints_that_differ_are_the_orbits_of_the_point_group(structure, mesh):
    """Points are mapped by the rotations and by time reversal, and joined."""
    analyzer = SpacegroupAnalyzer(structure, symprec=1e-3)
    rotations = [
        np.round(op.rotation_matrix).astype(int) for op in analyzer.get_symmetry_operations()
    ]
    points = list(itertools.product(*(range(n) for n in mesh)))
    left, orbits = set(points), 0
    while left:
        start = left.pop()
        orbits += 1
        for rotation in rotations:
            for sign in (1, -1):
                # Reciprocal coordinates go with the inverse transpose; the group has both.
                image = sign * np.array(start) / mesh @ rotation * mesh
                rounded = np.round(image)
                if np.allclose(image, rounded, atol=1e-6):
                    left.discard(tuple(int(n) % m for n, m in zip(rounded, mesh, strict=True)))
    assert irreducible(cell(structure), mesh) == orbits


def test_plane_waves_are_those_inside_the_sphere():
    cutoff_eV = 400.0
    reciprocal = FCC.lattice.reciprocal_lattice.matrix
    steps = np.arange(-12, 13)
    waves = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(-1, 3) @ reciprocal
    energies_eV = 3.809982 * (waves**2).sum(axis=1)  # ħ²/2m in eV Å²
    counted = int((energies_eV < cutoff_eV).sum())
    inputs = {"kpoints": [1, 1, 1], "cutoff_eV": cutoff_eV, "valence_electrons": 12}
    assert size_of_input(cell(FCC), inputs).plane_waves == pytest.approx(counted, rel=0.05)


def test_sizes_follow_what_an_engine_is_asked():
    asked = engine("vasp-standin", "fast", spin="on", functional="PBE")
    request = Request(FCC, asked.settings("static"), charge=1)
    size = size_of_request(asked, request, images=3)
    assert (size.atoms, size.electrons, size.spins, size.images) == (4, 4 * 3 - 1, 2, 3)
    assert size.mesh is not None
    assert size.kpoints < np.prod(size.mesh)
    potential = size_of_request(engine("emt"), Request(FCC, engine("emt").settings("static")))
    assert (potential.atoms, potential.mesh, potential.work) == (4, None, 4.0)


def test_work_grows_as_the_cube_of_a_cell():
    """Twice the cell along one axis with half its k-points: electrons² times plane waves."""
    inputs = {"kpoints": [1, 1, 2], "cutoff_eV": 400.0, "valence_electrons": 12}
    doubled = FCC * (1, 1, 2)
    larger = {"kpoints": [1, 1, 1], "cutoff_eV": 400.0, "valence_electrons": 24}
    one, two = size_of_input(cell(FCC), inputs), size_of_input(cell(doubled), larger)
    per_point = [size.work / size.kpoints for size in (one, two)]
    assert per_point[1] / per_point[0] == pytest.approx(8)


def test_memory_counts_states_of_all_kpoints():
    small = Size(4, electrons=100.0, mesh=(1, 1, 1), kpoints=1, plane_waves=20000.0)
    many = Size(4, electrons=100.0, mesh=(9, 9, 9), kpoints=101, plane_waves=20000.0)
    states_MB = 100 * 64 * 20000 * 16 / 1e6  # 100 more points, 64 bands, complex numbers
    assert many.memory_MB("vasp", 1) - small.memory_MB("vasp", 1) == pytest.approx(states_MB)
    assert small.memory_MB("vasp", 8) > 8 * 100
    assert Size(4, mesh=(1, 1, 1), kpoints=1).memory_MB("espresso", 1) is None
