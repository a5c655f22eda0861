"""Whether compute nodes can work: a queue job of each kind that tells the time and nothing else.

On the node this is a program, which asks the database for its time as a worker would:

python -m defectflow.launch.node_checkup --store URL --answer FILE
"""

from __future__ import annotations

import argparse
import contextlib
import json
import platform
import shlex
import sys
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from defectflow.errors import DefectflowError, EngineError
from defectflow.launch.checkup import Finding, clock_finding, server_clock_s
from defectflow.launch.rockets import version

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from defectflow.launch.site import Site

_PAUSE_S: Final = 0.5


def main(arguments: Sequence[str] | None = None) -> int:
    """Write what this node has to say; return the exit status."""
    parser = argparse.ArgumentParser(prog="defectflow.launch.node_checkup", description=__doc__)
    for name in ("store", "answer"):
        parser.add_argument(f"--{name}", required=True)
    given = parser.parse_args(arguments)
    said: dict[str, Any] = {"host": platform.node(), "version": version()}
    try:
        said["ahead_s"] = server_clock_s(given.store)
    except DefectflowError as error:
        said["error"] = str(error)
    answer = Path(given.answer)
    half = answer.with_suffix(".half")
    half.write_text(json.dumps(said), encoding="utf-8")
    half.rename(answer)
    return 0


def node_findings(site: Site, url: str, folder: Path, patience_s: float) -> Iterator[Finding]:
    """Send a queue job of each kind, and compare its clock with ours by way of the database's.

    Parameters
    ----------
    folder
        Folder that all machines see.
    patience_s
        How long the queue is waited for; jobs that have not answered by then are taken out of it.
    """
    from defectflow.launch import queues

    place = folder / "nodes" / uuid.uuid4().hex[:8]
    try:
        ours_s = server_clock_s(url)
        sent = {kind: _sent(site, kind, url, place / kind) for kind in site.kinds}
    except DefectflowError as error:
        yield Finding("nodes", ok=False, words=str(error))
        return
    end = time.monotonic() + patience_s
    for kind, number in sent.items():
        answer = place / kind / "answer.json"
        while not answer.exists() and time.monotonic() < end:
            time.sleep(_PAUSE_S)
        if answer.exists():
            yield from _told(kind, json.loads(answer.read_text(encoding="utf-8")), ours_s)
        else:
            yield Finding("nodes", ok=False, words=_silence(site, kind, number, place / kind))
            queues.cancel(site, [number])


def _sent(site: Site, kind: str, url: str, place: Path) -> str:
    """Send one queue job; return its number."""
    from defectflow.launch import queues

    place.mkdir(parents=True)
    words = [sys.executable, "-m", "defectflow.launch.node_checkup", "--store", url]
    words += ["--answer", str(place / "answer.json")]
    adapter = queues.adapter(site, kind, shlex.join(words))
    script = place / "queue.sh"
    script.write_text(adapter.get_script_str(str(place)), encoding="utf-8")
    with contextlib.chdir(place):
        number = adapter.submit_to_queue(script.name)
    if not number:
        command = queues.SUBMIT_COMMANDS[site.scheduler]
        message = f"the queue refused a {kind} job; try {script} with {command}"
        raise EngineError(message)
    return str(number)


def _told(kind: str, said: dict[str, Any], ours_s: float) -> Iterator[Finding]:
    where = f"{kind}: node {said['host']}"
    if said["version"] != version():
        words = f"{where} has defectflow {said['version']}, here is {version()}; install the same"
        yield Finding("nodes", ok=False, words=words)
    if "error" in said:
        yield Finding("nodes", ok=False, words=f"{where}: {said['error']}")
        return
    yield Finding("nodes", ok=True, words=f"{where} sees this folder and the database")
    yield clock_finding(f"node {said['host']}", ours_s - said["ahead_s"])


def _silence(site: Site, kind: str, number: str, place: Path) -> str:
    """Return why a node may not have answered."""
    from defectflow.launch import queues

    try:
        job = queues.listed(site).get(number)
    except EngineError as error:
        return str(error)
    if job is None:
        ended = queues.fate(site, number)
        return f"{kind}: {ended} without an answer; see what it printed, in {place}"
    waits = f"{job.state} {job.reason}".strip()
    return f"{kind}: queue job {number} is {waits}; ask again with a longer --wait"


if __name__ == "__main__":
    sys.exit(main())
