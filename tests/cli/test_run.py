"""`defectflow run`: what it computes, shows and returns."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import pytest

from defectflow.cli import computing
from defectflow.cli.computing import Asked
from defectflow.cli.run import _one_thread_per_worker
from defectflow.errors import StoreError
from defectflow.launch import JobEvent, RunSummary
from defectflow.store import open_store

FRESH_HINT = "--fresh computes it again"
FEW = """
quantity: defect_formation_energy
host: {prototype: fcc-Al}
host_cell: keep
defect: {kind: vacancy, species: Al}
supercell: [2, 2, 2]
engine: {name: emt, settings: {max_steps: 1, fmax_eV_per_A: 1.0e-4}}
"""


def states(path):
    with open_store(path) as store:
        return [record.state for record in store.runs.all()]


def test_a_run_shows_each_job_on_stderr_and_the_table_on_stdout(computed):
    folder, result = computed
    assert "cu: [0/2] relax host started" in result.stderr
    assert "relax host finished in" in result.stderr
    heading, rule, row, *rest = result.stdout.splitlines()
    for word in ("host", "ion", "engine", "barrier", "published", "difference", "citation"):
        assert word in heading
    assert set(rule) == {"-", " "}
    assert row.split()[:3] == ["fcc-Cu", "Cu", "emt"]
    with open_store(folder / "a.sqlite") as store:
        (document,) = store.find()
    assert document.converged
    assert row.split()[3] == f"{document.value:.3f}"
    assert str(document.force_calls) in row
    command = f"defectflow run {folder}/cu.yaml --engine gpaw"
    (advice,) = [line for line in rest if command in line]
    assert advice.endswith(command)
    assert states(folder / "a.sqlite") == ["completed"]


def test_a_second_run_computes_nothing(cli, filled):
    result = cli("run", "cu.yaml", "--store", "a.sqlite")
    assert result.exit_code == 0
    assert FRESH_HINT in result.stderr
    assert "finished" not in result.stderr
    assert "fcc-Cu" in result.stdout
    assert states("a.sqlite") == ["completed"]


def test_fresh_computes_all_of_it_again(cli, filled):
    result = cli("run", "cu.yaml", "--store", "a.sqlite", "--fresh")
    assert result.exit_code == 0
    assert "relax host finished" in result.stderr
    assert "from the store" not in result.stderr
    assert states("a.sqlite") == ["completed", "completed"]


def test_another_level_is_another_result_and_shares_no_steps(cli, filled):
    tasks = computing.prepare(["cu.yaml", "cu.yaml"], Asked())
    other = computing.prepare(["cu.yaml"], Asked(level="balanced"))
    assert len(tasks) == 1  # the same recipe twice is one task
    assert other[0].key != tasks[0].key


def test_store_and_workers_come_from_the_environment(cli, filled, monkeypatch):
    monkeypatch.setenv("DEFECTFLOW_STORE", "a.sqlite")
    assert FRESH_HINT in cli("run", "cu.yaml").stderr
    monkeypatch.setenv("DEFECTFLOW_WORKERS", "many")
    result = cli("run", "cu.yaml")
    assert result.exit_code == 2
    assert "DEFECTFLOW_WORKERS=many" in result.stderr


BROKEN = """
from ase.calculators.calculator import Calculator

class Broken(Calculator):
    implemented_properties = ["energy", "forces"]

    def calculate(self, *args, **kwargs):
        raise RuntimeError("no license")
"""


def test_a_failed_recipe_does_not_stop_the_others(cli, filled, monkeypatch):
    (filled / "broken_engine.py").write_text(BROKEN)
    monkeypatch.syspath_prepend(filled)
    text = (filled / "cu.yaml").read_text()
    options = "{name: ase, options: {calculator: 'broken_engine:Broken'}}"
    text = text.replace("engine: emt", f"engine: {options}\nhost_cell: keep")
    (filled / "bad.yaml").write_text(text)
    result = cli("run", "bad.yaml", "cu.yaml", "--store", "a.sqlite")
    assert result.exit_code == 1
    assert "bad: failed: relax host: RuntimeError: no license" in result.stderr
    rows = [line.split()[:4] for line in result.stdout.splitlines() if line.startswith("fcc-Cu")]
    assert sorted(row[2] for row in rows) == ["ase", "emt"]
    assert next(row for row in rows if row[2] == "ase")[3] == "failed"
    assert states("a.sqlite") == ["failed", "completed"]
    status = cli("status", "--store", "a.sqlite").stdout
    assert "why: relax host: RuntimeError: no license" in status
    assert "go on: defectflow run bad.yaml --store a.sqlite" in status


def test_an_unconverged_result_is_no_number_and_status_1(cli, filled, monkeypatch):
    with open_store("a.sqlite") as store:
        (document,) = store.find()
    loose = document.model_copy(update={"converged": False, "value": None})
    monkeypatch.setattr(computing, "_known", lambda tasks, *_: {tasks[0].key: loose})
    result = cli("run", "cu.yaml", "--store", "a.sqlite")
    assert result.exit_code == 1
    assert "not converged" in result.stdout
    assert f"{document.value:.3f}" not in result.stdout


def test_a_calculation_out_of_steps_is_named_with_how_far_it_came(cli, filled):
    (filled / "few.yaml").write_text(FEW)
    result = cli("run", "few.yaml", "--store", "a.sqlite")
    assert result.exit_code == 1
    told = next(line for line in result.stderr.splitlines() if "no number" in line)
    assert re.search(r"relax V_Al \(largest force 0\.\d{3} eV/Å, threshold 0\.0001\)", told)
    assert "raise max_steps" in told
    assert "again to go on" not in result.stderr


def test_more_steps_compute_only_what_is_missing(cli, filled):
    """What had converged is taken from the store, and what had not goes on."""
    (filled / "few.yaml").write_text(FEW)
    assert cli("run", "few.yaml", "--store", "a.sqlite").exit_code == 1
    (filled / "whole.yaml").write_text(FEW.replace("max_steps: 1,", "max_steps: 100,"))
    assert cli("run", "whole.yaml", "--store", "a.sqlite").exit_code == 0
    assert cli("run", "whole.yaml", "--store", "new.sqlite").exit_code == 0
    documents = []
    for name in ("a.sqlite", "new.sqlite"):
        with open_store(name) as store:
            documents.append(store.find(recipe="whole")[0])
    on, new = documents
    assert on.value == pytest.approx(new.value, abs=1e-9)
    assert on.force_calls <= new.force_calls + 1


def test_a_result_that_no_step_would_mend_is_not_to_be_run_again():
    done = RunSummary("completed", 1, 0, (), (), 1, 1.0)
    assert "max_steps" not in computing._no_number(done)
    assert "it ends the same" in computing._no_number(done)


def test_an_interrupted_run_says_how_to_go_on(cli, filled, monkeypatch):
    summary = RunSummary("interrupted", 1, 0, (), ("relax sites",), 2, 1.0)

    def interrupted(asked, *_, **__):
        for one in asked:
            one.on_event(JobEvent("started", "relax host", "", 0.0, "", 0, 2))
            one.on_end(summary)
        return [summary for _ in asked]

    monkeypatch.setattr(computing, "run_flows", interrupted)
    (filled / "other.yaml").write_text((filled / "cu.yaml").read_text().replace("Cu", "Ag"))
    options = ("--store", "a.sqlite", "--level", "balanced")
    result = cli("run", "cu.yaml", "other.yaml", *options)
    assert result.exit_code == 130
    assert result.stdout == ""
    command = "defectflow run cu.yaml other.yaml --level balanced --store a.sqlite"
    assert f"interrupted; this goes on: {command}" in result.stderr
    assert states("a.sqlite") == ["interrupted", "interrupted", "completed"]


def test_recipes_run_side_by_side_and_share_workers(cli, filled):
    (filled / "other.yaml").write_text((filled / "cu.yaml").read_text().replace("Cu", "Ag"))
    alone = cli("run", "other.yaml", "--store", "alone.sqlite").stdout.splitlines()
    result = cli("run", "cu.yaml", "other.yaml", "--store", "b.sqlite", "--workers", "2")
    assert result.exit_code == 0, result.stderr
    lines = result.stderr.splitlines()
    first_end = next(place for place, line in enumerate(lines) if "finished" in line)
    begun = {line.partition(":")[0] for line in lines[:first_end] if "started" in line}
    assert begun == {"cu", "other"}
    shown = next(line for line in result.stdout.splitlines() if "fcc-Ag" in line)
    assert shown.split()[3] == alone[2].split()[3]
    assert states("b.sqlite") == ["completed", "completed"]


def test_ctrl_c_stops_and_the_same_command_goes_on(tmp_path, computed):
    folder, _ = computed
    (tmp_path / "cu.yaml").write_text((folder / "cu.yaml").read_text())
    # What runs tests in the background may have them ignore Ctrl-C, and their children too.
    heed = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{heed}; from defectflow.cli import main; main()"
    command = [sys.executable, "-c", code, "run", "cu.yaml"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for line in process.stderr:
            if b"relax host finished" in line:
                break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert out == b""
    assert b"Traceback" not in err
    again = subprocess.run(command, capture_output=True, check=True)
    assert b"relax host taken from the store" in again.stderr
    assert b"fcc-Cu" in again.stdout
    assert states(".defectflow/store.sqlite") == ["completed", "interrupted"]


def test_a_full_disk_ends_the_run_in_one_line(cli, filled, monkeypatch):
    def full(asked, *_, **__):
        asked[0].on_event(JobEvent("started", "relax host", "", 0.0, "", 0, 2))
        message = "a.sqlite: the disk is full; make room and run again"
        raise StoreError(message)

    monkeypatch.setattr(computing, "run_flows", full)
    result = cli("run", "cu.yaml", "--store", "a.sqlite", "--fresh")
    assert result.exit_code == 2
    last = result.stderr.splitlines()[-1]
    assert last == "defectflow: a.sqlite: the disk is full; make room and run again"
    assert states("a.sqlite") == ["failed", "completed"]


def test_one_thread_per_worker_unless_told_otherwise(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    _one_thread_per_worker()
    assert os.environ["OMP_NUM_THREADS"] == "1"
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    _one_thread_per_worker()
    assert os.environ["OMP_NUM_THREADS"] == "4"


def test_the_command_that_is_shown_hides_passwords():
    asked = Asked(engine="emt", store="mongodb://ada:secret@host/db", fresh=True)
    line = asked.command(["my recipe.yaml"])
    assert line == (
        "defectflow run 'my recipe.yaml' --engine emt --store 'mongodb://ada:***@host/db' --fresh"
    )
