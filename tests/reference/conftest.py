"""A result document to compare, with any field replaced."""

from __future__ import annotations

import pytest

from defectflow.documents import EngineStamp, MigrationBarrierDocument, now


@pytest.fixture
def barrier():
    """Build a migration barrier document: Mg in 1T-TiS2, charged, 0.9 eV, unless told otherwise."""

    def build(functional: str | None = "PBE", **changes):
        fields = {
            "recipe": "migration_barrier-mg-tis2",
            "value": 0.9,
            "host": "1T-TiS2",
            "defect": "Mg_i",
            "species": "Mg",
            "converged": True,
            "key": "0" * 64,
            "created": now(),
            "engine": EngineStamp(
                name="emt", functional=functional, fidelity="stand-in", level="balanced"
            ),
            "limit": "charged",
            "host_formula": "TiS2",
            "prototype": "1T-TiS2",
            "barrier_eV": 0.9,
            "spline_barrier_eV": 0.91,
            "dimensions": 2,
            "host_cell": "relax",
            "host_lattice": ((3.4, 0, 0), (-1.7, 2.94, 0), (0, 0, 5.7)),
            "nearest_image_A": 10.2,
            "hops": (),
            "diffusion": None,
            "force_calls": 100,
            "wall_time_s": 1.0,
        }
        return MigrationBarrierDocument(**{**fields, **changes})

    return build
