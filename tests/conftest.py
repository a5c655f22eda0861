"""What every test shares."""

from __future__ import annotations

import os

# One thread per process: several test processes share few cores. Set before torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import pytest


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    """Run each test in an empty folder, so that no store or checkpoint lands in the checkout."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEFECTFLOW_HOME", str(tmp_path / "home"))
    for name in ("DEFECTFLOW_STORE", "DEFECTFLOW_WORKERS"):
        monkeypatch.delenv(name, raising=False)
