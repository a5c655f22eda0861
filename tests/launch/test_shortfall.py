"""How far a calculation that did not converge is from it, in words."""

from __future__ import annotations

import numpy as np
import pytest

from defectflow.engines import engine
from defectflow.engines.relax import relax
from defectflow.engines.request import Request
from defectflow.launch.inputs import shortfall

EMT = engine("emt")


@pytest.mark.parametrize("cell", ["relax", "height", "scale", "fixed"])
def test_of_a_free_cell_the_stress_on_what_is_free_is_told(copper, tmp_path, cell) -> None:
    """Copper stretched in its plane by 4 %, where `height` leaves it."""
    stretched = copper.copy()
    stretched.apply_strain([0.04, 0.04, 0.0])
    settings = EMT.settings("relax", max_steps=1)
    document = relax(Request(stretched, settings, folder=tmp_path), EMT, cell)
    said = shortfall({"output": document.model_dump() | {"converged": False}}) or ""
    assert said.startswith(f"largest force {document.fmax_eV_per_A:.3f} eV/Å, threshold 0.0")
    assert ("stress on the free cell" in said) is (cell != "fixed")
    if cell != "fixed":
        stress = np.array(document.stress_eV_per_A3)
        free = {"height": abs(stress[2, 2]), "relax": np.abs(stress).max()}
        free["scale"] = abs(np.trace(stress)) / 3
        assert free["height"] < 0.9 * free["relax"]
        assert document.stress_left_eV_per_A3 == pytest.approx(free[cell], rel=1e-6)
        limit = settings["stress_max_eV_per_A3"]
        assert f"{free[cell]:.1e} eV/Å³, threshold {limit:.1e}" in said
