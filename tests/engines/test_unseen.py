"""A saddle between two images of a band that have come to rest on either side of it."""

from __future__ import annotations

import numpy as np
import pytest

from defectflow.engines.band import Band, BandSettings
from defectflow.engines.unseen import finer_path
from defectflow.structures.exchanges import Exchange

#: The plane x = 2 Å as a mirror.
MIRROR = Exchange(np.diag([-1.0, 1.0, 1.0]), np.array([[4.0, 0.0, 0.0]] * 2), np.arange(2))


def surface_of(energy, forces):
    """Return the surface on which the second of two atoms moves; the first one is held."""

    def surface(positions: np.ndarray) -> tuple[float, np.ndarray]:
        return energy(*positions[1]), np.array([np.zeros(3), forces(*positions[1])])

    return surface


def hump(centre_A: float, height_eV: float):
    """A narrow hump on the x axis, in a valley along it."""

    def up(x: float) -> float:
        return height_eV * np.exp(-(((x - centre_A) / 0.2) ** 2))

    return surface_of(
        lambda x, y, z: up(x) + y**2 + z**2,
        lambda x, y, z: [up(x) * (x - centre_A) / 0.02, -2 * y, -2 * z],
    )


def band_on(surface, exchange: Exchange | None = None) -> Band:
    """An atom in five images, 1 Å apart along x, and one that is held in the mirror."""
    path = np.zeros((5, 2, 3))
    path[:, 0] = [2.0, 5.0, 0.0]
    path[:, 1, 0] = np.arange(5.0)
    return Band(
        path=path,
        energies=np.array([surface(image)[0] for image in path]),
        forces=np.zeros_like(path),
        evaluate=lambda _, positions: surface(positions),
        frozen=np.array([True, False]),
        settings=BandSettings(),
        exchange=exchange,
    )


def test_an_image_is_added_where_something_higher_lies_between_two():
    surface = hump(2.5, 0.4)
    path = finer_path(band_on(surface), surface)
    assert path[:, 1, 0] == pytest.approx([0, 1, 2, 2.5, 3, 4], abs=0.1)


def test_a_path_that_is_its_own_mirror_image_stays_so():
    surface = hump(0.5, 0.4)
    path = finer_path(band_on(surface, MIRROR), surface)
    assert path[:, 1, 0] == pytest.approx([0, 0.5, 1, 2, 3, 3.5, 4], abs=0.1)
    assert path[::-1, 1, 0] == pytest.approx(4 - path[:, 1, 0])


def test_nothing_is_added_below_the_highest_image():
    surface = hump(2.0, 0.4)
    assert finer_path(band_on(surface), surface) is None


def test_nothing_is_added_where_only_the_straight_way_is_higher():
    """A valley that turns: what is straight between two images is higher than the path."""

    def beside(x: float, y: float) -> float:
        return y - 0.3 * np.sin(np.pi * x)

    surface = surface_of(
        lambda x, y, z: 4 * beside(x, y) ** 2 + z**2,
        lambda x, y, z: [
            8 * beside(x, y) * 0.3 * np.pi * np.cos(np.pi * x),
            -8 * beside(x, y),
            -2 * z,
        ],
    )
    assert surface(np.array([[2, 5, 0], [0.5, 0, 0]]))[0] > 0.3
    assert finer_path(band_on(surface), surface) is None
