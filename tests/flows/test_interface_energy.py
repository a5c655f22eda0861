"""Energies of interfaces with a cheap engine."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ase.build import fcc111
from ase.calculators.emt import EMT
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS
from jobflow import run_locally
from monty.json import MontyDecoder
from pymatgen.io.ase import AseAtomsAdaptor

from defectflow.documents import InterfaceEnergyDocument, load_result
from defectflow.engines import engine
from defectflow.errors import RecipeError
from defectflow.flows.interface_energy import (
    InterfaceEnergyMaker,
    InterfacePlan,
    held_in_place,
)
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
            maker = InterfaceEnergyMaker(
                engine("emt"), plan, quantity, host_cell="keep", height="fixed"
            )
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


def test_a_superlattice_finds_its_own_height_whatever_gap_was_guessed():
    """Against ASE's relaxation along the normal; a fixed height costs what the gap guessed."""
    copper, nickel = hosts.load("fcc-Cu"), hosts.load("fcc-Ni")
    values = {}
    for gap_A, height in ((2.1, "relaxed"), (2.6, "relaxed"), (2.6, "fixed")):
        joint = {"gap_A": gap_A, "vacuum_A": 0.0, "max_area_A2": 10.0}
        side = {"miller": (1, 1, 1), "slices": 3}
        maker = InterfaceEnergyMaker(
            engine("emt"),
            InterfacePlan(side, side, joint),
            "interface_formation_energy",
            height=height,
        )
        values[gap_A, height] = run(maker.make(copper, nickel))
    relaxed, other, fixed = values.values()
    assert relaxed.value == pytest.approx(other.value, abs=0.002)
    assert fixed.value > relaxed.value + 0.3
    plane, built = relaxed.relaxed.structure.lattice.matrix, fixed.relaxed.structure.lattice.matrix
    assert plane[:2] == pytest.approx(built[:2], abs=1e-6)
    atoms = AseAtomsAdaptor.get_atoms(fixed.relaxed.structure)
    atoms.calc = EMT()
    normal = FrechetCellFilter(atoms, mask=[0, 0, 1, 0, 0, 0])
    BFGS(normal, logfile=None).run(fmax=0.005, steps=200)
    assert plane[2, 2] == pytest.approx(atoms.cell[2, 2], abs=0.02)
    alone = sum(3 * part.energy_eV / len(part.structure) for part in relaxed.parts)
    by_hand = 16.02176634 * (atoms.get_potential_energy() - alone) / (2 * relaxed.area_A2)
    assert relaxed.value == pytest.approx(by_hand, abs=0.002)


def test_a_film_that_symmetry_holds_in_place_is_named():
    """Four planes of each put nickel right on top of copper: 1.2 J/m² where thirds give 0.2."""
    copper, nickel = hosts.load("fcc-Cu"), hosts.load("fcc-Ni")
    energies = []
    for shift in (0.0, 1 / 3):
        joint = {"gap_A": 2.1, "vacuum_A": 0.0, "max_area_A2": 10.0, "shift": (shift, shift)}
        side = {"miller": (1, 1, 1), "slices": 4}
        plan = InterfacePlan(side, side, joint)
        maker = InterfaceEnergyMaker(engine("emt"), plan, "interface_formation_energy")
        document = run(maker.make(copper, nickel))
        energies.append(document.value)
        assert any("symmetry holds the film" in note for note in document.notes)
    assert energies[0] > energies[1] + 0.5
    off = plan.cell(copper.structure, nickel.structure)
    plan = replace(plan, joint={**plan.joint, "shift": (0.1, 0.23)})
    assert held_in_place(off)
    assert not held_in_place(plan.cell(copper.structure, nickel.structure))


def test_where_a_film_lies_matters_little_in_a_cell_of_several_cells_of_both():
    graphene, sulfide = hosts.load("graphene").structure, hosts.load("2H-MoS2").structure
    plan = InterfacePlan(joint={"gap_A": 3.3, "max_area_A2": 80.0})
    assert not held_in_place(plan.cell(graphene, sulfide))


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
