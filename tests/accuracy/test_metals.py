"""(111) surfaces by density functional theory: recipes of workflows/ as they are.

Minutes in all. Hydrogen on the other metals takes longer: `make dft-long`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from defectflow.launch import run_flow
from defectflow.recipes import build, load, result_key
from defectflow.reference import compare
from defectflow.store import open_store

if TYPE_CHECKING:
    from collections.abc import Callable

    from defectflow.reference.comparison import Comparison

pytest.importorskip("gpaw", reason="GPAW is not installed: make dft-setup")

WORKFLOWS = Path(__file__).resolve().parents[2] / "workflows"


@pytest.fixture(scope="module")
def computed(tmp_path_factory) -> Callable[[str], Comparison]:
    """Return the function that runs a recipe and sets its result beside the published value."""
    folder = tmp_path_factory.mktemp("numbers")

    def compute(name: str) -> Comparison:
        recipe = load(WORKFLOWS / f"{name}.yaml")
        with open_store(str(folder / "numbers.sqlite")) as store:
            summary = run_flow(build(recipe), store, root=folder)
            assert summary.state == "completed", summary.failures
            return compare(store.find(key=result_key(recipe)))[0]

    return compute


@pytest.mark.parametrize("metal", ["cu", "pt"])
def test_the_d_band_of_a_surface_atom(metal, computed):
    """Windows and methods of the published numbers are not said: worth up to 0.35 eV."""
    row = computed(f"d_band_center-{metal}111")
    assert row.document.engine.fidelity == "dft"
    assert row.document.converged
    assert row.document.value == pytest.approx(row.published.value, abs=0.35)


@pytest.mark.parametrize("metal", ["cu", "pt"])
def test_hydrogen(metal, computed):
    """Three layers instead of four or five, and another code: worth up to 0.1 eV."""
    row = computed(f"adsorption_free_energy-h-{metal}111")
    assert row.document.engine.functional == "RPBE"
    assert row.document.converged
    assert row.document.value == pytest.approx(row.published.value, abs=0.10)
