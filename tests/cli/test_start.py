"""Starting must cost nothing: no library of the trade is imported before a verb runs."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

import pytest

HEAVY = (
    "ase",
    "atomate2",
    "jobflow",
    "maggma",
    "numpy",
    "pandas",
    "pydantic",
    "pymatgen",
    "scipy",
    "torch",
    "yaml",
)
PROBE = """
import sys
from defectflow.cli import main
try:
    main({words!r})
except SystemExit as end:
    assert end.code == 0, end.code
print(*sorted(set({heavy!r}) & set(sys.modules)), file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("words", "needed"),
    [
        (["--help"], ""),
        (["--version"], ""),
        (["run", "--help"], ""),
        (["generate", "--help"], "pydantic"),  # the models of the kinds are its options
        (["generate", "vacancy", "--help"], "pydantic"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_help_imports_nothing_heavy(words, needed):
    code = PROBE.format(words=words, heavy=HEAVY)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip()
    assert done.stderr.strip() == needed


@pytest.mark.parametrize("words", [[], ["generate"], ["generate", "vacancy"]], ids=" ".join)
def test_help_takes_less_than_half_a_second_of_the_processor(words):
    def spent():
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    def seconds():
        before = spent()
        command = [sys.executable, "-c", "from defectflow.cli import main; main()", *words]
        subprocess.run([*command, "--help"], capture_output=True, check=True)
        return spent() - before

    assert min(seconds() for _ in range(5)) < 0.5


def test_a_terminal_that_lacks_a_letter_gets_its_number():
    command = [sys.executable, "-c", "from defectflow.cli import main; main()"]
    done = subprocess.run(
        [*command, "generate", "vacancy", "--help"],
        env={**os.environ, "PYTHONIOENCODING": "iso8859-7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "--min-image-distance \\xc5" in done.stdout


def test_help_lists_the_verbs_in_the_order_of_the_work(cli):
    text = cli("--help").stdout
    places = [
        text.index(f"\n  {verb} ")
        for verb in ("run", "status", "results", "compare", "engines", "generate")
    ]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["rnu"], "did you mean run?"),
        (["run"], "RECIPE"),
        (["run", "a.yaml", "--workers", "0"], "--workers"),
        (["run", "a.yaml", "--level", "tight"], "--level"),
        (["run", "a.yaml", "--enigne", "emt"], "--enigne"),
        (["generate", "vacansy", "fcc-Cu"], "vacancy"),
        (["results", "--format", "xml"], "--format"),
    ],
)
def test_wrong_words_end_in_one_line_and_status_2(cli, words, says):
    result = cli(*words)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert says in result.stderr
    assert "--help" in result.stderr
