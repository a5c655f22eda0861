"""Amorphous surface layers with a cheap engine."""

from __future__ import annotations

import numpy as np
import pytest
from ase.calculators.emt import EMT
from jobflow import run_locally
from monty.json import MontyDecoder
from pymatgen.core import Lattice, Structure
from pymatgen.io.ase import AseAtomsAdaptor

from defectflow.documents import AmorphousSurfaceDocument, load_result
from defectflow.engines import engine
from defectflow.engines.melting import MeltQuenchMaker, Schedule, melted
from defectflow.errors import EngineError, RecipeError, StructureError
from defectflow.recipes import build, load
from defectflow.structures import hosts
from defectflow.structures.disordered_layers import disorder, surroundings, upper_atoms
from defectflow.structures.terminations import side_by_side, surfaces

RECIPE = """
quantity: amorphous_surface_energy
host: {file: Cu3Au.cif}
surface: {miller: [1, 1, 1], thickness_A: 11}
repeat: [2, 2]
layer_A: 4.5
melt_K: 8000
melt_ps: 0.5
quench_ps: 0.02
timestep_fs: 4
host_cell: keep
engine: emt
level: fast
"""


def recipe(folder, text=RECIPE):
    alloy = Structure.from_spacegroup(
        "Pm-3m", Lattice.cubic(3.75), ["Au", "Cu"], [[0, 0, 0], [0, 0.5, 0.5]]
    )
    alloy.to(str(folder / "Cu3Au.cif"))
    path = folder / "one.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path)


def test_a_layer_of_an_alloy_is_melted_and_nothing_below_it(tmp_path):
    outputs = run_locally(build(recipe(tmp_path)), log=False, ensure_success=True)
    document = next(
        found
        for responses in outputs.values()
        for one in responses.values()
        if isinstance(found := MontyDecoder().process_decoded(one.output), AmorphousSurfaceDocument)
    )
    assert document.converged
    before, after = document.crystalline.structure, document.amorphous.structure
    assert [site.specie for site in before] == [site.specie for site in after]
    moved = [one.distance(other) for one, other in zip(before, after, strict=True)]
    heights = before.cart_coords[:, 2]
    # Planes (111) are 2.17 Å apart: the three within 4.5 Å of the top are free, 16 atoms each.
    layer = heights > heights.max() - 4.6
    assert layer.sum() == 48
    assert np.max(np.array(moved)[~layer]) < 1e-6
    assert np.mean(np.array(moved)[layer] > 0.6) > 0.3
    assert document.displaced_fraction > 0.3
    assert 2.0 < document.disordered_A < 7.0
    # The shells of the layer are smeared out, those of what lies below are not.
    before_it, after_it = document.layer_order.order
    assert after_it < 0.7 * before_it
    below = document.rest_order
    assert below.order[1] > after_it
    assert document.layer_order.spread[1] > document.layer_order.spread[0]
    assert document.quench_K_per_ps == pytest.approx((8000 - 300) / 0.02)
    # Nothing evaporated, no two atoms on top of each other.
    assert after.cart_coords[:, 2].max() < heights.max() + 3.5
    apart = after.distance_matrix + 9 * np.eye(len(after))
    assert apart.min() > 2.1
    assert apart.min(axis=1).max() < 3.0
    energies = []
    for structure in (before, after):
        atoms = AseAtomsAdaptor.get_atoms(structure)
        atoms.calc = EMT()
        energies.append(atoms.get_potential_energy())
    per_area = 16.02176634 * (energies[1] - energies[0]) / document.area_A2
    assert document.value == pytest.approx(per_area, abs=1e-4)
    assert document.value > 0
    assert load_result(document.model_dump(mode="json")) is not None


def test_the_same_seed_gives_the_same_glass_and_another_one_another():
    slab = side_by_side(next(surfaces(hosts.load("fcc-Cu").structure, [(1, 1, 1)])), (2, 2))

    ends = [
        melted(
            slab.structure,
            engine("emt"),
            Schedule(2000.0, melt_ps=0.02, quench_ps=0.02, seed=seed),
            frozen=(0, 1, 2, 3),
        ).structure.cart_coords
        for seed in (1, 1, 2)
    ]
    assert np.allclose(ends[0], ends[1])
    assert not np.allclose(ends[0], ends[2], atol=0.05)
    assert np.allclose(ends[0][:4], slab.structure.cart_coords[:4])


def test_the_quench_is_linear():
    plan = Schedule(2000.0, 200.0, melt_ps=1.0, quench_ps=2.0, timestep_fs=2.0)
    assert plan.steps == (500, 1000)
    found = [plan.temperature_K(step) for step in (0, 500, 1000, 1500, 2000)]
    assert found == pytest.approx([2000, 2000, 1100, 200, 200])


def test_disorder_counts_who_left_the_places_of_the_crystal():
    slab = side_by_side(next(surfaces(hosts.load("fcc-Cu").structure, [(1, 1, 1)])), (2, 2))
    crystal = slab.structure
    layer = upper_atoms(crystal, 2.5)
    assert len(layer) == 8
    assert disorder(crystal, crystal, layer).fraction == 0.0
    changed = crystal.copy()
    changed.translate_sites([layer[0]], [1.3, 0.0, -0.2], frac_coords=False)
    # An atom that takes the place of its neighbour has not left the crystal.
    changed.translate_sites([layer[1]], crystal.lattice.matrix[0] / 2, frac_coords=False)
    found = disorder(crystal, changed, layer)
    assert found.fraction == pytest.approx(1 / 8)
    drop = crystal.cart_coords[:, 2].max() - changed.cart_coords[layer[0], 2]
    assert found.thickness_A == pytest.approx(drop)


def test_shells_of_a_crystal_and_of_atoms_at_random():
    """Distances of fcc: 12 neighbours at d, 6 at √2 d; g(r) of points at random is 1."""
    crystal = hosts.load("fcc-Cu").structure.copy()
    crystal.make_supercell([4, 4, 4])
    bond = crystal.lattice.a / 4 / np.sqrt(2)
    found = surroundings(crystal, [0, 7], bond)
    assert (found.coordination, found.spread) == (12.0, 0.0)
    volumes = 4 / 3 * np.pi * (0.05 * bond) ** 3 * np.diff(np.arange(found.density.size + 1) ** 3)
    counts = found.density * volumes * len(crystal) / crystal.volume
    near = found.distance_A < 1.2 * bond
    # Density counts the height of the atoms and one bond more, of which the block has half a cell.
    filled = (np.ptp(crystal.cart_coords[:, 2]) + bond) / crystal.lattice.c
    assert counts[near].sum() == pytest.approx(12 * filled, rel=1e-6)
    random = Structure(crystal.lattice, ["Cu"] * 2000, np.random.default_rng(0).random((2000, 3)))
    loose = surroundings(random, range(2000), bond)
    far = loose.distance_A > bond
    assert loose.density[far] == pytest.approx(1.0, abs=0.25)
    assert loose.order() < 0.1 * found.order()


def test_what_cannot_be_is_refused(tmp_path):
    with pytest.raises(StructureError, match="leaves nothing crystalline"):
        build(recipe(tmp_path, RECIPE.replace("4.5", "40")))
    with pytest.raises(RecipeError, match="one plane"):
        recipe(tmp_path, RECIPE.replace("miller: [1, 1, 1]", "highest: 1"))
    with pytest.raises(EngineError, match="name a potential such as"):
        MeltQuenchMaker(engine("gpaw"), {"melt_K": 2000.0}).make(hosts.load("fcc-Cu").structure)
