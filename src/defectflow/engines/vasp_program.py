"""Which VASP there is: its commands, its version, and whether VTST is built into it.

``DEFECTFLOW_VASP_STD_COMMAND`` and ``DEFECTFLOW_VASP_GAM_COMMAND`` replace the commands that
`defectflow.engines.programs` makes of ``vasp_std`` and ``vasp_gam``. Version and VTST are read from
the texts inside the executable; ``DEFECTFLOW_VASP_VERSION`` and ``DEFECTFLOW_VASP_VTST`` (1 or 0)
say them where the executable cannot be read. ``DEFECTFLOW_VASP_NCORE`` and ``DEFECTFLOW_VASP_KPAR``
say how the processes share the work; they change no number and are in no key.
"""

from __future__ import annotations

import functools
import mmap
import os
import re
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from defectflow.engines import programs, vasp_standin
from defectflow.errors import EngineError, RecipeError

if TYPE_CHECKING:
    from collections.abc import Sequence

REMEDY: Final = (
    "VASP needs a licence (www.vasp.at); put vasp_std on the PATH or set "
    "DEFECTFLOW_VASP_STD_COMMAND; without one the engine vasp-standin runs the same road with a "
    "potential"
)
VTST_VARIABLE: Final = "DEFECTFLOW_VASP_VTST"
VERSION_VARIABLE: Final = "DEFECTFLOW_VASP_VERSION"
#: The first version that moves the atoms while it scales the cell (ISIF = 8).
SCALES_SINCE: Final = (6, 4, 1)
#: Tags of how processes share bands and k-points, with the variables that say them.
_SHARED_WORK: Final = {"NCORE": "DEFECTFLOW_VASP_NCORE", "KPAR": "DEFECTFLOW_VASP_KPAR"}
_STARTER: Final = Path(__file__).with_name("vasp_start.py")


@dataclass(frozen=True)
class Facts:
    """What an executable says of itself.

    Attributes
    ----------
    version
        E.g. ``6.4.2``; None if it is not known.
    vtst
        Whether the tools of the Henkelman group (climbing images, L-BFGS) are built in.
    """

    version: str | None
    vtst: bool

    @property
    def scales(self) -> bool:
        """Whether it relaxes atoms and volume together."""
        if self.version is None:
            return False
        return tuple(int(number) for number in self.version.split(".")) >= SCALES_SINCE


@dataclass(frozen=True)
class Pace:
    """How often a run is looked at.

    Attributes
    ----------
    poll_s, checks_every
        Seconds between two looks whether it has ended; each so many looks custodian's monitors
        read its files.
    closing_s
        It is asked to stop at the latest so long before the end of the wall time.
    """

    poll_s: float = 1.0
    checks_every: int = 30
    closing_s: float = 120.0


@dataclass(frozen=True)
class Program:
    """How VASP is started.

    Attributes
    ----------
    standard, gamma
        Commands for any k-points and for the Gamma point alone, as words.
    environment
        Variables that it needs.
    facts
        Of the executable.
    """

    standard: tuple[str, ...]
    gamma: tuple[str, ...]
    environment: dict[str, str]
    facts: Facts
    pace: Pace = Pace()

    def started(self, *, gamma: bool = False) -> str:
        """Return the command for custodian: the program ends with us, however we end."""
        words = self.gamma if gamma else self.standard
        return shlex.join([sys.executable, "-I", "-S", str(_STARTER), *words])


def find() -> Program:
    """Return how VASP is started here.

    Raises
    ------
    EngineError
        If vasp_std, or what starts MPI, is not found. A missing vasp_gam is none: the standard
        program computes the Gamma point too.
    """
    standard = tuple(programs.command("vasp_std", remedy=REMEDY))
    try:
        gamma = tuple(programs.command("vasp_gam", remedy=REMEDY))
    except EngineError:
        gamma = standard
    return Program(standard, gamma, {}, _facts(standard))


def absent() -> Program:
    """Return a program without commands, for input files on a machine that has no VASP."""
    return Program((), (), {}, Facts(_said_version(), bool(_said_vtst())))


def standin(potential: str) -> Program:
    """Return how the stand-in is started; it computes with `potential`, ``name`` or ``name:model``.

    It moves the atoms while it scales the cell, as VASP has since 6.4.1. On several processes it is
    started through MPI like VASP; the first one computes.
    """
    words = tuple(programs.under_mpi(shlex.split(vasp_standin.command())))
    environment = {"DEFECTFLOW_STANDIN_ENGINE": potential}
    newest = ".".join(map(str, SCALES_SINCE))
    facts = Facts(newest, _said_vtst() or False)
    return Program(words, words, environment, facts, Pace(0.05, 10, 10.0))


def parallel_tags(mesh: Sequence[int]) -> dict[str, int]:
    """Return the tags of how the processes share the work, as the environment says.

    Parameters
    ----------
    mesh
        Divisions of the k-points; one point alone is not shared.

    Raises
    ------
    RecipeError
        If a variable holds no positive number.
    """
    tags = {}
    for tag, variable in _SHARED_WORK.items():
        text = os.environ.get(variable)
        if not text:
            continue
        if not text.isdigit() or int(text) < 1:
            message = f"environment variable {variable}={text}: give a number from 1 up"
            raise RecipeError(message)
        tags[tag] = int(text)
    if max(mesh) == 1:
        tags.pop("KPAR", None)
    return tags


def _facts(words: tuple[str, ...]) -> Facts:
    version, vtst = _said_version(), _said_vtst()
    found = next((shutil.which(word) for word in reversed(words) if shutil.which(word)), None)
    path = Path(found).resolve() if found else None
    if path is not None and path.is_file() and (version is None or vtst is None):
        read = _read(path, path.stat().st_mtime_ns)
        version, vtst = version or read.version, read.vtst if vtst is None else vtst
    return Facts(version, bool(vtst))


def _said_version() -> str | None:
    version = os.environ.get(VERSION_VARIABLE) or None
    if version is not None and not re.fullmatch(r"\d+(\.\d+)*", version):
        message = f"environment variable {VERSION_VARIABLE}={version}: write it as 6.4.2"
        raise RecipeError(message)
    return version


def _said_vtst() -> bool | None:
    text = os.environ.get(VTST_VARIABLE, "")
    if text not in {"", "0", "1"}:
        message = f"environment variable {VTST_VARIABLE}={text}: write 1 or 0"
        raise RecipeError(message)
    return None if not text else text == "1"


@functools.lru_cache(maxsize=8)
def _read(path: Path, _modified_ns: int) -> Facts:
    """Look for the texts that VASP and VTST write into OUTCAR."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            found = re.search(rb"vasp\.(\d+\.\d+\.\d+)", data)
            version = bytes(found[1]).decode() if found else None
            return Facts(version, vtst=data.find(b"VTST:") >= 0)
    except (OSError, ValueError):
        return Facts(None, vtst=False)
