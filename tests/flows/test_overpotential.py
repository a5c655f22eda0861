"""Overpotentials: states, steps and profile from free energies of adsorption."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from defectflow import hosts
from defectflow.documents import load_result
from defectflow.engines import engine
from defectflow.engines.request import Request
from defectflow.engines.vibrations import vibrations
from defectflow.errors import RecipeError
from defectflow.flows import AdsorptionMaker, OverpotentialMaker, SlabPlan, overpotential
from defectflow.flows.free_energy import FreeEnergyPlan
from defectflow.flows.gas import Reference
from defectflow.flows.provenance import Provenance
from defectflow.launch import run
from defectflow.reference.comparison import Comparison
from defectflow.structures.molecules import molecule

EMT = engine("emt")
PLAN = SlabPlan((1, 1, 1), layers=3, repeat=(2, 2), frozen_layers=2)


def adsorption(name: str = "vibrations", **changes) -> AdsorptionMaker:
    free = FreeEnergyPlan(name, **changes)
    return AdsorptionMaker(EMT, PLAN, "adsorption_free_energy", free=free)


def test_hydrogen_evolution_is_limited_by_the_size_of_the_free_energy(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    maker = OverpotentialMaker(adsorption("norskov_2005"), "HER", potential_V=-0.1)
    found = run(maker.make(hosts.load("fcc-Pt")))
    (hydrogen,) = found.intermediates
    assert found.converged
    assert found.value == pytest.approx(abs(hydrogen.free_energy_eV))
    assert [state.label for state in found.states] == ["*", "H*", "H2 + *"]
    assert [state.free_energy_eV for state in found.states] == pytest.approx(
        [0.0, hydrogen.free_energy_eV, 0.0]
    )
    assert [state.at_potential_eV for state in found.states] == pytest.approx(
        [0.0, hydrogen.free_energy_eV - 0.1, -0.2]
    )
    assert found.limiting_step == "H* + H⁺ + e⁻ -> H2 + *"
    alone = run(adsorption("norskov_2005").make(hosts.load("fcc-Pt"), "H"))
    assert hydrogen.free_energy_eV == pytest.approx(alone.value)
    assert found.force_calls == alone.force_calls
    assert load_result(found.model_dump(mode="json")) == found


def test_what_intermediates_share_is_counted_once():
    """Of the shared molecules what their vibrations really took, which symmetry makes few."""
    spent = {"H2": 7, "H2O": 11}
    relaxed = {name: SimpleNamespace(force_calls=n, wall_time_s=1.0) for name, n in spent.items()}
    shaken = {}
    for name in spent:
        cell = molecule(name).boxed()
        request = Request(cell, EMT.settings("vibrations"))
        shaken[name] = vibrations(request, EMT, range(len(cell)))
    assert {name: one.force_calls for name, one in shaken.items()} == {"H2": 5, "H2O": 10}
    once = [*relaxed.values(), *shaken.values()]
    bulk = SimpleNamespace(force_calls=20, wall_time_s=2.0)
    calls = [20 + 20 + own + sum(one.force_calls for one in once) for own in (100, 200, 300)]
    seconds = 2.0 + 2.0 + 9.0 + sum(one.wall_time_s for one in once)
    documents: list[Any] = [
        SimpleNamespace(
            force_calls=one,
            wall_time_s=seconds,
            relaxed_host=bulk,
            slab=bulk,
            gas=[SimpleNamespace(molecule=name, relaxed=relaxed[name]) for name in spent],
        )
        for one in calls
    ]
    found = overpotential._cost(documents, shaken)
    assert found["force_calls"] == calls[0] + 200 + 300
    assert found["wall_time_s"] == pytest.approx(seconds + 9.0 + 9.0)


@pytest.mark.parametrize(("plan", "names"), [("vibrations", {"H2", "H2O"}), ("norskov_2005", {})])
def test_the_vibrations_of_the_molecules_are_known_at_the_end(plan, names):
    maker = OverpotentialMaker(adsorption(plan), "ORR" if names else "HER")
    last = maker.make(hosts.load("fcc-Pt")).jobs[-1]
    assert set(last.function_args[2]) == set(names)


def made(monkeypatch, values: dict[str, float | None], gases=()):
    """Conclude a reaction from made-up free energies, without calculations."""

    class Found:
        site, key, notes, force_calls, wall_time_s = "fcc", "0", (), 0, 0.0
        adsorption_energy_eV = None
        gas = ()

        def __init__(self, value: float | None) -> None:
            self.value = value
            self.relaxed_host = self.slab = SimpleNamespace(force_calls=0, wall_time_s=0.0)

    about = {"host": "fcc-Pt", "host_formula": "Pt", "prototype": "fcc-Pt"}
    documents = {name: Found(value) for name, value in values.items()}

    def conclude(reaction: str, inner=None, **changes):
        maker = OverpotentialMaker(inner or adsorption(), reaction, **changes)
        function = type(maker).conclude.original
        return function(maker, documents, list(gases), {}, about, Provenance("r", "0"))

    return conclude


def test_oxygen_with_published_free_energies(monkeypatch):
    """Pt(111): OOH* 3.91, O* 1.70, OH* 0.75 eV (Hansen 2014): ORR by hand."""
    conclude = made(monkeypatch, {"OOH": 3.91, "O": 1.70, "OH": 0.75})
    orr = conclude("ORR")
    assert [step.free_energy_eV for step in orr.steps] == pytest.approx(
        [-1.01, -2.21, -0.95, -0.75]
    )
    assert orr.limiting_step == "OH* + H⁺ + e⁻ -> H2O + *"
    assert orr.value == pytest.approx(1.23 - 0.75)
    assert orr.scaling_deviation_eV == pytest.approx(3.16 - 3.2)
    assert orr.notes[-1].startswith("G(OOH*) - G(OH*) = 3.16 eV, -0.04 eV from the 3.2 eV")
    assert orr.states[-1].at_potential_eV == pytest.approx(0.0)
    oer = conclude("OER", potential_V=0.0)
    assert oer.value == pytest.approx(2.21 - 1.23)
    assert oer.limiting_step == "O* + H2O -> OOH* + H⁺ + e⁻"
    assert sum(step.free_energy_eV for step in oer.steps) == pytest.approx(4.92)
    assert oer.other_conditions() == ""


def test_solvation_is_in_the_document_and_meets_no_published_overpotential(monkeypatch):
    conclude = made(monkeypatch, {"OOH": 3.91, "O": 1.70, "OH": 0.75})
    solvated = conclude("ORR", solvation_eV={"OH": -0.5})
    assert solvated.solvation() == {"OH*": -0.5}
    assert solvated.other_conditions() == "solvation of OH* -0.5 eV"
    oxide = {"host": "RuO2", "host_formula": "RuO2", "prototype": "rutile-RuO2", "facet": "110"}
    oxide |= {"reaction": "OER", "surface": ""}
    asked = {"recipe_input": {"solvation_eV": {"OH": -0.5}}}
    plain = conclude("ORR").model_copy(update=oxide)
    old = plain.model_copy(update=asked)  # of a version that kept it in the recipe alone
    assert Comparison.from_document(plain).published is not None
    for one in (old, solvated.model_copy(update=oxide)):
        found = Comparison.from_document(one)
        assert found.published is None
        assert "solvation of OH* -0.5 eV, published ones are at 298 K without" in found.note


def test_the_first_steps_of_carbon_dioxide_by_hand(monkeypatch):
    """COOH* 0.6, CO* 0.1, CHO* 0.9 eV against CO2, H2 and H2O: 0.6, -0.5, 0.8 eV per step."""
    found = made(monkeypatch, {"COOH": 0.6, "CO": 0.1, "CHO": 0.9})("CO2RR-CHO")
    assert [step.free_energy_eV for step in found.steps] == pytest.approx([0.6, -0.5, 0.8])
    assert [step.pairs for step in found.steps] == [1, 1, 1]
    assert found.limiting_potential_V == pytest.approx(-0.8)
    assert found.limiting_step == "CO* + H⁺ + e⁻ -> CHO*"
    assert found.value == pytest.approx(0.169 + 0.8)


def test_carbon_monoxide_that_leaves_is_counted_from_its_own_energy(monkeypatch):
    """CO = CO2 + H2 - H2O: -11.8 eV against -20 - 6 + 14 = -12 eV; desorption has no electron."""
    total_eV = {"CO": -11.8, "CO2": -20.0, "H2": -6.0, "H2O": -14.0}
    monkeypatch.setattr(OverpotentialMaker, "_gas_eV", lambda _, one, __: total_eV[one.name])
    gas = [(Reference(name, 1.0, gas=True), {}) for name in total_eV]
    found = made(monkeypatch, {"COOH": 0.6, "CO": 0.1}, gas)("CO2RR-CO")
    assert [step.free_energy_eV for step in found.steps] == pytest.approx([0.6, -0.5, 0.1])
    assert [step.pairs for step in found.steps] == [1, 1, 0]
    assert found.limiting_potential_V == pytest.approx(-0.6)
    assert found.value == pytest.approx(0.6 - 0.104)
    (note,) = [one for one in found.notes if "takes no electrons" in one]
    assert note.startswith("CO* -> CO + * costs 0.10 eV")
    downhill = made(monkeypatch, {"COOH": 0.6, "CO": 0.3}, gas)("CO2RR-CO")
    assert not [one for one in downhill.notes if "takes no electrons" in one]


def test_an_intermediate_without_a_value_leaves_none(monkeypatch):
    found = made(monkeypatch, {"OOH": None, "O": 1.70, "OH": 0.75})("ORR")
    assert (found.value, found.converged, found.limiting_step) == (None, False, "")
    assert [step.free_energy_eV is None for step in found.steps] == [True, True, False, False]


def test_carbon_dioxide_needs_carbon_monoxide_gas_too():
    maker = OverpotentialMaker(adsorption(), "CO2RR-CO")
    names = [job.name for job in maker.make(hosts.load("fcc-Pt"))]
    assert {"relax CO", "vibrations of CO", "relax CO2", "adsorb COOH", "adsorb CO"} <= set(names)
    assert len(names) == len(set(names)), "each molecule is computed once"


def test_an_equilibrium_potential_of_room_temperature_is_named(monkeypatch):
    conclude = made(monkeypatch, {"COOH": 0.6, "CO": 0.1, "CHO": 0.9})
    hot = adsorption(temperature_K=500.0)
    said = "the equilibrium potential is that at 298 K, not at 500 K"
    assert said not in conclude("CO2RR-CHO").notes
    assert said in conclude("CO2RR-CHO", hot).notes
    assert said not in conclude("CO2RR-CHO", adsorption(temperature_K=300.0)).notes


def test_hydrogen_evolution_may_be_hot():
    maker = OverpotentialMaker(adsorption(temperature_K=350.0), "HER")
    assert "adsorb H" in [job.name for job in maker.make(hosts.load("fcc-Pt"))]


@pytest.mark.parametrize(
    ("maker", "says"),
    [
        (lambda: OverpotentialMaker(adsorption(), "OEER"), "did you mean"),
        (lambda: OverpotentialMaker(adsorption(references={"O": "O2"}), "OER"), "against water"),
        (
            lambda: OverpotentialMaker(adsorption(references={"C": "CO"}), "OER"),
            "reference of C: no adsorbate of OER holds it",
        ),
        (lambda: OverpotentialMaker(adsorption(potential_V=1.0), "OER"), "counted at 0 V"),
        (
            lambda: OverpotentialMaker(adsorption(), "OER", solvation_eV={"H": -0.1}),
            "solvation of H: not in OER",
        ),
        (lambda: OverpotentialMaker(adsorption("norskov_2005"), "ORR"), "is for H, not for OOH"),
        (
            lambda: OverpotentialMaker(adsorption(temperature_K=900.0), "OER"),
            "OER at 900 K: .* measured at 298 K; leave `temperature_K` out",
        ),
        (lambda: OverpotentialMaker(adsorption(temperature_K=350.0), "ORR"), "ORR at 350 K"),
    ],
)
def test_mistakes_are_found_before_anything_runs(maker, says):
    with pytest.raises(RecipeError, match=says):
        maker().make(hosts.load("fcc-Pt"))
