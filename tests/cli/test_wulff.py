"""`defectflow wulff` from the command line."""

from __future__ import annotations

import json

import pytest
from pymatgen.core import Lattice, Structure

from defectflow.store import open_store

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


def refiled(store, target, **changes):
    """Write a store with the result of `store` and a changed copy of it that has (111) only."""
    with open_store(store, create=False) as opened:
        (known,) = opened.find(quantity="surface_energy")
    surfaces = tuple(one for one in known.surfaces if one.miller == (1, 1, 1))
    rest = tuple(one for one in known.surfaces if one.miller != (1, 1, 1))
    changed = known.model_copy(
        update={"recipe": "second", "key": "1" * 64, "surfaces": surfaces, **changes}
    )
    with open_store(target) as opened:
        for number, one in enumerate((known.model_copy(update={"surfaces": rest}), changed)):
            output = one.model_dump(mode="json")
            output |= {"@module": type(one).__module__, "@class": type(one).__name__}
            opened.file({"uuid": f"u{number}", "index": 1, "output": output, "name": "result"})
    return known


def test_energies_that_differ_in_anything_but_the_plane_are_refused(silver, cli, tmp_path):
    with open_store(silver / "a.sqlite", create=False) as opened:
        (known,) = opened.find(quantity="surface_energy")
    for name, (changes, said) in {
        "level": ({"level": "balanced"}, "level (balanced and fast)"),
        "options": ({"options": {"calculator": "other"}}, "they differ in options"),
        "versions": ({"code_versions": {"ase": "0"}}, ""),
    }.items():
        stamp = known.engine.model_copy(update=changes)
        crystal = known.crystal.model_copy(update={"engine": stamp})
        refiled(silver / "a.sqlite", tmp_path / f"{name}.sqlite", engine=stamp, crystal=crystal)
        done = cli("wulff", "fcc-Ag", "--store", tmp_path / f"{name}.sqlite")
        assert done.exit_code == (2 if said else 0), done.output
        assert said in done.output
        assert not said or "second and ag: " in done.output
    store = ("--store", tmp_path / "level.sqlite")
    for words in (("--level", "fast"), ("--recipe", "ag")):
        assert cli("wulff", "fcc-Ag", *store, *words).exit_code == 0
    refiled(silver / "a.sqlite", tmp_path / "atoms.sqlite", atoms="fixed")
    done = cli("wulff", "fcc-Ag", "--store", tmp_path / "atoms.sqlite")
    assert done.exit_code == 2
    assert "second and ag: atoms of the slabs are fixed and relaxed" in done.output


def test_a_result_whose_planes_are_all_replaced_does_not_count(silver, cli, tmp_path):
    with open_store(silver / "a.sqlite", create=False) as opened:
        (known,) = opened.find(quantity="surface_energy")
    refiled(silver / "a.sqlite", tmp_path / "a.sqlite", atoms="fixed", surfaces=known.surfaces)
    done = cli("wulff", "fcc-Ag", "--store", tmp_path / "a.sqlite")
    assert done.exit_code == 0, done.output


def test_a_file_finds_results_of_its_crystal_alone(silver, cli, tmp_path):
    store = ("--store", silver / "a.sqlite", "--format", "json")
    Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.09), ["Ag"], [[0, 0, 0]]).to(
        str(tmp_path / "metal.cif")
    )
    Structure.from_spacegroup("Im-3m", Lattice.cubic(3.25), ["Ag"], [[0, 0, 0]]).to(
        str(tmp_path / "other.cif")
    )
    named, filed = (cli("wulff", host, *store) for host in ("fcc-Ag", tmp_path / "metal.cif"))
    assert filed.exit_code == 0, filed.output
    assert json.loads(filed.stdout) == json.loads(named.stdout)
    done = cli("wulff", tmp_path / "other.cif", *store)
    assert done.exit_code == 2
    assert "no converged surface energy of this crystal" in done.output


def test_mistakes_are_said_in_one_line(silver, cli):
    for words, said in (
        (("fcc-Ag", "--energy", "1,1=2"), "give three whole numbers"),
        (("fcc-Ag", "--energy", "1,1,1=x"), "give indices and an energy"),
        (("hcp-Mg", "--energy", "0,0,1=1"), "enclose no volume"),
        (("fcc-Cu", "--store", silver / "a.sqlite"), "holds no converged surface energy"),
        (("fcc-Ag", "--energy", "1,1,1=nan"), "not above zero and finite"),
        (("fcc-Ag", "--energy", "1,1,1=inf"), "not above zero and finite"),
        (("fcc-Ag", "--energy", "1,1,1=1", "--energy", "2,2,2=2"), "1,1,1=1 and 2,2,2=2: the same"),
        (("fcc-Ag", "--energy", "0,1,0=1", "--energy", "0,0,-1=2"), "the same plane of this"),
        (("fcc-Ag", "--energy", "1,1,1=1", "-o", "a.xyz"), "give a .png, .pdf or .svg"),
    ):
        done = cli("wulff", *words)
        assert done.exit_code == 2, done.output
        assert said in done.output
        assert len(done.stderr.strip().splitlines()) == 1
