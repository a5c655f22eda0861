"""Worker processes: each runs one job at a time, keeps what it has loaded, and dies with its run.

Jobs travel to a worker in jobflow's own serialised form and outcomes travel back as plain data.
A worker that is killed costs its job, not the run.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from monty.json import MontyDecoder

from defectflow.engines.deadline import wall_time_for_children
from defectflow.launch.execution import Outcome, Step, Work, one_line, perform

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.context import SpawnProcess

_THREAD_VARIABLES: Final = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_ASKED: Final = ("replace", "detour", "addition")
_GRACE_S: Final = 5.0


class Processes:
    """Runs up to `workers` jobs at a time, each in a process of its own.

    Processes start when they are first needed; the cores are divided among them.
    """

    def __init__(self, workers: int) -> None:
        self._most = workers
        self._workers: list[_Worker] = []
        self._ended: list[tuple[int, Outcome]] = []

    @property
    def free(self) -> bool:
        """Whether one more job can be taken."""
        busy = sum(worker.ticket is not None for worker in self._workers)
        return busy < self._most and not self._ended

    def submit(self, ticket: int, work: Work) -> None:
        """Send a job to an idle or a new worker."""
        try:
            message = (work.job.as_dict(), str(work.directory), work.key)
        except (TypeError, ValueError, AttributeError) as error:
            text = f"the job cannot be sent to a worker ({one_line(error)}); use one worker"
            self._ended.append((ticket, Outcome(error=text)))
            return
        idle = next((worker for worker in self._workers if worker.ticket is None), None)
        worker = idle or self._start()
        worker.ticket, worker.title = ticket, work.title
        try:
            worker.connection.send(message)
        except OSError:  # it died while idle
            self._ended.append((ticket, self._bury(worker)))

    def collect(self, patience_s: float | None = None) -> list[tuple[int, Outcome]]:
        """Wait for at least one job and return those that have ended, with their tickets."""
        until = None if patience_s is None else time.monotonic() + patience_s
        while not self._ended:
            left = None if until is None else max(0.0, until - time.monotonic())
            ready = wait([one.connection for one in self._workers if one.ticket is not None], left)
            for worker in [one for one in self._workers if one.connection in ready]:
                self._receive(worker)
            if left == 0.0:
                break
        ended, self._ended = self._ended, []
        return ended

    def close(self) -> None:
        """End all workers, also those that are at work."""
        for worker in self._workers:
            worker.connection.close()
            if worker.ticket is not None:
                worker.process.terminate()
        for worker in self._workers:
            worker.process.join(_GRACE_S)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
        self._workers.clear()

    def _start(self) -> _Worker:
        here, there = multiprocessing.get_context("spawn").Pipe()
        level = logging.getLogger("defectflow").getEffectiveLevel()
        process = multiprocessing.get_context("spawn").Process(
            target=_serve, args=(there, level), name="defectflow worker"
        )
        with _threads_per_worker(self._most), wall_time_for_children():
            process.start()
        there.close()
        worker = _Worker(process=process, connection=here)
        self._workers.append(worker)
        return worker

    def _receive(self, worker: _Worker) -> None:
        ticket = worker.ticket
        if ticket is None:
            return
        try:
            kind, content = worker.connection.recv()
        except (EOFError, OSError):
            self._ended.append((ticket, self._bury(worker)))
            return
        if kind == "log":
            _log(worker.title, *content)
            return
        worker.ticket = None
        self._ended.append((ticket, _unpacked(content)))

    def _bury(self, worker: _Worker) -> Outcome:
        worker.process.join(_GRACE_S)
        worker.connection.close()
        self._workers.remove(worker)
        code = worker.process.exitcode
        how = (
            f"was killed by signal {-code}" if code is not None and code < 0 else f"ended ({code})"
        )
        hint = "; out of memory?" if code == -signal.SIGKILL else ""
        return Outcome(error=f"the worker process {how}{hint}", lost=True)


@dataclass(eq=False)
class _Worker:
    process: SpawnProcess
    connection: Connection[Any, Any]
    ticket: int | None = None
    title: str = ""


@contextmanager
def _threads_per_worker(workers: int) -> Iterator[None]:
    """Let a process that starts now use its share of the cores, or less if the user asks so."""
    share = max(1, (os.cpu_count() or 1) // workers)
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    try:
        for name, value in before.items():
            asked = int(value) if value and value.isdigit() else share
            os.environ[name] = str(min(asked, share))
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _serve(connection: Connection[Any, Any], level: int) -> None:
    """Run jobs until the run closes the connection; the body of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the run, which ends its workers
    signal.signal(signal.SIGTERM, _stop)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    logger = logging.getLogger("defectflow")
    logger.setLevel(level)
    logger.propagate = False
    sending = threading.Lock()
    logger.addHandler(_ToParent(connection, sending))
    with suppress(KeyboardInterrupt, OSError):  # told to stop; OSError: the run has gone
        while True:
            try:
                job, directory, key = connection.recv()
            except EOFError:
                return
            packed = _packed(_performed(job, Path(directory), key))
            with sending:
                connection.send(("outcome", packed))


def _stop(signum: int, frame: Any) -> None:  # noqa: ARG001 - the signature of handlers
    """Let the job end the programs that it has started."""
    raise KeyboardInterrupt


def _performed(serialised: dict[str, Any], directory: Path, key: str | None) -> Outcome:
    try:
        job = MontyDecoder().process_decoded(serialised)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        text = f"the job cannot be rebuilt in a worker ({one_line(error)}); use one worker"
        return Outcome(error=text)
    if not callable(getattr(job, "function", None)):  # monty leaves what it cannot find as it is
        text = f"{serialised['name']} cannot be imported by a worker: define it in a module"
        return Outcome(error=f"{text}, outside of functions, or use one worker")
    return perform(job, directory, key=key)


def _die_with_parent() -> None:
    """End this process at once when the run's process is gone, even after ``kill -9``."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


class _ToParent(logging.Handler):
    """Sends log records to the run, which shows them as its own."""

    def __init__(self, connection: Connection[Any, Any], sending: threading.Lock) -> None:
        super().__init__()
        self._connection = connection
        self._sending = sending

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record."""
        with self._sending:
            content = (record.name, record.levelno, record.getMessage())
            self._connection.send(("log", content))


def _log(title: str, name: str, level: int, message: str) -> None:
    logging.getLogger(name).log(level, "%s", message, extra={"title": title})


def _packed(outcome: Outcome) -> dict[str, Any]:
    try:
        asked = {
            name: [(step.job.as_dict(), step.parents) for step in getattr(outcome, name)]
            for name in _ASKED
        }
    except (TypeError, ValueError, AttributeError) as error:
        text = f"the jobs that it asks for cannot be sent back ({one_line(error)}); use one worker"
        return {"outcome": Outcome(error=text), "asked": {}}
    plain = replace(outcome, replace=(), detour=(), addition=())
    return {"outcome": plain, "asked": asked}


def _unpacked(packed: dict[str, Any]) -> Outcome:
    decoder = MontyDecoder()
    asked: dict[str, Any] = {
        name: tuple(Step(decoder.process_decoded(job), tuple(parents)) for job, parents in steps)
        for name, steps in packed["asked"].items()
    }
    outcome: Outcome = packed["outcome"]
    return replace(outcome, **asked)
