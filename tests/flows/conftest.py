"""What the tests of flows share."""

from __future__ import annotations

import pytest

from defectflow.documents import RelaxDocument
from defectflow.engines import engine


@pytest.fixture(scope="session")
def unmoved():
    """Return what makes the document of a structure that did not move."""

    def document(structure, energy_eV=0.0):
        return RelaxDocument(
            structure=structure,
            energy_eV=energy_eV,
            forces_eV_per_A=((0.0, 0.0, 0.0),) * len(structure),
            fmax_eV_per_A=0.0,
            force_threshold_eV_per_A=0.05,
            converged=True,
            steps=0,
            force_calls=0,
            wall_time_s=0.0,
            cell="fixed",
            engine=engine("emt").stamp(),
        )

    return document
