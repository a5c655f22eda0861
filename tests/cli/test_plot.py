"""`defectflow plot` from the command line."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from defectflow.cli import main

RECIPE = """
quantity: adsorption_energy
host: {prototype: fcc-Cu}
host_cell: keep
slab: {miller: [1, 1, 1], layers: 3, frozen_layers: 2}
adsorbate: H
site: fcc
engine: emt
level: fast
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("plot")


def invoke(folder, *arguments):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return CliRunner().invoke(main, arguments)


def test_a_strain_scan_becomes_a_picture(folder):
    names = []
    for strain in (-0.03, 0.03):
        name = f"h-cu111-{strain:+.2f}.yaml"
        (folder / name).write_text(RECIPE + f"strain: {strain}\n")
        names.append(name)
    assert invoke(folder, "run", *names).exit_code == 0
    done = invoke(folder, "plot", "strain", "-o", "strain.svg", "--species", "H")
    assert (done.exit_code, done.output.strip()) == (0, "strain.svg")
    assert "<svg" in (folder / "strain.svg").read_text()


def test_what_cannot_be_drawn_is_said_in_one_line(folder):
    done = invoke(folder, "plot", "volcano")
    assert done.exit_code == 2
    assert "no converged result belongs on it" in done.output
    done = invoke(folder, "plot", "strain", "-o", "strain.xyz")
    assert done.exit_code == 2
    assert "give a .png, .pdf or .svg" in done.output


def test_help_lists_the_kinds(folder):
    text = invoke(folder, "plot", "--help").output
    for kind in ("free-energy", "volcano", "d-band", "strain", "correlation"):
        assert kind in text
