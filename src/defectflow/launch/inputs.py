"""What a job needs before it runs, and what may be kept of it afterwards: for every runner."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from jobflow.core.reference import find_and_resolve_references

from defectflow.launch.keys import job_key, original
from defectflow.store.large import MOVED

if TYPE_CHECKING:
    from jobflow.core.job import Job

    from defectflow.store import Store


def packages_of(job: Job) -> set[str]:
    """Return the top-level packages whose code a job runs anyway."""
    bound = getattr(job.function, "__self__", None)
    modules = (original(job.function).__module__, type(bound).__module__)
    return {module.partition(".")[0] for module in modules}


def with_inputs(job: Job, store: Store) -> Job:
    """Return a copy of `job` whose references are replaced by the stored outputs."""
    ready = copy.copy(job)
    if not job.config.resolve_references:
        return ready
    cache: dict[str, Any] = {}
    options: dict[str, Any] = {
        "cache": cache,
        "on_missing": job.config.on_missing_references,
        "wrap_resolved": job.config.resolve_references == "both",
    }
    args = find_and_resolve_references(job.function_args, store.jobs, **options)
    ready.function_args = tuple(args)
    ready.function_kwargs = find_and_resolve_references(job.function_kwargs, store.jobs, **options)
    return ready


def memo_key(job: Job) -> str | None:
    """Return the key of a job whose output follows from its inputs alone, else None."""
    if job.config.resolve_references is not True or job.config.expose_store:
        return None
    return job_key(job, job.function_args, job.function_kwargs)


def as_reused(job: Job, found: dict[str, Any]) -> dict[str, Any] | None:
    """Return the stored output of an equal job as the output of `job`; None if it is its own."""
    if (found["uuid"], found["index"]) == (job.uuid, job.index):
        return None
    names = {"uuid": job.uuid, "index": job.index, "name": job.name}
    metadata = {**job.metadata, "reused_from": found["uuid"]}
    kept = {name: found.get(name) for name in ("output", "completed_at")}
    if MOVED in found:  # large parts lie elsewhere, and serve both
        kept[MOVED] = found[MOVED]
    return {**names, **kept, "hosts": job.hosts, "metadata": metadata}


def unconverged(document: dict[str, Any] | None) -> bool:
    """Tell whether an output says that it did not converge; it may not stand in for a job."""
    output = None if document is None else document["output"]
    parts = output if isinstance(output, list) else [output]
    return any(isinstance(part, dict) and part.get("converged") is False for part in parts)


def shortfall(document: dict[str, Any] | None) -> str | None:
    """Return in words how far a calculation that did not converge is from it; None of others.

    A result that has no number because of its calculations is none of its own.

    Examples
    --------
    >>> force = {"fmax_eV_per_A": 0.12, "force_threshold_eV_per_A": 0.03}
    >>> shortfall({"output": {"converged": False, **force}})
    'largest force 0.120 eV/Å, threshold 0.03'
    """
    output = document["output"] if document is not None and unconverged(document) else None
    if not isinstance(output, dict) or "quantity" in output:
        return None
    threshold = output.get("force_threshold_eV_per_A")
    forces = {
        "largest force": output.get("fmax_eV_per_A"),
        "force on the climbing image": output.get("climbing_fmax_eV_per_A"),
        "largest force of the band": output.get("band_fmax_eV_per_A"),
    }
    known = [f"{what} {one:.3f} eV/Å" for what, one in forces.items() if isinstance(one, float)]
    if isinstance(threshold, float):
        known.append(f"threshold {threshold:g}")
    left, limit = (output.get(f"stress_{one}_eV_per_A3") for one in ("left", "threshold"))
    if isinstance(left, float) and isinstance(limit, float):
        known.append(f"stress on the free cell {left:.1e} eV/Å³, threshold {limit:.1e}")
    return ", ".join(known) or "it does not say how far it came"
