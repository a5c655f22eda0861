"""Cells whose energies are subtracted get one spacing of k-points, one U, and enough vacuum."""

from __future__ import annotations

import pytest
from pymatgen.core import Lattice, Structure

from defectflow import recipes
from defectflow.engines import engine
from defectflow.engines.electrons import electronic_input
from defectflow.engines.request import Request
from defectflow.errors import EngineError, StructureError
from defectflow.flows.alike import one_hubbard_set, one_spacing
from defectflow.launch.planning import Planner

LITHIA = Structure.from_spacegroup(
    "Fm-3m", Lattice.cubic(4.62), ["Li", "O"], [[0.25, 0.25, 0.25], [0, 0, 0]]
)
NICKEL = Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.52), ["Ni"], [[0, 0, 0]])
NICKEL_OXIDE = Structure.from_spacegroup(
    "Fm-3m", Lattice.cubic(4.18), ["Ni", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]]
)


def without(structure, symbol):
    left = structure.copy()
    left.remove_sites([left.indices_from_symbol(symbol)[0]])
    return left


def planned(folder, text):
    """Return name and mesh of each job of a recipe that has k-points."""
    path = folder / "one.yaml"
    path.write_text(text, encoding="utf-8")
    plan = Planner(None, None).plan("one", recipes.build(recipes.load(path)))
    return {row.planned.job.name: row.size.mesh for row in plan.rows if row.size}


def test_a_vacancy_that_makes_a_metal_of_the_formula_keeps_the_spacing():
    gpaw, whole = engine("gpaw"), LITHIA * (2, 2, 2)
    cells = [whole, without(whole, "O"), without(whole, "Li")]

    def meshes(given):
        settings = gpaw.settings("relax", **given)
        return {electronic_input(gpaw.options, Request(one, settings)).kpoints for one in cells}

    assert meshes({}) == {(2, 2, 2), (4, 4, 4)}
    shared = one_spacing(gpaw, "relax", cells, {"fmax_eV_per_A": 0.02})
    assert shared["fmax_eV_per_A"] == 0.02
    assert meshes(shared) == {(4, 4, 4)}
    assert one_spacing(gpaw, "relax", [whole, without(whole, "Li")], {}) == {}
    assert one_spacing(engine("emt"), "relax", cells, {"max_steps": 3}) == {"max_steps": 3}


def test_formation_energies_have_one_mesh(tmp_path):
    LITHIA.to(str(tmp_path / "lithia.cif"))
    found = planned(
        tmp_path,
        "quantity: defect_formation_energy\nhost: {file: lithia.cif}\nspecies: O\n"
        "supercell: [2, 2, 2]\nengine: gpaw\nlevel: fast\n",
    )
    cells = {name: mesh for name, mesh in found.items() if "pristine" in name or "V_O" in name}
    assert len(cells) == 2
    assert len(set(cells.values())) == 1


def test_a_slab_has_the_mesh_that_it_has_with_its_adsorbate(tmp_path):
    text = (
        "quantity: adsorption_free_energy\nhost: {prototype: fcc-Pt}\nhost_cell: keep\n"
        "slab: {miller: [1, 1, 1], layers: 4, vacuum_A: VACUUM, repeat: [1, 1]}\n"
        "adsorbate: CO\nsite: top\ncorrection: vibrations\nengine: gpaw\n"
    )
    found = planned(tmp_path, text.replace("VACUUM", "12"))
    meshes = {mesh for name, mesh in found.items() if "slab" in name or "CO at" in name}
    assert meshes == {(16, 16, 1)}
    with pytest.raises(StructureError, match=r"CO at top.* leaves less than 7 Å of vacuum"):
        planned(tmp_path, text.replace("VACUUM", "10"))


def test_metal_and_oxide_with_and_without_u_are_not_mixed(tmp_path):
    vasp = engine("vasp", functional="PBE+U")
    with pytest.raises(EngineError, match=r"U of Ni is 6.2 eV in NiO and 0 eV in Ni; .*Give U by"):
        one_hubbard_set(vasp, [NICKEL_OXIDE, NICKEL])
    one_hubbard_set(vasp, [NICKEL_OXIDE, without(NICKEL_OXIDE, "O"), LITHIA])
    one_hubbard_set(engine("vasp"), [NICKEL_OXIDE, NICKEL])
    everywhere = engine("vasp", functional="PBE+U", hubbard_U_eV={"Ni": 6.2})
    one_hubbard_set(everywhere, [NICKEL_OXIDE, NICKEL])
    one_hubbard_set(engine("emt"), [NICKEL_OXIDE, NICKEL])
    NICKEL_OXIDE.to(str(tmp_path / "nio.cif"))
    pbe_u = "engine: {name: gpaw, options: {functional: PBE+U}}\n"
    vacancy = "quantity: defect_formation_energy\nhost: {file: nio.cif}\nspecies: SPECIES\n"
    with pytest.raises(EngineError, match="U of Ni"):
        planned(tmp_path, vacancy.replace("SPECIES", "Ni") + pbe_u)
    assert planned(tmp_path, vacancy.replace("SPECIES", "O") + pbe_u)
    oxygen = "quantity: adsorption_energy\nhost: {prototype: fcc-Ni}\nadsorbate: O\n"
    with pytest.raises(EngineError, match=r"U of Ni is 0 eV in Ni and 6\.2 eV in"):
        planned(tmp_path, oxygen + "slab: {miller: [1, 1, 1]}\n" + pbe_u)
