"""Bader's division of a density: analytic surfaces, skew cells, conserved electrons."""

from __future__ import annotations

import numpy as np
import pytest

from defectflow.analysis.bader import bader_basins
from defectflow.errors import StructureError

WIDTH_A = 0.8


def gaussians(cell, grid, places, heights):
    """Periodic sum of Gaussians; images up to two cells away."""
    axes = [np.arange(n) / n for n in grid]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1) @ cell
    values = np.zeros(tuple(grid))
    images = np.stack(np.meshgrid(*[(-2, -1, 0, 1, 2)] * 3), axis=-1).reshape(-1, 3)
    for place, height in zip(places, heights, strict=True):
        for image in images:
            away = points - (np.array(place) + image) @ cell
            values += height * np.exp(-(away**2).sum(axis=-1) / WIDTH_A**2)
    return values


def test_two_gaussians_meet_where_their_sum_is_lowest():
    """Along x the surface is the plane of the minimum, which a fine line in one dimension has."""
    cell, places = 6.0 * np.eye(3), [[0.3, 0.5, 0.5], [0.7, 0.5, 0.5]]
    density = gaussians(cell, (60, 40, 40), places, (1.0, 2.0))
    found = bader_basins(density, density, cell, places)
    x = np.linspace(0.0, 6.0, 60001)
    line = sum(
        height * np.exp(-(((x - centre + 6 * k) / WIDTH_A) ** 2))
        for height, centre in ((1.0, 1.8), (2.0, 4.2))
        for k in (-2, -1, 0, 1, 2)
    )
    between = (x > 1.8) & (x < 4.2)
    upper = x[between][line[between].argmin()]
    around = np.where(x < 1.8, x + 6.0, x)
    outside = (around > 4.2) & (around < 7.8)
    lower = around[outside][line[outside].argmin()] - 6.0
    inside = (x >= lower) & (x <= upper)
    exact = np.trapezoid(line[inside], x[inside]) * (np.sqrt(np.pi) * WIDTH_A) ** 2
    total = density.sum() * 216.0 / density.size
    assert found.electrons[0] == pytest.approx(exact, abs=0.01)
    assert sum(found.electrons) == pytest.approx(total, abs=1e-7)
    assert found.elsewhere == 0.0


def test_two_atoms_have_what_pybader_gives_them():
    """The same density divided by pybader 0.3.12 (neargrid): 612.062 / 216 and 1235.376 / 216."""
    cell, places = 6.0 * np.eye(3), [[0.3, 0.5, 0.5], [0.7, 0.4, 0.55]]
    density = gaussians(cell, (48, 48, 48), places, (1.0, 2.0))
    found = bader_basins(density, density, cell, places)
    assert found.electrons == pytest.approx((2.8336, 5.7193), abs=0.003)


def test_equal_atoms_of_a_skew_cell_have_equal_parts():
    """hcp: two atoms that a screw axis exchanges, in a cell of 120 degrees."""
    cell = np.array([[2.5, 0, 0], [-1.25, 2.5 * np.sqrt(0.75), 0], [0, 0, 4.1]])
    places = [[1 / 3, 2 / 3, 0.25], [2 / 3, 1 / 3, 0.75]]
    density = gaussians(cell, (30, 30, 48), places, (1.0, 1.0))
    found = bader_basins(density, density, cell, places)
    assert found.electrons[0] == pytest.approx(found.electrons[1], rel=1e-3)


def test_the_division_does_not_depend_on_the_cell():
    """Rock salt in its cubic cell and in its primitive one."""
    cubic = 4.2 * np.eye(3)
    primitive = 2.1 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]])
    corners = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    eight = [*corners, *(corners + 0.5)]
    large = gaussians(cubic, (48, 48, 48), eight, [2.0] * 4 + [1.0] * 4)
    places = [[0, 0, 0], [0.5, 0.5, 0.5]]
    small = gaussians(primitive, (34, 34, 34), places, (2.0, 1.0))
    first = bader_basins(large, large, cubic, eight).electrons
    second = bader_basins(small, small, primitive, places).electrons
    assert np.allclose(first[:4], second[0], atol=0.02)
    assert np.allclose(first[4:], second[1], atol=0.02)


def test_a_maximum_between_atoms_is_told():
    cell, places = 6.0 * np.eye(3), [[0.2, 0.5, 0.5], [0.5, 0.5, 0.5], [0.8, 0.5, 0.5]]
    density = gaussians(cell, (48, 32, 32), places, (1.0, 0.5, 1.0))
    found = bader_basins(density, density, cell, [places[0], places[2]])
    assert found.elsewhere > 0.3


def test_reference_and_counted_density_need_one_grid():
    with pytest.raises(StructureError, match="on one grid"):
        bader_basins(np.ones((4, 4, 4)), np.ones((4, 4, 6)), np.eye(3), [[0, 0, 0]])
