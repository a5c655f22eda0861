"""Any recipe takes a generated cell as its host."""

from __future__ import annotations

import pytest
from ase.calculators.emt import EMT
from jobflow import run_locally
from monty.json import MontyDecoder
from pymatgen.core import Lattice
from pymatgen.io.ase import AseAtomsAdaptor

from defectflow.documents import ResultDocument
from defectflow.errors import RecipeError, StructureError
from defectflow.flows.formation import Scene
from defectflow.launch import run_flow
from defectflow.recipes import build, load, result_key
from defectflow.recipes.order import read_host
from defectflow.reference.matching import match
from defectflow.store import open_store

LINE = "burgers: [1/2, -1/2, 0], line: [1, 1, -2]"


def recipe(folder, text):
    path = folder / "one.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path)


def formation(host, defect="{kind: substitution, replace: {Cu: Ag}}", more=""):
    return f"""
quantity: defect_formation_energy
host: {host}
defect: {defect}
host_cell: keep
engine: emt
{more}
"""


def host_job(flow):
    """Return the job that relaxes the host, before the one that looks for its defect."""
    return flow.jobs[0].jobs[0]


def test_an_impurity_at_a_dislocation_is_one_recipe(tmp_path):
    host = f"{{prototype: fcc-Cu, cell: {{kind: dislocation, {LINE}}}}}"
    flow = build(recipe(tmp_path, formation(host)))
    names = [job.name for job in flow.jobs]
    assert names[0] == "relax host"
    # The perfect crystal, not the one with dislocations, is where the exchanged atoms go.
    assert "relax fcc-Cu" in names
    assert len(host_job(flow).function_args[0]) == 114


def test_a_barrier_along_a_dislocation_builds(tmp_path):
    text = f"""
quantity: migration_barrier
host: {{prototype: fcc-Cu, cell: {{kind: dislocation, {LINE}}}}}
species: Cu
limit: discharged
host_cell: keep
engine: emt
"""
    flow = build(recipe(tmp_path, text))
    assert flow.jobs


def test_a_vacancy_in_a_crystal_strained_by_a_dislocation_runs(tmp_path):
    strained = f"{{prototype: fcc-Cu, cell: {{kind: dislocation_strain, {LINE}, above_A: 6.0}}}}"
    defect = "{kind: vacancy, species: Cu}"
    values = {}
    for name, host in (("strained", strained), ("perfect", "{prototype: fcc-Cu}")):
        flow = build(recipe(tmp_path, formation(host, defect, "supercell: [2, 2, 2]")))
        outputs = run_locally(flow, log=False, ensure_success=True)
        document = next(
            out
            for responses in outputs.values()
            for response in responses.values()
            if (out := MontyDecoder().process_decoded(response.output)) is not None
            and getattr(out, "quantity", "") == "defect_formation_energy"
        )
        values[name] = document
    assert values["perfect"].host == "fcc-Cu"
    assert values["strained"].host.startswith("fcc-Cu edge[1/2 -1/2 0](111), strain at 10, 6 Å")
    assert values["strained"].prototype is None
    difference = values["strained"].value - values["perfect"].value
    assert 0.001 < abs(difference) < 0.5


def result(flow):
    outputs = run_locally(flow, log=False, ensure_success=True)
    return next(
        out
        for responses in outputs.values()
        for response in responses.values()
        if (out := MontyDecoder().process_decoded(response.output)) is not None
        and isinstance(out, ResultDocument)
    )


def test_an_impurity_at_every_site_of_a_boundary_runs(tmp_path):
    """Silver is large: it costs least where a boundary leaves it room, less than in the crystal."""
    cell = "{kind: grain_boundary, sigma: 5, miller: [3, 1, 0], shifts: [2, 1]}"
    host = f"{{prototype: fcc-Cu, name: 'Σ5(310)[001]_1', cell: {cell}}}"
    more = "supercell: [2, 1, 1]\nlevel: fast"
    document = result(build(recipe(tmp_path, formation(host, more=more))))
    perfect = "{prototype: fcc-Cu}"
    bulk = result(build(recipe(tmp_path, formation(perfect, more="supercell: [3, 3, 3]"))))
    energies = [one.formation_energy_eV for one in document.defects]
    assert len(energies) > 5
    assert document.value == min(energies) < bulk.value - 0.1
    assert not match(document)


def test_copper_moves_along_a_grain_boundary(tmp_path):
    boundary = "{kind: grain_boundary, sigma: 5, miller: [3, 1, 0], shifts: [2, 1]}"
    text = f"""
quantity: migration_barrier
host: {{prototype: fcc-Cu, name: "Σ5(310)[001]_1", cell: {boundary}}}
species: Cu
limit: discharged
supercell: [3, 1, 1]
cutoff_A: 3.8
host_cell: keep
engine: emt
level: fast
"""
    document = result(build(recipe(tmp_path, text)))
    assert document.converged
    # Several times the crystal's 0.7 eV would mean that atoms pass through each other.
    assert 0.1 < document.value < 1.5
    assert all(2.4 < hop.distance_A < 3.8 for hop in document.hops)
    # Published barriers are those of the crystal.
    assert not match(document)


def test_one_of_several_cells_is_chosen_by_its_name(tmp_path):
    cell = f"cell: {{kind: dislocation, {LINE}}}"
    first = recipe(tmp_path, formation(f"{{prototype: fluorite-CeO2, {cell}}}"))
    with pytest.raises(StructureError, match=r"2 cells; choose one by `name`: edge\[.*_1, edge"):
        result_key(first)
    name = '"edge[1/2 -1/2 0](111)_2"'
    chosen = recipe(tmp_path, formation(f"{{prototype: fluorite-CeO2, {cell}, name: {name}}}"))
    assert str(chosen.content.host) == "fluorite-CeO2 edge[1/2 -1/2 0](111)_2"
    assert result_key(chosen)
    wrong = recipe(tmp_path, formation(f"{{prototype: fluorite-CeO2, {cell}, name: edge}}"))
    with pytest.raises(StructureError, match="no cell of that name"):
        result_key(wrong)


def test_another_cell_is_another_result(tmp_path):
    keys = set()
    for more in ("", ", separation_A: 15", ", arrangement: dipole"):
        cell = f"{{kind: dislocation, {LINE}{more}}}"
        keys.add(result_key(recipe(tmp_path, formation(f"{{prototype: fcc-Cu, cell: {cell}}}"))))
    keys.add(result_key(recipe(tmp_path, formation("{prototype: fcc-Cu}"))))
    assert len(keys) == 4


def test_a_name_without_a_cell_is_refused(tmp_path):
    with pytest.raises(RecipeError, match="chooses among the cells"):
        recipe(tmp_path, formation("{prototype: fcc-Cu, name: x}"))


def test_hydrogen_on_the_stacking_faulted_silver_surface_is_one_recipe(tmp_path):
    text = """
quantity: adsorption_energy
host: {prototype: fcc-Ag}
slab: {miller: [1, 1, 1], layers: 5, repeat: [2, 2], fault_below: 2}
adsorbate: H
engine: emt
"""
    flow = build(recipe(tmp_path, text))
    assert [job.name for job in flow.jobs] == ["relax host", "relax H2", "cut slab"]
    bare = build(recipe(tmp_path, text.replace(", fault_below: 2", "")))
    assert bare.jobs[2].maker.slab.fault_below == 0
    assert flow.jobs[2].maker.slab.fault_below == 2


def test_hydrogen_on_silver_strained_by_a_dislocation_is_one_recipe(tmp_path):
    """The strained-lattice model of a catalyst rich in dislocations."""
    text = f"""
quantity: adsorption_energy
host: {{prototype: fcc-Ag, cell: {{kind: dislocation_strain, {LINE}, above_A: 6.0}}}}
slab: {{miller: [1, 1, 1], layers: 4}}
adsorbate: H
host_cell: keep
engine: emt
"""
    assert build(recipe(tmp_path, text)).jobs


def test_lithium_at_a_dislocation_in_copper_is_one_recipe(tmp_path):
    host = f"{{prototype: fcc-Cu, cell: {{kind: dislocation, {LINE}}}}}"
    text = formation(host, "{kind: substitution, replace: {Cu: Li}}", "supercell: [1, 1, 1]")
    flow = build(recipe(tmp_path, text.replace("engine: emt", "engine: sevennet")))
    names = [job.name for job in flow.jobs]
    # Lithium comes from its metal, copper goes to the perfect crystal.
    assert {"relax bcc-Li", "relax fcc-Cu"} < set(names)


def test_magnesium_along_a_grain_boundary_is_one_recipe(tmp_path):
    boundary = "{kind: grain_boundary, sigma: 5, axis: [0, 0, 1], miller: [3, 1, 0]}"
    text = f"""
quantity: migration_barrier
host: {{prototype: rocksalt-MgO, cell: {boundary}, name: "Σ5(310)[001]_1"}}
species: Mg
limit: discharged
supercell: [1, 1, 1]
engine: sevennet
"""
    flow = build(recipe(tmp_path, text))
    assert flow.jobs[0].name == "relax host"
    assert len(host_job(flow).function_args[0]) > 40


@pytest.mark.parametrize("host_cell", ["relax", "scale"])
def test_a_slab_as_host_keeps_its_vacuum(tmp_path, host_cell):
    """Relaxed as a crystal would be, the vacuum of the slab closed."""
    cell = "{kind: surface, miller: [0, 0, 1], thickness_A: 6.0, vacuum_A: 10.0}"
    text = formation(
        f"{{prototype: fcc-Cu, cell: {cell}}}", "{kind: vacancy, species: Cu}", "level: fast"
    ).replace("host_cell: keep", f"host_cell: {host_cell}")
    flow = build(recipe(tmp_path, text + "supercell: [2, 2, 1]"))
    before = host_job(flow).function_args[0].lattice
    document = result(flow)
    after = Lattice(document.host_lattice)
    assert document.converged
    assert after.c == pytest.approx(before.c, abs=1e-9)
    assert abs(after.a - before.a) > 0.005
    # A vacancy in the face costs less than one below it: fewer bonds are cut.
    assert len(document.defects) > 1
    assert document.value > 0


def test_the_barrier_of_a_network_along_a_boundary_is_what_emt_alone_gives(tmp_path):
    """The highest image on the way above the lowest, from the structures of the images."""
    boundary = "{kind: grain_boundary, sigma: 5, miller: [3, 1, 0], shifts: [2, 1]}"
    text = f"""
quantity: migration_barrier
host: {{prototype: fcc-Cu, name: "Σ5(310)[001]_1", cell: {boundary}}}
species: Cu
limit: discharged
sites: all
near_defect_A: 0.5
explore: false
supercell: [3, 1, 1]
host_cell: keep
engine: emt
level: fast
"""
    document = result(build(recipe(tmp_path, text)))
    assert document.converged
    assert len(document.sites) > 1

    def energy_eV(image):
        atoms = AseAtomsAdaptor.get_atoms(image.structure)
        atoms.calc = EMT()
        return atoms.get_potential_energy()

    energies = {hop.label: [energy_eV(one) for one in hop.band.images] for hop in document.hops}
    lowest = min(energy_eV(site.relaxed) for site in document.sites)
    lowest = min(lowest, *(min(found) for found in energies.values()))
    saddles = [max(found) - lowest for found in energies.values()]
    # The shortest hops that cross the cell: the last of them closes the way.
    assert document.value == pytest.approx(max(saddles), abs=1e-3)
    assert 0.01 < document.value < 1.5


def test_only_sites_near_the_defect_of_the_host(tmp_path):
    """The boundaries of this cell are at 1/4 and 3/4 of its height."""
    cell = "{kind: grain_boundary, sigma: 5, miller: [3, 1, 0], shifts: [1, 1]}"
    text = formation(f"{{prototype: fcc-Cu, cell: {cell}}}", more="supercell: [2, 1, 1]")
    text = text.replace("defect_formation_energy", "segregation_energy")

    def sites(text):
        flow = build(recipe(tmp_path, text))
        (scene,) = [one for one in flow.jobs[0].jobs[-1].function_args if isinstance(one, Scene)]
        return {plan.name: plan.changes[0]["frac_coords"][2] % 1.0 for plan in scene.plans}

    every, near = sites(text), sites(text + "near_defect_A: 0.1")
    assert near.items() < every.items()
    away = {name: min(abs(z - 0.25), abs(z - 0.75)) for name, z in every.items()}
    assert max(away[name] for name in near) < min(away[name] for name in every if name not in near)
    with pytest.raises(StructureError, match="leave out `near_defect_A`"):
        build(recipe(tmp_path, formation("{prototype: fcc-Cu}", more="near_defect_A: 2")))


@pytest.mark.parametrize(
    ("cell", "usual"),
    [
        ("{kind: grain_boundary, sigma: 5, miller: [3, 1, 0]}", "scale"),
        (f"{{kind: dislocation, {LINE}}}", "scale"),
        ("{kind: kink, angle_deg: 11}", "scale"),
        ("{kind: strain, biaxial: [0.02]}", "keep"),
        (f"{{kind: dislocation_strain, {LINE}}}", "keep"),
        ("{kind: twin, miller: [1, 1, 1]}", "relax"),
        ("null", "relax"),
    ],
)
def test_what_is_relaxed_of_a_host_that_is_not_told(tmp_path, cell, usual):
    """Boundaries and lines may shear into each other, a strained cell would lose its strain."""
    text = formation(f"{{prototype: fcc-Cu, cell: {cell}}}")
    untold = recipe(tmp_path, text.replace("host_cell: keep\n", "")).content
    assert untold.host_cell == usual
    told = recipe(tmp_path, text.replace("host_cell: keep", "host_cell: relax")).content
    assert told.host_cell == "relax"


@pytest.mark.parametrize("host_cell", ["relax", "scale"])
def test_a_strained_crystal_keeps_its_cell(tmp_path, host_cell):
    text = formation("{prototype: fcc-Cu, cell: {kind: strain, uniaxial: [0.02]}}")
    free = recipe(tmp_path, text.replace("host_cell: keep", f"host_cell: {host_cell}"))
    with pytest.raises(RecipeError, match=r"strained.*give `host_cell: keep`"):
        build(free)
    assert build(recipe(tmp_path, text)).jobs


@pytest.mark.parametrize(
    ("host_cell", "says"),
    [
        ("relax", "keep the shape of its cell (`host_cell: scale`), or take a larger cell"),
        ("scale", "of it; take a larger cell"),
    ],
)
def test_a_host_that_loses_its_defect_has_no_number(tmp_path, host_cell, says):
    """EMT's partial dislocations meet those of the other line and leave faults behind."""
    text = f"""
quantity: defect_formation_energy
host: {{prototype: fcc-Cu, cell: {{kind: dislocation, {LINE}, separation_A: 8}}}}
species: Cu
near_defect_A: 1.0
supercell: [1, 1, 1]
host_cell: {host_cell}
engine: emt
"""
    with open_store("memory://") as store:
        summary = run_flow(build(recipe(tmp_path, text)), store, root=tmp_path)
        found = store.find(quantity="defect_formation_energy")
    assert summary.state == "failed"
    assert "a crystal with stacking faults at most" in str(summary.failures[0].error)
    assert says in str(summary.failures[0].error)
    assert not found


def test_a_charged_host_is_refused(tmp_path):
    """It would be computed neutral; the neutral one of several charges may still be chosen."""
    text = """
quantity: migration_barrier
host: {prototype: rocksalt-MgO, cell: {kind: vacancy, species: O, charges: [2]}}
species: Mg
limit: discharged
engine: chgnet
"""
    with pytest.raises(RecipeError, match=r"host rocksalt-MgO V_O: charge \+2 has no place"):
        build(recipe(tmp_path, text))
    neutral = text.replace("[2]}", "[0, 2]}, name: V_O")
    host = recipe(tmp_path, neutral).content.host
    assert read_host(host, tmp_path).name == "rocksalt-MgO V_O"
