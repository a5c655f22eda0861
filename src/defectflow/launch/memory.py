"""How much memory a job takes at its peak: its process and every program that it starts.

Resident memory as the kernel counts it and as queues limit it; pages that processes share count for
each. Linux tells the peak of every process and sets it back when asked, so that a worker can tell
the peak of each of its jobs; elsewhere only the peak of the whole worker is known.
"""

from __future__ import annotations

import contextlib
import os
import resource
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_MB: Final = 1.024 / 1000.0  # from the kernel's kB
#: Programs are looked for after this time, then every so often, seconds.
_FIRST_S: Final = 0.5
_EVERY_S: Final = 1.0


@dataclass
class Peak:
    """Peak of the memory of a block, filled in when it ends.

    Attributes
    ----------
    memory_MB
        In units of 10⁶ bytes; 0 if the system does not tell.
    """

    memory_MB: float = 0.0


@contextmanager
def peak_memory() -> Iterator[Peak]:
    """Measure the peak of the memory of a block, programs that it starts included.

    A block of less than half a second is not looked at on the way: its programs count by the
    largest of them.

    Examples
    --------
    >>> with peak_memory() as peak:
    ...     room = bytearray(50_000_000)
    >>> peak.memory_MB > 50
    True
    """
    peak, ended = Peak(), threading.Event()
    for pid in _family():
        _set_back(pid)
    before_kB = _largest_child_kB()
    watch = threading.Thread(target=_watch, args=(peak, ended), daemon=True)
    watch.start()
    try:
        yield peak
    finally:
        ended.set()
        watch.join()
        total_MB, largest_kB = _total_MB(), _largest_child_kB()
        if largest_kB > before_kB:  # it has ended; what else runs has not grown by it
            total_MB += largest_kB * _MB
        peak.memory_MB = max(peak.memory_MB, total_MB)


def _watch(peak: Peak, ended: threading.Event) -> None:
    wait_s = _FIRST_S
    while not ended.wait(wait_s):
        peak.memory_MB = max(peak.memory_MB, _total_MB())
        wait_s = _EVERY_S


def _total_MB() -> float:
    return sum(map(_peak_kB, _family())) * _MB


def _family() -> list[int]:
    """Return this process and all below it."""
    found, known = [os.getpid()], 0
    while known < len(found):
        folder = f"/proc/{found[known]}/task"
        with contextlib.suppress(OSError):
            for task in os.listdir(folder):  # noqa: PTH208 - for each job of thousands, so quickly
                with contextlib.suppress(OSError), open(f"{folder}/{task}/children") as file:  # noqa: PTH123 - same
                    found += map(int, file.read().split())
        known += 1
    return found


def _set_back(pid: int) -> None:
    """Let the kernel count the peak of a process from now on."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/clear_refs", "w") as file:  # noqa: PTH123 - as above
        file.write("5")


def _peak_kB(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/status", "rb") as file:  # noqa: PTH123 - as above
            text = file.read()
    except OSError:
        return _kB(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) if pid == os.getpid() else 0
    _, name, rest = text.partition(b"VmHWM:")
    return int(rest.split(None, 1)[0]) if name else 0


def _largest_child_kB() -> int:
    return _kB(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)


def _kB(maxrss: int) -> int:
    return maxrss // 1024 if sys.platform == "darwin" else maxrss
