"""Adsorption on EMT: references, sites, pre-screen, and adsorbates that do not stay."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from defectflow import hosts
from defectflow.documents import AdsorptionDocument, load_result
from defectflow.engines import engine
from defectflow.errors import EngineError, RecipeError, StructureError
from defectflow.flows import AdsorptionMaker, SlabPlan
from defectflow.flows.free_energy import FreeEnergyPlan
from defectflow.flows.host import cautions
from defectflow.flows.screening import distinct_ends, weighings
from defectflow.launch import run
from defectflow.structures import vacancies
from defectflow.structures.charges import charged

EMT = engine("emt")
PLAN = SlabPlan((1, 1, 1), layers=4, repeat=(2, 2))
FIXED = FreeEnergyPlan("norskov_2005")


@pytest.fixture(scope="module")
def hydrogen(tmp_path_factory) -> AdsorptionDocument:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("h"))
        maker = AdsorptionMaker(EMT, PLAN, quantity="adsorption_free_energy", free=FIXED)
        return run(maker.make(hosts.load("fcc-Pt"), "H"))


def test_the_lowest_site_is_the_value_and_the_parts_add_up(hydrogen):
    best = min(
        (site for site in hydrogen.sites if site.energy_eV is not None),
        key=lambda site: site.energy_eV,
    )
    (gas,) = hydrogen.gas
    assert (gas.molecule, gas.count) == ("H2", 0.5)
    expected = best.relaxed.energy_eV - hydrogen.slab.energy_eV - gas.relaxed.energy_eV / 2
    assert hydrogen.converged
    assert hydrogen.site == best.label
    assert hydrogen.adsorption_energy_eV == pytest.approx(expected, abs=1e-9)
    assert hydrogen.value == pytest.approx(expected + 0.24, abs=1e-9)
    assert hydrogen.correction.value_eV == 0.24
    assert "J. Electrochem. Soc. 152" in hydrogen.correction.source


def test_every_distinct_site_was_tried_and_labelled(hydrogen):
    assert [site.label for site in hydrogen.sites] == ["top", "bridge", "hcp", "fcc"]
    for site in hydrogen.sites:
        assert (site.energy_eV is None) == (site.outcome != "stays")


def test_coverage_and_slab_are_said(hydrogen):
    assert hydrogen.coverage_ML == 0.25
    assert (hydrogen.facet, hydrogen.layers, hydrogen.frozen_layers) == ("111", 4, 2)
    assert hydrogen.defect == f"H on (111), {hydrogen.site}"
    assert hydrogen.species == "H"
    assert hydrogen.slab.frozen == tuple(range(8))


def test_frozen_atoms_stay_as_in_the_bulk(hydrogen):
    clean = hydrogen.slab.structure
    for site in hydrogen.sites:
        assert site.relaxed.structure.cart_coords[:8] == pytest.approx(clean.cart_coords[:8])


def test_the_slab_takes_its_cell_from_the_relaxed_bulk(hydrogen):
    bulk = hydrogen.relaxed_host.structure.lattice.a
    assert hydrogen.slab.structure.lattice.a == pytest.approx(2 * bulk / 2**0.5, abs=1e-4)


def test_the_document_survives_the_store(hydrogen):
    again = load_result(hydrogen.model_dump(mode="json"))
    assert (again.value, again.quantity) == (hydrogen.value, "adsorption_free_energy")


def test_one_named_site_alone(hydrogen):
    maker = AdsorptionMaker(EMT, PLAN, site="hcp")
    document = run(maker.make(hosts.load("fcc-Pt"), "H"))
    assert len(document.sites) == 1
    before = next(one for one in hydrogen.sites if one.label == "hcp")
    assert document.quantity == "adsorption_energy"
    assert document.correction is None
    assert document.value == pytest.approx(before.energy_eV, abs=1e-6)


def test_a_screen_saves_calls_of_the_engine_and_keeps_the_result(hydrogen):
    maker = AdsorptionMaker(EMT, PLAN, screen=engine("emt", level="fast"), keep=1)
    document = run(maker.make(hosts.load("fcc-Pt"), "H"))
    assert document.value == pytest.approx(hydrogen.adsorption_energy_eV, abs=2e-3)
    assert sum(site.relaxed is not None for site in document.sites) == 1
    assert all(site.screened_eV is not None for site in document.sites)
    assert document.screen.level == "fast"
    of_engine = sum(site.relaxed.force_calls for site in document.sites if site.relaxed)
    assert of_engine < sum(site.relaxed.force_calls for site in hydrogen.sites)
    (relaxed,) = (site.relaxed for site in document.sites if site.relaxed)
    assert relaxed.guidance.engine.level == "fast"
    assert document.slab.guidance.engine.level == "fast"
    assert relaxed.engine == document.engine


def test_a_screen_passes_on_all_that_it_cannot_tell_apart(hydrogen):
    """So many as the screen itself has within the window; with a wide one all distinct ends."""
    counts = []
    for within_eV in (0.0, 0.05, 5.0):
        screen = engine("emt", level="fast")
        maker = AdsorptionMaker(EMT, PLAN, screen=screen, keep=1, keep_within_eV=within_eV)
        document = run(maker.make(hosts.load("fcc-Pt"), "H"))
        counts.append(sum(site.relaxed is not None for site in document.sites))
        near = [site for site in document.sites if site.screened_eV <= within_eV]
        assert counts[-1] == len(near)
        assert document.value == pytest.approx(hydrogen.adsorption_energy_eV, abs=2e-3)
    assert counts[0] == 1
    assert counts[-1] == len(hydrogen.sites)


def test_of_ends_alike_the_one_that_stayed_goes_on():
    """It has the symmetry of its site; one that came from a bridge has a third of that of fcc."""
    fates = {
        "bridge": ("moved", "fcc", -1.0001),
        "fcc": ("stays", "fcc", -1.0),
        "hcp": ("stays", "hcp", -1.1),
        "top": ("desorbed", "", -5.0),
    }
    scene = SimpleNamespace(
        fate=lambda label, _: SimpleNamespace(outcome=fates[label][0], where=fates[label][1])
    )
    screened = {label: SimpleNamespace(energy_eV=fate[2]) for label, fate in fates.items()}
    assert list(distinct_ends(scene, screened, anywhere=True)) == ["hcp", "fcc"]
    fates["fcc"] = ("stays", "fcc", -0.9)
    screened["fcc"].energy_eV = -0.9
    assert list(distinct_ends(scene, screened, anywhere=True)) == ["hcp", "bridge", "fcc"]
    assert list(distinct_ends(scene, screened, anywhere=False)) == ["hcp", "fcc"]


UPWARD = """\
from ase.calculators.emt import EMT


class Upward(EMT):
    \"\"\"EMT that finds H the better the higher it is, 2 eV/Å: it ranks the sites wrongly.\"\"\"

    def calculate(self, atoms=None, *rest):
        super().calculate(atoms, *rest)
        for k, atom in enumerate(atoms):
            if atom.symbol == "H":
                self.results["energy"] -= 2.0 * atom.position[2]
                self.results["forces"][k, 2] += 2.0
"""


def test_weighing_mends_what_a_screen_ranks_wrongly(hydrogen, tmp_path, monkeypatch):
    (tmp_path / "upward_emt.py").write_text(UPWARD, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    wrong = engine("ase", calculator="upward_emt:Upward")
    plain = AdsorptionMaker(EMT, PLAN, screen=wrong, keep=1)
    weighing = replace(plain, weigh_within_eV=5.0)
    store = str(tmp_path / "store.sqlite")
    led_astray = run(plain.make(hosts.load("fcc-Pt"), "H"), store)
    mended = run(weighing.make(hosts.load("fcc-Pt"), "H"), store)
    assert led_astray.value > hydrogen.adsorption_energy_eV + 0.02
    assert mended.value == pytest.approx(hydrogen.adsorption_energy_eV, abs=2e-3)
    weighed = {one.label: one.weighed_eV for one in mended.sites if one.weighed_eV is not None}
    assert len(weighed) > 1
    assert min(weighed.values()) == 0.0
    (chosen,) = [one for one in mended.sites if one.relaxed is not None]
    assert weighed[chosen.label] == 0.0
    (before,) = [one for one in led_astray.sites if one.relaxed is not None]
    calls = mended.force_calls - chosen.relaxed.force_calls
    assert calls == led_astray.force_calls - before.relaxed.force_calls + len(weighed)


def test_weighings_have_the_settings_of_the_relaxations():
    start = hosts.load("fcc-Pt").structure
    relax = {"cutoff_eV": 600.0, "fmax_eV_per_A": 0.1}
    (job,) = weighings(engine("gpaw"), {"fcc": start}, [], relax).values()
    assert job.function.__self__.settings["cutoff_eV"] == 600.0


def test_the_clean_slab_begins_as_the_relaxed_one_of_a_single_cell(hydrogen):
    """The large cell has nothing left to do, and is the slab that it would be without that."""
    assert hydrogen.slab.force_calls == 1
    single = AdsorptionMaker(EMT, SlabPlan((1, 1, 1), layers=4), site="fcc")
    alone = run(single.make(hosts.load("fcc-Pt"), "H"))
    assert alone.slab.force_calls > 1
    assert hydrogen.slab.energy_eV == pytest.approx(4 * alone.slab.energy_eV, abs=1e-6)


@pytest.mark.parametrize("outcome", ["desorbed", "below the surface", "dissociated"])
def test_an_adsorbate_that_leaves_gives_no_value(monkeypatch, outcome):
    from defectflow.flows import adsorbed
    from defectflow.structures.whereabouts import Whereabouts

    gone = Whereabouts(outcome, "", 4.0)
    monkeypatch.setattr(adsorbed, "whereabouts", lambda *_: gone)
    maker = AdsorptionMaker(
        EMT, PLAN, quantity="adsorption_free_energy", site="fcc", free=FreeEnergyPlan("vibrations")
    )
    document = run(maker.make(hosts.load("fcc-Pt"), "H"))
    assert (document.converged, document.value) == (False, None)
    assert document.notes[-1] == f"H put at fcc: {outcome}"
    assert document.sites[0].energy_eV is None
    assert document.vibrations is None


def test_a_site_that_did_not_converge_may_be_the_lowest():
    """After six steps O on top of Cu(100) is at rest and in the hollow, 0.2 eV lower, is not."""
    plan = SlabPlan((1, 0, 0), layers=3, frozen_layers=2, vacuum_A=8)
    maker = AdsorptionMaker(EMT, plan, host_cell="keep", relax={"max_steps": 6})
    document = run(maker.make(hosts.load("fcc-Cu"), "O"))
    converged = {one.label: one.relaxed.converged for one in document.sites}
    assert (converged["top"], converged["hollow"]) == (True, False)
    assert (document.converged, document.value) == (False, None)
    assert any(note.startswith("O put at hollow: not converged") for note in document.notes)


def test_an_unconverged_slab_gives_no_value():
    maker = AdsorptionMaker(EMT, PLAN, site="fcc", relax={"max_steps": 0})
    document = run(maker.make(hosts.load("fcc-Pt"), "H"))
    assert (document.converged, document.value) == (False, None)


@pytest.mark.parametrize(
    ("changes", "adsorbate", "kind", "says"),
    [
        ({}, "Xe", RecipeError, "adsorbate 'Xe': not known; choose among H, C"),
        ({"site": "fc"}, "H", StructureError, "did you mean fcc"),
        ({"quantity": "adsorption_free_energy"}, "H", RecipeError, "needs a correction"),
        ({"free": FIXED}, "H", RecipeError, "an energy has none"),
        (
            {"quantity": "adsorption_free_energy", "free": FreeEnergyPlan("norskov")},
            "H",
            RecipeError,
            "did you mean norskov_2005",
        ),
    ],
)
def test_mistakes_are_found_before_anything_runs(changes, adsorbate, kind, says):
    with pytest.raises(kind, match=says):
        AdsorptionMaker(EMT, PLAN, **changes).make(hosts.load("fcc-Pt"), adsorbate)


def test_an_engine_that_lacks_the_metal_is_refused():
    with pytest.raises(EngineError, match="does not know Fe"):
        AdsorptionMaker(EMT, SlabPlan((1, 1, 0))).make(hosts.load("bcc-Fe"), "H")


def test_one_sheet_has_no_distance_of_layers_to_warn_of():
    host = hosts.load("2H-MoS2")
    assert cautions(engine("chgnet"), host.structure)
    flow = AdsorptionMaker(engine("chgnet"), SlabPlan((0, 0, 1), sheet=True)).make(host, "H")
    given = flow.jobs[-1].function_args
    (notes,) = (one["notes"] for one in given if isinstance(one, dict) and "notes" in one)
    assert not any("layer" in note for note in notes)


def test_a_charged_defect_of_a_slab_is_refused():
    plan, host = SlabPlan((0, 0, 1), sheet=True), hosts.load("2H-MoS2").structure
    with pytest.raises(RecipeError, match=r"V_S.*: charge -1 has no place in adsorption"):
        plan.with_defect(host, lambda slab: charged(vacancies(slab, "S"), (-1,)), None)
