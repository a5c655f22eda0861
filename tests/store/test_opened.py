from __future__ import annotations

import os
import subprocess
import sys

import pytest

from defectflow.documents import MigrationBarrierDocument
from defectflow.errors import MissingData, RecipeError
from defectflow.store import Results, RunLabel, open_store


def test_results_are_found_by_every_field_and_are_typed(store, make_result):
    store.file(make_result())
    store.file(make_result(key="k2", species="Li", host="Mn2O4", recipe="li-mn2o4"))
    store.file({"uuid": "x", "index": 1, "output": {"energy_eV": -1.0}})
    assert {found.key for found in store.find()} == {"k1", "k2"}
    for name, value in {
        "quantity": "migration_barrier",
        "species": "Li",
        "host": "Mn2O4",
        "key": "k2",
        "recipe": "li-mn2o4",
    }.items():
        found = store.find(**{name: value})
        assert isinstance(found[0], MigrationBarrierDocument)
        assert "k2" in {one.key for one in found}
        assert len(found) == (2 if name == "quantity" else 1)
    assert store.find(species="Na") == []


def test_a_formula_finds_the_prototypes_of_that_formula_too(store, make_result):
    for number, host in enumerate(("TiS2", "1T-TiS2", "anatase-TiO2", "Ti2S4")):
        store.file(make_result(key=f"k{number}", host=host))
    assert {one.host for one in store.find(host="TiS2")} == {"TiS2", "1T-TiS2"}
    assert [one.host for one in store.find(host="1T-TiS2")] == ["1T-TiS2"]
    assert [one.host for one in store.find(host="TiO2")] == ["anatase-TiO2"]
    assert Results(store).host("TiS2").barriers().to_dataframe()["host"].nunique() == 2


def test_of_equal_keys_the_one_filed_last_is_shown_whatever_the_clocks_said(store, make_result):
    store.file(make_result(created="2026-07-02T10:00:00+00:00", value=0.9))
    store.file(make_result(created="2026-07-01T10:00:00+00:00", value=0.1))
    store.file(make_result(key="k2", created="2026-07-03T10:00:00+00:00", value=0.5))
    assert [(one.key, one.value) for one in store.find()] == [("k2", 0.5), ("k1", 0.1)]


def test_unreadable_result_is_left_out_with_a_warning(store, make_result, caplog):
    store.file(make_result())
    strange = make_result(key="k2")
    strange["output"]["quantity"] = "colour"
    store.file(strange)
    assert [one.key for one in store.find()] == ["k1"]
    assert "colour" in caplog.text


def test_reading_results_imports_no_code_named_in_the_store(
    store, make_result, tmp_path, monkeypatch
):
    (tmp_path / "planted_module.py").write_text("raise SystemExit('planted code ran')")
    monkeypatch.syspath_prepend(tmp_path)
    planted = {"@module": "planted_module", "@class": "Anything"}
    harmless = make_result()
    harmless["output"].update({"@module": "planted_module"})
    store.file(
        {
            **harmless,
            "output": {
                **harmless["output"],
                "engine": {**harmless["output"]["engine"], "options": planted},
            },
        }
    )
    assert store.find() == []
    assert "planted_module" not in sys.modules


def test_finished_job_is_found_by_its_key_and_the_one_filed_last_wins(store):
    store.file({"uuid": "a", "index": 1, "output": 1, "completed_at": "2026-01-02"}, job_key="k")
    store.file({"uuid": "b", "index": 1, "output": 2, "completed_at": "2026-01-01"}, job_key="k")
    store.file({"uuid": "c", "index": 1, "output": 3, "completed_at": "2026-01-03"})
    store.jobs.docs_store.update([{"uuid": "d", "index": 1, "job_key": "k"}], key="uuid")
    assert store.finished("k")["output"] == 2
    assert store.finished("other") is None


def test_run_records(store):
    runs = store.runs
    first = runs.start(
        RunLabel(recipe="a", recipe_path="a.yaml", key="k", command="defectflow run")
    )
    second = runs.start(RunLabel(recipe="b"))
    runs.progress(first.run_id, 3, 7)
    assert (runs.get(first.run_id).jobs_done, runs.get(first.run_id).jobs_total) == (3, 7)
    runs.end(first.run_id, "failed", "relax: NotConverged")
    ended = runs.get(first.run_id)
    assert (ended.state, ended.error, ended.recipe_path) == (
        "failed",
        "relax: NotConverged",
        "a.yaml",
    )
    assert ended.ended is not None
    assert [one.run_id for one in runs.all()] == [second.run_id, first.run_id]
    assert runs.get(second.run_id).state == "running"
    with pytest.raises(MissingData, match="no run nothing"):
        runs.get("nothing")


def test_run_of_a_killed_process_is_shown_as_interrupted(tmp_path):
    script = (
        "import os, signal; from defectflow.store import RunLabel, open_store;"
        "open_store('a.sqlite').runs.start(RunLabel(recipe='a'));"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=False, env=os.environ)
    with open_store(tmp_path / "a.sqlite") as store:
        (record,) = store.runs.all()
    assert record.state == "interrupted"
    assert "ended without a word" in record.error


def test_results_are_filtered_step_by_step(tmp_path, make_result):
    with open_store(tmp_path / "a.sqlite") as store:
        store.file(make_result())
        store.file(make_result(key="k2", species="Li", value=None, converged=False))
    results = Results.open(tmp_path / "a.sqlite")
    assert len(results) == 2
    assert [one.key for one in results.barriers(species="Mg")] == ["k1"]
    assert [one.key for one in results.quantity("migration_barrier").species("Li")] == ["k2"]
    assert len(results.host("1T-TiS2").recipe("mg-tis2").documents()) == 2
    frame = results.to_dataframe()
    assert list(frame.columns) == list(results.documents()[0].row())
    assert frame.set_index("key").loc["k1", "value"] == pytest.approx(0.82)
    assert results.barriers(species="Na").to_dataframe().empty
    assert set(results.barriers(species="Na").to_dataframe().columns) == set(frame.columns)


def test_results_of_a_store_that_is_not_there(tmp_path):
    with pytest.raises(MissingData, match=r"nowhere\.sqlite: there is no store"):
        Results.open(tmp_path / "nowhere.sqlite")
    assert list(tmp_path.iterdir()) == []


def test_a_quantity_that_does_not_exist_is_refused_not_found_empty():
    with pytest.raises(RecipeError, match="'migration_barier' is unknown; did you mean migration_"):
        Results.open("memory://").quantity("migration_barier")
    assert len(Results.open("memory://").quantity("migration_barrier")) == 0
