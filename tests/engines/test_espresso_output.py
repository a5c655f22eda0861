"""What is read from the text of pw.x, in the forms of several versions."""

from __future__ import annotations

import pytest

from defectflow.engines.espresso_output import (
    failure,
    moments_of_atoms,
    read_projections,
    read_result,
)
from defectflow.engines.espresso_program import pool_words, version_numbers
from defectflow.errors import EngineError

HEAD = "     Program PWSCF v.6.7MaX starts on today\n"
BOX = "%%%%%%\n     Error in routine {routine} ({code}):\n     {text}\n%%%%%%\n"
TIMING = "     cdiaghg      :      0.01s CPU      0.01s WALL (     329 calls)\n"


@pytest.mark.parametrize(
    "lines",
    [
        (
            "     Magnetic moment per site:\n"
            "     atom:    1    charge:   16.6632    magn:    2.1922    constr:    0.0000\n"
            "     atom:    2    charge:   16.6614    magn:   -2.1911    constr:    0.0000\n"
        ),
        (
            "     Magnetic moment per site  (integrated on atomic sphere of radius R)\n"
            "     atom   1 (R=0.357)  charge=  5.3700  magn=  2.1922\n"
            "     atom   2 (R=0.357)  charge=  5.3700  magn= -2.1911\n"
        ),
    ],
    ids=["6.7", "7"],
)
def test_moments_of_the_last_iteration(lines):
    earlier = lines.replace("2.19", "9.99")
    text = f"{HEAD}{earlier}\n     iteration # 9\n{lines}\n     total cpu time\n"
    assert moments_of_atoms(text) == (2.1922, -2.1911)
    assert moments_of_atoms(HEAD) is None


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        (HEAD + "     convergence NOT achieved after  80 iterations: stopping\n", "scf", "NOT ach"),
        (HEAD + "     Maximum CPU time exceeded\n", "time", "Maximum CPU time"),
        (
            HEAD + BOX.format(routine="cdiaghg", code=31, text="S matrix not positive definite"),
            "diagonalization",
            "cdiaghg: S matrix not positive definite",
        ),
        (
            HEAD + BOX.format(routine="c_bands", code=1, text="too many bands are not converged"),
            "diagonalization",
            "too many bands",
        ),
        (
            HEAD + BOX.format(routine="read_wfc", code=2, text="error reading evc"),
            "restart",
            "read_wfc",
        ),
        (
            HEAD + TIMING + BOX.format(routine="set_occupations", code=1, text="smearing unknown"),
            "other",
            "set_occupations: smearing unknown",
        ),
        (HEAD + TIMING, "other", "ended without a message"),
        ("", "start", "no output"),
    ],
)
def test_why_a_run_gave_nothing(text, kind, words):
    found, told = failure(text, "")
    assert found == kind
    assert words in told


def test_what_mpi_says_when_it_does_not_start():
    assert failure("", "-----\n  There are not enough slots\n") == (
        "start",
        "There are not enough slots",
    )


def test_files_that_are_missing_or_cut_off_are_named(tmp_path):
    with pytest.raises(EngineError, match=r"calc\.xml cannot be read"):
        read_result(tmp_path / "calc.xml", "gaussian")
    (tmp_path / "calc.xml").write_text("<espresso><output></output></espresso>")
    with pytest.raises(EngineError, match="band_structure"):
        read_result(tmp_path / "calc.xml", "gaussian")
    (tmp_path / "calc.projwfc_up").write_text("nothing\n")
    for name in ("calc.projwfc_up", "none"):
        with pytest.raises(EngineError, match=f"{name} cannot be read"):
            read_projections(tmp_path / name)


@pytest.mark.parametrize(
    ("version", "numbers"), [("6.7MaX", (6, 7)), ("7.4.1", (7, 4)), ("7.0", (7, 0))]
)
def test_versions(version, numbers):
    assert version_numbers(version) == numbers


def test_a_version_of_unknown_form_is_an_error():
    with pytest.raises(EngineError, match="develop: unknown form"):
        version_numbers("develop")


@pytest.mark.parametrize(
    ("processes", "mesh", "words"),
    [
        ("1", (9, 9, 9), []),
        ("4", (1, 1, 1), []),
        ("4", (5, 5, 4), ["-nk", "2"]),
        ("4", (9, 9, 9), ["-nk", "4"]),
        ("6", (6, 6, 4), ["-nk", "3"]),
    ],
)
def test_pools_of_k_points_are_never_empty(monkeypatch, processes, mesh, words):
    monkeypatch.setenv("DEFECTFLOW_DFT_PROCESSES", processes)
    assert pool_words(mesh) == words
