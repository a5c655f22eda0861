"""Every mistake ends in one clear line, status 2, and leaves nothing behind."""

from __future__ import annotations

import sqlite3
import subprocess
import sys

import pytest
from pymatgen.core import Lattice, Structure

GOOD = {
    "quantity": "migration_barrier",
    "host": "{prototype: fcc-Cu}",
    "species": "Cu",
    "limit": "discharged",
    "engine": "emt",
    "level": "fast",
}


def write(folder, name="wrong.yaml", **changes):
    lines = {**GOOD, **changes}
    text = "".join(f"{key}: {value}\n" for key, value in lines.items() if value is not None)
    (folder / name).write_text(text)


def assert_refused(result, *says):
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1, result.stderr
    for text in says:
        assert text in result.stderr


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"speces": "Cu"}, ["wrong.yaml:7", "speces", "did you mean species"]),
        ({"species": "Xx"}, ["wrong.yaml", "'Xx'", "Mg"]),
        ({"species": "Ti", "limit": "charged"}, ["wrong.yaml", "Ti", "emt"]),
        ({"species": "Ag"}, ["wrong.yaml", "Ag"]),
        ({"engine": "emtt"}, ["wrong.yaml", "'emtt'", "did you mean emt"]),
        ({"engine": "qchem"}, ["wrong.yaml", "'qchem'"]),
        ({"level": "tight"}, ["wrong.yaml:6", "'tight'", "fast"]),
        ({"host": "{prototype: fcc-Cy}"}, ["wrong.yaml", "fcc-Cy", "did you mean"]),
        ({"host": "{file: nowhere.cif}"}, ["wrong.yaml", "nowhere.cif", "no such file"]),
        ({"quantity": "barrier"}, ["wrong.yaml:1", "'barrier'", "migration_barrier"]),
        ({"species": None}, ["wrong.yaml", "species"]),
        ({"host": "["}, ["wrong.yaml:", "key: value"]),
    ],
    ids=str,
)
def test_a_wrong_recipe_is_refused(cli, tmp_path, changes, says):
    write(tmp_path, **changes)
    before = sorted(tmp_path.rglob("*"))
    assert_refused(cli("run", "wrong.yaml"), *says)
    assert sorted(tmp_path.rglob("*")) == before


def test_nothing_is_computed_if_one_of_the_recipes_is_wrong(cli, tmp_path):
    write(tmp_path, "right.yaml")
    write(tmp_path, species="Xx")
    assert_refused(cli("run", "right.yaml", "wrong.yaml"), "wrong.yaml", "Xx")
    assert not (tmp_path / ".defectflow").exists()


def test_a_missing_recipe_is_named(cli, tmp_path):
    assert_refused(cli("run", "nowhere.yaml"), "nowhere.yaml", "no such file")
    assert list(tmp_path.iterdir()) == []


def test_end_points_with_different_atoms_are_refused(cli, tmp_path):
    places = [(0, 0, 0), (0.5, 0.5, 0), (0.5, 0, 0.5)]
    for name, elements in (("a.cif", "Cu Cu Cu"), ("b.cif", "Cu Cu Ag")):
        Structure(Lattice.cubic(3.6), elements.split(), places).to(name)
    endpoints = "{initial: a.cif, final: b.cif}"
    write(tmp_path, host=None, species=None, limit=None, endpoints=endpoints)
    assert_refused(cli("run", "wrong.yaml"), "wrong.yaml", "Ag")
    assert not (tmp_path / ".defectflow").exists()


def _text(path):
    path.write_text("important notes\n")


def _foreign_database(path):
    with sqlite3.connect(path) as database:
        database.execute("create table addresses (name text)")
    database.close()


@pytest.mark.parametrize("make", [_text, _foreign_database])
@pytest.mark.parametrize("words", [["run", "right.yaml"], ["results"], ["status"], ["compare"]])
def test_a_store_that_is_not_ours_is_refused_and_left_alone(cli, tmp_path, make, words):
    write(tmp_path, "right.yaml")
    foreign = tmp_path / "foreign.sqlite"
    make(foreign)
    before = foreign.read_bytes()
    assert_refused(cli(*words, "--store", foreign), "foreign.sqlite")
    assert foreign.read_bytes() == before
    assert not (tmp_path / ".defectflow").exists()


@pytest.mark.parametrize("verb", ["results", "status", "compare"])
def test_reading_a_store_that_does_not_exist_makes_none(cli, tmp_path, verb):
    assert_refused(cli(verb), "store.sqlite")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_hold_a_store_is_named(cli, tmp_path):
    write(tmp_path, "right.yaml")
    (tmp_path / "file").write_text("")
    assert_refused(cli("run", "right.yaml", "--store", "file/a.sqlite"), "file/a.sqlite")


def test_the_real_program_refuses_in_one_line_too(tmp_path):
    write(tmp_path, species="Xx")
    command = [sys.executable, "-c", "from defectflow.cli import main; main()", "run", "wrong.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert "wrong.yaml" in line
    assert "'Xx'" in line


def test_what_a_file_s_reader_says_is_a_note_on_stderr(cli, tmp_path):
    lines = [f"_cell_length_{axis} 4" for axis in "abc"]
    lines += [f"_cell_angle_{angle} 90" for angle in ("alpha", "beta", "gamma")]
    lines += ["_symmetry_space_group_name_H-M 'P 1'", "loop_", "_atom_site_label"]
    lines += [f"_atom_site_fract_{axis}" for axis in "xyz"] + ["Mg1 0 0 0", "O1 0.5 0.5 0.5"]
    (tmp_path / "plain.cif").write_text("\n".join(["data_one", *lines, ""]))
    result = cli("generate", "vacancy", tmp_path / "plain.cif", "--species", "O")
    assert result.exit_code == 0, result.output
    assert result.stderr.startswith(f"note  host {tmp_path}/plain.cif: No _symmetry_equiv")
    assert "note" not in result.stdout
