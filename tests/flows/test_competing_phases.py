"""Exchanges of several elements, limits of competing phases, and starts, on a real cheap engine."""

from __future__ import annotations

import pytest
from pymatgen.core import Lattice, Structure

from defectflow import hosts
from defectflow.engines import engine
from defectflow.errors import RecipeError, StructureError
from defectflow.flows import DefectFormationEnergyMaker, MeasuredCompound, Reservoirs
from defectflow.launch import run
from defectflow.structures import substitutions, vacancies

EMT = engine("emt")
TWO = [[2, 0, 0], [0, 2, 0], [0, 0, 2]]
CORNERS = [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]


def alloy(corner: str, faces: str) -> Structure:
    """L1_2: one element at the corners of the cube, another on its faces."""
    return Structure(Lattice.cubic(3.75), [corner, faces, faces, faces], CORNERS)


@pytest.fixture(scope="module", autouse=True)
def _elsewhere(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("flow"))
        yield


def gold_for_copper(structure):
    return substitutions(structure, {"Cu": "Au"})


def at(limit: str, *phases):
    maker = DefectFormationEnergyMaker(EMT, supercell=TWO)
    reservoirs = Reservoirs(competing_phases=phases, limit=limit)
    return run(maker.make(alloy("Au", "Cu"), reference=reservoirs, defects=gold_for_copper))


@pytest.fixture(scope="module")
def rich():
    return at("Au-rich", "fcc-Cu")


@pytest.fixture(scope="module")
def poor():
    return at("Au-poor", "fcc-Cu")


def test_a_dopant_in_an_element_counts_both_reservoirs():
    maker = DefectFormationEnergyMaker(EMT, supercell=TWO)
    document = run(
        maker.make(hosts.load("fcc-Al"), defects=lambda s: substitutions(s, {"Al": "Cu"}))
    )
    (defect,) = document.defects
    mu = {one.element: one.energy_eV for one in document.chemical_potentials}
    assert {one.element: one.source for one in document.chemical_potentials} == {
        "Al": "host",
        "Cu": "fcc-Cu",
    }
    assert defect.added == {"Al": -1, "Cu": 1}
    expected = defect.relaxed.energy_eV - document.pristine.energy_eV + mu["Al"] - mu["Cu"]
    assert document.value == pytest.approx(expected, abs=1e-9)
    assert (document.defect, document.species) == ("Cu_Al", "Cu")


def test_the_standard_states_that_are_missing_are_computed(rich):
    assert {one.name for one in rich.competing_phases} == {"fcc-Cu", "fcc-Au"}


def test_the_limits_are_where_the_host_meets_each_element(rich, poor):
    """Cu3Au against Cu and Au: μ_Au + 3 μ_Cu is the energy of the host at both ends."""
    host_eV = rich.pristine.energy_eV / (len(rich.pristine.structure) / 4)
    for document, phase in ((rich, "fcc-Au"), (poor, "fcc-Cu")):
        mu = {one.element: one.energy_eV for one in document.chemical_potentials}
        assert mu["Au"] + 3 * mu["Cu"] == pytest.approx(host_eV, abs=1e-6)
        element = phase.removeprefix("fcc-")
        own = next(one.relaxed for one in document.competing_phases if one.name == phase)
        assert mu[element] == pytest.approx(own.energy_eV / len(own.structure), abs=1e-6)
    assert len(rich.limits) == 2


def test_the_limits_differ_by_the_formation_energy_of_the_host(rich, poor):
    steps = {one.name: one.relaxed for one in rich.competing_phases}
    per_atom = {name: step.energy_eV / len(step.structure) for name, step in steps.items()}
    host_eV = rich.pristine.energy_eV / (len(rich.pristine.structure) / 4)
    formation = host_eV - per_atom["fcc-Au"] - 3 * per_atom["fcc-Cu"]
    assert formation < 0
    # One gold in and one copper out: poor in gold, gold costs -ΔH more and copper gives nothing.
    assert poor.value - rich.value == pytest.approx(-4 / 3 * formation, abs=1e-5)
    other = next(one for one in rich.limits if "fcc-Cu" in one.phases)
    assert rich.energies_at_valence_band_eV(other)["Au_Cu"][0] == pytest.approx(
        poor.value, abs=1e-5
    )
    assert other.relative_eV["Cu"] == pytest.approx(0, abs=1e-6)


def test_an_unstable_host_is_refused_by_how_much():
    """A lattice 9 % too wide lies far above the metals."""
    pressed = alloy("Au", "Cu")
    pressed.scale_lattice(pressed.volume * 1.3)
    maker = DefectFormationEnergyMaker(EMT, supercell=TWO, host_cell="keep")
    flow = maker.make(
        pressed,
        reference=Reservoirs(competing_phases=["fcc-Cu"], limit="Au-rich"),
        defects=gold_for_copper,
    )
    with pytest.raises(StructureError, match=r"meV per atom above fcc-Au \+ fcc-Cu"):
        run(flow)


@pytest.mark.parametrize(
    ("reservoirs", "error", "says"),
    [
        (Reservoirs(competing_phases=["fcc-Cu"]), RecipeError, "without a limit"),
        (Reservoirs(competing_phases=["fcc-Cu"], limit="O-rich"), RecipeError, "Au-rich"),
        (
            Reservoirs(competing_phases=["fcc-Cu"], limit="Cu-rihc"),
            RecipeError,
            "did you mean Cu-rich",
        ),
        (Reservoirs({"Au": "fcc-Cu"}), StructureError, "has to hold Au alone"),
        (
            Reservoirs({"Au": MeasuredCompound("fcc-Au", -1.0)}),
            StructureError,
            "holds Au and other elements",
        ),
        (
            Reservoirs(
                {
                    "Au": MeasuredCompound(alloy("Au", "Cu"), -1.0),
                    "Cu": MeasuredCompound(alloy("Au", "Cu"), -1.0),
                }
            ),
            StructureError,
            "both compounds",
        ),
    ],
)
def test_mistakes_are_found_before_anything_runs(reservoirs, error, says):
    with pytest.raises(error, match=says):
        DefectFormationEnergyMaker(EMT, supercell=TWO).make(
            alloy("Au", "Cu"), reference=reservoirs, defects=gold_for_copper
        )


def test_elements_with_reservoirs_of_their_own_are_noted():
    maker = DefectFormationEnergyMaker(EMT, supercell=[[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    document = run(maker.make(alloy("Au", "Cu"), defects=gold_for_copper))
    assert any("not all of them can be in equilibrium" in note for note in document.notes)


def test_a_measured_compound_stands_for_an_element_that_is_not_computed(rich):
    """With the engine's own enthalpy of Cu3Au the road through it ends at the element's energy."""
    steps = {one.name: one.relaxed for one in rich.competing_phases}
    gold = steps["fcc-Au"].energy_eV / len(steps["fcc-Au"].structure)
    copper = steps["fcc-Cu"].energy_eV / len(steps["fcc-Cu"].structure)
    host_eV = rich.pristine.energy_eV / (len(rich.pristine.structure) / 4)
    own_eV = host_eV - gold - 3 * copper
    maker = DefectFormationEnergyMaker(EMT, supercell=[[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    for enthalpy_eV in (own_eV, own_eV - 0.3):
        reservoirs = Reservoirs({"Au": MeasuredCompound(alloy("Au", "Cu"), enthalpy_eV)})
        flow = maker.make(alloy("Au", "Cu"), reference=reservoirs, defects=gold_for_copper)
        assert "relax fcc-Au" not in [job.name for job in flow]
        document = run(flow)
        found = {one.element: one for one in document.chemical_potentials}
        assert found["Au"].energy_eV == pytest.approx(gold + own_eV - enthalpy_eV, abs=1e-5)
        assert "measured formation enthalpy" in found["Au"].source
        assert found["Cu"].energy_eV == pytest.approx(copper, abs=1e-6)


def test_a_limit_can_rest_on_a_measured_compound(rich):
    """The host itself is the compound: its formation energy is then the measured one."""
    reservoirs = Reservoirs(
        {"Au": MeasuredCompound(alloy("Au", "Cu"), -0.5)},
        competing_phases=["fcc-Cu"],
        limit="Au-rich",
    )
    maker = DefectFormationEnergyMaker(EMT, supercell=[[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    document = run(maker.make(alloy("Au", "Cu"), reference=reservoirs, defects=gold_for_copper))
    poor, rich_end = sorted(document.limits, key=lambda one: one.chemical_potentials_eV["Au"])
    width = rich_end.chemical_potentials_eV["Au"] - poor.chemical_potentials_eV["Au"]
    assert width == pytest.approx(0.5, abs=1e-4)
    assert rich_end.phases == ("Au through Cu3Au",)


def test_distorted_starts_are_relaxed_and_the_lowest_is_kept():
    plain = DefectFormationEnergyMaker(EMT, supercell=TWO)
    shaken = DefectFormationEnergyMaker(EMT, supercell=TWO, distort=True)
    host = hosts.load("fcc-Cu")
    one, other = (run(maker.make(host, "Cu")) for maker in (plain, shaken))
    (defect,) = other.defects
    assert len(defect.starts) > 1
    assert min(start.above_lowest_eV for start in defect.starts) == 0
    assert defect.start in {start.name for start in defect.starts}
    assert other.value <= one.value + 1e-3
    assert one.defects[0].starts == ()


def test_a_defect_that_has_no_place_is_said():
    with pytest.raises(StructureError, match="has no place"):
        DefectFormationEnergyMaker(EMT).make(hosts.load("fcc-Cu"), defects=lambda _: iter(()))


def test_a_generator_that_makes_its_own_cell_is_refused():
    def larger(structure):
        return vacancies(structure * (2, 1, 1), "Cu")

    with pytest.raises(StructureError, match="makes a cell of its own"):
        DefectFormationEnergyMaker(EMT).make(hosts.load("fcc-Cu"), defects=larger)
