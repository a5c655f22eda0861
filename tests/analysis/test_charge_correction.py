"""Corrections of charged cells against other codes' Madelung constants and a solvable model."""

from __future__ import annotations

import numpy as np
import pytest
from pymatgen.analysis.ewald import EwaldSummation
from pymatgen.core import Lattice, Structure

from defectflow.analysis.charge_correction import (
    COULOMB_EV_A,
    dielectric_tensor,
    lattice_potential_V,
    point_charge_correction_eV,
    site_potential_correction,
)
from defectflow.errors import RecipeError, StructureError

TRICLINIC = Lattice.from_parameters(7, 9, 11, 80, 95, 105)


@pytest.mark.parametrize(
    ("lattice", "madelung"),
    [
        (np.eye(3), 2.837297479),
        ((np.ones((3, 3)) - 2 * np.eye(3)) / 2, 3.639233),
        ((np.ones((3, 3)) - np.eye(3)) / 2, 4.584862),
    ],
    ids=["cubic", "bcc", "fcc"],
)
def test_the_first_term_of_makov_and_payne(lattice, madelung):
    """Madelung constants of the cubic Wigner lattices, by the edge of the conventional cube."""
    length_A, dielectric, charge = 8.0, 10.0, -2
    found = point_charge_correction_eV(lattice * length_A, dielectric, charge)
    expected = madelung * charge**2 * COULOMB_EV_A / (2 * dielectric * length_A)
    assert found == pytest.approx(expected, abs=1e-6)


def test_the_energy_is_that_of_pymatgens_ewald_sum_in_a_triclinic_cell():
    other = EwaldSummation(Structure(TRICLINIC, ["Mg2+"], [[0, 0, 0]])).total_energy
    assert point_charge_correction_eV(TRICLINIC.matrix, 1.0, 2) == pytest.approx(-other, abs=1e-4)


def gaussian_on_a_grid(lattice, dielectric, width_A, points=48):
    """Return potential (V) of a unit Gaussian at the origin, and its energy, by a plain FFT.

    Its width is measured in the metric of the dielectric tensor.
    """
    numbers = np.fft.fftfreq(points, 1 / points)
    mesh = np.stack(np.meshgrid(numbers, numbers, numbers, indexing="ij"), axis=-1)
    waves = mesh @ (2 * np.pi * np.linalg.inv(lattice).T)
    squares = np.einsum("...i,ij,...j", waves, dielectric, waves)
    squares[0, 0, 0] = np.inf
    volume = abs(np.linalg.det(lattice))
    weights = 4 * np.pi * COULOMB_EV_A / volume * np.exp(-squares * width_A**2 / 2) / squares
    shape = np.exp(-np.where(np.isinf(squares), 0, squares) * width_A**2 / 2)
    potential = np.fft.fftn(weights).real
    return potential, float((weights * shape).sum() / 2)


def test_an_anisotropic_medium_against_a_fourier_sum_on_a_grid():
    lattice = np.diag([8.0, 9.0, 12.0])
    tensor = np.array([[5.0, 1.0, 0.5], [1.0, 8.0, 0.2], [0.5, 0.2, 12.0]])
    width_A = 0.25
    potential, _ = gaussian_on_a_grid(lattice, tensor, width_A)
    volume = np.linalg.det(lattice)
    # A Gaussian has a lower mean near itself than a point; both means over the cell are zero.
    shift = 2 * np.pi * width_A**2 * COULOMB_EV_A / volume
    for numbers in [(24, 24, 24), (24, 0, 0), (10, 30, 20), (0, 0, 24)]:
        place = np.array(numbers) / 48 @ lattice
        found = lattice_potential_V(lattice, tensor, [place])[0]
        assert found == pytest.approx(potential[numbers] - shift, abs=1e-5)


def test_the_potential_does_not_depend_on_the_image_and_averages_to_zero():
    matrix = TRICLINIC.matrix
    place = np.array([1.0, 2.0, 3.0])
    moved = place + np.array([2, -1, 3]) @ matrix
    one, other = lattice_potential_V(matrix, 3.0, [place, moved])
    assert one == pytest.approx(other, abs=1e-10)
    steps = (np.arange(12) + 0.5) / 12
    grid = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    assert abs(lattice_potential_V(matrix, 3.0, grid @ matrix).mean()) < 0.01


@pytest.mark.parametrize("charge", [-1, 2])
@pytest.mark.parametrize("length_A", [9.0, 13.0])
def test_a_gaussian_charge_in_a_medium_gets_the_energy_of_the_isolated_one(charge, length_A):
    """Solvable: E(isolated) = q²/(2√π ε σ); the potential's zero is shifted at will."""
    width_A, epsilon, shift_V = 0.7, 6.0, 0.35
    lattice = np.eye(3) * length_A
    potential, unit_eV = gaussian_on_a_grid(lattice, np.eye(3), width_A)
    energy_eV = charge**2 * unit_eV / epsilon + charge * shift_V
    isolated_eV = charge**2 * COULOMB_EV_A / (2 * np.sqrt(np.pi) * epsilon * width_A)
    rng = np.random.default_rng(1)
    numbers = rng.integers(0, 48, size=(200, 3))
    shifts = charge * potential[tuple(numbers.T)] / epsilon + shift_V
    found = site_potential_correction(lattice, epsilon, charge, numbers / 48 @ lattice, shifts)
    assert energy_eV + found.total_eV == pytest.approx(isolated_eV, abs=2e-4)
    assert found.spread_V < 1e-3
    assert 0 < found.far_sites < 200
    assert abs(energy_eV - isolated_eV) > 0.1, "without a correction it is far off"


@pytest.mark.parametrize(
    ("charge", "point_charge_eV", "alignment_eV"),
    [(2, 1.053857990514619, -0.96601672598067), (-1, 0.26346449762865476, 0.188455624710979)],
)
def test_pydefect_finds_the_same(charge, point_charge_eV, alignment_eV):
    """Numbers of pydefect 0.10.1 (make_efnv_correction) for the same cell and potentials."""
    crystal = Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(4.2), ["O", "Mg"], [[0, 0, 0], [0.5, 0.5, 0.5]]
    ) * (2, 2, 2)
    places = crystal.frac_coords[1:] - crystal.frac_coords[0]
    shifts = 0.3 + 0.2 * np.sin(np.arange(len(places)))
    tensor = [[9, 1, 0.5], [1, 12, 0.3], [0.5, 0.3, 7.0]]
    matrix = crystal.lattice.matrix
    found = site_potential_correction(matrix, tensor, charge, places @ matrix, shifts)
    assert found.point_charge_eV == pytest.approx(point_charge_eV, abs=1e-7)
    assert found.alignment_eV == pytest.approx(alignment_eV, abs=1e-7)


def test_no_charge_needs_no_correction():
    found = site_potential_correction(np.eye(3) * 9, 5.0, 0, [[4.5, 4.5, 4.5]], [0.3])
    assert found.total_eV == 0


def test_a_cell_without_far_atoms_is_refused():
    with pytest.raises(StructureError, match=r"farther than 4.50 Å.*larger supercell"):
        site_potential_correction(np.eye(3) * 9, 5.0, 1, [[1.0, 0, 0]], [0.1])


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (0.5, "less than that of a vacuum"),
        ([5, 5, -3], "less than that of a vacuum"),
        ([5, 5], "one number, three of the axes"),
        ([[5, 1, 0], [0, 5, 0], [0, 0, 5]], "symmetric"),
    ],
)
def test_a_dielectric_constant_that_cannot_be_is_refused(given, says):
    with pytest.raises(RecipeError, match=says):
        dielectric_tensor(given)
