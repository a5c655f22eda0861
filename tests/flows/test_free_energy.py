"""Free energies on EMT: vibrations, references, the electrode, and what gives no value."""

from __future__ import annotations

import re
from types import SimpleNamespace

import numpy as np
import pytest

from defectflow import hosts
from defectflow.analysis.vibrations import SOFTEST_EV
from defectflow.documents import AdsorptionDocument, load_result
from defectflow.engines import engine
from defectflow.errors import RecipeError
from defectflow.flows import AdsorptionMaker, SlabPlan
from defectflow.flows.adsorbed import Scene
from defectflow.flows.free_energy import FreeEnergyPlan, free_energy
from defectflow.flows.gas import gas_notes, reference_document, references_of
from defectflow.flows.modes import Saddle, at_minimum, dropped, left, remarks_on_saddles
from defectflow.launch import run
from defectflow.structures.adsorbates import adsorbate

EMT = engine("emt")
PLAN = SlabPlan((1, 1, 1), layers=3, repeat=(2, 2), frozen_layers=2)
FREE = "adsorption_free_energy"


def document(
    tmp_path_factory, species, plan=PLAN, host="Pt", site="lowest", **free
) -> AdsorptionDocument:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp(species))
        terms = FreeEnergyPlan("vibrations", **free)
        maker = AdsorptionMaker(EMT, plan, FREE, free=terms, site=site)
        return run(maker.make(hosts.load(f"fcc-{host}"), species))


@pytest.fixture(scope="module")
def oxygen(tmp_path_factory):
    return document(tmp_path_factory, "O", potential_V=0.5, solvation_eV=-0.1)


@pytest.fixture(scope="module")
def hydroxyl(tmp_path_factory):
    return document(tmp_path_factory, "OH")


def test_the_terms_of_a_free_energy_add_up(oxygen):
    terms = oxygen.free_energy
    gas = {one.molecule: one for one in oxygen.gas}
    assert {name: one.count for name, one in gas.items()} == {"H2O": 1.0, "H2": -1.0}
    best = min(site.energy_eV for site in oxygen.sites if site.energy_eV is not None)
    thermal = terms.adsorbate.free_energy_eV
    thermal -= sum(one.count * one.thermal.free_energy_eV for one in gas.values())
    assert oxygen.converged
    assert oxygen.adsorption_energy_eV == pytest.approx(best)
    assert oxygen.correction.value_eV == pytest.approx(thermal, abs=1e-9)
    assert terms.pairs == -2
    assert oxygen.value == pytest.approx(best + thermal - 2 * 0.5 - 0.1, abs=1e-9)
    assert oxygen.reaction == "H2O + * -> O* + H2"


def test_only_the_atoms_of_the_adsorbate_were_displaced(oxygen):
    assert oxygen.vibrations.atoms == (12,)
    assert len(oxygen.vibrations.energies_eV) == 3
    assert oxygen.vibrations.imaginary == 0
    # O vibrates between a tenth and a few tenths of the stiffness of a molecule
    assert 0.01 < max(oxygen.vibrations.energies_eV) < 0.15


def test_modes_are_those_of_ase(oxygen, tmp_path, monkeypatch):
    from ase.calculators import emt
    from ase.constraints import FixAtoms
    from ase.vibrations import Vibrations
    from pymatgen.io.ase import AseAtomsAdaptor

    monkeypatch.chdir(tmp_path)
    atoms = AseAtomsAdaptor.get_atoms(oxygen.vibrations.structure)
    atoms.set_constraint(FixAtoms(range(12)))
    atoms.calc = emt.EMT()
    peer = Vibrations(atoms, indices=[12], delta=0.01)
    peer.run()
    expected = np.sort(peer.get_energies().real)
    assert np.sort(oxygen.vibrations.energies_eV) == pytest.approx(expected, abs=2e-4)


def test_the_document_survives_the_store(oxygen):
    again = load_result(oxygen.model_dump(mode="json"))
    assert again.free_energy == oxygen.free_energy


def test_molecules_that_fall_apart_are_named_and_not_chosen(hydroxyl):
    """EMT breaks tilted OH; what counts is one that holds together."""
    outcomes = {site.label: site.outcome for site in hydroxyl.sites}
    assert "dissociated" in outcomes.values()
    for site in hydroxyl.sites:
        if site.outcome == "dissociated":
            assert (site.energy_eV, site.moved_eV) == (None, None)
    assert outcomes[hydroxyl.site] == "stays"


def test_imaginary_modes_give_no_value_and_are_named(hydroxyl):
    assert hydroxyl.vibrations.imaginary == 2
    assert (hydroxyl.converged, hydroxyl.value) == (False, None)
    assert "imaginary modes (17i meV, 17i meV)" in hydroxyl.notes[-1]
    assert "`azimuth_step_deg: 30`" in hydroxyl.notes[-1]
    assert "saddle" in hydroxyl.notes[-1]
    assert hydroxyl.adsorption_energy_eV is not None


def test_what_comes_of_leaving_a_saddle_is_said(hydroxyl):
    """The tilted molecule falls apart on EMT, so that the saddle stands."""
    (note,) = (one for one in hydroxyl.notes if "led 0.5 Å along the mode" in one)
    assert note.startswith("OH at hcp up relaxed to a saddle (17i meV, 17i meV)")
    assert note.endswith("dissociated")


@pytest.fixture(scope="module")
def beside(tmp_path_factory):
    """Return H on Al(100), which EMT has lowest on the bridge, where it is at a saddle."""
    return document(
        tmp_path_factory, "H", SlabPlan((1, 0, 0), layers=3, repeat=(2, 2), frozen_layers=2), "Al"
    )


def test_a_saddle_is_left_along_its_imaginary_mode(beside, tmp_path, monkeypatch):
    led = [note for note in beside.notes if "led 0.5 Å along the mode" in note]
    assert led
    assert all(note.startswith("H at bridge relaxed to a saddle") for note in led)
    assert all(re.search(r"0\.0\d\d eV lower$", note) for note in led)
    assert beside.vibrations.imaginary == 0
    assert beside.converged
    ended = next(one for one in beside.sites if one.label == "bridge")
    assert (beside.site, ended.where) == ("hollow", "hollow")
    assert beside.vibrations.structure == ended.relaxed.structure
    # Without vibrations nobody knows of the saddle.
    monkeypatch.chdir(tmp_path)
    plan = SlabPlan((1, 0, 0), layers=3, repeat=(2, 2), frozen_layers=2)
    above = run(AdsorptionMaker(EMT, plan).make(hosts.load("fcc-Al"), "H"))
    gained = sum(float(re.search(r"([\d.]+) eV lower$", note).group(1)) for note in led)
    assert above.site == "bridge"
    assert beside.adsorption_energy_eV == pytest.approx(above.value - gained, abs=1e-3)


def test_both_sides_of_a_saddle_and_what_was_left_are_counted(beside):
    kept = [beside.relaxed_host, beside.slab, *(one.relaxed for one in beside.gas)]
    kept += [one.relaxed for one in beside.sites if one.relaxed]
    assert beside.force_calls > sum(one.force_calls for one in kept) + 2 * len(
        beside.vibrations.energies_eV
    )


def test_an_atom_at_a_named_site_has_nowhere_to_go(tmp_path_factory):
    one = document(tmp_path_factory, "H", host="Cu", site="bridge")
    assert "imaginary modes" in one.notes[-1]
    assert "led" not in "".join(one.notes)


def test_against_oxygen_the_value_is_shifted_by_the_measured_energy(oxygen):
    plan = FreeEnergyPlan("vibrations", potential_V=0.5, references={"O": "O2"})
    found = free_energy(plan, "O", oxygen.gas, oxygen.vibrations)
    plain = free_energy(
        FreeEnergyPlan("vibrations", potential_V=0.5), "O", oxygen.gas, oxygen.vibrations
    )
    assert found.terms.pairs == 0
    # 1/2 O2 is 2.46 eV above H2O - H2, and no electron is exchanged
    assert found.added_eV - plain.added_eV == pytest.approx(-2.46 + 2 * 0.5)


@pytest.mark.parametrize(
    ("species", "water", "oxygen"),
    [
        ("O", "H2O + * -> O* + H2", "0.5 O2 + * -> O*"),
        ("OH", "H2O + * -> OH* + 0.5 H2", "0.5 O2 + 0.5 H2 + * -> OH*"),
        ("OOH", "2 H2O + * -> OOH* + 1.5 H2", "O2 + 0.5 H2 + * -> OOH*"),
        ("H2O", "H2O + * -> H2O*", "0.5 O2 + H2 + * -> H2O*"),
    ],
)
def test_the_reaction_is_against_what_oxygen_is_counted_against(species, water, oxygen):
    gas = [(one, {}) for one in references_of(species)]
    scene = Scene(
        **dict.fromkeys(["host", "slab", "sites", "placements", "about", "provenance"]),
        adsorbate=adsorbate(species),
        gas=gas,
    )
    assert scene.reaction() == water
    assert scene.reaction(with_oxygen=True) == oxygen


@pytest.mark.parametrize(
    ("temperature_K", "references", "molecules", "said"),
    [
        (900.0, {}, {"H2O", "H2"}, ["liquid water at 298 K alone: at 900 K"]),
        (350.0, {"O": "O2"}, {"H2O", "H2"}, ["at 350 K", "4.92 eV .* not at 350 K"]),
        (900.0, {}, {"H2"}, []),
        (300.0, {"O": "O2"}, {"H2O", "H2"}, []),
    ],
)
def test_constants_of_room_temperature_are_named(temperature_K, references, molecules, said):
    plan = FreeEnergyPlan("vibrations", temperature_K=temperature_K, references=references)
    notes = plan.notes(molecules)
    assert len(notes) == len(said)
    for note, pattern in zip(notes, said, strict=True):
        assert re.search(pattern, note)
    assert FreeEnergyPlan("norskov_2005", temperature_K=900.0).notes({"H2O"}) == []


def test_a_fixed_correction_is_refused_at_another_temperature():
    FreeEnergyPlan("norskov_2005", temperature_K=300.0).check("H", free=True)
    with pytest.raises(RecipeError, match=r"norskov_2005 holds at room .* not at 500 K"):
        FreeEnergyPlan("norskov_2005", temperature_K=500.0).check("H", free=True)


EVEN = {"asymmetry_eV_per_A2": 0.1, "central_differences": True, "measured_again_eV": ()}


@pytest.mark.parametrize(
    ("energies_eV", "said"),
    [((0.004, 0.05, 0.4), "4.0 meV"), ((-0.002, 0.01, 0.4), "-2.0, 10.0 meV")],
)
def test_soft_modes_that_count_with_another_energy_are_named(energies_eV, said):
    shaken = SimpleNamespace(energies_eV=energies_eV, **EVEN)
    (note,) = free_energy(FreeEnergyPlan("vibrations"), "OH", [], shaken).notes
    assert note.startswith(f"vibrations of OH at {said} count as 12.4 meV")
    stiff = SimpleNamespace(energies_eV=(0.02, 0.05, 0.4), **EVEN)
    assert free_energy(FreeEnergyPlan("vibrations"), "OH", [], stiff).notes == ()


@pytest.mark.parametrize(("after", "said"), [(0.02, "then 20 meV"), (-0.005, "then 5i meV")])
def test_modes_that_were_measured_along_themselves_are_named(after, said):
    again = {**EVEN, "measured_again_eV": (-0.0074,), "energies_eV": (after, 0.4)}
    notes = free_energy(FreeEnergyPlan("vibrations"), "OOH", [], SimpleNamespace(**again)).notes
    assert "imaginary by displacements along the axes (7i meV)" in notes[-1]
    assert notes[-1].endswith(said)


@pytest.mark.parametrize(("central", "told"), [(True, True), (False, False)])
def test_noisy_forces_are_named_with_and_without_a_value(central, told):
    noisy = {**EVEN, "asymmetry_eV_per_A2": 2.24, "central_differences": central}
    plan = FreeEnergyPlan("vibrations")
    good = free_energy(plan, "OH", [], SimpleNamespace(energies_eV=(0.02, 0.4), **noisy))
    bad = free_energy(plan, "OH", [], SimpleNamespace(energies_eV=(-0.04, 0.4), **noisy))
    assert any("differ by up to 2.2 eV/Å²" in note for note in good.notes) is told
    assert ("a tighter SCF" in bad.problem) is told
    assert bad.problem.startswith("imaginary modes (40i meV)")


@pytest.mark.parametrize(
    ("mode_eV", "higher_eV", "fate", "flat", "said"),
    [
        (
            -0.008,
            0.004,
            "",
            True,
            "8i meV); led 0.5 Å along the mode and relaxed again: 0.004 eV hi",
        ),
        (-0.020, 0.004, "", False, "relaxed to a saddle (20i meV)"),  # too hard to be noise
        (-0.008, 0.004, "desorbed", False, "relaxed again: desorbed"),
        (-0.008, -0.004, "", None, ""),
    ],
)
def test_a_flat_minimum_is_told_from_a_saddle_by_what_lies_beside_it(
    mode_eV, higher_eV, fate, flat, said
):
    def relaxed(energy_eV):
        return SimpleNamespace(energy_eV=energy_eV)

    shaken = SimpleNamespace(energies_eV=(mode_eV, 0.05), **EVEN)
    saddle = Saddle("top", relaxed(-1.0), shaken, [])
    steps = {"saddles": [saddle], "relaxed": {"top": relaxed(-1.0 + higher_eV)}}
    scene = SimpleNamespace(worthless=lambda *_, **__: fate, adsorbate=adsorbate("OOH"))
    found = dropped(SimpleNamespace(site="lowest"), scene, steps)
    if flat is None:
        assert found is None
        return
    kept, vibrations = found
    assert vibrations is shaken
    assert kept["relaxed"]["top"].energy_eV == -1.0
    assert at_minimum(kept["saddles"]) is flat
    assert left([saddle]) == [saddle.relaxed, shaken]
    assert left(kept["saddles"]) == [steps["relaxed"]["top"]]
    (note,) = remarks_on_saddles(scene, kept)
    assert said in note
    assert note.endswith("so that it is a flat minimum") is flat
    ended = free_energy(FreeEnergyPlan("vibrations"), "OOH", [], shaken, flat=flat)
    assert bool(ended.problem) is not flat
    if flat:
        assert ended.notes[0].startswith("vibrations of OOH at -8.0 meV count as 12.4 meV")
        real = SimpleNamespace(energies_eV=(SOFTEST_EV, 0.05), **EVEN)
        as_soft = free_energy(FreeEnergyPlan("vibrations"), "OOH", [], real)
        # Its zero-point energy is left out, as that of any noise is.
        assert as_soft.added_eV - ended.added_eV == pytest.approx(SOFTEST_EV / 2)


def test_a_result_against_oxygen_says_so(tmp_path_factory):
    found = document(tmp_path_factory, "O", references={"O": "O2"}, temperature_K=900.0)
    assert sum("at 900 K" in note for note in found.notes) == 2
    assert found.reaction == "0.5 O2 + * -> O*"
    assert found.free_energy.oxygen_eV == pytest.approx(-2.46)
    assert (found.free_energy.pairs, found.free_energy.potential_eV) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("species", "chosen", "says"),
    [
        ("CO", {"C": "CH4"}, "reference 'CH4' of C: known: CO, CO2"),
        ("OH", {"C": "CO"}, "the adsorbate holds none"),
        ("S", None, "no gas is known for S"),
    ],
)
def test_references_that_do_not_fit_are_refused(species, chosen, says):
    with pytest.raises(RecipeError, match=says):
        references_of(species, chosen)


def test_an_engine_whose_molecules_are_wrong_says_so():
    """A potential for crystals; a functional only about the double bonds of CO2."""
    references = references_of("COOH")
    notes = gas_notes(engine("emt"), references)
    assert len(notes) == sum(one.gas and one.count != 0 for one in references) == 2
    for note, gas in zip(notes, ("CO2", "H2"), strict=True):
        assert f"the energy of {gas} is that of emt, which was made for crystals" in note
    (only,) = gas_notes(engine("gpaw"), references)
    assert only.startswith("density functionals get CO2 wrong")
    assert gas_notes(engine("gpaw"), references_of("OH")) == []
    assert gas_notes(engine("sevennet"), references_of("Li")) == [], "a crystal, not a molecule"


def test_carbon_against_either_oxide():
    names = {one.name: one.count for one in references_of("COOH", {"C": "CO"})}
    assert names == {"CO": 1.0, "H2O": 1.0, "H2": -0.5}


@pytest.mark.parametrize("metal", ["Li", "Na", "K"])
def test_an_alkali_metal_is_counted_against_one_atom_of_its_crystal(metal, unmoved):
    (one,) = references_of(metal)
    assert (one.name, one.count, one.gas) == (f"bcc-{metal}", 1.0, False)
    cubic = hosts.load(f"bcc-{metal}").structure.to_conventional()
    for crystal in (cubic, cubic.get_primitive_structure()):
        relaxed = unmoved(crystal, -1.9 * len(crystal))
        found = reference_document(one, relaxed, None, None)
        assert found.count * found.relaxed.energy_eV == pytest.approx(-1.9)


@pytest.mark.parametrize(
    ("free", "species", "says"),
    [
        (FreeEnergyPlan("norskov_2005"), "OH", "is for H, not for OH; use vibrations"),
        (
            FreeEnergyPlan("norskov_2005", references={"O": "O2"}),
            "O",
            "reference O2: its free energy comes from that of water",
        ),
    ],
)
def test_corrections_that_do_not_fit_are_refused(free, species, says):
    with pytest.raises(RecipeError, match=says):
        AdsorptionMaker(EMT, PLAN, FREE, free=free).make(hosts.load("fcc-Pt"), species)


def test_a_dopant_and_strain_are_in_the_result(tmp_path, monkeypatch):
    from defectflow.structures import substitutions

    monkeypatch.chdir(tmp_path)
    host = hosts.load("fcc-Pt")
    plan = SlabPlan((1, 1, 1), layers=3, repeat=(2, 2), strain=0.02)
    doped = plan.with_defect(host.structure, lambda one: substitutions(one, {"Pt": "Ni"}), None)
    found = run(AdsorptionMaker(EMT, doped, site="top Ni", host_cell="keep").make(host, "O"))
    flat = run(AdsorptionMaker(EMT, PLAN, site="fcc", host_cell="keep").make(host, "O"))
    assert found.converged
    assert found.defect == "O on (111) with Ni_Pt at +2% strain, top Ni"
    assert (found.strain, found.coverage_ML) == (0.02, 0.25)
    assert found.slab.structure.composition.as_dict() == {"Pt": 11, "Ni": 1}
    ratio = found.slab.structure.lattice.a / flat.slab.structure.lattice.a
    assert ratio == pytest.approx(1.02)
