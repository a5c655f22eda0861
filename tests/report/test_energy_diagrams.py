"""Formation-energy diagrams and voltage profiles as data and as pictures."""

from __future__ import annotations

import math

import pytest
from pymatgen.core import Lattice, Structure

from defectflow.documents import (
    DefectDocument,
    DefectFormationEnergyDocument,
    ElectronicHost,
    EngineStamp,
    HostBands,
    IntercalationVoltageDocument,
    PotentialLimit,
    now,
)
from defectflow.documents.formation import ChemicalPotential
from defectflow.documents.intercalation import VoltagePlateau
from defectflow.engines import engine
from defectflow.errors import EngineError, MissingData, RecipeError
from defectflow.flows.host import one_engine
from defectflow.reference import compare
from defectflow.report import comparison_table
from defectflow.report.defect_sets import DefectSet, records
from defectflow.report.energy_diagrams import (
    formation_diagram,
    formation_lines,
    voltage_corners,
    voltage_profiles,
)
from defectflow.structures import hosts
from defectflow.units import BOLTZMANN_EV_PER_K

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
def step(unmoved):
    return unmoved(hosts.load("rocksalt-MgO").structure, -1.0, STAMP)


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


def joined(*documents, limit=""):
    return DefectSet.from_results(documents, limit)


def bands(states_per_eV=1.0, gap_eV=5.0):
    """A flat valence and a flat conduction band."""
    grid = [-1.0 + 0.01 * k for k in range(801)]
    density = [states_per_eV * (energy <= 0 or energy >= gap_eV) for energy in grid]
    return HostBands(energies_eV=tuple(grid), density=tuple(density), volume_A3=20.0)


def limits():
    return (
        PotentialLimit(phases=("O2",), chemical_potentials_eV={"Mg": -7.5, "O": -4.9}),
        PotentialLimit(phases=("hcp-Mg",), chemical_potentials_eV={"Mg": -1.5, "O": -10.9}),
    )


def test_the_lines_bend_at_the_transition_level(formation):
    (line,) = formation_lines(joined(formation()))
    assert line.defect == "V_O"
    assert line.fermi_eV == pytest.approx((0.0, 2.0, 5.0))
    assert line.energies_eV == pytest.approx((2.0, 6.0, 6.0))
    assert line.charges == (2, 0, 0)


@pytest.mark.parametrize(
    ("charge", "limit", "said"),
    [(0, "", "V_O"), (2, "", "V_O +2"), (-1, "", "V_O -1"), (2, "O-poor", "V_O +2, O-poor")],
)
def test_tables_say_the_charge_and_the_limit_of_a_defect(formation, charge, limit, said):
    changes = {"charge": charge}
    if limit:
        source = f"{limit}: rocksalt-MgO with hcp-Mg"
        reservoir = ChemicalPotential(element="O", energy_eV=-10.9, source=source)
        changes |= {"limits": limits(), "chemical_potentials": (reservoir,)}
    document = formation(**changes)
    assert document.defect == "V_O"
    (compared,) = compare([document])
    assert document.row()["defect"] == compared.row()["defect"] == said
    assert f"  {said}  " in comparison_table([compared])


def test_another_limit_moves_every_line(formation):
    poor = joined(formation(limits=limits()), limit="O-poor")
    (line,) = formation_lines(poor)
    assert line.energies_eV == pytest.approx((-4.0, 0.0, 0.0))
    assert poor.reservoirs["O"] == "O-poor: with hcp-Mg"
    assert (
        joined(formation(limits=limits()), limit="Mg-poor").energies_eV
        == joined(formation()).energies_eV
    )


def test_a_limit_that_is_not_there_is_named(formation):
    with pytest.raises(MissingData, match="did you mean O-poor"):
        joined(formation(limits=limits()), limit="O-pour")
    with pytest.raises(MissingData, match="run it with `competing_phases`"):
        joined(formation(), limit="O-poor")


def test_neutral_defects_have_no_diagram_and_no_fermi_level(formation):
    neutral = joined(formation(electronic=None))
    with pytest.raises(MissingData, match="only neutral defects"):
        formation_lines(neutral)
    with pytest.raises(MissingData, match="bands of the host"):
        neutral.equilibrium(1000)


@pytest.fixture
def acceptor(formation, step):
    """Build another result of the same host: a magnesium vacancy of charge -2."""

    def build(**changes):
        vacancy = DefectDocument(
            name="V_Mg",
            multiplicity=1,
            formation_energy_eV=9.0,
            added={"Mg": -1},
            charge=-2,
            relaxed=step,
        )
        fields = {
            "recipe": "acceptor",
            "key": "1" * 64,
            "defects": (vacancy,),
            "fermi_eV": 0.0,
            "chemical_potentials": (ChemicalPotential(element="Mg", energy_eV=-1.5, source="Mg"),),
        }
        return formation(**{**fields, **changes})

    return build


def test_defects_of_two_results_share_one_fermi_level(formation, acceptor):
    """V_O(2+): 2 + 2 E, V_Mg(2-): 9 - 2 E; with hardly any carriers they are equal at 1.75 eV."""
    host = ElectronicHost(valence_band_eV=3.0, gap_eV=5.0, bands=bands(1e-25))
    both = joined(formation(electronic=host), acceptor())
    found = both.equilibrium(1000.0)
    assert found.fermi_eV == pytest.approx(1.75, abs=1e-3)
    numbers = found.defects_per_cm3
    assert numbers["V_O"]["2"] == pytest.approx(numbers["V_Mg"]["-2"], rel=1e-3)
    expected = math.exp(-5.5 / (BOLTZMANN_EV_PER_K * 1000.0)) / 20e-24
    assert numbers["V_Mg"]["-2"] == pytest.approx(expected, rel=1e-2)


def test_frozen_defects_keep_their_number(formation, acceptor):
    host = ElectronicHost(valence_band_eV=3.0, gap_eV=5.0, bands=bands())
    both = joined(formation(electronic=host), acceptor())
    hot, cold = both.equilibrium(1500.0), both.equilibrium(300.0, frozen_at_K=1500.0)
    for name, by_charge in cold.defects_per_cm3.items():
        assert sum(by_charge.values()) == pytest.approx(sum(hot.defects_per_cm3[name].values()))
    charge = sum(int(q) * n for one in cold.defects_per_cm3.values() for q, n in one.items())
    assert charge + cold.holes_per_cm3 - cold.electrons_per_cm3 == pytest.approx(
        0, abs=1e-6 * sum(cold.defects_per_cm3["V_Mg"].values())
    )
    assert sum(both.equilibrium(300.0).defects_per_cm3["V_Mg"].values()) < 1e-20


def test_records_hold_every_charge_and_the_stable_levels(formation):
    rows = records(joined(formation()))
    assert [(r["charge"], r["energy_eV"]) for r in rows if r["kind"] == "energy"] == [
        (0, 6.0),
        (2, 2.0),
    ]
    (level,) = [row for row in rows if row["kind"] == "transition"]
    assert (level["upper"], level["lower"], level["level_eV"]) == (2, 0, 2.0)


def test_what_cannot_stand_side_by_side_is_refused(formation, acceptor):
    other = ChemicalPotential(element="O", energy_eV=-4.0, source="H2O")
    with pytest.raises(RecipeError, match=r"count O at -4\.900 and -4\.000"):
        joined(formation(recipe="other", chemical_potentials=(other,)), formation())
    with pytest.raises(RecipeError, match="--host other"):
        joined(formation(), acceptor(host="other"))
    moved = ElectronicHost(valence_band_eV=3.2, gap_eV=5.0)
    with pytest.raises(RecipeError, match=r"valence band of the host at 3\.000 and 3\.200"):
        joined(formation(), acceptor(electronic=moved))
    with pytest.raises(MissingData, match="no converged defect formation energy"):
        joined(formation(converged=False, value=None))


def test_energies_with_and_without_corrections_are_never_mixed(formation, acceptor, step):
    """CHGNet's energies contain the corrections of the Materials Project; its stamp says so."""
    stamp = engine("chgnet").stamp()
    assert "corrections" in stamp.options["energy_reference"]
    raw = stamp.model_copy(update={"options": {}})
    corrected, plain = (step.model_copy(update={"engine": one}) for one in (stamp, raw))
    with pytest.raises(EngineError, match="cannot be subtracted"):
        joined(formation(pristine=corrected), acceptor(pristine=plain))
    with pytest.raises(EngineError, match="cannot be subtracted"):
        one_engine(corrected, plain)


def test_a_newer_result_of_a_defect_replaces_the_older_one(formation, step):
    newer = formation(
        created="2999-01-01T00:00:00+00:00",
        defects=tuple(
            one.model_copy(update={"formation_energy_eV": 7.0})
            for one in formation().defects
            if one.charge == 0
        ),
    )
    both = joined(newer, formation())
    assert both.energies_eV["V_O"] == pytest.approx({0: 7.0, 2: 2.0})


def test_two_crystals_of_one_formula_are_refused(formation, acceptor, unmoved):
    """CsCl's arrangement beside rocksalt's; also if the newer one has the same defects."""
    cell = Structure(Lattice.cubic(2.65), ["Mg", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    other = unmoved(cell, -1.0, STAMP)
    for build in (acceptor, formation):
        with pytest.raises(RecipeError, match=r"cscl and made-up: .*Pm-3m .*Fm-3m .*--recipe"):
            joined(build(recipe="cscl", relaxed_host=other, pristine=other), formation())


def test_a_strained_crystal_is_refused(formation, acceptor, step, unmoved):
    stretched = step.structure.copy()
    stretched.apply_strain(0.02)
    other = unmoved(stretched, -1.0, STAMP)
    with pytest.raises(RecipeError, match=r"made-up and acceptor: the pristine crystal has"):
        joined(acceptor(relaxed_host=other, pristine=other), formation())


def test_what_newer_results_replace_does_not_count(formation, acceptor, step):
    fast = step.model_copy(update={"engine": STAMP.model_copy(update={"level": "fast"})})
    old = formation(recipe="quick", created="2020-01-01T00:00:00+00:00", pristine=fast)
    both = joined(acceptor(), formation(), old)
    assert set(both.energies_eV) == {"V_O", "V_Mg"}
    assert both.engine == "gpaw balanced"
    with pytest.raises(EngineError, match=r"quick and acceptor: .*level \(fast and balanced\)"):
        joined(acceptor(), old)


def test_of_one_second_the_first_of_a_store_counts(formation):
    again = tuple(
        one.model_copy(update={"formation_energy_eV": 7.0, "charge": 0})
        for one in formation().defects[:1]
    )
    assert joined(formation(defects=again), formation()).energies_eV["V_O"][0] == 7.0
    assert joined(formation(), formation(defects=again)).energies_eV["V_O"][0] == 6.0


@pytest.fixture
def voltage(step):
    return IntercalationVoltageDocument(
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


def test_a_diagram_holds_the_lines_and_the_neutral_level(formation):
    host = ElectronicHost(valence_band_eV=3.0, gap_eV=5.0, bands=bands())
    defects = joined(formation(electronic=host))
    (axes,) = formation_diagram(defects, [defects.equilibrium(1000.0)]).axes
    line, neutral = axes.lines
    assert list(line.get_xdata()) == pytest.approx([0.0, 2.0, 5.0])
    assert list(line.get_ydata()) == pytest.approx([2.0, 6.0, 6.0])
    assert neutral.get_label() == "neutral at 1000 K"


def test_a_profile_holds_the_steps_and_the_average(voltage, formation):
    assert voltage_corners(voltage) == ([0.0, 0.5, 0.5, 1.0], [3.0, 3.0, 2.0, 2.0])
    (axes,) = voltage_profiles([formation(), voltage]).axes
    steps, average = axes.lines
    assert list(steps.get_ydata()) == [3.0, 3.0, 2.0, 2.0]
    assert list(average.get_ydata()) == [2.5, 2.5]
    with pytest.raises(MissingData, match="no converged voltage"):
        voltage_profiles([formation()])
