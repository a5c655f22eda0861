"""What a worker of jobflow-remote runs: its own program, and a look at what the job asks for.

python -m defectflow.launch.remote_run FOLDER

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
    folder = Path(parser.parse_args(arguments).folder)
    run_remote_job(folder)
    out = folder / OUT_FILENAME
    if out.stat().st_size > MOST_B:
        said = json.loads(out.read_text(encoding="utf-8"))
        large = max(_asked(said.get("response") or {}), default=0)
        if large > MOST_B:
            words = f"asks for a job with {size_words(large)}"
            dumpfn({**said, "response": None, "error": words}, str(out))
    return 0


def size_of(job: Job) -> int:
    """Return how many bytes a job has as JSON."""
    return len(json.dumps(jsanitize(job.as_dict(), strict=False)))


def size_words(size_B: int) -> str:
    """Return what is wrong with a job of that size, and the remedy."""
    return (
        f"{size_B / 1e6:.0f} MB of input, and jobflow-remote keeps {MOST_B / 1e6:.0f} MB at most; "
        f"{REMEDY}"
    )


def _asked(response: dict[str, Any]) -> Iterator[int]:
    """Yield the sizes of the jobs that a job asks for."""
    waiting = [response[name] for name in _ASKED if response.get(name)]
    while waiting:
        one = waiting.pop()
        if "jobs" in one:
            waiting += one["jobs"]
        else:
            yield len(json.dumps(one))


if __name__ == "__main__":
    sys.exit(main())
