"""A dear engine guided by a cheap one: copper, effective medium theory by Lennard-Jones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from ase.build import add_adsorbate, fcc111
from jobflow import Flow, run_locally
from pymatgen.io.ase import AseAtomsAdaptor

from defectflow.documents.steps import BandDocument, Image, RelaxDocument
from defectflow.engines import engine
from defectflow.engines.band import Band, BandSettings
from defectflow.engines.band_run import relax_band
from defectflow.engines.band_task import BandTask
from defectflow.engines.calculators import CachingCalculator
from defectflow.engines.guided import GuidedEngine
from defectflow.engines.guided_relax import GuidedRelaxation
from defectflow.engines.guided_surface import TRUST_A
from defectflow.engines.relax import relax
from defectflow.engines.request import Request
from defectflow.errors import EngineError, OutOfTime
from defectflow.structures import hosts
from defectflow.structures.symmetry import symmetry_maps

if TYPE_CHECKING:
    from pathlib import Path

    from pymatgen.core import Structure

EMT = engine("emt")
#: Fits copper's lattice constant and little else.
LENNARD_JONES = engine(
    "ase",
    calculator="ase.calculators.lj:LennardJones",
    kwargs={"sigma": 2.29, "epsilon": 0.35, "rc": 6.0, "smooth": True},
)
REFINED = GuidedEngine.of(EMT, LENNARD_JONES, "refined")
DFT = GuidedEngine.of(EMT, LENNARD_JONES, "dft")


def vacancy_ends() -> tuple[Structure, Structure]:
    """Both ends of a vacancy hop in 2 x 2 x 2 cubic cells, the moving atom last."""
    host = hosts.prototype("fcc-Cu").structure.to_conventional() * (2, 2, 2)
    row = host.distance_matrix[0].copy()
    row[0] = np.inf
    neighbour = int(row.argmin())
    first, second = host[0].frac_coords, host[neighbour].frac_coords
    host.remove_sites([0, neighbour])
    initial, final = host.copy(), host.copy()
    initial.append("Cu", second)
    final.append("Cu", first)
    return initial, final


def request(structure: Structure, folder: Path, **overrides: float) -> Request:
    return Request(structure, EMT.settings("relax", **overrides), folder=folder)


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> tuple[Image, Image]:
    folder = tmp_path_factory.mktemp("ends")
    documents = [relax(request(end, folder, fmax_eV_per_A=0.01), EMT) for end in vacancy_ends()]
    return documents[0].image(), documents[1].image()


@pytest.fixture(scope="module")
def plain(images, tmp_path_factory) -> BandDocument:
    """The band of the dear engine alone."""
    task = BandTask(*images, settings=BandSettings(), stamp=EMT.stamp())
    return relax_band(
        task,
        lambda _: EMT.caching_calculator(Request(images[0].structure)),
        tmp_path_factory.mktemp("plain"),
    )


def guided(
    ends: tuple[Image, Image], guided_engine: GuidedEngine, folder: Path, images: int = 0
) -> BandDocument:
    task = BandTask(*ends, settings=BandSettings(images=images), stamp=guided_engine.stamp())
    return guided_engine.relax_band(task, EMT.settings("neb"), folder)


def barrier(band: BandDocument) -> float:
    return max(band.energies_eV)


def test_a_guided_relaxation_ends_in_the_dear_minimum(tmp_path):
    start = vacancy_ends()[0].perturb(0.05)
    alone = relax(request(start, tmp_path), EMT)
    with_guide = REFINED.relax(request(start, tmp_path))
    assert with_guide.converged
    assert with_guide.fmax_eV_per_A < with_guide.force_threshold_eV_per_A
    assert with_guide.energy_eV == pytest.approx(alone.energy_eV, abs=0.005)
    assert with_guide.force_calls < alone.force_calls
    assert with_guide.guidance is not None
    assert with_guide.guidance.engine.name == "ase"
    assert with_guide.engine == EMT.stamp()


@pytest.mark.parametrize(("which", "tolerance_eV", "fewer"), [(REFINED, 0.002, 5), (DFT, 0.005, 2)])
def test_a_guided_band_has_the_dear_barrier(images, plain, tmp_path, which, tolerance_eV, fewer):
    band = guided(images, which, tmp_path)
    assert band.converged
    assert barrier(band) == pytest.approx(barrier(plain), abs=tolerance_eV)
    assert band.force_calls * fewer <= plain.force_calls
    assert band.mirrored == plain.mirrored
    assert band.guidance is not None
    assert band.guidance.path == which.path
    assert band.guidance.error_eV < 0.02
    assert not any(path.name.endswith(".json") for path in tmp_path.iterdir())


def test_a_band_that_the_surface_cannot_better_walks_on(images, plain, tmp_path, monkeypatch):
    """Else the same band would be looked at until the rounds are over."""
    monkeypatch.setattr("defectflow.engines.guided_band.settle", lambda *_: None)
    band = guided(images, DFT, tmp_path)
    assert band.converged
    assert barrier(band) == pytest.approx(barrier(plain), abs=0.01)


class Killed(BaseException):
    """Stands for the signal that ends a job."""


def shaking(seed: int = 1):
    """Return what stands for a surface on which no band comes to rest."""
    generator = np.random.default_rng(seed)

    def shake(band: Band, _: int) -> None:
        moves = generator.normal(scale=0.04, size=band.path.shape)
        moves[[0, -1]] = moves[:, band.frozen] = 0.0
        band.restore(band.path + moves)

    return shake


@pytest.fixture
def restless(monkeypatch) -> None:
    monkeypatch.setattr("defectflow.engines.guided_band.settle", shaking())


@pytest.mark.usefixtures("restless")
def test_what_the_surface_cannot_bring_to_rest_is_finished_by_the_dear_engine(
    images, plain, keeping, tmp_path
):
    band = guided(images, GuidedEngine.of(keeping, LENNARD_JONES, "dft"), tmp_path, 3)
    assert band.converged
    assert barrier(band) == pytest.approx(barrier(plain), abs=0.005)
    assert band.mirrored == plain.mirrored
    assert "finished without the guide" in band.repairs[0]
    assert band.force_calls > 10
    assert band.guidance.path == "dft"
    assert band.guidance.error_eV < 0.02
    assert band.chosen in {one.label for one in band.candidates}
    assert not list(tmp_path.rglob("*.*"))
    for image in band.images[1:-1]:
        again = relax(request(image.structure, tmp_path, max_steps=0), EMT)
        assert again.energy_eV == pytest.approx(image.energy_eV, abs=1e-6)


@pytest.mark.usefixtures("restless")
def test_a_saddle_alone_that_finds_no_rest_has_not_converged(images, tmp_path):
    few = BandTask(*images, settings=BandSettings(max_steps=12), stamp=REFINED.stamp())
    assert not REFINED.relax_band(few, EMT.settings("neb"), tmp_path).converged


@pytest.mark.usefixtures("restless")
def test_a_band_that_was_given_up_stays_so(images, tmp_path, monkeypatch):
    """Killed while the dear engine is alone, it goes on there."""
    calculate, seen = CachingCalculator.calculate, []

    def counting(limit):
        def calculating(self, *args, **kwargs):
            if type(self.parts[0]).__name__ == "EMT":
                if len(seen) == limit:
                    raise Killed
                seen.append(1)
            calculate(self, *args, **kwargs)

        monkeypatch.setattr(CachingCalculator, "calculate", calculating)

    counting(-1)
    whole = guided(images, DFT, tmp_path, 3)
    alone = len(seen)
    assert alone == whole.force_calls
    monkeypatch.setattr("defectflow.engines.guided_band.settle", shaking())
    monkeypatch.setattr("defectflow.engines.checkpoint.INTERVAL_S", 0.0)
    seen.clear()
    counting(alone - 4)
    with pytest.raises(Killed):
        guided(images, DFT, tmp_path, 3)
    assert (tmp_path / "alone" / "band.checkpoint.json").exists()
    counting(-1)
    again = guided(images, DFT, tmp_path, 3)
    assert again.converged
    assert barrier(again) == pytest.approx(barrier(whole), abs=0.002)
    assert len(seen) <= alone + len(images) + len(whole.images)
    assert not list(tmp_path.rglob("*.*"))


@pytest.mark.parametrize("seen_between", [True, False])
def test_the_dear_engine_alone_is_led_to_saddles_between_its_images(
    tmp_path, monkeypatch, seen_between
):
    """The surface was of no use as a whole; between images that it knows it is."""
    monkeypatch.setattr("defectflow.engines.guided_band.settle", shaking())
    if not seen_between:
        monkeypatch.setattr("defectflow.engines.guided_alone.finer_path", lambda *_: None)
    ends = adatoms(tmp_path)
    task = BandTask(*ends, BandSettings(images=1), DFT.stamp(), frozen=tuple(range(9)))
    band = DFT.relax_band(task, EMT.settings("neb"), tmp_path)
    assert band.converged
    assert "finished without the guide" in band.repairs[0]
    many = barrier(of_an_adatom(ends, 9, tmp_path))
    assert (barrier(band) == pytest.approx(many, abs=0.005)) == seen_between


def adatoms(folder: Path) -> tuple[Image, Image]:
    """An adatom on Cu(111), the lowest layer held, in two neighbouring fcc sites."""
    found = []
    for site in ((0, 0), (1, 0)):
        slab = fcc111("Cu", (3, 3, 3), vacuum=7.0, periodic=True)
        add_adsorbate(slab, "Cu", 1.8, "fcc", offset=site)
        slab.arrays.pop("tags")
        structure = AseAtomsAdaptor.get_structure(slab)
        relaxed = relax(request(structure, folder, fmax_eV_per_A=0.005), EMT, frozen=range(9))
        found.append(relaxed.image())
    return found[0], found[1]


def of_an_adatom(ends: tuple[Image, Image], images: int, folder: Path) -> BandDocument:
    task = BandTask(*ends, BandSettings(images=images), EMT.stamp(), frozen=tuple(range(9)))
    start = Request(ends[0].structure)
    return relax_band(task, lambda _: EMT.caching_calculator(start), folder)


@pytest.mark.parametrize("which", [REFINED, DFT])
def test_a_band_of_one_image_finds_the_saddles_beside_it(tmp_path, which):
    """The image falls into the hcp site; the saddles are the bridges on either side."""
    ends = adatoms(tmp_path)
    task = BandTask(*ends, BandSettings(images=1), which.stamp(), frozen=tuple(range(9)))
    band = which.relax_band(task, EMT.settings("neb"), tmp_path)
    assert band.converged
    assert barrier(band) == pytest.approx(barrier(of_an_adatom(ends, 9, tmp_path)), abs=0.005)


def test_so_does_the_band_of_a_potential_where_images_are_far_apart(tmp_path, monkeypatch):
    ends = adatoms(tmp_path)
    many, one = (of_an_adatom(ends, images, tmp_path) for images in (9, 1))
    assert barrier(one) < 0.01 < barrier(many)
    monkeypatch.setattr("defectflow.engines.band_run.wide_gaps", lambda path: range(len(path)))
    finer = of_an_adatom(ends, 1, tmp_path)
    assert finer.converged
    assert finer.climbing_index is not None
    assert barrier(finer) == pytest.approx(barrier(many), abs=0.005)
    assert finer.force_calls > one.force_calls + 3
    assert len(finer.images) == len(finer.distances_A) > 3
    assert not list(tmp_path.glob("*.json"))


def test_every_energy_of_a_guided_band_is_the_dear_engines(images, tmp_path):
    for which in (REFINED, DFT):
        band = guided(images, which, tmp_path)
        for image in band.images[1:-1]:
            again = relax(request(image.structure, tmp_path, max_steps=0), EMT)
            assert again.energy_eV == pytest.approx(image.energy_eV, abs=1e-6)
            assert np.allclose(again.forces_eV_per_A, image.forces_eV_per_A, atol=1e-5)


def test_the_saddle_of_a_refined_band_has_no_force_and_one_way_down(images, tmp_path):
    band = guided(images, REFINED, tmp_path)
    saddle = band.images[band.climbing_index]
    assert np.linalg.norm(saddle.forces_eV_per_A, axis=1).max() < 0.05
    along = band.images[-1].structure.cart_coords - band.images[0].structure.cart_coords
    step = 0.1 * along / np.linalg.norm(along)
    for sign in (-1, 1):
        aside = saddle.structure.copy()
        for index, move in enumerate(step):
            aside[index].coords = saddle.structure[index].coords + sign * move
        lower = relax(request(aside, tmp_path, max_steps=0), EMT).energy_eV
        assert lower < saddle.energy_eV


def test_what_was_measured_is_not_measured_again(images, tmp_path, monkeypatch):
    whole = guided(images, DFT, tmp_path)
    calculate, seen = CachingCalculator.calculate, []

    def dying(self, *args, **kwargs):
        if type(self.parts[0]).__name__ == "EMT":
            if len(seen) == whole.force_calls - 2:
                raise Killed
            seen.append(1)
        calculate(self, *args, **kwargs)

    monkeypatch.setattr(CachingCalculator, "calculate", dying)
    with pytest.raises(Killed):
        guided(images, DFT, tmp_path)
    monkeypatch.setattr(CachingCalculator, "calculate", calculate)
    again = guided(images, DFT, tmp_path)
    assert again.converged
    assert barrier(again) == pytest.approx(barrier(whole), abs=0.002)
    assert again.force_calls <= whole.force_calls + 2


def test_a_relaxation_with_more_steps_asks_nothing_again(tmp_path):
    start = vacancy_ends()[0].perturb(0.05)
    tight = {"fmax_eV_per_A": 0.003}
    for name in ("whole", "few"):
        (tmp_path / name).mkdir()
    whole = REFINED.relax(request(start, tmp_path / "whole", **tight))
    few = REFINED.relax(request(start, tmp_path / "few", max_steps=2, **tight))
    rest = REFINED.relax(request(start, tmp_path / "few", **tight))
    assert (few.converged, few.force_calls) == (False, 2)
    assert rest.converged
    assert rest.force_calls == whole.force_calls > 2
    assert rest.energy_eV == pytest.approx(whole.energy_eV, abs=1e-4)


def test_a_band_with_more_steps_asks_nothing_again(images, tmp_path):
    few, whole = (
        BandTask(*images, settings=BandSettings(max_steps=steps), stamp=DFT.stamp())
        for steps in (1, 200)
    )
    stopped = DFT.relax_band(few, EMT.settings("neb"), tmp_path)
    rest = DFT.relax_band(whole, EMT.settings("neb"), tmp_path)
    (tmp_path / "alone").mkdir()
    alone = guided(images, DFT, tmp_path / "alone")
    assert (stopped.converged, rest.converged) == (False, True)
    assert rest.force_calls - stopped.force_calls < alone.force_calls, "its points were kept"
    assert barrier(rest) == pytest.approx(barrier(alone), abs=0.005)


def test_it_stops_before_the_wall_time_with_its_points_kept(tmp_path, monkeypatch):
    start = request(vacancy_ends()[0].perturb(0.05), tmp_path, fmax_eV_per_A=0.002)
    monkeypatch.setattr("defectflow.engines.deadline.time_left_s", lambda: 0.0)
    with pytest.raises(OutOfTime, match="run the same recipe"):
        REFINED.relax(start)
    monkeypatch.undo()
    resumed = GuidedRelaxation(start, EMT, LENNARD_JONES)
    document = resumed.run()
    assert document.converged
    assert resumed.surface.dear.calls < document.force_calls


def test_a_finished_relaxation_leaves_no_file_and_tells_its_potentials(
    keeping, tmp_path, monkeypatch
):
    def dying():
        raise Killed

    start = vacancy_ends()[0].perturb(0.05)
    engine_ = GuidedEngine.of(keeping, LENNARD_JONES)
    document = engine_.relax(request(start, tmp_path))
    assert document.site_potentials_V == pytest.approx(document.structure.cart_coords[:, 0])
    assert not list(tmp_path.rglob("*.*"))
    # A run that was killed when it had all its points asks once more for the potentials.
    killed = GuidedRelaxation(request(start, tmp_path), keeping, LENNARD_JONES)
    monkeypatch.setattr(killed, "_document", dying)
    with pytest.raises(Killed):
        killed.run()
    again = engine_.relax(request(start, tmp_path))
    assert again.site_potentials_V == pytest.approx(document.site_potentials_V)
    assert again.force_calls == document.force_calls
    assert not list(tmp_path.rglob("*.*"))


def test_a_finished_band_leaves_no_file(images, keeping, tmp_path):
    engine_ = GuidedEngine.of(keeping, LENNARD_JONES)
    assert guided(images, engine_, tmp_path).converged
    assert not list(tmp_path.rglob("*.*"))


def test_a_start_that_is_worth_it_is_asked_first(tmp_path):
    """What an adsorbate begins with has the slab as the dear engine relaxed it."""
    start = request(vacancy_ends()[0].perturb(0.05), tmp_path, fmax_eV_per_A=0.002)
    engine = GuidedEngine.where_possible(EMT, LENNARD_JONES)
    relaxation = GuidedRelaxation(start, EMT, LENNARD_JONES, from_start=engine.from_start)
    document = relaxation.run()
    assert relaxation.surface.measured[0].positions == pytest.approx(start.structure.cart_coords)
    assert engine.relax(start).energy_eV == pytest.approx(document.energy_eV, abs=1e-5)
    assert REFINED.relax(start).energy_eV == pytest.approx(document.energy_eV, abs=1e-3)


def test_where_the_guide_is_wrong_steps_get_shorter(tmp_path, monkeypatch):
    """A guide of nearly ten times the stiffness; with steps as long as ever it takes more calls."""
    stiff = engine(
        "ase",
        calculator="ase.calculators.lj:LennardJones",
        kwargs={"sigma": 2.29, "epsilon": 3.0, "rc": 6.0, "smooth": True},
    )
    structure = vacancy_ends()[0]
    moves = np.random.default_rng(5).normal(scale=0.03, size=(len(structure), 3))
    start = moved_to(structure, structure.cart_coords + moves)
    asked = request(start, tmp_path, fmax_eV_per_A=0.01)

    def calls():
        relaxation = GuidedRelaxation(asked, EMT, stiff, from_start=True)
        assert relaxation.run().converged
        energies = [point.energy for point in relaxation.surface.measured]
        assert (np.diff(energies) > 0).any()
        return len(energies)

    careful = calls()
    monkeypatch.setattr(GuidedRelaxation, "_trust_A", lambda _: TRUST_A)
    assert careful < 0.9 * calls()


def test_the_noise_of_the_guide_does_not_break_the_symmetry(tmp_path):
    start = request(vacancy_ends()[0], tmp_path)
    relaxation = GuidedRelaxation(start, EMT, LENNARD_JONES)
    places = start.structure.cart_coords
    at_rest = relaxation.surface.minimum(places, 0.01)
    shaken = at_rest + np.random.default_rng(3).normal(scale=2e-3, size=places.shape)
    assert len(relaxation.maps) > 4
    assert len(symmetry_maps(moved_to(start.structure, shaken), 1e-5)) == 1
    even = relaxation._even(shaken)
    assert len(symmetry_maps(moved_to(start.structure, even), 1e-5)) == len(relaxation.maps)
    assert np.abs(even - at_rest).max() < 5e-3
    # Forces without that symmetry are believed; so is a guide that goes far from it.
    point = relaxation.surface.measure(
        shaken + 0.05 * np.eye(3)[0] * (np.arange(len(places)) == 1)[:, None]
    )
    assert relaxation._even(point.positions) == pytest.approx(point.positions)


def test_symmetry_does_not_move_frozen_atoms(tmp_path):
    """Where an operation lays free atoms onto frozen ones it is none of the relaxation."""
    start = request(vacancy_ends()[0], tmp_path)
    relaxation = GuidedRelaxation(start, EMT, LENNARD_JONES, frozen=(1,))
    assert 0 < len(relaxation.maps) < len(GuidedRelaxation(start, EMT, LENNARD_JONES).maps)
    assert {int(one.permutation[1]) for one in relaxation.maps} == {1}
    places = start.structure.cart_coords
    free = (np.arange(len(places)) != 1)[:, None]
    shaken = places + free * np.random.default_rng(3).normal(scale=2e-3, size=places.shape)
    assert relaxation._even(shaken)[1] == pytest.approx(places[1], abs=1e-9)


def moved_to(structure, positions):
    moved = structure.copy()
    for index, place in enumerate(positions):
        moved[index].coords = place
    return moved


def test_where_an_engine_cannot_be_guided_it_stays_alone():
    assert GuidedEngine.where_possible(EMT, None) is EMT
    assert GuidedEngine.where_possible(EMT, EMT) is EMT
    assert GuidedEngine.where_possible(REFINED, EMT) is REFINED


def test_frozen_atoms_stay(tmp_path):
    start = vacancy_ends()[0].perturb(0.05)
    document = REFINED.relax(request(start, tmp_path), frozen=(0, 3))
    moved = np.linalg.norm(document.structure.cart_coords - start.cart_coords, axis=1)
    assert moved[[0, 3]].max() < 1e-12
    assert moved.max() > 0.01


def test_its_makers_run_through_jobflow(copper, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for maker, cell in ((REFINED.relax_maker(), "fixed"), (REFINED.relax_maker("scale"), "scale")):
        job = maker.make(copper)
        outputs = run_locally(Flow([job]), log=False, ensure_success=True)
        document = outputs[job.uuid][1].output
        if isinstance(document, dict):
            document = RelaxDocument.model_validate(document)
        assert document.converged
        assert document.cell == cell
        assert (document.guidance is None) == (cell == "scale")


def test_a_guide_must_be_another_engine():
    with pytest.raises(EngineError, match="cannot guide itself"):
        GuidedEngine.of(EMT, EMT)
