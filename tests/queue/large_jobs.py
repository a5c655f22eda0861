"""Jobs whose outputs are larger than a document of MongoDB may be."""

from __future__ import annotations

from jobflow import Response, job


@job
def large(megabytes):
    """Return about that many megabytes, most of them in one field."""
    frames = [{"step": step, "text": f"{step} " * 20_000} for step in range(10 * megabytes)]
    return {"energy_eV": -1.5, "trajectory": frames}


@job
def large_list(megabytes):
    """Return the same frames without any field."""
    return large.original(megabytes)["trajectory"]


@job
def frames(trajectory):
    """Return their number."""
    return len(trajectory)


@job
def length(text):
    """Return how long a text is, given as an input."""
    return len(text)


@job
def asking(megabytes):
    """Ask for a job with a large input."""
    return Response(replace=length("x" * (megabytes * 1_000_000)))
