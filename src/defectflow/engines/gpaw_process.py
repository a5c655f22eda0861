"""GPAW in a process of its own: starting it, asking it, ending it.

One program serves all calculations of this process, so that the images of a band share one MPI job
and none of its ranks waits in vain while another image is computed.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO, Any, Final

from defectflow.engines import programs
from defectflow.engines.gpaw_server import MARK
from defectflow.errors import EngineError

_SERVER: Final = Path(__file__).with_name("gpaw_server.py")
#: What MPI launchers set for their children. A GPAW without MPI refuses to start when it sees them.
_LAUNCHED: Final = ("PMIX_RANK", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "I_MPI_MPIRUN")
#: The line that ends Python's account of an error.
_TELLING: Final = re.compile(r"[\w.]*(Error|Exception|TooClose)\b")
_LAST_LINES: Final = 3
_MPI_REMEDY: Final = "compute without MPI: DEFECTFLOW_DFT_PROCESSES=1"
REMEDY: Final = "run `make dft-setup`, or pip install 'defectflow[gpaw]' beside libxc and BLAS"


def command() -> list[str]:
    """Return what starts the program.

    Raises
    ------
    EngineError
        If the interpreter or the program that starts MPI is not found.
    """
    return programs.command(sys.executable, "-P", str(_SERVER), remedy=_MPI_REMEDY, name="gpaw")


def _environment(ranks: int) -> dict[str, str]:
    environment = programs.environment()
    if ranks == 1:
        return {name: value for name, value in environment.items() if name not in _LAUNCHED}
    # Open MPI refuses root without these, and containers know no other user.
    root = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    return {"GPAW_MPI_BACKEND": "cgpaw", **(root if os.geteuid() == 0 else {}), **environment}


class GpawProcess:
    """The running program.

    Raises
    ------
    EngineError
        If it cannot be started.
    """

    def __init__(self) -> None:
        self.ranks = programs.processes()
        words = command()
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the program
        self._lock = threading.Lock()
        self.users = 0
        self._program = subprocess.Popen(  # noqa: S603 - our own program
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=_environment(self.ranks),
            text=True,
            # An interrupt of the terminal is for this process, which then ends the program.
            start_new_session=True,
        )
        try:
            hello = self._read()
        except EngineError as error:
            message = f"GPAW does not start with `{' '.join(words)}`: {error}; {self._advice()}"
            raise EngineError(message) from None
        self.version: str = hello["version"]
        if hello["ranks"] != self.ranks:
            self.kill()
            message = (
                f"GPAW runs in {hello['ranks']} MPI process(es), not in {self.ranks}: the MPI that "
                f"starts it is not the one that it was built with; {self._advice()}"
            )
            raise EngineError(message)

    @property
    def alive(self) -> bool:
        """Whether the program can be asked."""
        return self._program.poll() is None

    def ask(self, verb: str, calculation: str, **content: object) -> dict[str, Any]:
        """Send one command and return its answer.

        Raises
        ------
        EngineError
            If the program ended; the last lines that it wrote are in the message.
        """
        line = json.dumps({"command": verb, "calculation": calculation, **content})
        with self._lock:
            try:
                assert self._program.stdin is not None  # noqa: S101 - a pipe was asked for
                self._program.stdin.write(line + "\n")
                self._program.stdin.flush()
                return self._read()
            except BrokenPipeError:
                raise self._ended() from None
            except BaseException:
                # Whoever interrupts an answer leaves it in the pipe for the next question.
                self.kill()
                raise

    def quit(self) -> None:
        """End the program in good order."""
        if self.alive and self._program.stdin is not None:
            try:
                self._program.stdin.write('{"command": "quit"}\n')
                self._program.stdin.close()
                self._program.wait(timeout=20)
            except (OSError, subprocess.TimeoutExpired):
                pass
        self.kill()
        for pipe in (self._program.stdin, self._program.stdout, self._errors):
            if pipe is not None:
                # A pipe may hold a line that the program did not live to read.
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()

    def kill(self) -> None:
        """End the program at once, all its ranks with it."""
        if self.alive:
            self._program.terminate()
            try:
                self._program.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self._program.kill()
                self._program.wait()

    def _read(self) -> dict[str, Any]:
        assert self._program.stdout is not None  # noqa: S101 - a pipe was asked for
        for line in self._program.stdout:
            if line.startswith(MARK):
                answer: dict[str, Any] = json.loads(line.removeprefix(MARK))
                return answer
        raise self._ended()

    def _ended(self) -> EngineError:
        status = self._program.wait()
        self._errors.seek(0)
        text = self._errors.read().decode(errors="replace")
        lines = [line.strip() for line in text.splitlines() if line.strip(" -\t")]
        telling = [line for line in lines if _TELLING.match(line)]
        # mpiexec adds its own account after what the ranks said.
        last = " | ".join(telling[-1:] or lines[-_LAST_LINES:]) or "it wrote nothing"
        return EngineError(f"GPAW ended with status {status}: {last}")

    def _advice(self) -> str:
        if self.ranks == 1:
            return REMEDY
        return f"check DEFECTFLOW_MPI_COMMAND, or {_MPI_REMEDY}"


_running: list[GpawProcess] = []


def start() -> GpawProcess:
    """Return the program of this process for one more user, started if it is not running."""
    if _running and not (_running[0].alive and _running[0].ranks == programs.processes()):
        _running.clear()
    if not _running:
        _running.append(GpawProcess())
    _running[0].users += 1
    return _running[0]


def release(program: GpawProcess) -> None:
    """Say that one user is done; the program of the last one ends."""
    program.users -= 1
    if program.users <= 0:
        program.quit()
        if program in _running:
            _running.remove(program)
