"""Jobs for workers on a queue, each leaving a line for every time that it really ran."""

from __future__ import annotations

import os
import time
from pathlib import Path

from jobflow import Flow, Response, job


def place() -> Path:
    """Return the folder in which jobs leave traces and look for signs."""
    return Path(os.environ["FAULT_FOLDER"])


def trace(text):
    with (place() / "trace").open("a") as log:
        log.write(f"{text}\n")


@job
def hold(number, sign):
    """Wait until there is a file called `sign`."""
    trace(f"hold {number} {os.getpid()}")
    while not (place() / sign).exists():
        time.sleep(0.1)
    return number


@job
def plus_one(number):
    trace(f"plus_one {number} {os.getpid()}")
    return number + 1


@job
def take_memory(number, megabytes):
    """Take that much memory, unless there is a file that says it is enough."""
    trace(f"take_memory {number} {os.getpid()}")
    if not (place() / "modest").exists():
        taken = bytearray(megabytes * 1_000_000)
        taken[::4096] = b"x" * len(taken[::4096])
        time.sleep(60)
    return number


@job
def count_down(number):
    trace(f"count_down {number}")
    return number


@job
def grow(number):
    """Ask for another job in its own place."""
    trace(f"grow {number} {os.getpid()}")
    return Response(replace=plus_one(number))


def growing(number):
    """Return a flow of two jobs, the first of which becomes another; three run."""
    first = grow(number)
    last = plus_one(first.output)
    return Flow([first, last], output=last.output)


def held(number, sign="go"):
    """Return a flow that waits for a sign and then adds one."""
    first = hold(number, sign)
    last = plus_one(first.output)
    return Flow([first, last], output=last.output)


def hungry(number):
    first = take_memory(number, 900)
    last = plus_one(first.output)
    return Flow([first, last], output=last.output)


def quick(number):
    first = plus_one(number)
    last = plus_one(first.output)
    return Flow([first, last], output=last.output)
