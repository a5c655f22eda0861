from __future__ import annotations

from itertools import count

import pytest

from defectflow.documents import EngineStamp, MigrationBarrierDocument
from defectflow.store import open_store

ENGINE = EngineStamp(name="emt", fidelity="stand-in", level="fast")
_numbers = count()


@pytest.fixture(params=["a.sqlite", "memory://"])
def store(request, tmp_path):
    url = request.param if "://" in request.param else tmp_path / request.param
    with open_store(url) as opened:
        yield opened


@pytest.fixture
def make_result():
    """Return a maker of results as jobflow would file them."""

    def make(**changes):
        fields = {
            "recipe": "mg-tis2",
            "value": 0.82,
            "barrier_eV": 0.82,
            "spline_barrier_eV": 0.83,
            "host": "1T-TiS2",
            "defect": "Mg_i",
            "species": "Mg",
            "converged": True,
            "key": "k1",
            "created": "2026-07-01T10:00:00+00:00",
            "engine": ENGINE,
            "limit": "charged",
            "host_formula": "TiS2",
            "dimensions": 2,
            "host_cell": "keep",
            "host_lattice": ((3.4, 0.0, 0.0), (0.0, 3.4, 0.0), (0.0, 0.0, 5.7)),
            "nearest_image_A": 10.2,
            "hops": (),
            "diffusion": None,
            "force_calls": 120,
            "wall_time_s": 12.0,
        }
        document = MigrationBarrierDocument(**{**fields, **changes})
        number = next(_numbers)
        output = {
            "@module": "defectflow.documents.migration",
            "@class": "MigrationBarrierDocument",
            **document.model_dump(mode="json"),
        }
        return {"uuid": f"result-{number}", "index": 1, "output": output, "name": "barrier"}

    return make
