"""Handing a flow over to what runs it: this machine, now; queues by their own managers."""

from __future__ import annotations

from defectflow.launch.events import JobEvent, JobFailure, RunSummary
from defectflow.launch.local import Asked, run_flow, run_flows
from defectflow.launch.running import run
from defectflow.launch.tracking import Diary, Tracker, tracked

__all__ = [
    "Asked",
    "Diary",
    "JobEvent",
    "JobFailure",
    "RunSummary",
    "Tracker",
    "run",
    "run_flow",
    "run_flows",
    "tracked",
]
