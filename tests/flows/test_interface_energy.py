"""Energies of interfaces with a cheap engine."""

from __future__ import annotations

import pytest
from jobflow import run_locally
from monty.json import MontyDecoder

from defectflow.documents import InterfaceEnergyDocument, load_result
from defectflow.engines import engine
from defectflow.errors import RecipeError
from defectflow.flows.interface_energy import InterfaceEnergyMaker, InterfacePlan
from defectflow.recipes import build, load
from defectflow.structures import hosts

RECIPE = """
quantity: {quantity}
host: {{prototype: fcc-Cu}}
film: {{prototype: fcc-Ag}}
interface: {{miller: [1, 1, 1], film_miller: [1, 1, 1], slices: 3, film_slices: 3, gap_A: 2.3,
  max_area_A2: 60{more}}}
engine: emt
level: fast
"""


def recipe(folder, quantity, more=""):
    path = folder / "one.yaml"
    path.write_text(RECIPE.format(quantity=quantity, more=more), encoding="utf-8")
    return load(path)


def run(flow) -> InterfaceEnergyDocument:
    outputs = run_locally(flow, log=False, ensure_success=True)
    found = [
        MontyDecoder().process_decoded(one.output)
        for responses in outputs.values()
        for one in responses.values()
    ]
    return next(one for one in found if isinstance(one, InterfaceEnergyDocument))


def test_a_film_of_the_same_crystal_costs_nothing_and_holds_as_its_surfaces_do():
    """Copper on copper at the distance of its planes is copper."""
    copper = hosts.load("fcc-Cu")
    spacing = copper.structure.lattice.a / 3**0.5
    # The next plane of ABC stacking stands over a hollow: a third along both vectors.
    energies = {}
    for quantity, vacuum in (("work_of_adhesion", 12.0), ("interface_formation_energy", 0.0)):
        joint = {"gap_A": spacing, "vacuum_A": vacuum, "max_area_A2": 6.0, "max_strain": 0.001}
        for third in (1 / 3, 2 / 3):
            plan = InterfacePlan(
                {"miller": (1, 1, 1), "slices": 6},
                {"miller": (1, 1, 1), "slices": 6},
                {**joint, "shift": (third, third)},
            )
            maker = InterfaceEnergyMaker(engine("emt"), plan, quantity, host_cell="keep")
            document = run(maker.make(copper, copper))
            energies.setdefault(quantity, []).append(document.value)
    # One of the two shifts continues the crystal, the other makes a fault: EMT's is a few mJ/m².
    assert min(abs(one) for one in energies["interface_formation_energy"]) < 0.02
    surface = 2 * 0.90  # EMT's Cu(111), test_surface_energy has it from ASE; J/m²
    assert max(energies["work_of_adhesion"]) == pytest.approx(surface, rel=0.15)


def test_work_of_adhesion_from_a_recipe(tmp_path):
    document = run(build(recipe(tmp_path, "work_of_adhesion")))
    assert document.converged
    assert document.unit == "J/m2"
    assert 0.5 < document.value < 4.0
    assert document.host == "fcc-Cu"
    assert document.film == "fcc-Ag"
    assert document.gap_built_A == pytest.approx(2.3, abs=1e-6)
    assert 1.5 < document.gap_relaxed_A < 3.0
    assert max(abs(one) for one in document.principal_strains) < 0.03
    parts = sum(part.energy_eV for part in document.parts) - document.relaxed.energy_eV
    assert document.value == pytest.approx(16.02176634 * parts / document.area_A2)
    assert load_result(document.model_dump(mode="json")) is not None


def test_formation_energy_is_that_of_a_superlattice(tmp_path):
    document = run(build(recipe(tmp_path, "interface_formation_energy")))
    assert document.converged
    atoms = len(document.relaxed.structure)
    copper = sum(site.specie.symbol == "Cu" for site in document.relaxed.structure)
    per_atom = [part.energy_eV / len(part.structure) for part in document.parts]
    excess = document.relaxed.energy_eV - copper * per_atom[0] - (atoms - copper) * per_atom[1]
    assert document.value == pytest.approx(16.02176634 * excess / (2 * document.area_A2))
    assert document.value > 0


@pytest.mark.parametrize(
    ("quantity", "more", "said"),
    [
        ("interface_formation_energy", ", vacuum_A: 10", "superlattice"),
        ("work_of_adhesion", ", film: fcc-Ag", "beside `host`"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path, quantity, more, said):
    with pytest.raises(RecipeError, match=said):
        recipe(tmp_path, quantity, more)
