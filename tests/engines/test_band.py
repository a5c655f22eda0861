"""Bands on a real cheap engine: the barrier, what it costs, and going on after an interruption."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from ase.optimize import BFGS
from pymatgen.core import Lattice, Structure

from defectflow.documents.steps import BandDocument, Image
from defectflow.engines.band import BandSettings
from defectflow.engines.band_run import relax_band
from defectflow.engines.band_task import BandTask
from defectflow.engines.calculators import CachingCalculator
from defectflow.engines.conversion import to_atoms
from defectflow.engines.registry import engine
from defectflow.engines.request import Request
from defectflow.structures.bands import interpolate, unwrapped

if TYPE_CHECKING:
    from pathlib import Path

EMT = engine("emt")


def _ends() -> tuple[Structure, Structure]:
    host = Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.61), ["Cu"], [[0, 0, 0]])
    host.make_supercell([2, 2, 2])
    origin = int(np.argmin(np.linalg.norm(host.frac_coords, axis=1)))
    row = host.distance_matrix[origin].copy()
    row[origin] = np.inf
    neighbour = int(row.argmin())
    places = host[origin].frac_coords, host[neighbour].frac_coords
    host.remove_sites([origin, neighbour])
    initial, final = host.copy(), host.copy()
    initial.append("Cu", places[1])
    final.append("Cu", places[0])
    return initial, unwrapped(initial, final)


@pytest.fixture(scope="module")
def images() -> tuple[Image, Image]:
    """Both relaxed ends of a vacancy hop in copper."""
    relaxed = []
    for end in _ends():
        atoms = to_atoms(end, ())
        atoms.calc = EMT.caching_calculator(Request(end))
        BFGS(atoms, logfile=None).run(fmax=0.01)
        structure = Structure(
            end.lattice,
            end.species,
            atoms.get_positions(),
            coords_are_cartesian=True,
            to_unit_cell=False,
        )
        relaxed.append(
            Image(
                structure=structure,
                energy_eV=atoms.get_potential_energy(),
                forces_eV_per_A=tuple(map(tuple, atoms.get_forces().tolist())),
            )
        )
    return relaxed[0], relaxed[1]


def new_calculator(folder: Path) -> CachingCalculator:
    return EMT.caching_calculator(Request(_ends()[0], folder=folder))


def _relaxed(ends: tuple[Image, Image], folder: Path, /, **settings: float) -> BandDocument:
    task = BandTask(*ends, settings=BandSettings(**settings), stamp=EMT.stamp())
    return relax_band(task, new_calculator, folder)


def _barrier(band: BandDocument) -> float:
    return max(band.energies_eV)


@pytest.fixture(scope="module")
def full(images: tuple[Image, Image], tmp_path_factory: pytest.TempPathFactory) -> BandDocument:
    """The band with all images free, tightly converged: what the others must agree with."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("defectflow.engines.band_run.exchange_of", lambda *_: None)
        return _relaxed(images, tmp_path_factory.mktemp("full"), fmax_eV_per_A=0.01)


def test_full_band_converges(full: BandDocument) -> None:
    assert full.converged
    assert not full.mirrored
    assert full.climbing_fmax_eV_per_A < 0.01
    # EMT's vacancy migration energy in a 31-atom cell of copper
    assert _barrier(full) == pytest.approx(0.76, abs=0.02)


def test_a_band_may_begin_from_a_path(
    images: tuple[Image, Image], full: BandDocument, tmp_path: Path
) -> None:
    """One that has come to rest is there at once, however many images it has."""
    task = BandTask(*images, BandSettings(images=3), EMT.stamp(), start=full.positions())
    band = relax_band(task, new_calculator, tmp_path)
    assert band.converged
    assert band.mirrored
    assert len(band.images) == len(full.images) != 5
    assert _barrier(band) == pytest.approx(_barrier(full), abs=1e-3)
    assert band.force_calls <= len(full.images)
    assert [one.label for one in band.candidates] == [band.chosen] == ["given"]
    elsewhere = replace(task, start=full.positions() + 0.01)
    assert elsewhere.key() != task.key() != replace(task, start=None).key()


@pytest.mark.parametrize("count", [5, 4, 1])
def test_half_a_band_has_the_barrier_of_the_whole(
    images: tuple[Image, Image], full: BandDocument, tmp_path: Path, count: int
) -> None:
    half = _relaxed(images, tmp_path, images=count, fmax_eV_per_A=0.02)
    assert half.mirrored
    assert half.converged
    assert _barrier(half) == pytest.approx(_barrier(full), abs=0.005)
    assert half.force_calls < full.force_calls
    assert len(half.images) == count + 2


def test_ends_of_different_moments_are_not_mirrored(
    images: tuple[Image, Image], tmp_path: Path
) -> None:
    """The ion has a moment, and the atoms are up on one side of it and down on the other."""
    first, last = (image.structure for image in images)
    away = first.distance_matrix[-1] - last.distance_matrix[-1]
    moments = (*(-np.sign(np.round(away[:-1], 2))).tolist(), 1.0)
    ends = [one.model_copy(update={"magnetic_moments": moments}) for one in images]
    band = _relaxed((ends[0], ends[1]), tmp_path, images=1, fmax_eV_per_A=0.2)
    assert not band.mirrored


def test_mirrored_images_are_what_the_engine_gives(
    images: tuple[Image, Image], tmp_path: Path
) -> None:
    band = _relaxed(images, tmp_path, images=5)
    for image in band.images[-3:-1]:
        atoms = to_atoms(image.structure, ())
        atoms.calc = EMT.caching_calculator(Request(image.structure))
        assert atoms.get_potential_energy() == pytest.approx(image.energy_eV, abs=1e-6)
        assert atoms.get_forces() == pytest.approx(np.array(image.forces_eV_per_A), abs=1e-5)


def test_ends_and_order_of_atoms_are_kept(full: BandDocument, images: tuple[Image, Image]) -> None:
    for end, image in zip(images, (full.images[0], full.images[-1]), strict=True):
        assert image.structure == end.structure
        assert image.energy_eV == end.energy_eV
    for image in full.images:
        assert image.structure.species == images[0].structure.species


def test_every_evaluation_is_counted_once(images: tuple[Image, Image], tmp_path: Path) -> None:
    made: list[CachingCalculator] = []

    def new(folder: Path) -> CachingCalculator:
        made.append(new_calculator(folder))
        return made[-1]

    task = BandTask(*images, settings=BandSettings(), stamp=EMT.stamp())
    band = relax_band(task, new, tmp_path)
    assert len(made) == (len(band.images) - 2 + 1) // 2  # one per computed image
    assert band.force_calls == sum(calculator.evaluations for calculator in made)


def test_a_band_that_quasi_newton_throws_off_goes_on_from_its_best(
    images: tuple[Image, Image],
    full: BandDocument,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else images end where atoms overlap, and FIRE climbs there."""
    seen = []
    calculate = CachingCalculator.calculate

    def counting(self, *args, **kwargs) -> None:
        calculate(self, *args, **kwargs)
        seen.append(np.linalg.norm(self.results["forces"], axis=1).max())

    monkeypatch.setattr(CachingCalculator, "calculate", counting)
    monkeypatch.setattr(
        "defectflow.engines.quasi_newton.QuasiNewton.step",
        lambda _, positions, forces: np.roll(positions, 1, axis=0) - positions + forces,
    )
    band = _relaxed(images, tmp_path)
    assert max(seen) > 10
    assert band.converged
    assert _barrier(band) == pytest.approx(_barrier(full), abs=0.01)
    assert band.force_calls == len(seen)


def test_frozen_atoms_stay(images: tuple[Image, Image], tmp_path: Path) -> None:
    ends = images
    start = ends[0].structure.cart_coords
    moves = np.linalg.norm(ends[1].structure.cart_coords - start, axis=1)
    frozen = tuple(int(i) for i in np.flatnonzero(moves < 1e-3)[:3])
    task = BandTask(*ends, settings=BandSettings(), stamp=EMT.stamp(), frozen=frozen)
    band = relax_band(task, new_calculator, tmp_path)
    path = band.positions()[:, list(frozen)]
    assert path == pytest.approx(np.broadcast_to(path[0], path.shape), abs=1e-9)


@pytest.mark.parametrize("of", ["one end", "both ends"])
def test_a_mirror_does_not_move_frozen_atoms(
    images: tuple[Image, Image], tmp_path: Path, of: str
) -> None:
    """Neighbours of the start alone have no image that is frozen; those of both ends have."""
    first, last = (image.structure for image in images)
    near = [
        {k for k in range(len(end) - 1) if end.get_distance(k, len(end) - 1) < 3.0}
        for end in (first, last)
    ]
    frozen = sorted(near[0] & near[1] if of == "both ends" else near[0] - near[1])
    still = last.copy()
    for atom in frozen:
        still[atom].coords = first[atom].coords
    ends = images[0], images[1].model_copy(update={"structure": still})
    settings = BandSettings(images=1, fmax_eV_per_A=0.1)
    task = BandTask(*ends, settings=settings, stamp=EMT.stamp(), frozen=tuple(frozen))
    band = relax_band(task, new_calculator, tmp_path)
    path = band.positions()[:, frozen]
    assert np.abs(path - path[0]).max() < 1e-9
    assert band.mirrored == (of == "both ends")


def test_flags_of_a_file_hold_no_atom(images: tuple[Image, Image], tmp_path: Path) -> None:
    """A band moves all atoms but `frozen`, as the relaxations of its ends do."""
    structures = [image.structure.copy() for image in images]
    for structure in structures:
        structure.add_site_property("selective_dynamics", [[False] * 3] * len(structure))
    flagged = [
        image.model_copy(update={"structure": structure})
        for image, structure in zip(images, structures, strict=True)
    ]
    band = _relaxed((flagged[0], flagged[1]), tmp_path, images=1)
    saddle = band.images[1]
    atoms = to_atoms(saddle.structure)
    atoms.calc = EMT.caching_calculator(Request(saddle.structure))
    assert atoms.get_potential_energy() == pytest.approx(saddle.energy_eV, abs=1e-6)
    assert _barrier(band) == pytest.approx(0.76, abs=0.02)


def test_unconverged_is_said(images: tuple[Image, Image], tmp_path: Path) -> None:
    band = _relaxed(images, tmp_path, max_steps=1, patience=1, fmax_eV_per_A=0.001)
    assert not band.converged


def test_more_steps_go_on_from_where_fewer_ended(
    images: tuple[Image, Image], tmp_path: Path
) -> None:
    whole = _relaxed(images, tmp_path, fmax_eV_per_A=0.005)
    few = _relaxed(images, tmp_path, fmax_eV_per_A=0.005, max_steps=3)
    again = _relaxed(images, tmp_path, fmax_eV_per_A=0.005, max_steps=3)
    assert not few.converged
    assert again.climbing_fmax_eV_per_A == pytest.approx(few.climbing_fmax_eV_per_A, rel=1e-6)
    rest = _relaxed(images, tmp_path, fmax_eV_per_A=0.005)
    assert rest.converged
    assert _barrier(rest) == pytest.approx(_barrier(whole), abs=0.005)
    assert rest.force_calls - again.force_calls < whole.force_calls
    assert not list(tmp_path.iterdir())


def test_interrupted_band_goes_on(images: tuple[Image, Image], tmp_path: Path) -> None:
    whole = _relaxed(images, tmp_path)
    calls = 0

    class Killed(BaseException):
        """Stands for the end of the process."""

    class Dying(CachingCalculator):
        def calculate(self, *args: object, **kwargs: object) -> None:
            nonlocal calls
            calls += 1
            if calls > whole.force_calls // 2:
                raise Killed
            super().calculate(*args, **kwargs)  # type: ignore[arg-type]

    task = BandTask(*images, settings=BandSettings(), stamp=EMT.stamp())
    parts = new_calculator(tmp_path).parts
    with pytest.raises(Killed):
        relax_band(task, lambda _folder: Dying(parts), tmp_path)
    assert list(tmp_path.iterdir())
    before = calls
    made: list[CachingCalculator] = []

    def new(folder: Path) -> CachingCalculator:
        made.append(new_calculator(folder))
        return made[-1]

    resumed = relax_band(task, new, tmp_path)
    assert resumed.converged
    assert _barrier(resumed) == pytest.approx(_barrier(whole), abs=0.005)
    assert sum(calculator.evaluations for calculator in made) < whole.force_calls
    assert resumed.force_calls >= before - len(made)
    assert not list(tmp_path.iterdir())


def test_resumed_race_keeps_what_it_has_seen(images: tuple[Image, Image], tmp_path: Path) -> None:
    """An interruption after the first of two starting paths does not run the first again."""
    middle = interpolate(images[0].structure, images[1].structure, 1)[1]
    aside = middle.copy()
    aside.translate_sites([len(aside) - 1], [0.0, 0.0, 0.3], frac_coords=False)
    task = BandTask(*images, settings=BandSettings(), stamp=EMT.stamp(), waypoints={"aside": aside})
    whole = relax_band(task, new_calculator, tmp_path)
    first = whole.candidates[0].force_calls
    calls = 0

    class Killed(BaseException):
        """Stands for the end of the process."""

    class Dying(CachingCalculator):
        def calculate(self, *args: object, **kwargs: object) -> None:
            nonlocal calls
            calls += 1
            if calls > first + 9:
                raise Killed
            super().calculate(*args, **kwargs)  # type: ignore[arg-type]

    parts = new_calculator(tmp_path).parts
    with pytest.raises(Killed):
        relax_band(task, lambda _folder: Dying(parts), tmp_path)
    resumed = relax_band(task, new_calculator, tmp_path)
    assert {c.label for c in resumed.candidates} == {"straight", "aside"}
    assert resumed.candidates[0] == whole.candidates[0]
    assert _barrier(resumed) == pytest.approx(_barrier(whole), abs=0.005)
