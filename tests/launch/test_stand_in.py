"""What a rehearsal hands back says of itself what the step itself would say."""

from __future__ import annotations

import pytest
from jobflow import Flow, run_locally

from defectflow.documents.steps import BandDocument, RelaxDocument
from defectflow.engines import engine
from defectflow.engines.guided import GuidedEngine
from defectflow.launch.stand_in import StandIn
from defectflow.structures import hosts

GUIDE = engine("ase", calculator="ase.calculators.emt:EMT")
GUIDED = GuidedEngine.of(engine("emt"), GUIDE, "dft")


def ran(job):
    return run_locally(Flow([job]), log=False, ensure_success=True)[job.uuid][1].output


@pytest.fixture
def ends():
    """Both ends of a vacancy's hop: images as a relaxation hands them on."""
    host = hosts.prototype("fcc-Cu").structure.to_conventional() * (2, 2, 1)
    neighbour = int(host.distance_matrix[0][1:].argmin()) + 1
    images = []
    for taken in (0, neighbour):
        left = host.copy()
        left.remove_sites([0, neighbour])
        left.append("Cu", host[taken].frac_coords)
        job = GUIDED.relax_maker("fixed").make(left)
        images.append(RelaxDocument.model_validate(ran(job)).image())
    return images


@pytest.mark.parametrize("kind", ["relax", "band", "vibrations"])
def test_steps_of_a_guided_engine_are_signed_as_they_would_be(kind, ends, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    structure = ends[0].structure
    job = {
        "relax": lambda: GUIDED.relax_maker("fixed").make(structure),
        "band": lambda: GUIDED.band_maker(images=1).make(*ends),
        "vibrations": lambda: GUIDED.vibrations_maker().make(structure, [0]),
    }[kind]()
    made, real = StandIn().document(job, kind), ran(job)
    real = type(made).model_validate(real)
    assert made.engine == real.engine.model_copy(update={"fidelity": "stand-in"})
    assert isinstance(made, BandDocument) == ("guide" in made.engine.options)
