"""Potential, acidity and solvation in a recipe, each against a sum by hand."""

from __future__ import annotations

import pytest

from defectflow.errors import RecipeError
from defectflow.launch import run
from defectflow.recipes import build, load

HYDROGEN = """\
quantity: adsorption_free_energy
host: {prototype: fcc-Pt}
host_cell: keep
slab: {miller: [1, 1, 1], layers: 3, frozen_layers: 2}
adsorbate: H
site: fcc
correction: norskov_2005
engine: emt
"""
OXYGEN = HYDROGEN.replace("adsorbate: H", "adsorbate: O").replace("norskov_2005", "vibrations")
EVOLUTION = """\
quantity: overpotential
reaction: HER
host: {prototype: fcc-Pt}
host_cell: keep
slab: {miller: [1, 1, 1], layers: 3, frozen_layers: 2}
correction: norskov_2005
engine: emt
"""
#: k T ln 10 at 298.15 K in eV per unit of pH: 8.617333e-5 * 298.15 * 2.302585.
PER_PH = 0.0591597


@pytest.fixture(scope="module")
def computed(tmp_path_factory):
    """Run a recipe with more lines; what two of them share is computed once."""
    folder = tmp_path_factory.mktemp("electrode")

    def run_one(text: str, more: str = ""):
        path = folder / "one.yaml"
        path.write_text(text + more, encoding="utf-8")
        return run(build(load(path)), str(folder / "store.sqlite"))

    return run_one


@pytest.mark.parametrize(
    ("text", "pairs"),
    [(HYDROGEN, 1), (OXYGEN, -2)],
    ids=["H + e taken up", "O gives off two"],
)
@pytest.mark.parametrize(
    ("more", "volts"),
    [
        ("potential_V: 0.4\n", 0.4),
        ("potential_V: -0.3\n", -0.3),
        # against the standard electrode each pair costs the work of the proton as well
        ("potential_V: -0.5\npH: 13\n", -0.5 + 13 * PER_PH),
        ("pH: 0\n", 0.0),
        ("pH: 7\n", 7 * PER_PH),
    ],
)
def test_each_pair_costs_the_potential(computed, text, pairs, more, volts):
    """H⁺ + e⁻ + * -> H*: + e U; H2O + * -> O* + 2 (H⁺ + e⁻): - 2 e U."""
    plain, moved = computed(text), computed(text, more)
    assert plain.free_energy.potential_eV == 0.0
    assert moved.free_energy.pairs == pairs
    assert moved.free_energy.potential_eV == pytest.approx(pairs * volts, abs=1e-5)
    assert moved.value - plain.value == pytest.approx(pairs * volts, abs=1e-5)
    assert moved.adsorption_energy_eV == plain.adsorption_energy_eV


def test_the_reversible_and_the_standard_scale_agree(computed):
    """U(RHE) = U(SHE) + k T ln 10 pH."""
    reversible = computed(HYDROGEN, f"potential_V: {0.1 + 13 * PER_PH:.7f}\n")
    standard = computed(HYDROGEN, "potential_V: 0.1\npH: 13\n")
    assert reversible.value == pytest.approx(standard.value, abs=1e-5)


def test_acidity_counts_at_the_temperature_of_the_recipe(computed):
    hot, plain = (computed(OXYGEN, f"temperature_K: 350\n{more}") for more in ("pH: 10\n", ""))
    per_ph = PER_PH * 350 / 298.15
    assert hot.value - plain.value == pytest.approx(-2 * 10 * per_ph, abs=1e-5)


@pytest.mark.parametrize("text", [HYDROGEN, OXYGEN])
def test_solvation_is_added_when_asked_and_never_else(computed, text):
    plain, wet = computed(text), computed(text, "solvation_eV: -0.45\n")
    assert plain.free_energy.solvation_eV == 0.0
    assert wet.value - plain.value == pytest.approx(-0.45, abs=1e-9)
    both = computed(text, "solvation_eV: -0.45\npotential_V: 0.2\n")
    pairs = both.free_energy.pairs
    assert both.value - plain.value == pytest.approx(-0.45 + 0.2 * pairs, abs=1e-9)


def test_a_free_energy_is_the_sum_of_its_terms(computed):
    """ΔG = ΔE + ΔZPE + Δheat - T ΔS + e U + solvation, from the numbers of the document."""
    found = computed(OXYGEN, "potential_V: 0.3\nsolvation_eV: -0.1\n")
    terms = found.free_energy
    total = found.adsorption_energy_eV + terms.delta_zero_point_eV + terms.delta_heat_eV
    total += terms.minus_T_delta_entropy_eV - 2 * 0.3 - 0.1
    assert found.value == pytest.approx(total, abs=1e-9)
    zero = sum(found.vibrations.energies_eV) / 2
    zero -= sum(one.count * one.thermal.zero_point_eV for one in found.gas)
    assert terms.delta_zero_point_eV == pytest.approx(zero, abs=1e-9)
    fixed = computed(HYDROGEN)
    assert fixed.value == pytest.approx(fixed.adsorption_energy_eV + 0.24, abs=1e-9)


def test_solvation_of_an_intermediate_moves_the_overpotential(computed):
    """HER is limited by |ΔG of H*|."""
    dry, wet = computed(EVOLUTION), computed(EVOLUTION, "solvation_eV: {H: -0.2}\n")
    hydrogen = computed(HYDROGEN)
    energy = min(dry.intermediates[0].free_energy_eV, hydrogen.value)
    assert dry.value == pytest.approx(abs(energy))
    assert wet.value == pytest.approx(abs(energy - 0.2))


def test_the_fixed_correction_is_never_a_default(tmp_path):
    path = tmp_path / "one.yaml"
    path.write_text(HYDROGEN.replace("correction: norskov_2005\n", ""), encoding="utf-8")
    with pytest.raises(RecipeError, match="correction"):
        load(path)
    path.write_text(HYDROGEN.replace("adsorbate: H", "adsorbate: OH"), encoding="utf-8")
    with pytest.raises(RecipeError, match="norskov_2005 is for H, not for OH"):
        build(load(path))


def test_gases_are_computed_once_for_all_recipes_of_an_engine(tmp_path):
    """Hydrogen on two metals: the second takes H2 from the store, at the same level only."""
    path, store = tmp_path / "one.yaml", str(tmp_path / "store.sqlite")

    def gas(text: str):
        path.write_text(text, encoding="utf-8")
        return run(build(load(path)), store).gas[0].relaxed

    first = gas(HYDROGEN)
    second = gas(HYDROGEN.replace("fcc-Pt", "fcc-Cu"))
    assert second == first, "wall time and all: it is the same calculation"
    other = gas(HYDROGEN.replace("fcc-Pt", "fcc-Cu") + "level: fast\n")
    assert other.wall_time_s != first.wall_time_s
    assert other.engine.level == "fast"
