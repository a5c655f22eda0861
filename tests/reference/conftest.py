"""A result document to compare, with any field replaced."""

from __future__ import annotations

import pytest
from pymatgen.core import Composition, Lattice, Structure

from defectflow.documents import (
    BandDocument,
    EngineStamp,
    HopDocument,
    Image,
    MigrationBarrierDocument,
    now,
)


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


@pytest.fixture
def hop():
    """Build a hop whose band has cells of the given composition; its energies mean nothing."""

    def build(formula: str) -> HopDocument:
        counts = Composition(formula).get_el_amt_dict()
        atoms = [element for element, count in counts.items() for _ in range(int(count))]
        points = [(i / len(atoms), 0.0, 0.0) for i in range(len(atoms))]
        image = Image(
            structure=Structure(Lattice.cubic(8.2), atoms, points),
            energy_eV=0.0,
            forces_eV_per_A=((0.0, 0.0, 0.0),) * len(atoms),
        )
        band = BandDocument(
            images=(image, image),
            distances_A=(0.0, 1.0),
            climbing_index=None,
            climbing_fmax_eV_per_A=0.0,
            band_fmax_eV_per_A=0.0,
            force_threshold_eV_per_A=0.05,
            converged=True,
            mirrored=False,
            chosen="straight",
            steps=0,
            force_calls=0,
            wall_time_s=0.0,
            engine=EngineStamp(name="emt", fidelity="stand-in", level="balanced"),
        )
        return HopDocument(
            label="hop",
            start="a",
            end="b",
            distance_A=3.5,
            multiplicity=1,
            forward_eV=0.4,
            reverse_eV=0.4,
            spline_forward_eV=0.4,
            spline_reverse_eV=0.4,
            span_eV=0.4,
            path_length_A=3.6,
            converged=True,
            band=band,
        )

    return build
