"""Results to show: a barrier with any field replaced, with or without a published value."""

from __future__ import annotations

import pytest

from defectflow.documents import EngineStamp, MigrationBarrierDocument
from defectflow.reference import Citation, Comparison, PublishedValue

SOURCE = Citation(text="B. Lee et al., J. Mater. Chem. A 7, 25619 (2019)", doi="10.1039/c9ta08362f")


@pytest.fixture
def comparison():
    """Build Mg in 1T-TiS2 with 0.9 eV, published 1.2 eV, unless told otherwise."""

    def build(published=1.2, citation=SOURCE, note="", **changes):
        fields = {
            "recipe": "mg-tis2",
            "value": 0.9,
            "host": "1T-TiS2",
            "defect": "Mg_i",
            "species": "Mg",
            "converged": True,
            "key": "0" * 64,
            "created": "2025-01-01T00:00:00+00:00",
            "engine": EngineStamp(
                name="sevennet", model="7net-0", fidelity="potential", level="balanced"
            ),
            "limit": "charged",
            "host_formula": "TiS2",
            "barrier_eV": 0.9,
            "spline_barrier_eV": 0.91,
            "dimensions": 2,
            "host_cell": "keep",
            "host_lattice": ((3.4, 0, 0), (-1.7, 2.94, 0), (0, 0, 5.7)),
            "nearest_image_A": 10.2,
            "hops": (),
            "diffusion": None,
            "force_calls": 1234,
            "wall_time_s": 75.0,
        }
        document = MigrationBarrierDocument(**{**fields, **changes})
        value = None if published is None else _value(published, citation)
        error = None if value is None or document.value is None else document.value - value.value
        return Comparison(document=document, published=value, others=(), error=error, note=note)

    return build


def _value(published, citation):
    texts = dict.fromkeys(PublishedValue.model_fields, "")
    chosen = {
        "id": "MIG-001",
        "quantity": "migration_barrier",
        "value": published,
        "unit": "eV",
        "material": "TiS2",
        "limit": "charged",
        "citation": citation,
    }
    return PublishedValue.model_validate({**texts, **chosen})
