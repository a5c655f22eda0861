"""The examples run as they stand, one after the other in one folder, and stay short."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    """What each example prints, by the start of its name."""
    folder = tmp_path_factory.mktemp("examples")
    printed = {}
    for path in EXAMPLES:
        done = subprocess.run(
            [sys.executable, path], cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{path.name}: {done.stderr}"
        printed[path.name[:2]] = done.stdout
    return printed


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_one_idea(path):
    assert len(path.read_text().splitlines()) <= 40


def test_a_barrier_is_run(output):
    lines = dict(line.split(maxsplit=1) for line in output["01"].splitlines())
    assert lines["converged"] == "True"
    barrier = float(lines["barrier"].removesuffix(" eV"))
    assert 0.3 < barrier < 1.2  # the hop of a vacancy in copper costs 0.7 eV


def test_barriers_become_a_table_and_diffusion_coefficients(output):
    text = output["02"]
    assert "fcc-Cu" in text
    coefficients = [float(line.split()[3]) for line in text.splitlines() if line.startswith("D(")]
    assert len(coefficients) == 4
    assert coefficients == sorted(coefficients)
    assert all(0 < value < 1 for value in coefficients)


def test_orders_of_a_spinel(output):
    lines = dict(line.split(maxsplit=1) for line in output["06"].splitlines())
    assert (lines["arrangements"], lines["distinct"]) == ("1820", "22")
    assert lines["ordered"].startswith("P4_")
