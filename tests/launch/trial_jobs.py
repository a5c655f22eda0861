"""Jobs that leave a trace of each time they really ran, importable by other processes.

Run as a script (``trial_jobs.py STORE WORKERS FLOW``) it runs one of the flows below and prints
the state of the run at the end.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from jobflow import Flow, Maker, OnMissing, Response, job
from jobflow.core.flow import JobOrder
from jobflow.core.job import JobConfig

from defectflow.errors import NotConverged


def trace(text):
    with Path(os.environ["TRIAL_LOG"]).open("a") as log:
        log.write(f"{text}\n")


@job
def add(a, b):
    trace(f"add {a} {b}")
    return a + b


@job
def total(numbers):
    trace(f"total {numbers}")
    return sum(number for number in numbers if number is not None)


@job(config=JobConfig(on_missing_references=OnMissing.NONE))
def total_of_what_there_is(numbers):
    return sum(number for number in numbers if number is not None)


@job
def fail(message):
    trace("fail")
    raise NotConverged(message)


@job
def fan_out(count):
    trace("fan_out")
    jobs = [add(number, 1) for number in range(count)]
    return Response(replace=Flow(jobs, output=[one.output for one in jobs]))


@job
def fan_out_with_a_failure(count):
    jobs = [add(number, 1) for number in range(count)]
    jobs.append(fail("the band broke"))
    return Response(replace=Flow(jobs, output=[one.output for one in jobs]))


@job
def count_down(number):
    trace(f"count_down {number}")
    return number if number == 0 else Response(replace=count_down(number - 1))


@job
def make_a_detour(number):
    return Response(output=number, detour=add(100, number))


@job
def make_an_addition(number):
    return Response(output=number, addition=add(200, number))


@job
def stop_children():
    return Response(output=1, stop_children=True)


@job
def stop_everything():
    return Response(output=1, stop_jobflow=True)


@job
def unconverged(number):
    trace("unconverged")
    Path("relax.checkpoint.json").write_text("{}")
    return {"number": number, "converged": False}


@job
def where(name):
    Path("file.txt").write_text(name)
    return str(Path.cwd())


@job
def threads_and_process(number):
    return {"threads": os.environ["OMP_NUM_THREADS"], "pid": os.getpid(), "number": number}


@job
def time_left(number):
    from defectflow.engines.deadline import time_left_s

    trace(f"time_left {number}")
    return time_left_s()


@job
def die(number):
    os.kill(os.getpid(), 9)


@job
def die_once(number):
    """Be killed the first time, as by a machine that is out of memory for a moment."""
    trace("die_once")
    mark = Path("was_here")
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), 9)
    return number


@job
def swallow_interrupt(number):
    """Do what compiled code does that drops a KeyboardInterrupt, or makes an error of it."""
    try:
        os.kill(os.getpid(), 15)
        time.sleep(10)
    except KeyboardInterrupt:
        message = "odd"
        raise TypeError(message) from None


@functools.cache
def load_potential():
    """Stand for a potential, which takes seconds and memory to load."""
    trace(f"loaded {os.getpid()}")
    return 2


@job
def use_potential(number):
    return number * load_potential()


@job
def fill_disk(number):
    trace("fill_disk")
    Path("wavefunction").write_bytes(b"x" * 10_000_000)
    return number


@job
def warn_and_fail():
    print("the cell is small", file=sys.stderr)  # noqa: T201 - jobs of other packages do
    logging.getLogger("defectflow.engines").warning("step 3 energy -1.5 eV")
    message = "no ground state"
    raise NotConverged(message)


@job
def print_something(text):
    print(text)  # noqa: T201 - jobs of other packages do
    return text


@job
def report_progress(text):
    logging.getLogger("defectflow.progress").info(text)
    return text


@job
def slow_steps(steps, seconds):
    """Count to `steps` with a checkpoint after each, as a relaxation does."""
    checkpoint = Path("checkpoint.json")
    done = json.loads(checkpoint.read_text())["done"] if checkpoint.exists() else 0
    trace(f"pid {os.getpid()}")
    for step in range(done, steps):
        time.sleep(seconds)
        fresh = checkpoint.with_suffix(".new")
        fresh.write_text(json.dumps({"done": step + 1}))
        fresh.replace(checkpoint)
        trace(f"step {step}")
    return steps


@dataclass
class ScaleMaker(Maker):
    name: str = "scale"
    factor: float = 2.0

    @job
    def make(self, number):
        trace(f"scale {number} by {self.factor}")
        return self.factor * number


@dataclass
class TwiceMaker(Maker):
    """A maker with a maker inside, as flows have."""

    name: str = "twice"
    inner: ScaleMaker = field(default_factory=ScaleMaker)

    @job
    def make(self, number):
        return Response(replace=self.inner.make(number))


def chain(count):
    jobs = [add(0, 1)]
    for _ in range(count - 1):
        jobs.append(add(jobs[-1].output, 1))
    return Flow(jobs)


def linear():
    return Flow([add(1, 1), add(2, 2), add(3, 3)], order=JobOrder.LINEAR)


FLOWS = {
    "chain": lambda: chain(5),
    "steps": lambda: Flow([first := add(1, 2), slow_steps(first.output, 0.0)]),
    "slow": lambda: Flow([slow_steps(20, 0.1)]),
    "two slow": lambda: Flow([slow_steps(60, 0.1), slow_steps(61, 0.1)]),
}

if __name__ == "__main__":
    import trial_jobs  # the same functions under the name that workers import

    from defectflow.launch import run_flow, tracked
    from defectflow.store import RunLabel, open_store

    # What runs tests in the background may have them ignore Ctrl-C, and their children too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    url, workers, name = sys.argv[1:]
    with open_store(url) as opened, tracked(opened, RunLabel(recipe=name)) as tracker:
        flow = trial_jobs.FLOWS[name]()
        summary = run_flow(flow, opened, workers=int(workers), on_event=tracker)
        print(tracker.end(summary).state)  # noqa: T201
