"""Voltages, intercalation and binding energies on a real cheap engine: hydrogen in palladium."""

from __future__ import annotations

import itertools
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from defectflow import hosts
from defectflow.documents import load_result
from defectflow.engines import engine
from defectflow.errors import EngineError, RecipeError, StructureError
from defectflow.flows import IntercalationEnergyMaker, IntercalationVoltageMaker
from defectflow.flows.intercalation import _moved_A
from defectflow.flows.voltage import usual_charge
from defectflow.launch import run
from defectflow.structures import vacancies
from defectflow.structures.charges import charged
from defectflow.structures.electrodes import series
from defectflow.structures.moments import moments_of

EMT = engine("emt")
TWO = [[2, 0, 0], [0, 2, 0], [0, 0, 2]]


@pytest.fixture(scope="module", autouse=True)
def _elsewhere(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("flow"))
        yield


@pytest.fixture(scope="module")
def voltage():
    crystals = series(hosts.load("fcc-Pd").in_primitive_cell(), "H", [Fraction(1, 2)], at_most=2)
    return run(IntercalationVoltageMaker(EMT).make(crystals, "H"))


@pytest.fixture(scope="module")
def bound():
    maker = IntercalationEnergyMaker(EMT, supercell=TWO, reach_A=3.0)
    return run(maker.make(hosts.load("fcc-Pd"), "H", lambda s: vacancies(s, "Pd")))


def test_the_voltage_is_the_difference_of_the_energies(voltage):
    empty, full = voltage.points[0], voltage.points[-1]
    assert (empty.ions, full.ions) == voltage.compositions
    per_unit = full.relaxed.energy_eV / (len(full.relaxed.structure) / 2) - (
        empty.relaxed.energy_eV / len(empty.relaxed.structure)
    )
    gas = voltage.metal.relaxed.energy_eV / 2
    assert voltage.metal.source == "H2"
    assert voltage.value == pytest.approx(-(per_unit - full.ions * gas) / full.ions, abs=1e-9)
    assert voltage.unit == "V"
    assert voltage.host_unit == "Pd"
    assert voltage.volume_change > 0
    assert voltage.capacity_mAh_per_g == pytest.approx(
        full.ions * 26801.5 / (106.42 + full.ions * 1.008), rel=1e-3
    )
    assert load_result(voltage.model_dump(mode="json")) == voltage


def test_the_steps_are_those_of_the_hull(voltage):
    on_hull = sorted({p.ions for p in voltage.points if p.above_hull_eV < 1e-9})
    assert [(s.start, s.end) for s in voltage.steps] == list(itertools.pairwise(on_hull))
    mean = sum(s.voltage_V * (s.end - s.start) for s in voltage.steps)
    assert mean / (on_hull[-1] - on_hull[0]) == pytest.approx(voltage.value, abs=1e-9)
    assert len(voltage.points) > 2
    assert {0.0} <= {round(p.mixing_eV, 9) for p in voltage.points}


def test_a_metal_of_several_charges_asks_for_one():
    assert (usual_charge("Mg"), usual_charge("Li"), usual_charge("H")) == (2, 1, 1)
    with pytest.raises(RecipeError, match="ion_charge: 2"):
        usual_charge("Mn")


def test_the_energy_of_an_ion_is_counted_against_its_reservoir(bound):
    gas = bound.reservoir.energy_eV
    for site in bound.sites:
        bare = bound.bare[site.near or "pristine"]
        expected = site.relaxed.energy_eV - bare.energy_eV - gas
        assert site.energy_eV == pytest.approx(expected, abs=1e-9)
    pristine = [site for site in bound.sites if not site.near]
    assert bound.pristine_eV == min(site.energy_eV for site in pristine)
    assert {round(site.moved_A, 1) for site in pristine} <= {0.0, 0.1}


def test_the_vacancy_is_one_of_the_places_and_the_lowest_one_counts(bound):
    held = [site for site in bound.sites if site.near]
    assert bound.value == min(site.energy_eV for site in held)
    assert bound.trapping_eV == pytest.approx(bound.value - bound.pristine_eV)
    assert held[0].label == "V_Pd"
    assert (bound.quantity, bound.species) == ("binding_energy", "H")
    assert bound.defect == "H at V_Pd"
    assert load_result(bound.model_dump(mode="json")) == bound


def test_without_a_defect_it_is_an_intercalation_energy():
    maker = IntercalationEnergyMaker(EMT, supercell=TWO)
    document = run(maker.make(hosts.load("fcc-Pd"), "H"))
    assert document.quantity == "intercalation_energy"
    assert document.value == document.pristine_eV
    assert document.trapping_eV is None
    assert set(document.bare) == {"pristine"}


def test_the_way_of_an_ion_is_counted_against_its_host():
    """The host has drifted by half a cell and an atom has crossed a face; the ion moved 0.3 Å."""
    start = Structure(
        Lattice.cubic(4.0), ["Pd", "Pd", "H"], [[0, 0, 0.05], [0, 0.5, 0.95], [0.5, 0.5, 0.5]]
    )
    moved = np.add(start.frac_coords, [[0.5, 0, 0.1], [0.5, 0, 0.1], [-0.5, 0.075, 0.1]])
    end = Structure(start.lattice, start.species, moved % 1.0)
    assert _moved_A(start, end) == pytest.approx(0.3)


def test_mistakes_are_found_before_anything_runs():
    with pytest.raises(EngineError, match="does not know Mg"):
        IntercalationEnergyMaker(EMT).make(hosts.load("fcc-Pd"), "Mg")
    with pytest.raises(StructureError, match="needs two compositions"):
        IntercalationVoltageMaker(EMT).make([hosts.load("fcc-Pd")], "H")
    with pytest.raises(StructureError, match="no standard state of Zn"):
        IntercalationEnergyMaker(engine("chgnet")).make(hosts.load("anatase-TiO2"), "Zn")


@pytest.mark.parametrize("charges", [(-4,), (0, -4)])
def test_a_charged_defect_binds_nothing(charges):
    """Its cells would be computed neutral, under one name for all charges."""
    maker = IntercalationEnergyMaker(engine("chgnet"), supercell=TWO)
    with pytest.raises(RecipeError, match=r"V_Ti: charge -4 has no place in binding_energy"):
        maker.make(hosts.load("anatase-TiO2"), "Mg", lambda s: charged(vacancies(s, "Ti"), charges))


def test_a_cell_that_did_not_come_to_rest_has_no_voltage():
    """At rest in a cell that is none: forces vanish by symmetry, and the volume is as given."""
    crystals = series(hosts.load("fcc-Pd").in_primitive_cell(), "Cu")
    stopped = run(IntercalationVoltageMaker(EMT, relax={"max_steps": 1}).make(crystals, "Cu", 1))
    assert all(one.relaxed.fmax_eV_per_A < 1e-6 for one in stopped.points)
    assert not stopped.converged
    assert stopped.value is None
    whole = run(IntercalationVoltageMaker(EMT).make(crystals, "Cu", 1))
    assert whole.converged
    assert whole.force_calls > 3  # one for each crystal, and those of its cell


def test_a_reservoir_that_did_not_come_to_rest_counts_as_such():
    maker = IntercalationEnergyMaker(EMT, host_cell="keep", supercell=TWO)
    jobs = {one.name: one for one in maker.make(hosts.load("fcc-Pd"), "Cu")}
    assert list(jobs)[1:3] == ["relax cell of fcc-Cu", "relax fcc-Cu"]
    stopped = replace(maker, relax={"max_steps": 1}).make(hosts.load("fcc-Pd"), "Cu")
    assert not run(stopped).reservoir.relaxed.converged


def manganese_oxide(*moments_muB):
    """Return spinel Mn2O4 in its primitive cell with these moments on manganese."""
    host = hosts.load("spinel-Mn2O4").in_primitive_cell()
    manganese = iter(moments_muB)
    found = [next(manganese) if one.specie.symbol == "Mn" else 0.0 for one in host.structure]
    return replace(host, structure=host.structure.copy().add_site_property("magmom", found))


def test_fillings_in_between_have_the_moments_of_their_host():
    crystals = series(manganese_oxide(3, 3, 3, 3), "Mg", [Fraction(1, 2)], 1, "8a tetrahedral")
    for one in crystals:
        moments = moments_of(one.structure)
        assert {m for m, site in zip(moments, one.structure, strict=True) if "Mn" in site} == {3.0}
    maker = IntercalationVoltageMaker(engine("gpaw"))
    assert not [one for one in notes_of(maker.make(crystals, "Mg")) if "moments" in one]


def test_fillings_that_lose_the_order_of_an_antiferromagnet_are_named():
    crystals = series(manganese_oxide(3, -3, 3, -3), "Mg", [Fraction(1, 2)], 1, "8a tetrahedral")
    (note,) = (
        one
        for one in notes_of(IntercalationVoltageMaker(engine("gpaw")).make(crystals, "Mg"))
        if "moments" in one
    )
    assert f"not in {crystals[-1].name}, which" in note
    without_spin = IntercalationVoltageMaker(engine("chgnet")).make(crystals, "Mg")
    assert not [one for one in notes_of(without_spin) if "moments" in one]


def notes_of(flow):
    return flow.jobs[-1].function_args[2].notes
