"""Formation energies: the parts add up, the reservoir is right, and engines are never mixed."""

from __future__ import annotations

import pytest
from pymatgen.core import Lattice, Structure

from defectflow import hosts
from defectflow.analysis.formation import formation_energy_eV
from defectflow.documents import DefectFormationEnergyDocument, load_result
from defectflow.engines import engine
from defectflow.errors import EngineError, StructureError
from defectflow.flows import DefectFormationEnergyMaker
from defectflow.flows.host import cautions, one_engine
from defectflow.launch import run

EMT = engine("emt")
TWO = [[2, 0, 0], [0, 2, 0], [0, 0, 2]]


@pytest.fixture(scope="module")
def aluminium(tmp_path_factory) -> DefectFormationEnergyDocument:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("al"))
        maker = DefectFormationEnergyMaker(EMT, supercell=TWO)
        return run(maker.make(hosts.load("fcc-Al"), "Al"))


def test_a_vacancy_of_an_element_is_counted_against_its_own_supercell(aluminium):
    (defect,) = aluminium.defects
    assert aluminium.converged
    assert (len(aluminium.pristine.structure), len(defect.relaxed.structure)) == (32, 31)
    own = defect.relaxed.energy_eV - 31 / 32 * aluminium.pristine.energy_eV
    assert aluminium.value == pytest.approx(own, abs=1e-9)
    assert aluminium.value == defect.formation_energy_eV
    assert (defect.name, defect.multiplicity, defect.added) == ("V_Al", 1, {"Al": -1})
    (mu,) = aluminium.chemical_potentials
    assert (mu.source, mu.relaxed) == ("host", None)
    assert aluminium.supercell_matrix == ((2, 0, 0), (0, 2, 0), (0, 0, 2))
    assert aluminium.nearest_image_A > 5
    steps = [aluminium.relaxed_host, aluminium.pristine, defect.relaxed]
    assert aluminium.force_calls == sum(step.force_calls for step in steps)


def test_the_supercell_is_not_pressed(aluminium):
    """The host is relaxed before it is repeated: the pristine supercell has nothing to do."""
    assert aluminium.pristine.steps == 0
    assert aluminium.host_lattice[0][0] == pytest.approx(3.994, abs=0.01)


def test_the_cell_can_be_chosen_by_distance_and_the_energy_settles():
    near, far = (
        run(
            DefectFormationEnergyMaker(EMT, min_image_distance_A=d).make(hosts.load("fcc-Cu"), "Cu")
        )
        for d in (5.0, 10.0)
    )
    assert far.nearest_image_A >= 10 > near.nearest_image_A
    assert abs(near.value - far.value) < 0.1


def test_the_document_survives_the_store(aluminium):
    again = load_result(aluminium.model_dump(mode="json"))
    assert again.value == aluminium.value
    assert again.row()["defect"] == "V_Al"


def test_a_compound_needs_a_reservoir_and_finds_the_standard_state():
    alloy = Structure(
        Lattice.cubic(3.75),
        ["Cu", "Au", "Au", "Au"],
        [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]],
    )
    maker = DefectFormationEnergyMaker(EMT, min_image_distance_A=7)
    document = run(maker.make(alloy, "Cu"))
    (mu,) = document.chemical_potentials
    assert (mu.element, mu.source) == ("Cu", "fcc-Cu")
    assert mu.energy_eV == pytest.approx(mu.relaxed.energy_eV / 4, abs=1e-9)
    (defect,) = document.defects
    expected = defect.relaxed.energy_eV - document.pristine.energy_eV + mu.energy_eV
    assert document.value == pytest.approx(expected, abs=1e-9)


def test_all_distinct_vacancies_are_computed_and_the_lowest_is_the_value():
    alloy = Structure(
        Lattice.tetragonal(3.9, 7.6),
        ["Cu", "Cu", "Au", "Cu", "Cu", "Cu", "Cu", "Cu"],
        [
            [0, 0, 0],
            [0.5, 0.5, 0],
            [0.5, 0, 0.25],
            [0, 0.5, 0.25],
            [0, 0, 0.5],
            [0.5, 0.5, 0.5],
            [0.5, 0, 0.75],
            [0, 0.5, 0.75],
        ],
    )
    maker = DefectFormationEnergyMaker(EMT, host_cell="keep", min_image_distance_A=3.5)
    document = run(maker.make(alloy, "Cu"))
    assert len(document.defects) > 2
    assert document.value == min(one.formation_energy_eV for one in document.defects)
    assert document.defect == next(
        one.name for one in document.defects if one.formation_energy_eV == document.value
    )


def test_oxygen_goes_to_its_molecule_and_the_document_says_what_that_is_worth():
    oxide = Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(4.2), ["Cu", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]]
    )
    maker = DefectFormationEnergyMaker(EMT, host_cell="keep", min_image_distance_A=4)
    flow = maker.make(oxide, "O")
    assert [job.name for job in flow] == ["relax host", "relax O2", "relax defects"]
    document = run(flow)
    assert document.chemical_potentials[0].source == "O2"
    assert any("knows no spin; O2 is a triplet" in note for note in document.notes)
    assert any("made for crystals" in note for note in document.notes)


def test_an_unconverged_step_gives_no_value():
    maker = DefectFormationEnergyMaker(EMT, supercell=TWO, relax={"max_steps": 1})
    document = run(maker.make(hosts.load("fcc-Pt"), "Pt"))
    assert (document.converged, document.value) == (False, None)


def test_energies_of_two_engines_are_never_subtracted(aluminium):
    other = aluminium.pristine.model_copy(update={"engine": engine("emt", level="fast").stamp()})
    with pytest.raises(EngineError, match="emt balanced and emt fast"):
        one_engine(aluminium.pristine, other)


def test_energies_at_two_cutoffs_are_never_subtracted(aluminium):
    """A cell is relaxed with more plane waves than the supercells are."""
    coarse, fine = (
        aluminium.pristine.model_copy(update={"inputs": {"cutoff_eV": cutoff}})
        for cutoff in (400.0, 600.0)
    )
    with pytest.raises(EngineError, match="400 eV and emt balanced 600 eV"):
        one_engine(coarse, fine)


def test_overrides_count_where_they_move_energies(aluminium):
    """A step keeps those that it heeds: a static one has no threshold of forces."""

    def step(**settings):
        stamp = aluminium.pristine.engine.model_copy(update={"settings": settings})
        return aluminium.pristine.model_copy(update={"engine": stamp})

    one_engine(step(), step(fmax_eV_per_A=0.01), step(displacement_A=0.005))
    with pytest.raises(EngineError, match="cannot be subtracted"):
        one_engine(step(), step(kpoint_spacing_per_A=0.2))


def test_a_crystal_reservoir_ends_at_the_settings_of_the_supercells():
    oxide = Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(4.2), ["Cu", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]]
    )
    gpaw = engine("gpaw")
    flow = DefectFormationEnergyMaker(gpaw).make(oxide, "Cu")
    names = [job.name for job in flow]
    assert names == ["relax host", "relax cell of fcc-Cu", "relax fcc-Cu", "relax defects"]
    jobs = {job.name: job for job, _ in flow.iterflow()}
    settings = [jobs[name].maker.settings["cutoff_eV"] for name in names[1:3]]
    assert settings[0] > settings[1] == gpaw.settings("relax")["cutoff_eV"]


@pytest.mark.parametrize(
    ("species", "reference", "says"),
    [
        ("Cu", None, "Al has no Cu"),
        ("Xx", None, "not a chemical element"),
        ("Al", "fcc-Cu", "the reservoir of Al has to hold Al alone"),
        ("Al", "fcc-Xx", "fcc-Xx"),
    ],
)
def test_mistakes_are_found_before_anything_runs(species, reference, says):
    with pytest.raises(StructureError, match=says):
        DefectFormationEnergyMaker(EMT).make(hosts.load("fcc-Al"), species, reference)


def test_an_element_without_a_known_standard_state_asks_for_one():
    crystal = Structure(Lattice.cubic(4.2), ["Mn", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    with pytest.raises(StructureError, match="no standard state of Mn is known"):
        DefectFormationEnergyMaker(engine("chgnet")).make(crystal, "Mn")


def test_a_layered_host_without_dispersion_is_noted():
    host = hosts.load("1T-TiS2")
    assert "layered" in cautions(engine("chgnet"), host.structure)[0]
    assert cautions(engine("chgnet", dispersion="d3bj"), host.structure) == ()
    assert cautions(engine("chgnet"), hosts.load("graphene").structure) == (), (
        "one layer in a vacuum"
    )
    assert cautions(engine("chgnet"), hosts.load("fcc-Al").structure) == ()


def test_the_formula_has_the_sign_of_its_docstring():
    assert formation_energy_eV(-30.4, -32.0, {"O": -1}, {"O": -4.0}) == pytest.approx(-2.4)
    swap = formation_energy_eV(-31.0, -32.0, {"Ti": -1, "Nb": 1}, {"Ti": -7.0, "Nb": -9.0})
    assert swap == pytest.approx(1.0 - 7.0 + 9.0)
