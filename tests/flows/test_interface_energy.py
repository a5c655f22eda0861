"""Energies of interfaces with a cheap engine."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import fcc111
from ase.calculators.emt import EMT
from ase.optimize import BFGS
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
    # Six planes are whole periods of ABC: no shift continues the crystal, thirds put planes on top
    # of each other or over the other hollow.
    energies = {}
    for quantity, vacuum in (("work_of_adhesion", 12.0), ("interface_formation_energy", 0.0)):
        joint = {"gap_A": spacing, "vacuum_A": vacuum, "max_area_A2": 6.0, "max_strain": 0.001}
        for third in (0, 1 / 3, 2 / 3):
            plan = InterfacePlan(
                {"miller": (1, 1, 1), "slices": 6},
                {"miller": (1, 1, 1), "slices": 6},
                {**joint, "shift": (third, third)},
            )
            maker = InterfaceEnergyMaker(engine("emt"), plan, quantity, host_cell="keep")
            document = run(maker.make(copper, copper))
            energies.setdefault(quantity, []).append(document.value)
    assert abs(energies["interface_formation_energy"][0]) < 1e-3
    assert min(energies["interface_formation_energy"]) > -0.02  # EMT's faults: a few mJ/m²
    apart, whole = (slab_energy(copper.structure.lattice.a, layers) for layers in (6, 12))
    area = np.sqrt(3) / 4 * copper.structure.lattice.a**2
    cleaving = 16.02176634 * (2 * apart - whole) / area
    assert energies["work_of_adhesion"][0] == pytest.approx(cleaving, abs=0.01)
    assert cleaving > 1.0


def slab_energy(constant, layers) -> float:
    """Return the energy (eV) of a slab of copper (111), built and relaxed by ASE alone."""
    slab = fcc111("Cu", (1, 1, layers), a=constant, vacuum=8.0, periodic=True)
    slab.calc = EMT()
    BFGS(slab, logfile=None).run(fmax=0.01)
    return slab.get_potential_energy()


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
