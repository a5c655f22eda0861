"""Charge and moments go from step to step, with every engine that has them; what is declared runs.

A charge q takes q electrons away. Moments come back from a step as site property ``magmom`` and in
its document, and start the next.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from defectflow.documents.electronic import DosDocument
from defectflow.documents.steps import BandDocument, RelaxDocument
from defectflow.documents.vibrations import VibrationsDocument
from defectflow.engines.contract import Capability
from defectflow.engines.guided import GuidedEngine
from defectflow.engines.vasp import VaspStandin

if TYPE_CHECKING:
    from defectflow.engines.request import Request

QUICK = {"images": 1, "race_steps": 1, "max_steps": 1}
COARSE = {
    "gpaw": {"cutoff_eV": 250.0, "kpoint_spacing_per_A": 0.8},
    "espresso": {"cutoff_eV": 350.0, "kpoint_spacing_per_A": 0.8},
}
#: Electrons of a neutral cell of 7 Ni_pv.
NEUTRAL = 7 * 16
CHARGE = -2


def vacancy_ends(symbol: str, lattice_A: float) -> tuple[Structure, Structure]:
    """Both ends of a vacancy hop in a doubled primitive fcc cell; the last atom moves."""
    host = Structure.from_spacegroup("Fm-3m", Lattice.cubic(lattice_A), [symbol], [[0, 0, 0]])
    host = host.get_primitive_structure() * (2, 2, 2)
    first, second = host[0].frac_coords, host[1].frac_coords
    host.remove_sites([0, 1])
    ends = [host.copy(), host.copy()]
    for end, place in zip(ends, (second, first), strict=True):
        end.append(symbol, place)
    return ends[0], ends[1]


@pytest.fixture
def standin(make_engine) -> VaspStandin:
    """Treats no electrons, but gives back the moments that it was given."""
    return make_engine("vasp-standin", "fast")


@pytest.fixture
def requests(monkeypatch) -> list[Request]:
    """What the stand-in is asked for from now on."""
    seen, original = [], VaspStandin.task

    def task(engine, request, frozen=()):
        seen.append(request)
        return original(engine, request, frozen)

    monkeypatch.setattr(VaspStandin, "task", task)
    return seen


MOMENTS = [1.0, -0.5, 1.0, 0.5, 0.0, 2.0, -1.0]


def all_alike(requests: list[Request]) -> bool:
    return all(
        (one.charge, one.moments) == (CHARGE, tuple(MOMENTS)) for one in requests if one.settings
    )


def test_from_a_relaxation_to_a_single_evaluation(standin, requests, run_jobs):
    start, _ = vacancy_ends("Ni", 3.52)
    relaxed = standin.relax_maker(max_steps=2).make(start, charge=CHARGE, magnetic_moments=MOMENTS)
    end = relaxed.output
    static = standin.static_maker().make(end.structure, charge=end.charge)
    document = run_jobs(relaxed, static)
    assert isinstance(document, RelaxDocument)
    assert document.charge == CHARGE
    assert document.magnetic_moments == tuple(MOMENTS)
    assert document.inputs["incar"]["NELECT"] == NEUTRAL - CHARGE
    assert list(document.structure.site_properties["magmom"]) == MOMENTS
    assert requests
    assert all_alike(requests)


@pytest.mark.parametrize("guided", [False, True])
def test_from_relaxed_ends_to_the_images_of_a_band(
    standin, requests, make_engine, run_jobs, guided
):
    engine = GuidedEngine.of(standin, make_engine("emt")) if guided else standin
    statics = [
        standin.static_maker().make(end, charge=CHARGE, magnetic_moments=MOMENTS)
        for end in vacancy_ends("Ni", 3.52)
    ]
    ends = [run_jobs(job).image() for job in statics]
    assert [end.charge for end in ends] == [CHARGE] * 2
    requests.clear()
    band = run_jobs(engine.band_maker(**QUICK).make(*ends))
    assert isinstance(band, BandDocument)
    assert requests
    assert all_alike(requests)
    assert [image.charge for image in band.images] == [CHARGE] * len(band.images)
    assert {image.magnetic_moments for image in band.images} == {tuple(MOMENTS)}
    assert band.inputs["incar"]["NELECT"] == NEUTRAL - CHARGE
    assert (band.guidance is not None) == guided


def test_from_a_guided_relaxation_to_its_document(standin, requests, make_engine, run_jobs):
    engine = GuidedEngine.of(standin, make_engine("emt"))
    start, _ = vacancy_ends("Ni", 3.52)
    maker = engine.relax_maker(max_steps=1)
    document = run_jobs(maker.make(start, charge=CHARGE, magnetic_moments=MOMENTS))
    assert (document.charge, document.magnetic_moments) == (CHARGE, tuple(MOMENTS))
    assert document.image().magnetic_moments == tuple(MOMENTS)
    assert document.guidance is not None
    assert all_alike(requests)


# --- what is declared runs


def test_vibrations_and_bands_of_quick_engines(potential, run_jobs):
    """Copper in its own crystal: three real modes, and a barrier."""
    first, last = vacancy_ends("Cu", 3.61)
    modes = run_jobs(potential.vibrations_maker().make(first, [6]))
    assert isinstance(modes, VibrationsDocument)
    assert len(modes.energies_eV) == 3
    assert modes.force_calls == 3  # at rest, along the axis, and across it: symmetry tells the rest
    statics = [run_jobs(potential.static_maker().make(one)) for one in (first, last)]
    ends = [one.image() for one in statics]
    band = run_jobs(potential.band_maker(**QUICK).make(*ends))
    assert len(band.images) == 3
    assert band.energies_eV[1] > 0.05
    assert band.engine == potential.stamp()


@pytest.fixture(scope="module")
def iron(dft, make_engine, run_jobs, tmp_path_factory) -> tuple[object, RelaxDocument]:
    """One atom of bcc iron with a charge, and the engine."""
    changes = {"kpoint_spacing_per_A": 1.2, "smearing_eV": 0.2, "scf_energy_eV_per_atom": 1e-4}
    cutoff_eV = {"gpaw": 250.0, "espresso": 500.0}[dft]
    engine = make_engine(dft, "fast", {"cutoff_eV": cutoff_eV, **changes})
    lattice = Lattice([[-1.42, 1.42, 1.42], [1.42, -1.42, 1.42], [1.42, 1.42, -1.42]])
    iron = Structure(lattice, ["Fe"], [[0, 0, 0]])
    job = engine.static_maker().make(iron, charge=1, magnetic_moments=[3.0])
    # Fixtures of a module are made before a test goes into its own folder.
    with contextlib.chdir(tmp_path_factory.mktemp(dft)):
        return engine, run_jobs(job)


def test_charge_and_moment_with_a_real_code(iron):
    engine, document = iron
    assert document.charge == 1
    neutral = {"gpaw": 8, "espresso": 16}[engine.name]
    assert document.inputs["valence_electrons"] == pytest.approx(neutral - 1, abs=1e-3)
    (moment,) = document.magnetic_moments
    assert 1.5 < moment < 4.5
    assert list(document.structure.site_properties["magmom"]) == [moment]
    assert document.image().magnetic_moments == (moment,)
    assert document.engine.fidelity == "dft"


def test_the_moment_starts_the_next_step_of_a_real_code(iron, make_engine):
    from defectflow.engines.electrons import electronic_input
    from defectflow.engines.request import Request

    engine, document = iron
    following = Request(document.structure, engine.settings("static"), document.charge)
    electrons = electronic_input(engine.options, following)
    assert electrons.magnetic_moments == document.magnetic_moments
    assert electrons.charge == 1


def test_bands_of_states_and_vibrations_with_a_real_code(dft, make_engine, silicon, run_jobs):
    engine = make_engine(dft, "fast", COARSE[dft])
    assert engine.capabilities() >= {Capability.DOS, Capability.VIBRATIONS}
    dos = run_jobs(engine.dos_maker(kpoint_spacing_per_A=0.8, step_eV=0.1).make(silicon))
    assert isinstance(dos, DosDocument)
    occupied = np.array(dos.energies_eV) < 0.3
    states = np.trapezoid(np.array(dos.total)[0][occupied], np.array(dos.energies_eV)[occupied])
    assert states == pytest.approx(8, abs=0.5)
    modes = run_jobs(engine.vibrations_maker(kpoint_spacing_per_A=1.15).make(silicon, [0]))
    assert len(modes.energies_eV) == 3
    assert 0.03 < max(modes.energies_eV) < 0.08
    assert modes.charge == 0


def test_a_charged_band_with_a_real_code(dft, make_engine, run_jobs):
    """One image, two steps: the charge of the ends is that of every image."""
    engine = make_engine(dft, "fast", COARSE[dft] | {"kpoint_spacing_per_A": 1.6})
    sites = [[0.5, 0, 0.5], [0, 0.5, 0.5], [0.5, 0.5, 0]]
    first = Structure(Lattice.cubic(4.05), ["Al"] * 3, sites)
    last = first.copy()
    last.translate_sites([2], [-0.5, -0.5, 0], to_unit_cell=False)
    ends = [run_jobs(engine.static_maker().make(one, charge=1)).image() for one in (first, last)]
    band = run_jobs(engine.band_maker(**QUICK).make(*ends))
    assert [image.charge for image in band.images] == [1, 1, 1]
    assert band.inputs["valence_electrons"] == pytest.approx(8, abs=1e-3)
