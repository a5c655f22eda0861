"""The end of the wall time, here and in processes that begin later."""

from __future__ import annotations

import os
import time

import pytest

from defectflow.engines import deadline
from defectflow.errors import RecipeError

END = "DEFECTFLOW_WALL_TIME_END"


@pytest.fixture(autouse=True)
def _no_end(monkeypatch):
    for name in ("DEFECTFLOW_WALL_TIME_S", "SLURM_JOB_END_TIME", END):
        monkeypatch.delenv(name, raising=False)


def test_the_earliest_end_counts(monkeypatch):
    assert deadline.time_left_s() is None
    monkeypatch.setattr(deadline, "_STARTED", time.time() - 8)
    monkeypatch.setenv("DEFECTFLOW_WALL_TIME_S", "100")
    assert deadline.time_left_s() == pytest.approx(92, abs=1)
    monkeypatch.setenv(END, str(time.time() + 40))
    assert deadline.time_left_s() == pytest.approx(40, abs=1)
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(time.time() + 20))
    assert deadline.time_left_s() == pytest.approx(20, abs=1)


def test_a_process_that_begins_later_has_the_end_of_the_one_that_starts_it(monkeypatch):
    with deadline.wall_time_for_children():
        assert END not in os.environ
    monkeypatch.setattr(deadline, "_STARTED", time.time() - 70)
    monkeypatch.setenv("DEFECTFLOW_WALL_TIME_S", "100")
    with deadline.wall_time_for_children():
        monkeypatch.setattr(deadline, "_STARTED", time.time())  # as in the new process
        assert deadline.time_left_s() == pytest.approx(30, abs=1)
        with deadline.wall_time_for_children():
            pass
        assert END in os.environ
    assert END not in os.environ


def test_what_is_no_number_is_named(monkeypatch):
    monkeypatch.setenv("DEFECTFLOW_WALL_TIME_S", "1:00")
    with pytest.raises(RecipeError, match="DEFECTFLOW_WALL_TIME_S=1:00: is no number of seconds"):
        deadline.time_left_s()
