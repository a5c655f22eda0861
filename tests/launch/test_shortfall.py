"""How far a calculation that did not converge is from it, in words."""

from __future__ import annotations

import pytest

from defectflow.launch.inputs import shortfall


@pytest.mark.parametrize(("cell", "told"), [("relax", True), ("fixed", False)])
def test_of_a_free_cell_whose_forces_are_small_the_stress_is_told(cell: str, *, told: bool) -> None:
    step = {
        "converged": False,
        "fmax_eV_per_A": 0.0,
        "force_threshold_eV_per_A": 0.05,
        "stress_eV_per_A3": [[-0.02, 0.0, 0.0], [0.0, 0.01, 0.0], [0.0, 0.0, 0.01]],
        "cell": cell,
    }
    said = shortfall({"output": step}) or ""
    assert said.startswith("largest force 0.000 eV/Å, threshold 0.05")
    assert ("largest stress on the free cell 2.0e-02 eV/Å³" in said) is told
