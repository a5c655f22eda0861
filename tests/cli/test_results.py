"""`results`, `compare` and `status`: the contract that scripts depend on."""

from __future__ import annotations

import csv
import io
import json

import pytest

from defectflow.store import RunLabel, open_store

CONTRACT = {
    "recipe",
    "quantity",
    "value",
    "unit",
    "host",
    "defect",
    "species",
    "engine",
    "level",
    "converged",
    "key",
    "created",
}


@pytest.fixture
def ask(cli, computed):
    """Call a verb on the computed store; return what it prints."""
    folder, _ = computed

    def call(*words):
        result = cli(*words, "--store", folder / "a.sqlite")
        assert result.exit_code == 0, result.output
        return result

    return call


def test_results_as_json_hold_exactly_the_fields_of_the_contract(ask):
    (record,) = json.loads(ask("results", "--format", "json").stdout)
    assert set(record) == CONTRACT
    assert record["recipe"] == "cu"
    assert record["quantity"] == "migration_barrier"
    assert record["host"] == "fcc-Cu"
    assert record["defect"] == "V_Cu"
    assert record["engine"] == "emt"
    assert record["level"] == "fast"
    assert record["converged"] is True
    assert 0.1 < record["value"] < 1.2


def test_results_as_csv_are_the_same_records(ask):
    (record,) = json.loads(ask("results", "--format", "json").stdout)
    (row,) = csv.DictReader(io.StringIO(ask("results", "--format", "csv").stdout))
    assert list(row) == list(record)
    assert float(row["value"]) == record["value"]
    assert row["key"] == record["key"]


def test_results_as_a_table_fit_a_terminal(ask):
    lines = ask("results").stdout.splitlines()
    assert len(lines) == 3
    assert lines[0].split()[:4] == ["recipe", "quantity", "value", "unit"]
    assert "fcc-Cu" in lines[2]
    assert max(map(len, lines)) <= 120


@pytest.mark.parametrize(
    "words",
    [["--species", "Mg"], ["--host", "1T-TiS2"], ["--species", "Cu", "--host", "fcc-Al"]],
    ids=" ".join,
)
def test_filters_leave_out_what_does_not_fit(ask, words):
    assert json.loads(ask("results", *words, "--format", "json").stdout) == []
    assert ask("results", *words).stdout == ""
    assert "no results" in ask("results", *words).stderr


def test_filters_keep_what_fits(ask):
    words = ["--species", "Cu", "--host", "fcc-Cu", "--quantity", "migration_barrier"]
    assert len(json.loads(ask("results", *words, "--format", "json").stdout)) == 1


def test_a_misspelt_quantity_is_named(cli, filled):
    result = cli("results", "--quantity", "migration_barier", "--store", "a.sqlite")
    assert result.exit_code == 2
    assert "did you mean migration_barrier?" in result.stderr


def test_an_unconverged_result_has_the_value_null(cli, filled):
    with open_store("a.sqlite") as store:
        (found,) = store.jobs.query({"output.quantity": "migration_barrier"}, limit=1)
        found["output"] |= {"value": None, "barrier_eV": None, "converged": False, "key": "1" * 64}
        store.file({**found, "uuid": "loose"})
    rows = json.loads(cli("results", "--store", "a.sqlite", "--format", "json").stdout)
    assert {(row["converged"], row["value"] is None) for row in rows} == {
        (True, False),
        (False, True),
    }
    for verb in ("results", "compare"):
        assert cli(verb, "--store", "a.sqlite").stdout.count("not converged") >= 1


def test_compare_adds_the_published_value(ask):
    (record,) = json.loads(ask("compare", "--format", "json").stdout)
    assert set(record) >= CONTRACT | {"published", "error", "citation", "doi", "condition"}
    if record["published"] is None:
        assert record["error"] is None
        assert record["citation"] is None
    else:
        assert record["error"] == pytest.approx(record["value"] - record["published"], abs=1e-9)
        assert record["citation"]
    (row,) = csv.DictReader(io.StringIO(ask("compare", "--format", "csv").stdout))
    assert set(row) == set(record)
    assert "fcc-Cu" in ask("compare").stdout


def test_status_of_a_completed_run(ask):
    (record,) = json.loads(ask("status", "--format", "json").stdout)
    assert record["state"] == "completed"
    assert record["jobs_done"] == record["jobs_total"] > 2
    assert record["resume"] is None
    assert record["error"] is None
    assert record["seconds"] >= 0
    assert "completed" in ask("status").stdout
    assert ask("status", "--format", "csv").stdout.startswith("recipe,state,")


def test_status_tells_why_a_run_failed_and_what_resumes_it(cli, tmp_path):
    label = RunLabel(recipe="mg", key="a" * 64, command="defectflow run mg.yaml")
    with open_store("a.sqlite") as store:
        first = store.runs.start(label)
        store.runs.end(first.run_id, "failed", "relax host: EngineError: no weights")
        store.runs.start(label)
    text = cli("status", "--store", "a.sqlite").stdout
    assert text.count("go on:") == 0  # it is running again
    assert "running" in text
    with open_store("a.sqlite") as store:
        store.runs.end(store.runs.all()[0].run_id, "failed", "band: out of memory\nend: too")
    lines = cli("status", "--store", "a.sqlite").stdout.splitlines()
    assert [line.strip() for line in lines[3:6]] == [
        "why: band: out of memory",
        "why: end: too",
        "go on: defectflow run mg.yaml",
    ]
    assert lines[-1].strip() == "why: relax host: EngineError: no weights"


def test_status_of_a_store_without_runs(cli, tmp_path):
    open_store("a.sqlite").close()
    result = cli("status", "--store", "a.sqlite")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "no runs" in result.stderr
    assert json.loads(cli("status", "--store", "a.sqlite", "--format", "json").stdout) == []
