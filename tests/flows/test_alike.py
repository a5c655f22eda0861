"""Cells whose energies are subtracted get one spacing of k-points, one U, and enough vacuum."""

from __future__ import annotations

import importlib.util

import pytest
from pymatgen.core import Lattice, Structure

from defectflow import recipes
from defectflow.engines import engine
from defectflow.engines.electrons import electronic_input
from defectflow.engines.request import Request
from defectflow.errors import EngineError, StructureError
from defectflow.flows.alike import one_hubbard_set, one_spacing
from defectflow.launch.planning import Planner
from defectflow.structures import hosts

with_gpaw = pytest.mark.skipif(
    importlib.util.find_spec("gpaw") is None, reason="GPAW is not installed: make dft-setup"
)
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


@with_gpaw
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


PBE_U = "engine: {name: gpaw, options: {functional: PBE+U}}\n"
#: Energies of crystals of which one holds nickel, iron or vanadium beside oxygen and one does not.
MIXED = {
    "metal of the ion": (
        (
            "quantity: intercalation_voltage\nspecies: Fe\n"
            "compositions: [{prototype: rutile-TiO2}, {file: fe-tio2.cif}]\nion_charge: 2\n"
        ),
        r"U of Fe is 5\.3 eV in .*Fe.*O.* and 0 eV in Fe; ",
    ),
    "one ion and its metal": (
        "quantity: intercalation_energy\nhost: {prototype: anatase-TiO2}\nspecies: Fe\n",
        r"U of Fe is 5\.3 eV in .*Fe.* and 0 eV in Fe; ",
    ),
    "an anion as the ion": (
        "quantity: intercalation_energy\nhost: {prototype: 1T-VS2}\nspecies: F\n",
        r"U of V is 0 eV in VS2 and 3\.25 eV in .*F.*; ",
    ),
    "metal on its oxide": (
        (
            "quantity: work_of_adhesion\nhost: {prototype: rocksalt-MgO}\n"
            "film: {prototype: bcc-Fe}\ninterface: {miller: [0, 0, 1], film_miller: [0, 0, 1], "
            "slices: 3, film_slices: 2, max_strain: 0.06, max_area_A2: 40}\n"
        ),
        r"U of Fe is 0 eV in Fe and 5\.3 eV in .*Mg",
    ),
    "a boundary with oxygen": (
        (
            "quantity: segregation_energy\n"
            "host: {prototype: fcc-Ni, cell: {kind: substitution, replace: {Ni: O}}}\n"
            "defect: {kind: interstitial, species: H}\n"
        ),
        r"U of Ni is 6\.2 eV in Ni.*O and 0 eV in Ni; ",
    ),
}
#: The same with one U everywhere, or none.
ALIKE = {
    "no U in the metal": (
        "quantity: intercalation_voltage\nhost: {prototype: spinel-Mn2O4, primitive: true}\n"
        "species: Mg\nsite: 8a tetrahedral\n"
    ),
    "U of the ion in every crystal": MIXED["one ion and its metal"][0]
    + "engine: {name: gpaw, options: {functional: PBE+U, hubbard_U_eV: {Fe: 4.0}}}\n",
    "metals": (
        "quantity: work_of_adhesion\nhost: {prototype: fcc-Cu}\nfilm: {prototype: fcc-Ni}\n"
        "interface: {miller: [1, 1, 1], film_miller: [1, 1, 1], slices: 3, film_slices: 3}\n"
    ),
}


def built(folder, text):
    structure = hosts.load("rutile-TiO2").structure
    structure.append("Fe", [0.0, 0.5, 0.0])
    structure.to(str(folder / "fe-tio2.cif"))
    path = folder / "one.yaml"
    path.write_text(text if "engine:" in text else text + PBE_U, encoding="utf-8")
    return recipes.build(recipes.load(path))


@with_gpaw
@pytest.mark.parametrize("name", MIXED)
def test_energies_with_and_without_u_are_refused_before_anything_is_computed(name, tmp_path):
    text, message = MIXED[name]
    with pytest.raises(EngineError, match=message):
        built(tmp_path, text)
    assert built(tmp_path, text + "engine: {name: gpaw, options: {functional: PBE}}\n")


@pytest.mark.parametrize("name", ALIKE)
def test_one_u_in_all_crystals_is_taken(name, tmp_path):
    assert built(tmp_path, ALIKE[name])


def test_a_film_has_the_mesh_that_it_has_on_its_substrate(tmp_path):
    """Iron is a metal, with the points of one; iron on magnesia goes by the same."""
    found = planned(tmp_path, MIXED["metal on its oxide"][0] + "engine: gpaw\n")
    meshes = [mesh for name, mesh in found.items() if name.endswith("in place")]
    assert len(meshes) == 3
    assert len(set(meshes)) == 1
