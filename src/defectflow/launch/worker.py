"""What a queue job runs: it works through the ready jobs of one kind until none is left.

python -m defectflow.launch.worker --store URL --queue FILE --kind KIND --folder DIR
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from defectflow.engines.deadline import time_left_s
from defectflow.errors import DefectflowError
from defectflow.launch.feeding import Feeder, category_query
from defectflow.launch.interrupts import heeded_interrupts
from defectflow.launch.launchpads import open_launchpad
from defectflow.launch.patience import patiently
from defectflow.launch.patient_launchpad import owner
from defectflow.launch.queues import number_variable
from defectflow.launch.rockets import MARK, version
from defectflow.launch.site import load_site

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fireworks import FWorker, LaunchPad

    from defectflow.launch.site import Site

#: A flow may ask for its next job in this time; then the queue job is given back.
_IDLE_S: Final = 5.0
_PAUSE_S: Final = 0.5
#: No job is begun when less than this is left of the wall time.
_LEAST_S: Final = 30.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Work until nothing is left; return the exit status."""
    parser = argparse.ArgumentParser(prog="defectflow.launch.worker", description=__doc__)
    for name in ("store", "queue", "kind", "folder"):
        parser.add_argument(f"--{name}", required=True)
    given = parser.parse_args(arguments)
    try:
        site = load_site(given.queue)
        with heeded_interrupts() as check:
            pad = patiently(lambda: open_launchpad(given.store))
            worker = fworker(site, given.kind)
            pad.about = {"queue_job": worker.env["queue_job"]}
            _refuse_others(pad)
            count = work(pad, worker, check)
            print(f"{count} jobs done by defectflow {version()}")  # noqa: T201 - the queue job's log
            feeder = Feeder(pad, site, given.queue, given.store, given.folder)
            patiently(feeder.feed_quietly)
    except DefectflowError as error:
        print(f"defectflow worker: {error}", file=sys.stderr)  # noqa: T201 - the queue job's log
        return 1
    except KeyboardInterrupt:
        print("defectflow worker: interrupted", file=sys.stderr)  # noqa: T201 - same
        return 130
    return 0


def fworker(site: Site, kind: str) -> FWorker:
    """Return FireWorks' description of this worker; it takes jobs of its own version only.

    Beside its own kind it takes light steps: they last seconds, and what they ask for is next.
    """
    from fireworks import FWorker

    number = os.environ.get(number_variable(site), "")
    env = {**owner(), "queue_job": number, "version": version()}
    query = category_query(kind, besides=("light",)) | _same_version()
    return FWorker(name=f"defectflow-{kind}", query=query, env=env)


def work(pad: LaunchPad, worker: FWorker, check: Callable[[], None]) -> int:
    """Launch ready jobs one after the other; return how many.

    Parameters
    ----------
    check
        Raises if this process was told to stop: FireWorks makes a failed job of that.
    """
    from fireworks.core import rocket
    from fireworks.core.rocket_launcher import launch_rocket

    rocket.PRINT_FW_JSON = False  # the job would be written to the queue job's folder, each anew
    count, idle_since, ready = 0, time.monotonic(), False
    while time.monotonic() - idle_since < _IDLE_S:
        left = time_left_s()
        if left is not None and left < _LEAST_S:
            break
        # Where one was ready there are more, as a rule: only then the job itself is asked for.
        launched = (ready or patiently(lambda: pad.run_exists(worker))) and launch_rocket(
            pad, worker
        )
        check()
        ready = bool(launched)
        if launched:
            count += 1
            idle_since = time.monotonic()
        else:
            time.sleep(_PAUSE_S)
    return count


def _same_version() -> dict[str, Any]:
    return {f"spec.{MARK}.version": version()}


def _refuse_others(pad: LaunchPad) -> None:
    """Say so if jobs wait that another version has submitted."""
    others = {f"spec.{MARK}.version": {"$exists": True, "$ne": version()}, "state": "READY"}
    found = pad.fireworks.find_one(others, {f"spec.{MARK}": 1})
    if found is not None:
        asked = found["spec"][MARK]["version"]
        print(  # noqa: T201 - the queue job's log
            f"jobs of defectflow {asked} are left alone: this worker has {version()}; install "
            f"defectflow=={asked} for them",
            file=sys.stderr,
        )


if __name__ == "__main__":
    sys.exit(main())
