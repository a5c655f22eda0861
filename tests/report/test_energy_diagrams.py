"""Formation-energy diagrams and voltage profiles as data and as pictures."""

from __future__ import annotations

import pytest

from defectflow.documents import (
    DefectDocument,
    DefectFormationEnergyDocument,
    ElectronicHost,
    EngineStamp,
    IntercalationVoltageDocument,
    PotentialLimit,
    RelaxDocument,
    now,
)
from defectflow.documents.formation import ChemicalPotential
from defectflow.documents.intercalation import VoltagePlateau
from defectflow.errors import MissingData
from defectflow.report.energy_diagrams import (
    draw_formation_diagram,
    draw_voltage_profile,
    formation_lines,
    voltage_corners,
)
from defectflow.structures import hosts

STAMP = EngineStamp(name="gpaw", functional="PBE", fidelity="dft", level="balanced")
HEAD = {
    "recipe": "made-up",
    "host": "rocksalt-MgO",
    "host_formula": "MgO",
    "converged": True,
    "key": "0" * 64,
    "created": now(),
    "engine": STAMP,
    "host_cell": "keep",
    "force_calls": 1,
    "wall_time_s": 1.0,
}


@pytest.fixture(scope="module")
def step() -> RelaxDocument:
    structure = hosts.load("rocksalt-MgO").structure
    return RelaxDocument(
        structure=structure,
        energy_eV=-1.0,
        forces_eV_per_A=((0.0, 0.0, 0.0),) * len(structure),
        fmax_eV_per_A=0.0,
        force_threshold_eV_per_A=0.01,
        converged=True,
        steps=0,
        force_calls=1,
        wall_time_s=1.0,
        cell="fixed",
        engine=STAMP,
    )


@pytest.fixture
def formation(step):
    """Build a result: V_O with charges 0 and 2 that cross 2 eV above the valence band."""

    def build(**changes):
        energies = {0: 6.0, 2: 2.0 + 2 * 0.5}
        defects = tuple(
            DefectDocument(
                name="V_O",
                multiplicity=1,
                formation_energy_eV=energy,
                added={"O": -1},
                charge=charge,
                relaxed=step,
            )
            for charge, energy in energies.items()
        )
        fields = {
            **HEAD,
            "value": 3.0,
            "defect": "V_O",
            "species": "O",
            "charge": 2,
            "fermi_eV": 0.5,
            "host_lattice": ((4.2, 0, 0), (0, 4.2, 0), (0, 0, 4.2)),
            "supercell_matrix": ((2, 0, 0), (0, 2, 0), (0, 0, 2)),
            "nearest_image_A": 8.4,
            "relaxed_host": step,
            "pristine": step,
            "defects": defects,
            "chemical_potentials": (ChemicalPotential(element="O", energy_eV=-4.9, source="O2"),),
            "electronic": ElectronicHost(valence_band_eV=3.0, gap_eV=5.0),
        }
        return DefectFormationEnergyDocument(**{**fields, **changes})

    return build


def test_the_lines_bend_at_the_transition_level(formation):
    (line,) = formation_lines(formation())
    assert line.defect == "V_O"
    assert line.fermi_eV == pytest.approx((0.0, 2.0, 5.0))
    assert line.energies_eV == pytest.approx((2.0, 6.0, 6.0))
    assert line.charges == (2, 0, 0)


def test_another_limit_moves_every_line(formation):
    poor = PotentialLimit(phases=("hcp-Mg",), chemical_potentials_eV={"O": -10.9})
    (line,) = formation_lines(formation(limits=(poor,)), poor)
    assert line.energies_eV == pytest.approx((-4.0, 0.0, 0.0))


def test_neutral_defects_have_no_diagram(formation):
    with pytest.raises(MissingData, match="only neutral defects"):
        formation_lines(formation(electronic=None))


def test_pictures_are_written(formation, step, tmp_path):
    draw_formation_diagram(formation(), tmp_path / "formation.png")
    voltage = IntercalationVoltageDocument(
        **HEAD,
        value=2.5,
        defect="Mg 0 to 1 in Mn2O4",
        species="Mg",
        host_unit="Mn2O4",
        ion_charge=2,
        compositions=(0.0, 1.0),
        points=(),
        steps=(
            VoltagePlateau(start=0.0, end=0.5, voltage_V=3.0),
            VoltagePlateau(start=0.5, end=1.0, voltage_V=2.0),
        ),
        volume_change=0.1,
        capacity_mAh_per_g=270.0,
        metal=ChemicalPotential(element="Mg", energy_eV=-1.5, source="hcp-Mg", relaxed=step),
    )
    assert voltage_corners(voltage) == ([0.0, 0.5, 0.5, 1.0], [3.0, 3.0, 2.0, 2.0])
    draw_voltage_profile(voltage, tmp_path / "voltage.svg")
    assert (tmp_path / "formation.png").read_bytes()[:4] == b"\x89PNG"
    assert (tmp_path / "voltage.svg").read_bytes().startswith(b"<?xml")
