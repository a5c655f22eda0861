"""Balance, electrode potentials and overpotentials."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pymatgen.core import Composition

from defectflow.analysis.reactions import (
    OXYGEN_EV,
    PATHWAYS,
    at_potential_eV,
    check_balance,
    composition,
    equation,
    formation,
    overpotential,
    pairs_of,
    pathway,
)
from defectflow.errors import RecipeError


@pytest.mark.parametrize("formula", ["H2O", "CO2", "HCOOH", "N2H", "Li", "Cl2", "H12C6O6"])
def test_formulae_are_read_as_pymatgen_reads_them(formula):
    expected = {str(element): count for element, count in Composition(formula).items()}
    assert dict(composition(formula)) == expected


@pytest.mark.parametrize("text", ["h2o", "H2O+", "2H", "OH-"])
def test_what_is_no_formula_is_refused(text):
    with pytest.raises(RecipeError, match="not a formula"):
        composition(text)


@pytest.mark.parametrize(
    ("adsorbate", "references", "amounts"),
    [
        ("H", ["H2"], {"H2": 0.5}),
        ("OH", ["H2", "H2O"], {"H2O": 1.0, "H2": -0.5}),
        ("O", ["H2", "H2O"], {"H2O": 1.0, "H2": -1.0}),
        ("OOH", ["H2", "H2O"], {"H2O": 2.0, "H2": -1.5}),
        ("COOH", ["H2", "H2O", "CO2"], {"CO2": 1.0, "H2": 0.5}),
        ("CHO", ["H2", "H2O", "CO"], {"CO": 1.0, "H2": 0.5}),
        ("N2H", ["H2", "N2"], {"N2": 1.0, "H2": 0.5}),
    ],
)
def test_an_adsorbate_is_made_of_its_references(adsorbate, references, amounts):
    assert formation(adsorbate, references) == amounts


def test_references_that_cannot_hold_an_adsorbate_are_refused():
    with pytest.raises(RecipeError, match="cannot be counted"):
        formation("OH", ["H2"])
    with pytest.raises(RecipeError, match="exactly one way"):
        formation("O", ["H2", "H2O", "O2"])


def test_pairs_of_an_adsorbate_count_what_is_taken_up():
    assert pairs_of(formation("H", ["H2"])) == 1
    assert pairs_of(formation("OH", ["H2", "H2O"])) == -1
    assert pairs_of(formation("OOH", ["H2", "H2O"])) == -3


def test_unbalanced_reactions_are_named():
    with pytest.raises(RecipeError, match="not balanced, 2 H on the left and 1"):
        check_balance({"H2O": 1, "*": 1}, {"OH*": 1})
    with pytest.raises(RecipeError, match="1 sites on the left and 2"):
        check_balance({"O*": 1}, {"O*": 1, "*": 1})
    check_balance({"H2O": 1, "*": 1}, {"OH*": 1}, pairs=-1)


@pytest.mark.parametrize(
    ("name", "pairs"),
    [
        ("HER", (1, 1)),
        ("ORR", (1, 1, 1, 1)),
        ("OER", (-1, -1, -1, -1)),
        ("CO2RR-CO", (1, 1, 0)),
        ("CO2RR-CHO", (1, 1, 1)),
    ],
)
def test_every_step_of_every_reaction_is_balanced(name, pairs):
    assert pathway(name).pairs() == pairs


def test_a_reaction_that_does_not_exist_names_those_that_do():
    with pytest.raises(RecipeError, match="did you mean ORR or OER"):
        pathway("OERR")
    assert set(PATHWAYS) == {"HER", "ORR", "OER", "CO2RR-CO", "CO2RR-CHO"}


def test_equations_are_written_with_pairs_and_amounts():
    assert equation({"H2O": 2, "*": 1}, {"OOH*": 1}, -3) == "2 H2O + * -> OOH* + 3 (H⁺ + e⁻)"


def test_on_the_reversible_scale_acidity_does_not_matter():
    """U(SHE) = U(RHE) - k T ln 10 pH gives the same free energy."""
    shift = 8.617333262e-5 * 298.15 * math.log(10) * 9
    assert at_potential_eV(1, 0.4) == pytest.approx(at_potential_eV(1, 0.4 - shift, pH=9.0))


def test_an_ideal_catalyst_has_no_overpotential():
    for name in ("ORR", "OER"):
        path = pathway(name)
        sign = -1 if name == "ORR" else 1
        steps = [sign * OXYGEN_EV / 4] * 4
        assert overpotential(steps, path.pairs(), path.equilibrium_V).value_V == pytest.approx(0)


@pytest.mark.parametrize("seed", range(5))
def test_the_overpotential_is_where_the_last_step_turns_downhill(seed):
    """Found by bisection over the potential instead of by the largest step."""
    steps = np.random.default_rng(seed).normal(1.23, 0.6, 4)
    steps += (OXYGEN_EV - steps.sum()) / 4
    low, high = -20.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        downhill = all(step - middle <= 0 for step in steps)
        low, high = (low, middle) if downhill else (middle, high)
    found = overpotential(list(steps), [-1] * 4, OXYGEN_EV / 4)
    assert found.value_V == pytest.approx(high - 1.23, abs=1e-9)
    back = overpotential(list(-steps[::-1]), [1] * 4, OXYGEN_EV / 4)
    assert back.limiting_V == pytest.approx(min(steps))


def test_the_published_overpotential_of_scaling_relations():
    """(3.2 - 2.46) / 2 = 0.37 V where O* is in the middle (Man 2011)."""
    steps = [1.0, 1.6, 1.6, OXYGEN_EV - 4.2]
    assert overpotential(steps, [-1] * 4, 1.23).value_V == pytest.approx(0.37)


def test_steps_without_electrons_do_not_limit():
    found = overpotential([0.5, 0.1, 3.0], [1, 1, 0], -0.1)
    assert (found.step, found.limiting_V) == (0, -0.5)
    with pytest.raises(RecipeError, match="all reductions or all oxidations"):
        overpotential([0.1, 0.1], [1, -1], 0.0)
