"""`defectflow generate`: cells on stdout and as files, all of them or none."""

from __future__ import annotations

import csv
import gc
import json
import re
import weakref

import pytest
from pymatgen.core import Composition, Structure

from defectflow.structures import Cell


@pytest.mark.parametrize(
    ("words", "kind", "names"),
    [
        (["vacancy", "rocksalt-MgO"], "vacancy", {"V_Mg", "V_O"}),
        (["vacancy", "rocksalt-MgO", "--species", "O"], "vacancy", {"V_O"}),
        (["substitution", "rocksalt-MgO", "--replace", "Mg=Ca"], "substitution", {"Ca_Mg"}),
        (["antisite", "rocksalt-MgO"], "antisite", {"O_Mg", "Mg_O"}),
        (["interstitial", "rocksalt-MgO", "--species", "Li"], "interstitial", {"Li_i"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_each_kind_is_listed_and_written(cli, tmp_path, words, kind, names):
    result = cli("generate", *words, "--min-image-distance", "4", "-o", "cells", "--format", "json")
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)
    assert {row["name"] for row in rows} == names
    assert {row["kind"] for row in rows} == {kind}
    folder = tmp_path / "cells"
    assert {path.name for path in folder.iterdir()} == {"cells.csv", *(row["file"] for row in rows)}
    with (folder / "cells.csv").open() as table:
        written = list(csv.DictReader(table))
    assert [row["name"] for row in written] == [row["name"] for row in rows]
    for row in rows:
        structure = Structure.from_file(folder / row["file"])
        assert len(structure) == row["atoms"]
        assert structure.composition == Composition(row["formula"])


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["complex", "rocksalt-MgO", "--members", "V_Mg,V_O"], ["V_Mg+V_O"]),
        (
            [
                "complex",
                "rocksalt-MgO",
                "--members",
                "V_O",
                "--members",
                "V_O",
                "--shell",
                "2",
                "--min-image-distance",
                "9",
            ],
            ["2V_O@2"],
        ),
        (["frenkel", "rocksalt-MgO", "--species", "Mg", "--shell", "2"], ["V_Mg+Mg_i@2"]),
        (["schottky", "rocksalt-MgO"], ["V_Mg+V_O"]),
        (
            ["compensated", "rutile-TiO2", "--replace", "O=F"],
            [f"V_Ti+4F_O_{number}" for number in range(1, 6)],
        ),
        (
            ["compensated", "anatase-TiO2", "--replace", "Ti=Cr", "--oxidation-states", "Cr=3"],
            ["V_O+2Cr_Ti_1", "V_O+2Cr_Ti_2"],
        ),
        (["dumbbell", "fcc-Cu", "--families", "100,111"], ["(Cu-Cu)_Cu[100]", "(Cu-Cu)_Cu[111]"]),
        (["single_atom", "graphene", "--metal", "Fe", "--ligand", "O"], ["FeN4-O"]),
        (
            ["vacancy", "rocksalt-MgO", "--species", "O", "--charges", "0,+2"],
            ["V_O", "V_O^+2"],
        ),
        (
            ["vacancy", "rocksalt-MgO", "--species", "Mg", "--charges", "guess"],
            ["V_Mg", "V_Mg^-1", "V_Mg^-2"],
        ),
    ],
    ids=" ".join,
)
def test_complexes_and_charges(cli, words, names):
    result = cli("generate", *words, "--format", "json")
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)
    assert [row["name"] for row in rows] == names
    for row in rows:
        assert row["charge"] == int(row["name"].partition("^")[2] or 0)
    if "guess" in words:
        assert all(row["note"] for row in rows)


def test_the_cell_of_the_host_is_kept_for_distance_0_and_grown_otherwise(cli):
    def atoms(distance):
        words = ["generate", "vacancy", "fcc-Cu", "--min-image-distance", distance]
        (row,) = json.loads(cli(*words, "--format", "json").stdout)
        return row["atoms"]

    assert atoms("0") == 3
    assert atoms("5") > 3


def test_without_a_folder_nothing_is_written(cli, tmp_path):
    result = cli("generate", "vacancy", "fcc-Cu")
    assert result.exit_code == 0
    assert "V_Cu" in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_host_from_a_file(cli, tmp_path):
    cli("generate", "vacancy", "rocksalt-MgO", "-o", "first")
    result = cli("generate", "vacancy", "first/V_O.cif", "--species", "Mg", "--format", "csv")
    assert result.exit_code == 0, result.output
    assert len(result.stdout.splitlines()) > 2  # the vacancy makes Mg sites inequivalent


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["vacancy", "fcc-Cy"], "did you mean fcc-Cu"),
        (["vacancy", "nowhere.cif"], "no such file"),
        (["vacancy", "."], "a folder; give one file"),
        (["vacancy", "fcc-Cu", "--species", "Ag"], "Ag"),
        (["vacancy", "fcc-Cu", "--species", "Xx"], "'Xx'"),
        (["antisite", "fcc-Cu"], "no site"),
        (["substitution", "fcc-Cu", "--replace", "Cu"], "OLD=NEW"),
        (["substitution", "fcc-Cu", "--replace", "Cu=Cu"], "nothing changes"),
        (["interstitial", "fcc-Cu", "--species", "Xx"], "'Xx'"),
        (["substitution", "fcc-Cu"], "--replace"),
        (["vacancy", "fcc-Cu", "--min-image-distance", "300"], "Å fits, or max_atoms"),
        (["vacancy", "fcc-Cu", "--charges", "+1"], "leave it neutral"),
        (["vacancy", "rocksalt-MgO", "--species", "O", "--charges", "+5"], "likely: +0, +1, +2"),
        (["vacancy", "rocksalt-MgO", "--charges", "many"], "whole numbers"),
        (["vacancy", "rocksalt-MgO", "--charges", "0.5"], "whole numbers"),
        (["complex", "rocksalt-MgO", "--members", "V_Mg"], "at least two"),
        (["complex", "rocksalt-MgO", "--members", "V_Mg,V_S"], "has no S"),
        (["complex", "rocksalt-MgO", "--members", "V_Mg,V_O", "--shell", "0"], "shell 0"),
        (["complex", "rocksalt-MgO", "--members", "V_Mg,V_O", "--shell", "9"], "at least"),
        (["compensated", "rutile-TiO2", "--replace", "Ti=Cr"], "Cr: ..."),
        (["compensated", "rutile-TiO2", "--replace", "Ti=Zr"], "nothing to compensate"),
        (["compensated", "rutile-TiO2", "--replace", "O=F", "--vacancy", "O"], "vacancies of Ti"),
        (["schottky", "fcc-Cu"], "one element"),
        (["schottky", "rutile-TiO2", "--species", "Ti"], "both signs"),
        (["dumbbell", "fcc-Cu", "--families", "112"], "--families"),
        (["single_atom", "fcc-Cu", "--metal", "Fe"], "carbon"),
        (["single_atom", "graphene", "--metal", "Fe", "--vacancies", "1"], "0 to 3"),
        (["single_atom", "graphene", "--metal", "C"], "give a metal"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_input_leaves_nothing_behind(cli, tmp_path, words, says):
    result = cli("generate", *words, "-o", "deep/cells")
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert says in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_the_message_says_would_do_does(cli):
    words = ["generate", "vacancy", "rocksalt-MgO", "--min-image-distance"]
    said = cli(*words, "16").stderr
    fitting, enough = re.search(r"([\d.]+) Å fits, or max_atoms (\d+)", said).groups()
    assert cli(*words, fitting).exit_code == 0
    assert cli(*words, "16", "--max-atoms", enough).exit_code == 0


def test_defaults_are_those_of_the_supercells():
    from defectflow.cli.generate import DISTANCE_A, MOST_ATOMS
    from defectflow.structures.supercells import MAX_ATOMS, MIN_IMAGE_DISTANCE_A

    assert (DISTANCE_A, MOST_ATOMS) == (MIN_IMAGE_DISTANCE_A, MAX_ATOMS)


def test_a_table_says_distances_and_reasons_and_counts_what_is_many(cli):
    near = cli("generate", "complex", "rocksalt-MgO", "--members", "V_Mg,V_O").stdout
    assert "V_Mg to V_O 2.11 Å" in near
    assert "file" not in near.splitlines()[0]
    assert "O-2 missing" in cli(
        "generate", "vacancy", "rocksalt-MgO", "--species", "O", "--charges", "guess"
    ).stdout.replace("\n", " ")
    words = ["generate", "order", "rocksalt-MgO", "--replace", "Mg=Ni1/2", "--repeat", "2,2,1"]
    many = cli(*words, "--arrangement", "random").stdout
    assert "8 Mg to Ni" in many
    assert "Warren-Cowley" in many


def test_places_are_written_between_0_and_1():
    from defectflow.cli.cells import _fraction

    assert [_fraction(one) for one in (-1e-17, 0.99999, 1.25, -0.1, 1 / 3, 1e-33)] == [
        "0", "0", "0.25", "0.9", "0.3333", "0",
    ]  # fmt: skip


def test_a_folder_with_files_is_not_touched(cli, tmp_path):
    folder = tmp_path / "cells"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    result = cli("generate", "vacancy", "fcc-Cu", "-o", "cells")
    assert result.exit_code == 2
    assert "not empty" in result.stderr
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_a_failure_halfway_leaves_nothing(cli, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Structure, "to", full)
    result = cli("generate", "vacancy", "rocksalt-MgO", "-o", "cells")
    assert result.exit_code == 2
    assert "No space left on device" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_names_that_are_no_file_names_get_one(cli):
    from defectflow.cli.cells import records

    structure = Structure.from_spacegroup(
        "Fm-3m", [[4, 0, 0], [0, 4, 0], [0, 0, 4]], ["Cu"], [[0] * 3]
    )
    names = ["SF(111)", "SF 111", "Σ5(310)[001]", "../up"]
    cells = [Cell(structure, structure, name, "test", (), 1) for name in names]
    files = [row["file"] for _, row in records(cells, "fcc-Cu")]
    assert files == ["SF_111.cif", "SF_111_2.cif", "Σ5_310_001.cif", "up.cif"]


@pytest.mark.parametrize("style", ["table", "json", "csv"])
def test_cells_are_written_and_dropped_as_they_come(style, tmp_path):
    """Any number of cells takes the memory of a few, whatever is printed."""
    from defectflow.cli.cells import records, written
    from defectflow.cli.generate import _printed

    structure = Structure([[4, 0, 0], [0, 4, 0], [0, 0, 4]], ["Cu"], [[0] * 3])
    alive = []

    def made():
        for number in range(400):
            copy = structure.copy()
            alive.append(weakref.ref(copy))
            yield Cell(copy, structure, f"cell {number}", "test", (), 1)

    with written(records(made(), "host"), tmp_path / "cells") as drawn:
        for _ in _printed((row for _, row in drawn), style, files=True):
            gc.collect(0)
            assert sum(one() is not None for one in alive[-10:]) <= 3
    gc.collect()
    assert sum(one() is not None for one in alive) <= 3
    assert len(list((tmp_path / "cells").iterdir())) == 401
