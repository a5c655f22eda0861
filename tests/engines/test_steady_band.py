"""Bands on surfaces with holes and roughness: they come back, and end where forces were least."""

from __future__ import annotations

import numpy as np
import pytest

from defectflow.engines.band import Band, BandSettings
from defectflow.engines.steady_band import settle

WELL_A, DEPTH_EV, STIFF_EV_PER_A2 = 1.0, 0.5, 8.0


def double_well(_: int, positions: np.ndarray) -> tuple[float, np.ndarray]:
    """Two wells at x = ±1 Å along a valley y = 0.3 (1 - x²); the second atom stands still."""
    x, y, z = positions[0]
    off = y - 0.3 * (1 - x**2)
    energy = DEPTH_EV * (x**2 - 1) ** 2 + STIFF_EV_PER_A2 / 2 * (off**2 + z**2)
    slope = np.array(
        [
            4 * DEPTH_EV * x * (x**2 - 1) + STIFF_EV_PER_A2 * off * 0.6 * x,
            STIFF_EV_PER_A2 * off,
            STIFF_EV_PER_A2 * z,
        ]
    )
    return energy, np.array([-slope, np.zeros(3)])


def three_wells(_: int, positions: np.ndarray) -> tuple[float, np.ndarray]:
    """Wells at both ends and a deeper one between, at x = 0.007 Å."""
    x, y, z = positions[0]
    energy = -0.3 * np.cos(2 * np.pi * x) - 0.5 * (1 - x**2) - 0.1 * x
    slope = 0.6 * np.pi * np.sin(2 * np.pi * x) + 1.0 * x - 0.1
    energy += STIFF_EV_PER_A2 / 2 * (y**2 + z**2)
    return energy, -np.array([[slope, STIFF_EV_PER_A2 * y, STIFF_EV_PER_A2 * z], [0.0] * 3])


def band_on(surface, **changed: float) -> Band:
    path = np.zeros((6, 2, 3))
    path[:, 0, 0] = np.linspace(-WELL_A, WELL_A, 6)
    path[:, 1] = [0.0, 5.0, 5.0]
    made = Band(
        path=path,
        energies=np.zeros(6),
        forces=np.zeros_like(path),
        evaluate=surface,
        frozen=np.array([False, True]),
        settings=BandSettings(**changed),
    )
    made.start_climbing()
    return made


class Thrown(Band):
    """A band that quasi-Newton throws off its valley."""

    def minimise(self, method, steps, observe=None):
        self.asked = [*getattr(self, "asked", []), (method, steps)]
        if method == "fire":
            super().minimise(method, steps, observe)
            return
        self.strides = 0
        for _ in range(steps):
            self.strides += 1
            self.move(self.path[self.free].ravel() + 0.2)
            observe()


def test_a_smooth_surface_takes_quasi_newton_alone():
    band = band_on(double_well)
    before = band.path.copy()
    settle(band, 150)
    assert band.done()
    top = band.climbing
    assert band.energies[top] == pytest.approx(DEPTH_EV, abs=1e-3)
    assert np.abs(band.path - before).max() > 0.2


def test_a_band_that_is_thrown_off_its_valley_goes_on_from_the_best():
    band = band_on(double_well)
    band.__class__ = Thrown
    settle(band, 150)
    assert [method for method, _ in band.asked] == ["bfgs", "fire"]
    assert band.strides < 10, "stopped long before its 100 steps"
    assert band.done()
    assert band.energies[band.climbing] == pytest.approx(DEPTH_EV, abs=1e-3)


def test_a_band_that_never_rests_ends_where_its_forces_were_least():
    seen = []

    def rough(index, positions):
        energy, forces = double_well(index, positions)
        forces = forces.copy()
        forces[0] += 0.4 * np.sin(3000 * positions[0])
        return energy, forces

    class Watched(Band):
        def minimise(self, method, steps, observe=None):
            def both():
                seen.append(self.fmax())
                observe()

            super().minimise(method, steps, both)

    band = band_on(rough)
    band.__class__ = Watched
    settle(band, 60)
    assert not band.done()
    assert len(seen) <= 62
    assert band.fmax() == pytest.approx(min(seen), rel=1e-6)


def test_a_band_that_gets_no_better_is_left_long_before_its_last_step():
    asked = []

    def restless(index, positions):
        """Forces that nothing lessens."""
        asked.append(index)
        energy, forces = double_well(index, positions)
        return energy, forces + np.array([[0.0, 0.0, 0.5 * (-1) ** len(asked)], [0.0, 0.0, 0.0]])

    band = band_on(restless)
    settle(band, 1500)
    assert not band.done()
    assert len(asked) / 4 < 200


def aside(index: int, positions: np.ndarray) -> tuple[float, np.ndarray]:
    """The same two wells, 0.05 Å away in z."""
    return double_well(index, positions - [0, 0, 0.05])


def test_the_highest_image_follows_a_surface_while_all_others_stay():
    first = band_on(double_well)
    settle(first, 150)
    band = band_on(aside)
    band.restore(first.path)
    band.refresh()
    before, moving = band.path.copy(), band.decisive()
    assert moving == {band.climbing}
    assert not band.done()
    band.pinned = set(band.free) - moving
    settle(band, 150)
    assert band.done()
    others = [index for index in range(6) if index not in moving]
    assert np.array_equal(band.path[others], before[others])
    assert band.path[band.climbing, 0] == pytest.approx([0, 0.3, 0.05], abs=0.02)
    assert band.energies[band.climbing] == pytest.approx(DEPTH_EV, abs=1e-3)


@pytest.mark.parametrize("rests", [True, False])
def test_images_that_are_good_enough_rest_only_where_that_is_wanted(rests):
    band = band_on(double_well, fmax_eV_per_A=0.05, band_fmax_factor=100.0)
    band.rests = rests
    before = band.path.copy()
    band.refresh()
    band.move(before[band.free].ravel() + 0.01)
    moved = np.abs(band.path - before).max(axis=(1, 2)) > 0
    assert moved[band.climbing]
    assert moved[band.free].sum() == (1 if rests else len(band.free))


@pytest.mark.parametrize("falls", [True, False])
def test_the_lowest_image_falls_to_the_minimum_between_the_ends(falls):
    """Springs hold images where they are evenly spread, here 0.2 Å off on either side."""
    band = band_on(three_wells)
    band.energies[[0, -1]] = [three_wells(0, band.path[end])[0] for end in (0, -1)]
    band.falls = falls
    settle(band, 150)
    assert band.done()
    assert band.decisive() == {band.climbing, band.deepest}
    depth = min(three_wells(0, np.array([[x, 0, 0]]))[0] for x in np.linspace(-0.1, 0.1, 2001))
    left = band.energies[band.deepest] - depth
    assert (left < 1e-3) == falls
    if falls:
        assert np.linalg.norm(band.forces[band.deepest]) < band.settings.fmax_eV_per_A
