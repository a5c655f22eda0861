"""What a worker of jobflow-remote runs: its own program, and a look at what the job asks for.

python -m defectflow.launch.remote_run FOLDER [--kinds KIND...]

jobflow-remote hands the worker of a job on to those that it asks for: here each gets the worker of
its own kind of step, one of KIND, or the default one.

jobflow-remote keeps each job whole in one document of its database. Its runner cannot file one that
is larger than a document, and then not even say so: here the job that asks for it fails in words.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from monty.json import jsanitize
from monty.serialization import dumpfn

from defectflow.launch.queues import maker_kind
from defectflow.launch.site import DEFAULT_KIND

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jobflow.core.job import Job

#: MongoDB's end is 16 MB, with what jobflow-remote adds to a job.
MOST_B: Final = 15_000_000
REMEDY: Final = "submit with --to fireworks, which keeps large jobs beside the database"
_ASKED: Final = ("replace", "detour", "addition")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job of a folder; return the exit status."""
    from jobflow_remote.jobs.data import OUT_FILENAME
    from jobflow_remote.jobs.run import run_remote_job

    parser = argparse.ArgumentParser(prog="defectflow.launch.remote_run", description=__doc__)
    parser.add_argument("folder", nargs="?", default=".")
    parser.add_argument("--kinds", nargs="*", default=[], help="kinds of steps with a worker")
    given = parser.parse_args(arguments)
    folder = Path(given.folder)
    run_remote_job(folder)
    out = folder / OUT_FILENAME
    if given.kinds or out.stat().st_size > MOST_B:
        said = json.loads(out.read_text(encoding="utf-8"))
        changed = looked_through(said, given.kinds)
        if changed:
            dumpfn(changed, str(out))
    return 0


def looked_through(said: dict[str, Any], kinds: Sequence[str]) -> dict[str, Any] | None:
    """Return what a job has said with workers for the jobs that it asks for.

    Parameters
    ----------
    said
        The content of jobflow-remote's file.
    kinds
        Kinds of steps with a worker of their own.

    Returns
    -------
    dict
        An error in place of jobs that are too large; None if the job asks for none.
    """
    asked = list(_asked(said.get("response") or {}))
    if not asked:
        return None
    large = max(len(json.dumps(job)) for job in asked)
    if large > MOST_B:
        words = f"asks for a job with {size_words(large)}"
        return {**said, "response": None, "error": words}
    for job in asked if kinds else []:
        maker = job["function"].get("@bound") or {}
        kind = maker_kind(maker.get("@module", ""), maker.get("@class", ""))
        worker = kind if kind in kinds else DEFAULT_KIND
        job["config"]["manager_config"] = {**job["config"]["manager_config"], "worker": worker}
    return said


def size_of(job: Job) -> int:
    """Return how many bytes a job has as JSON."""
    return len(json.dumps(jsanitize(job.as_dict(), strict=False)))


def size_words(size_B: int) -> str:
    """Return what is wrong with a job of that size, and the remedy."""
    return (
        f"{size_B / 1e6:.0f} MB of input, and jobflow-remote keeps {MOST_B / 1e6:.0f} MB at most; "
        f"{REMEDY}"
    )


def _asked(response: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the jobs that a job asks for."""
    waiting = [response[name] for name in _ASKED if response.get(name)]
    while waiting:
        one = waiting.pop()
        if "jobs" in one:
            waiting += one["jobs"]
        else:
            yield one


if __name__ == "__main__":
    sys.exit(main())
