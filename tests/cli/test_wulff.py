"""`defectflow wulff` from the command line."""

from __future__ import annotations

import json

import pytest

RECIPE = """
quantity: surface_energy
host: {prototype: fcc-Ag}
surface: {highest: 1, thickness_A: 7}
engine: emt
level: fast
"""


@pytest.fixture(scope="module")
def silver(tmp_path_factory, cli):
    folder = tmp_path_factory.mktemp("wulff")
    (folder / "ag.yaml").write_text(RECIPE)
    done = cli("run", folder / "ag.yaml", "--store", folder / "a.sqlite")
    assert done.exit_code == 0, done.output
    return folder


def test_the_shape_of_what_the_store_holds(silver, cli):
    store = ("--store", silver / "a.sqlite")
    picture = silver / "ag.svg"
    done = cli("wulff", "fcc-Ag", *store, "--format", "json", "-o", picture)
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)
    (document,) = json.loads(cli("results", *store, "--format", "json").stdout)
    assert rows[0]["plane"] == "(111)"
    assert min(row["energy_J_per_m2"] for row in rows) == pytest.approx(document["value"])
    assert sum(row["share"] for row in rows) == pytest.approx(1.0)
    assert {row["engine"] for row in rows} == {"emt"}
    assert "<svg" in picture.read_text()
    table = cli("wulff", "fcc-Ag", *store)
    assert "share of surface" in table.stdout
    assert "mean over the shape" in table.stderr


def test_energies_may_be_given(cli):
    words = ("wulff", "spinel-LiMn2O4", "--format", "json")
    energies = {"1,1,1": 0.6, "0,0,1": 1.2}
    given = [word for one, value in energies.items() for word in ("--energy", f"{one}={value}")]
    rows = {row["plane"]: row for row in json.loads(cli(*words, *given).stdout)}
    # An octahedron: {100} cuts it only below √3 times the energy of {111}.
    assert rows["(111)"]["share"] == pytest.approx(1.0)
    assert rows["(001)"]["share"] == 0.0
    assert rows["(001)"]["appears_below_J_per_m2"] == pytest.approx(0.6 * 3**0.5)


def test_mistakes_are_said_in_one_line(silver, cli):
    for words, said in (
        (("fcc-Ag", "--energy", "1,1=2"), "give three whole numbers"),
        (("fcc-Ag", "--energy", "1,1,1=x"), "give indices and an energy"),
        (("hcp-Mg", "--energy", "0,0,1=1"), "enclose no volume"),
        (("fcc-Cu", "--store", silver / "a.sqlite"), "holds no converged surface energy"),
        (("fcc-Ag", "--energy", "1,1,1=1", "-o", "a.xyz"), "give a .png, .pdf or .svg"),
    ):
        done = cli("wulff", *words)
        assert done.exit_code == 2, done.output
        assert said in done.output
        assert len(done.stderr.strip().splitlines()) == 1
