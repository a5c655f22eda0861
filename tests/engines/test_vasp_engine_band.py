"""Bands and whole flows on the road of VASP, on the stand-in."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from jobflow import run_locally
from pymatgen.core import Lattice, Structure

from defectflow.documents.steps import BandDocument, Image
from defectflow.engines import engine
from defectflow.engines.dos import DosSettings
from defectflow.engines.relax import relax
from defectflow.engines.request import Request
from defectflow.engines.vasp_dos import density, equivalent_atoms, symmetrised
from defectflow.errors import EngineError, OutOfTime
from defectflow.flows import MigrationBarrierMaker
from defectflow.launch import run_flow
from defectflow.store import open_store

VTST = "DEFECTFLOW_VASP_VTST"
FAIL = "DEFECTFLOW_STANDIN_FAIL"
EMT = engine("emt")
#: One image on the middle of a symmetric hop gives its barrier.
NUMBERS = {"images": 1, "fmax_eV_per_A": 0.05, "loose_fmax_eV_per_A": 0.3, "race_steps": 2}


@pytest.fixture(autouse=True)
def _no_wishes(monkeypatch):
    for name in (FAIL, VTST, "DEFECTFLOW_STANDIN_ENGINE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def ends() -> tuple[Image, Image]:
    """A vacancy in 27 atoms of copper and a neighbour of it, relaxed with EMT."""
    lattice = Lattice([[0, 1.795, 1.795], [1.795, 0, 1.795], [1.795, 1.795, 0]])
    crystal = Structure(lattice, ["Cu"], [[0, 0, 0]]) * (3, 3, 3)
    other = int(np.argsort(crystal.distance_matrix[0])[1])
    first, last = crystal.copy(), crystal.copy()
    last[other].coords = crystal[0].coords
    relaxed = []
    with TemporaryDirectory() as folder:
        for one in (first, last):
            one.remove_sites([0])
            settings = EMT.settings("relax", fmax_eV_per_A=0.01)
            relaxed.append(relax(Request(one, settings, folder=Path(folder)), EMT).image())
    return relaxed[0], relaxed[1]


@pytest.fixture(scope="module")
def emt_barrier_eV(ends) -> float:
    return barrier_eV(EMT, ends)


def band(used, ends) -> BandDocument:
    job = used.band_maker(**NUMBERS).make(*ends)
    output = run_locally(job, log=False, ensure_success=True)[job.uuid][1].output
    return BandDocument.model_validate(output)


def barrier_eV(used, ends) -> float:
    return max(band(used, ends).energies_eV)


def test_a_driven_band_gives_the_barrier_of_the_potential(ends, emt_barrier_eV):
    ours = band(engine("vasp-standin", potential="emt", band="driven"), ends)
    assert ours.converged
    assert max(ours.energies_eV) == pytest.approx(emt_barrier_eV, abs=0.01)
    assert ours.inputs["incar"]["ENCUT"] == 520
    assert ours.engine.fidelity == "stand-in"
    assert list(Path.cwd().iterdir()) == []


def test_a_band_of_vtst_gives_the_barrier_of_the_potential(ends, emt_barrier_eV, monkeypatch):
    monkeypatch.setenv(VTST, "1")
    used = engine("vasp-standin", potential="emt", band="vtst")
    ours = band(used, ends)
    assert ours.converged
    assert max(ours.energies_eV) == pytest.approx(emt_barrier_eV, abs=0.01)
    assert ours.climbing_index == 1
    assert ours.images[0].energy_eV == ends[0].energy_eV
    assert ours.images[1].structure.species == ends[0].structure.species
    moved = ours.images[1].structure.cart_coords - ends[0].structure.cart_coords
    assert np.abs(moved).max() < 2.0, "an atom was wrapped into the cell"
    assert list(Path.cwd().iterdir()) == []


def test_a_stopped_band_of_vtst_goes_on(ends, emt_barrier_eV, monkeypatch):
    monkeypatch.setenv(VTST, "1")
    monkeypatch.setenv(FAIL, "walltime:1")
    used = engine("vasp-standin", potential="emt", band="vtst")
    maker = used.band_maker(**NUMBERS)
    make = type(maker).calculate.original
    with pytest.raises(OutOfTime):
        make(maker, *ends)
    stopped = Structure.from_file("vasp-band/straight/01/CONTCAR")
    monkeypatch.delenv(FAIL)
    from defectflow.engines import vasp_band

    begun, original = [], vasp_band.run_band

    def noted(task, images, tags):
        begun.append(images[1])
        return original(task, images, tags)

    monkeypatch.setattr(vasp_band, "run_band", noted)
    ours = make(maker, *ends)
    assert np.allclose(begun[0].frac_coords % 1, stopped.frac_coords % 1, atol=1e-7)
    assert max(ours.energies_eV) == pytest.approx(emt_barrier_eV, abs=0.01)


def test_a_band_of_vtst_with_more_steps_goes_on(ends, emt_barrier_eV, monkeypatch):
    monkeypatch.setenv(VTST, "1")
    used = engine("vasp-standin", potential="emt", band="vtst")
    numbers = NUMBERS | {"fmax_eV_per_A": 0.01}
    few, more = (used.band_maker(**numbers, max_steps=steps) for steps in (1, 80))
    make = type(few).calculate.original
    stopped = make(few, *ends)
    rest = make(more, *ends)
    assert (stopped.converged, rest.converged) == (False, True)
    assert rest.candidates == stopped.candidates, "the race was not run again"
    assert max(rest.energies_eV) == pytest.approx(emt_barrier_eV, abs=0.01)
    assert list(Path.cwd().iterdir()) == []


def test_vtst_needs_a_vasp_that_has_it():
    with pytest.raises(EngineError, match=r"band: vtst was asked.*use band: driven"):
        engine("vasp-standin", band="vtst").band_maker()


def test_too_few_processes_for_the_images_are_told(monkeypatch):
    from defectflow.engines.vasp_band import too_few_processes

    monkeypatch.setenv("DEFECTFLOW_DFT_PROCESSES", "4")
    vasp = engine("vasp")
    assert too_few_processes(vasp, 2) is None
    assert "a band of 3 images on 4 processes" in (too_few_processes(vasp, 3) or "")
    monkeypatch.setenv("DEFECTFLOW_VASP_STD_COMMAND", "srun -n 48 vasp_std")
    assert too_few_processes(vasp, 3) is None


def test_a_band_that_vasp_could_not_relax_itself_says_so(ends, monkeypatch):
    from defectflow.engines import vasp_band

    monkeypatch.setenv(VTST, "1")
    monkeypatch.setattr(vasp_band, "too_few_processes", lambda *_: "1 image on 0 processes")
    ours = band(engine("vasp-standin", potential="emt"), ends)
    assert ours.converged
    assert ours.repairs == ("1 image on 0 processes: defectflow moved the images",)


def test_the_migration_barrier_from_host_to_document():
    """The whole flow: host with its cell, the vacancy, its hop; the same as with EMT."""
    copper = Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.63), ["Cu"], [[0, 0, 0]])
    found = {}
    for used in (EMT, engine("vasp-standin", level="fast", potential="emt")):
        maker = MigrationBarrierMaker(
            used,
            limit="discharged",
            explore=False,
            min_image_distance_A=5.0,
            relax={"fmax_eV_per_A": 0.02},
            band=NUMBERS,
        )
        with open_store("memory://") as store, TemporaryDirectory() as folder:
            summary = run_flow(maker.make(copper, "Cu"), store, root=Path(folder))
            assert summary.state == "completed", summary.failures
            (found[used.name],) = store.find(quantity="migration_barrier")
    ours, reference = found["vasp-standin"], found["emt"]
    assert ours.converged
    assert ours.barrier_eV == pytest.approx(reference.barrier_eV, abs=0.01)
    assert ours.engine.name == "vasp-standin"
    assert ours.engine.fidelity == "stand-in"
    assert ours.hops[0].band.inputs["incar"]["GGA"] == "PE"


# --- density of states: what VASP's levels become


def test_a_density_integrates_to_the_states():
    settings = DosSettings(lowest_eV=-5.0, highest_eV=5.0, step_eV=0.01, width_eV=0.1)
    levels = np.array([[[-2.0, 1.0], [-1.0, 2.0]]])
    weights = np.array([0.25, 0.75])
    parts = np.full((1, 2, 2, 1), 0.5)
    (total,) = density(levels, np.ones((1, 2, 2, 1)), weights, settings)
    (half,) = density(levels, parts, weights, settings)
    assert np.sum(total[0]) * 0.01 == pytest.approx(4.0, abs=1e-6)
    assert np.allclose(half[0], np.array(total[0]) / 2)
    both = density(np.repeat(levels, 2, axis=0), np.ones((2, 2, 2, 1)), weights, settings)[0]
    assert np.allclose(np.sum(both, axis=0), total[0])
    below = np.array(total[0])[settings.grid() < 0]
    assert below.sum() * 0.01 == pytest.approx(2.0, abs=1e-6)


def test_projections_are_shared_between_equivalent_atoms(copper):
    perfect = Structure(Lattice.cubic(3.6), ["Cu"] * 4, np.round(copper.frac_coords * 2) / 2)
    assert set(equivalent_atoms(perfect, None)) == {0}
    ordered = equivalent_atoms(perfect, (1.0, 1.0, -1.0, -1.0))
    assert ordered[0] == ordered[1] != ordered[2] == ordered[3]
    parts = np.random.default_rng(3).random((1, 2, 3, 4, 9))
    shared = symmetrised(parts, ordered)
    assert np.allclose(shared[:, :, :, 0], shared[:, :, :, 1])
    assert np.allclose(shared.sum(axis=3), parts.sum(axis=3))
