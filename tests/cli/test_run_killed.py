"""A run over the road of VASP that is killed with -9: no program goes on, the command does."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from defectflow.store import open_store

RECIPE = """\
quantity: equation_of_state
host: {prototype: fcc-Cu}
volumes: 5
engine: vasp-standin
level: fast
"""
#: Effective medium theory that does not get on while a file is there.
HELD = """\
import os, time
from ase.calculators.emt import EMT


class Held(EMT):
    def calculate(self, *args, **kwargs):
        while os.path.exists(os.environ["HOLD"]):
            time.sleep(0.05)
        super().calculate(*args, **kwargs)
"""
PATIENCE_S = 90.0


def wait_until(true, say, patience_s=PATIENCE_S):
    end = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < end, say()
        time.sleep(0.05)


def processes_below(folder):
    """Return number and command of each process that works in a folder below `folder`."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink().is_relative_to(folder):
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                found[int(process.name)] = command.strip()
        except OSError:
            continue
    return found


def programs_below(folder):
    """Return the processes that run the stand-in, started up or about to be."""
    running = processes_below(folder).items()
    return {pid: command for pid, command in running if "vasp_standin" in command}


def steady_programs(folder, count, say):
    """Return the programs once they are the same for a second: an earlier one may still end."""
    seen = [{}]

    def steady():
        seen.append(programs_below(folder))
        time.sleep(1.0)
        return len(seen[-1]) == count and seen[-1].keys() == seen[-2].keys()

    wait_until(steady, say)
    return seen[-1]


@pytest.fixture
def held(tmp_path, monkeypatch):
    """Return the file that holds the stand-in back, in an environment that makes it do so."""
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "held.py").write_text(HELD)
    monkeypatch.setenv("PYTHONPATH", str(modules), prepend=os.pathsep)
    monkeypatch.setenv("DEFECTFLOW_STANDIN_ENGINE", "ase:held:Held")
    monkeypatch.setenv("HOLD", str(tmp_path / "hold"))
    return tmp_path / "hold"


@pytest.mark.skipif(sys.platform != "linux", reason="ends VASP by a call of Linux")
@pytest.mark.parametrize(("workers", "processes"), [(1, 1), (2, 1), (1, 2)])
def test_kill_9_leaves_no_vasp_and_the_same_command_gives_the_number(
    cli, tmp_path, monkeypatch, held, workers, processes
):
    through_mpi = processes > 1
    if through_mpi and shutil.which("mpirun") is None:
        pytest.skip("no mpirun on this machine; tools/install-gpaw.sh brings it")
    monkeypatch.setenv("DEFECTFLOW_DFT_PROCESSES", str(processes))
    monkeypatch.setenv("DEFECTFLOW_MPI_COMMAND", "mpirun --oversubscribe -n {n}")
    for name in ("OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"):
        monkeypatch.setenv(name, "1")
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    (work / "cu.yaml").write_text(RECIPE)
    words = ["run", "cu.yaml", "--store", "a.sqlite", "--workers", str(workers)]
    start = "from defectflow.cli import main; main()"
    command = [sys.executable, "-W", "ignore", "-c", start, *words]
    told = tmp_path / "told"
    with told.open("w") as stream:
        run = subprocess.Popen(command, stdout=stream, stderr=stream)
    try:
        # The first volumes are filed; then VASP is held in the middle of the next ones.
        wait_until(lambda: "volume 0.970 finished" in told.read_text(), told.read_text)
        held.touch()
        # Beside mpirun there is its first process; the second has nothing to do and ends.
        count = workers * (2 if through_mpi else 1)
        programs = steady_programs(work, count, told.read_text)
        assert any(one.startswith("mpirun") for one in programs.values()) == through_mpi
    finally:
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
    wait_until(lambda: not processes_below(work).keys() - {os.getpid()}, lambda: programs, 30.0)
    held.unlink()

    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "volume 0.940 taken from the store" in again.stderr
    assert "volume 1.060 finished" in again.stderr
    assert processes_below(work).keys() <= {os.getpid()}
    cli("run", "cu.yaml", "--engine", "emt", "--store", "peer.sqlite")
    with open_store("a.sqlite") as ours, open_store("peer.sqlite") as peer:
        (value,), (expected,) = ours.find(), peer.find()
        assert value.value == pytest.approx(expected.value, abs=1e-5)
        assert [one.state for one in ours.runs.all()] == ["completed", "interrupted"]
        keys = [one["job_key"] for one in ours.jobs.query({}) if "job_key" in one]
    assert len(keys) == len(set(keys))
