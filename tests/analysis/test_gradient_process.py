from __future__ import annotations

import numpy as np
import pytest

from defectflow.analysis.gradient_process import GradientProcess, Noise, most_likely

LENGTH = 1.3
NOISE = Noise(1e-3, 5e-3)


@pytest.fixture
def data():
    """A function of seven coordinates at four points: fewer points than coordinates."""
    rng = np.random.default_rng(0)
    points = 0.5 * rng.normal(size=(4, 7))
    matrix = rng.normal(size=(7, 7))
    matrix = matrix @ matrix.T
    values = np.array([x @ matrix @ x / 2 + np.sin(x).sum() for x in points])
    gradients = np.array([matrix @ x + np.cos(x) for x in points])
    return points, values, gradients


def covariance(first, second, length):
    """The full covariance of values and gradients, number by number."""
    rows, columns, size = len(first), len(second), first.shape[1]
    full = np.zeros((rows * (1 + size), columns * (1 + size)))
    for i, x in enumerate(first):
        for j, y in enumerate(second):
            away = x - y
            near = np.exp(-away @ away / (2 * length**2))
            a = slice(rows + i * size, rows + (i + 1) * size)
            b = slice(columns + j * size, columns + (j + 1) * size)
            full[i, j] = near
            full[i, b] = near * away / length**2
            full[a, j] = -near * away / length**2
            full[a, b] = near * (np.eye(size) / length**2 - np.outer(away, away) / length**4)
    return full


def test_it_is_the_textbook_process(data):
    """The split into the points' own space and the rest changes nothing."""
    points, values, gradients = data
    process = GradientProcess(points, values, gradients, LENGTH, NOISE)
    count, size = points.shape
    slope = np.sqrt((gradients**2).mean())
    scale = max(slope * LENGTH, values.std())
    noise = np.r_[
        np.full(count, NOISE.value / scale), np.full(count * size, NOISE.gradient / scale)
    ]
    matrix = covariance(points, points, LENGTH) + np.diag(noise**2 + 1e-8)
    ones = np.r_[np.ones(count), np.zeros(count * size)]
    known = np.r_[values, gradients.ravel()]
    weights = np.linalg.solve(matrix, ones)
    mean = weights @ known / (weights @ ones)
    known = known - mean * ones
    point = points.mean(axis=0) + 0.2
    cross = covariance(point[None], points, LENGTH)
    expected = cross @ np.linalg.solve(matrix, known)
    value, gradient = process.predict(point)
    assert value == pytest.approx(expected[0] + mean, abs=1e-6)
    assert np.allclose(gradient, expected[1:], atol=1e-6)
    square = known @ np.linalg.solve(matrix, known) / len(known)
    assert process.amplitude == pytest.approx(np.sqrt(square), rel=1e-6)
    left = 1 - cross[0] @ np.linalg.solve(matrix, cross[0])
    assert process.deviation(point) == pytest.approx(np.sqrt(square * left), rel=1e-5)


def test_it_reproduces_what_it_knows(data):
    points, values, gradients = data
    process = GradientProcess(points, values, gradients, LENGTH, Noise(1e-6, 1e-6))
    for point, value, gradient in zip(points, values, gradients, strict=True):
        found = process.predict(point)
        assert found[0] == pytest.approx(value, abs=1e-2)
        assert np.allclose(found[1], gradient, atol=1e-2)
        assert process.deviation(point) < 0.02 * process.amplitude


def test_its_gradient_is_the_derivative_of_its_value(data):
    process = GradientProcess(*data, LENGTH, NOISE)
    point, step = data[0].mean(axis=0), 1e-4
    _, gradient = process.predict(point)
    for axis in range(len(point)):
        shift = np.zeros(len(point))
        shift[axis] = step
        change = process.predict(point + shift)[0] - process.predict(point - shift)[0]
        assert change / (2 * step) == pytest.approx(gradient[axis], abs=1e-5)


def test_one_point_is_enough_for_its_slope():
    process = GradientProcess(np.zeros((1, 3)), np.array([2.0]), np.array([[1.0, 0, 0]]), 2.0)
    value, _ = process.predict(np.array([0.01, 0.0, 0.0]))
    assert value == pytest.approx(2.01, abs=1e-3)


def test_the_likeliest_length_is_that_of_the_function():
    points = np.linspace(0, 6, 13)[:, None]
    slow = most_likely(points, np.sin(points[:, 0]), np.cos(points), (0.1, 1.5, 30.0))
    quick = most_likely(points, np.sin(9 * points[:, 0]), 9 * np.cos(9 * points), (0.1, 1.5, 30.0))
    assert slow.length == 1.5
    assert quick.length == 0.1
