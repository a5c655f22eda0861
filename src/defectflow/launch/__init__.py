"""Handing a flow over to what runs it: this machine, now; queues by their own managers."""

from __future__ import annotations

from defectflow.launch.events import JobEvent, JobFailure, RunSummary
from defectflow.launch.local import run_flow
from defectflow.launch.running import run
from defectflow.launch.tracking import Tracker, tracked

__all__ = ["JobEvent", "JobFailure", "RunSummary", "Tracker", "run", "run_flow", "tracked"]
