from __future__ import annotations

import logging

import numpy as np
import pytest
from ase.build import fcc100
from ase.calculators import emt as ase_emt
from ase.optimize import BFGS
from pymatgen.core.lattice import Lattice
from pymatgen.core.structure import Structure
from scipy.spatial.transform import Rotation

from defectflow.engines import engine, relax, static
from defectflow.engines.calculators import CachingCalculator
from defectflow.engines.held_vacuum import filled_fraction, free_directions
from defectflow.engines.relax import RelaxMaker
from defectflow.engines.request import Request

EMT = engine("emt")


def request(structure, folder, **overrides) -> Request:
    return Request(structure, EMT.settings("relax", **overrides), folder=folder)


@pytest.fixture
def always_write(monkeypatch):
    monkeypatch.setattr(relax.Checkpoint, "due", lambda _self: True)


class Killed(BaseException):
    """Stands for the signal that ends a job."""


@pytest.mark.parametrize("cell", ["fixed", "relax", "scale", "height"])
def test_a_killed_relaxation_goes_on_where_it_was(
    copper, cell, tmp_path, monkeypatch, always_write
):
    whole = relax.relax(request(copper, tmp_path), EMT, cell)
    assert whole.steps >= 5

    calculate = CachingCalculator.calculate

    def dying(self, *args, **kwargs):
        if self.evaluations == 3:
            raise Killed
        calculate(self, *args, **kwargs)

    monkeypatch.setattr(CachingCalculator, "calculate", dying)
    with pytest.raises(Killed):
        relax.relax(request(copper, tmp_path), EMT, cell)
    monkeypatch.setattr(CachingCalculator, "calculate", calculate)
    assert (tmp_path / "relax.checkpoint.json").is_file()

    rest = relax.relax(request(copper, tmp_path), EMT, cell)
    assert rest.steps == whole.steps
    assert rest.force_calls == whole.force_calls
    assert rest.energy_eV == pytest.approx(whole.energy_eV, abs=1e-9)
    assert np.allclose(rest.structure.cart_coords, whole.structure.cart_coords, atol=1e-8)
    assert not (tmp_path / "relax.checkpoint.json").exists()


@pytest.mark.usefixtures("always_write")
def test_the_state_of_another_calculation_is_not_used(copper, tmp_path):
    unfinished = relax.Relaxation(request(copper, tmp_path), EMT)
    unfinished.step()
    checkpoint = relax.Checkpoint(tmp_path / "relax.checkpoint.json", "another")
    checkpoint.save(unfinished.state())
    fresh = relax.relax(request(copper, tmp_path), EMT)
    assert fresh.force_calls == fresh.steps + 1


def test_out_of_steps_is_said_and_not_raised(copper, tmp_path):
    document = relax.relax(request(copper, tmp_path, max_steps=2), EMT)
    assert not document.converged
    assert document.steps == 2
    assert document.fmax_eV_per_A > document.force_threshold_eV_per_A


@pytest.mark.parametrize("cell", ["fixed", "relax"])
def test_more_steps_go_on_from_where_fewer_ended(copper, cell, tmp_path):
    whole = relax.relax(request(copper, tmp_path), EMT, cell)
    few = relax.relax(request(copper, tmp_path, max_steps=3), EMT, cell)
    rest = relax.relax(request(copper, tmp_path), EMT, cell)
    assert not few.converged
    assert rest.converged
    assert rest.steps == whole.steps > 3
    assert rest.force_calls <= whole.force_calls + 1, "the last geometry is evaluated once more"
    assert rest.energy_eV == pytest.approx(whole.energy_eV, abs=1e-9)
    assert not (tmp_path / "relax.checkpoint.json").exists()


def test_a_relaxed_structure_takes_no_step(copper, tmp_path):
    relaxed = relax.relax(request(copper, tmp_path), EMT)
    again = relax.relax(request(relaxed.structure, tmp_path), EMT)
    assert (again.steps, again.force_calls) == (0, 1)


def test_the_input_is_not_changed(copper, tmp_path):
    before = copper.copy()
    relax.relax(request(copper, tmp_path), EMT, "relax")
    assert copper == before


def test_symmetry_can_be_kept(tmp_path):
    """A fcc cell with one axis stretched stays tetragonal; the forces of EMT vanish by symmetry."""
    layers = Structure(
        Lattice.tetragonal(2.6, 7.6), ["Cu", "Cu"], [[0, 0, 0.003], [0.5, 0.5, 0.497]]
    )
    kept = relax.relax(request(layers, tmp_path, keep_symmetry=True), EMT, "relax")
    assert kept.converged
    before, after = layers.get_space_group_info()[1], kept.structure.get_space_group_info(1e-5)[1]
    assert after >= before > 1
    assert kept.structure.lattice.a == pytest.approx(kept.structure.lattice.b, abs=1e-10)


@pytest.mark.parametrize("frozen", [(0,), (0, 2), (1,)])
def test_symmetry_does_not_move_frozen_atoms(frozen, tmp_path):
    """A mirror that lays a free layer onto a frozen one is no symmetry of the relaxation."""
    atoms = fcc100("Cu", (1, 1, 3), a=3.7, vacuum=6)
    slab = Structure(
        Lattice(atoms.cell.array), ["Cu"] * 3, atoms.positions, coords_are_cartesian=True
    )
    start = slab.cart_coords
    found = {}
    for keep in (False, True):
        document = relax.relax(request(slab, tmp_path, keep_symmetry=keep), EMT, frozen=frozen)
        moved = np.linalg.norm(document.structure.cart_coords - start, axis=1)
        assert document.converged
        assert moved[list(frozen)].max() == 0.0
        found[keep] = document.energy_eV
    assert found[True] == pytest.approx(found[False], abs=1e-3)


def test_forces_of_a_document_are_the_bare_ones(copper):
    document = static.evaluate(Request(copper), EMT, frozen=[0, 1, 2, 3])
    assert document.fmax_eV_per_A == 0.0
    assert np.abs(document.forces_eV_per_A).max() > 0.1


def test_no_stress_is_computed_unless_asked(copper):
    assert static.evaluate(Request(copper), EMT).stress_eV_per_A3 is None
    assert static.evaluate(Request(copper, stress=True), EMT).stress_eV_per_A3 is not None


def test_a_maker_alone_has_the_numbers_of_its_level():
    maker = RelaxMaker(engine=engine("emt", level="stringent"))
    assert maker.settings == maker.engine.settings("relax")
    assert maker.settings["fmax_eV_per_A"] == 0.01


def test_slow_relaxations_tell_how_far_they_are(copper, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(relax, "_SILENCE_S", 0.0)
    with caplog.at_level(logging.INFO, logger="defectflow.progress"):
        relax.relax(request(copper, tmp_path), EMT)
    assert "relaxing Cu4: step 1, largest force" in caplog.messages[0]


def test_a_cell_far_from_its_volume_does_not_run_away(copper, tmp_path):
    squeezed = copper.copy()
    squeezed.scale_lattice(copper.volume * 0.7)
    document = relax.relax(request(squeezed, tmp_path), EMT, "relax")
    assert document.converged
    assert (document.structure.volume / 4) ** (1 / 3) == pytest.approx(2.27, abs=0.03)


def copper_slab(axis=2):
    """Five layers of Cu(001) with 10 Å of vacuum along one of the vectors, rattled."""
    atoms = fcc100("Cu", (1, 1, 5), a=3.7, vacuum=5.0)
    atoms.rattle(0.03, seed=1)
    order = [0, 1, 2]
    order[axis], order[2] = order[2], order[axis]
    lattice = atoms.cell.array[order]
    return Structure(lattice, ["Cu"] * 5, atoms.positions, coords_are_cartesian=True)


def by_scan():
    """Return side (Å) and energy of the slab by ASE alone: a relaxation at each of many sides."""
    sides, energies = np.linspace(2.4, 2.65, 11), []
    for side in sides:
        atoms = fcc100("Cu", (1, 1, 5), a=side * np.sqrt(2), vacuum=5.0)
        atoms.calc = ase_emt.EMT()
        BFGS(atoms, logfile=None).run(fmax=0.002, steps=200)
        energies.append(atoms.get_potential_energy())
    curve = np.polynomial.Polynomial.fit(sides, energies, 6)
    fine = np.linspace(2.45, 2.6, 3001)
    best = int(np.argmin(curve(fine)))
    return fine[best], curve(fine[best])


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("cell", ["relax", "scale"])
def test_a_slab_relaxes_in_its_plane_and_keeps_its_vacuum(cell, axis, tmp_path):
    slab = copper_slab(axis)
    wish = request(slab, tmp_path, fmax_eV_per_A=0.005, stress_max_eV_per_A3=1e-4)
    document = relax.relax(wish, EMT, cell)
    assert document.converged
    lattice = document.structure.lattice
    assert lattice.abc[axis] == pytest.approx(slab.lattice.abc[axis], abs=1e-9)
    side_A, energy_eV = by_scan()
    others = [lattice.abc[k] for k in range(3) if k != axis]
    assert others == pytest.approx([side_A] * 2, abs=0.003)
    assert document.energy_eV == pytest.approx(energy_eV, abs=1e-3)


def test_what_is_cut_off_on_all_sides_keeps_its_cell(tmp_path):
    molecule = Structure(10 * np.eye(3), ["Cu", "Cu"], [[0, 0, 0], [0.25, 0, 0]])
    document = relax.relax(request(molecule, tmp_path), EMT, "relax")
    assert document.converged
    assert document.structure.lattice == molecule.lattice
    assert document.structure.get_distance(0, 1) < 2.4


def test_strains_across_a_tilted_vacuum_are_none():
    """The normal counts, not the vector that leads out of the plane."""
    slab = copper_slab()
    lattice = slab.lattice.matrix.copy()
    lattice[2, :2] += 1.3
    tilted = Structure(lattice, slab.species, slab.cart_coords, coords_are_cartesian=True)
    assert free_directions(tilted) == pytest.approx(np.diag([1.0, 1.0, 0.0]))
    turned = Rotation.from_euler("xyz", [20, 30, 40], degrees=True).as_matrix()
    other = Structure(lattice @ turned.T, slab.species, slab.frac_coords)
    normal = turned @ [0, 0, 1]
    assert free_directions(other) == pytest.approx(np.eye(3) - np.outer(normal, normal))
    # A sheet of atoms counts as 3.4 Å: what is empty ends 1.7 Å before the outermost centres.
    height = slab.cart_coords[:, 2]
    assert filled_fraction(slab) == pytest.approx((np.ptp(height) + 3.4) / slab.lattice.c)


def test_the_height_across_the_first_two_vectors_alone_is_free(tmp_path):
    """Stretched copper in a turned and tilted cell: its plane stays, the height finds its own."""
    turned = Rotation.from_euler("xyz", [20, 30, 40], degrees=True).as_matrix()
    lattice = np.array([[2.56, 0, 0], [1.28, 2.217, 0], [1.28, 0.739, 2.3]]) @ turned.T
    stretched = Structure(lattice, ["Cu"], [[0, 0, 0]])
    normal = turned @ [0, 0, 1]
    assert free_directions(stretched, "height") == pytest.approx(np.outer(normal, normal))
    document = relax.relax(request(stretched, tmp_path, keep_symmetry=False), EMT, "height")
    after = document.structure.lattice.matrix
    assert document.converged
    assert document.cell == "height"
    assert after[:2] == pytest.approx(lattice[:2], abs=1e-6)
    assert after[2] @ normal == pytest.approx(2.08, abs=0.05)
    assert after[2] - (after[2] @ normal) * normal == pytest.approx(
        lattice[2] - (lattice[2] @ normal) * normal, abs=1e-6
    )
    assert abs(normal @ np.array(document.stress_eV_per_A3) @ normal) < 1e-2
    assert not free_directions(copper_slab(), "height").any()
