"""An adsorbate that is not where, or what, it should be has no free energy, and notes say why.

Nothing is made up here: relaxations run, with a spring that pulls hydrogen to a height.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from defectflow import hosts
from defectflow.engines import engine
from defectflow.errors import RecipeError, StructureError
from defectflow.flows import AdsorptionMaker, OverpotentialMaker, SlabPlan
from defectflow.flows.free_energy import FreeEnergyPlan
from defectflow.launch import run

PULLED = """\
from ase.calculators.emt import EMT


class Pulled(EMT):
    \"\"\"A share of EMT, and a spring (eV/Å²) between each H above a metal and a height (Å).\"\"\"

    def __init__(self, height_A, spring, share):
        super().__init__()
        self.height_A, self.spring, self.share = height_A, spring, share

    def calculate(self, atoms=None, *rest):
        super().calculate(atoms, *rest)
        self.results = {"energy": self.results["energy"], "forces": self.results["forces"].copy()}
        for name in self.results:
            self.results[name] = self.share * self.results[name]
        hydrogens = [k for k, atom in enumerate(atoms) if atom.symbol == "H"]
        if "Pt" not in atoms.symbols:
            return
        for k in hydrogens:
            gap = atoms.positions[k, 2] - self.height_A
            self.results["energy"] += self.spring * gap**2 / 2
            self.results["forces"][k, 2] -= self.spring * gap
"""
EMT = engine("emt")
PLAN = SlabPlan((1, 1, 1), layers=3, repeat=(2, 2), frozen_layers=2)
PLATINUM = hosts.load("fcc-Pt")
FIXED = FreeEnergyPlan("norskov_2005")
HEIGHTS = PLAN.cut(PLATINUM.structure).structure.cart_coords[:, 2]
TOP_A, BOTTOM_A = float(HEIGHTS.max()), float(HEIGHTS.min())
CELL_A = PLAN.cut(PLATINUM.structure).structure.lattice.c


@pytest.fixture
def pulled(tmp_path, monkeypatch):
    (tmp_path / "pulled_emt.py").write_text(PULLED, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)

    def build(height_A: float, spring: float = 8.0, share: float = 1.0):
        kwargs = {"height_A": height_A, "spring": spring, "share": share}
        return engine("ase", calculator="pulled_emt:Pulled", kwargs=kwargs)

    return build


@pytest.mark.parametrize(
    ("outcome", "height_A", "site", "springs"),
    [
        ("desorbed", TOP_A + 5.0, "fcc", (8.0, 1.0)),
        ("below the surface", TOP_A - 1.2, "fcc", (60.0, 1.0)),
        # across the vacuum, to the lower side of the next image
        ("below the surface", BOTTOM_A + CELL_A - 1.0, "hcp", (8.0, 1.0)),
        # an engine that knows no repulsion, as a potential far from what it has learnt
        ("atoms overlap", TOP_A + 0.9, "top", (8.0, 0.0)),
    ],
)
def test_hydrogen_that_is_not_on_the_surface_has_no_free_energy(
    pulled, outcome, height_A, site, springs
):
    away = pulled(height_A, *springs)
    maker = AdsorptionMaker(
        away, PLAN, "adsorption_free_energy", site=site, free=FIXED, host_cell="keep"
    )
    found = run(maker.make(PLATINUM, "H"))
    (placed,) = found.sites
    assert placed.relaxed.converged, "nothing but its place is wrong with it"
    assert (placed.outcome, placed.energy_eV, placed.moved_eV) == (outcome, None, None)
    assert found.notes[-1] == f"H put at {site}: {outcome}"
    assert (found.value, found.adsorption_energy_eV, found.converged) == (None, None, False)
    gap = placed.relaxed.structure.cart_coords[-1, 2] - height_A
    assert abs(gap - CELL_A * round(gap / CELL_A)) < 0.6, "the spring held it"


def test_without_a_pull_the_same_road_gives_a_value(pulled):
    maker = AdsorptionMaker(
        pulled(0.0, 0.0), PLAN, "adsorption_free_energy", site="fcc", free=FIXED, host_cell="keep"
    )
    plain = replace(maker, engine=EMT)
    found = run(maker.make(PLATINUM, "H"))
    assert found.value == pytest.approx(run(plain.make(PLATINUM, "H")).value, abs=1e-6)


def test_a_reaction_whose_intermediate_desorbs_has_no_overpotential(pulled):
    away = pulled(TOP_A + 5.0)
    inner = AdsorptionMaker(
        away, PLAN, "adsorption_free_energy", free=FIXED, host_cell="keep", site="fcc"
    )
    found = run(OverpotentialMaker(inner, "HER").make(PLATINUM))
    assert (found.value, found.limiting_potential_V, found.converged) == (None, None, False)
    assert found.intermediates[0].free_energy_eV is None
    assert "H put at fcc: desorbed" in found.notes


def test_water_that_falls_apart_everywhere_has_no_energy(tmp_path, monkeypatch):
    """EMT does this by itself: it knows no bonds."""
    monkeypatch.chdir(tmp_path)
    free = FreeEnergyPlan("vibrations")
    maker = AdsorptionMaker(EMT, PLAN, "adsorption_free_energy", site="top", free=free)
    found = run(maker.make(PLATINUM, "H2O"))
    assert (found.value, found.adsorption_energy_eV, found.vibrations) == (None, None, None)
    for site in found.sites:
        oxygen, *hydrogens = range(len(site.relaxed.structure) - 3, len(site.relaxed.structure))
        bonds = [site.relaxed.structure.get_distance(oxygen, one) for one in hydrogens]
        assert site.outcome == "dissociated"
        assert max(bonds) > 1.4
    labels = ", ".join(site.label for site in found.sites)
    assert len(found.sites) > 1
    assert found.notes[-1] == f"H2O put at {labels}: dissociated", "once for all of them"


def test_what_did_not_converge_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    maker = AdsorptionMaker(EMT, PLAN, site="fcc", relax={"max_steps": 0})
    found = run(maker.make(PLATINUM, "H"))
    assert (found.value, found.converged) == (None, False)
    named = [note.partition(":")[0] for note in found.notes if "not converged" in note]
    assert {"H2", "clean slab", "H put at fcc"} <= set(named)
    assert any(note.endswith("are left after 0 steps") for note in found.notes)


@pytest.mark.parametrize("adsorbate", ["O", "OH"])
def test_a_polar_slab_is_refused_before_anything_runs(adsorbate):
    maker = AdsorptionMaker(engine("sevennet"), SlabPlan((1, 1, 1), layers=4))
    with pytest.raises(StructureError, match=r"MgO \(111\): the slab is polar, .* e/Å"):
        maker.make(hosts.load("rocksalt-MgO"), adsorbate)


def test_a_thin_slab_is_said_in_the_result(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    thin = SlabPlan((1, 1, 1), layers=2, repeat=(2, 2), frozen_layers=0)
    found = run(AdsorptionMaker(EMT, thin, site="top", host_cell="keep").make(PLATINUM, "H"))
    assert found.notes[-1].startswith("the slab of 2 layers is thin: no Pt atom has the 12")


def test_atoms_that_overlap_at_the_start_are_refused_before_anything_runs():
    one_cell = SlabPlan((1, 1, 1), layers=3)
    with pytest.raises(StructureError, match=r"COOH on \(111\): atoms overlap in all .* `repeat`"):
        AdsorptionMaker(engine("sevennet"), one_cell).make(PLATINUM, "COOH")


def test_an_unbalanced_reaction_is_refused_before_anything_runs(monkeypatch):
    from defectflow.analysis import reactions

    wrong = reactions.Pathway("ORR", ({"O2": 1.0, "*": 1.0}, {"OH*": 1.0}), 1.23, "made up")
    monkeypatch.setitem(reactions.PATHWAYS, "ORR", wrong)
    inner = AdsorptionMaker(EMT, PLAN, "adsorption_free_energy", free=FreeEnergyPlan("vibrations"))
    with pytest.raises(RecipeError, match="not balanced, 2 O on the left and 1 on the right"):
        OverpotentialMaker(inner, "ORR").make(PLATINUM)
