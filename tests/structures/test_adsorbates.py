"""Molecules on a surface: geometries, distinct placements, bonds, and what became of them."""

from __future__ import annotations

import numpy as np
import pytest

from defectflow import hosts
from defectflow.errors import StructureError
from defectflow.structures import substitutions, vacancies
from defectflow.structures.adsorbates import adsorbate, adsorbates
from defectflow.structures.adsorption import surface_sites
from defectflow.structures.poses import Placement, overlapping, placed, placements
from defectflow.structures.sheets import sheet_of
from defectflow.structures.surface_defects import (
    check_slab,
    dipole_e_per_A,
    faulted,
    in_top_layer,
    with_defect,
)
from defectflow.structures.surfaces import slab_of
from defectflow.structures.whereabouts import whereabouts

#: Bonds by the chemistry: H has one, the rest as drawn.
BONDS = {"OH": 1, "OOH": 2, "COOH": 3, "CHO": 2, "COH": 2, "N2H": 2, "NH3": 3, "CO": 1, "H2O": 2}


@pytest.fixture(scope="module")
def platinum():
    return slab_of(hosts.load("fcc-Pt").structure, (1, 1, 1), layers=3, repeat=(2, 2))


@pytest.mark.parametrize("name", adsorbates())
def test_an_adsorbate_is_in_one_piece_with_sensible_bonds(name):
    one = adsorbate(name)
    for pose in one.poses:
        places = np.array(pose.places_A)
        assert places[0] == pytest.approx([0, 0, 0])
        assert places[:, 2].min() > -0.9, "nothing far below the atom that binds"
        apart = np.linalg.norm(places[:, None] - places, axis=2)[np.triu_indices(len(places), 1)]
        assert np.all(apart > 0.9)
    if name in BONDS:
        assert len(one.bonds()) == BONDS[name]
    hydrogens = [k for k, symbol in enumerate(one.species) if symbol == "H"]
    for k in hydrogens if len(one.species) > 1 else []:
        assert sum(k in pair for pair in one.bonds()) == 1


def test_every_pose_has_the_same_bonds():
    from defectflow.structures.adsorbates import bonds_between

    for name in adsorbates():
        one = adsorbate(name)
        found = {bonds_between(one.species, np.array(pose.places_A)) for pose in one.poses}
        assert len(found) == 1, name


def brute_force_distinct(slab, structures, species):
    """Classes of structures by sorted distances of each adsorbate atom to all slab atoms."""
    prints = set()
    for structure in structures:
        rows = []
        first = len(slab.structure)
        for k, symbol in enumerate(species):
            distances = sorted(
                (round(site.nn_distance, 2), site.specie.symbol)
                for site in structure.get_neighbors(structure[first + k], 6.5)
            )
            rows.append((symbol, tuple(distances)))
        prints.add(tuple(rows))
    return len(prints)


@pytest.mark.parametrize("name", ["OH", "CO", "OOH"])
def test_placements_are_all_different_and_none_is_missing(platinum, name):
    """Distances to the slab tell classes apart without any symmetry operation."""
    one = adsorbate(name)
    sites = surface_sites(platinum, one.species[0])
    kept = placements(platinum, sites, one)
    made = [placed(platinum, platinum.structure, sites, one, p) for p in kept]
    everything = [
        placed(platinum, platinum.structure, sites, one, Placement("", site.label, pose, turn))
        for site in sites
        for pose in range(len(one.poses))
        for turn in np.arange(10.0, 360.0, 60.0)
    ]
    classes = brute_force_distinct(platinum, everything, one.species)
    assert brute_force_distinct(platinum, made, one.species) == classes
    assert len(kept) == classes
    assert len({p.label for p in kept}) == len(kept)


def test_an_adsorbate_that_overlaps_its_own_image_is_refused():
    slab = slab_of(hosts.load("fcc-Cu").structure, (1, 1, 1), layers=3)
    sites = surface_sites(slab, "C")
    with pytest.raises(StructureError, match=r"atoms overlap in all .* larger `repeat`"):
        placements(slab, sites, adsorbate("COOH"))


def test_overlapping_atoms_are_found(platinum):
    sites = surface_sites(platinum, "H")
    structure = placed(platinum, platinum.structure, sites, adsorbate("H"), Placement("top", "top"))
    assert overlapping(structure, 1) is None
    structure.translate_sites([len(structure) - 1], [0, 0, -1.0], frac_coords=False)
    first, second = overlapping(structure, 1)
    assert {first, second} & {len(structure) - 1}


def moved(structure, atoms, shift):
    structure = structure.copy()
    structure.translate_sites(atoms, shift, frac_coords=False, to_unit_cell=True)
    return structure


def test_broken_new_and_stretched_bonds(platinum):
    one = adsorbate("OH")
    sites = surface_sites(platinum, "O")
    start = placed(platinum, platinum.structure, sites, one, Placement("", "fcc", 1))
    hydrogen = len(start) - 1

    def fate(structure, name="OH"):
        return whereabouts(platinum, sites, "fcc", structure, adsorbate(name)).outcome

    assert fate(start) == "stays"
    assert fate(moved(start, [hydrogen], [0.0, 0.0, 0.2])) == "stays"
    assert fate(moved(start, [hydrogen], [1.2, 0.0, 0.3])) == "dissociated"
    assert fate(moved(start, [hydrogen - 1, hydrogen], [0, 0, 3.0])) == "desorbed"
    assert fate(moved(start, [hydrogen - 1, hydrogen], [0, 0, -3.0])) == "below the surface"
    # across the edge of the cell it is still one molecule
    vector = start.lattice.matrix[0] - start.lattice.matrix[1]
    assert fate(moved(start, [hydrogen - 1, hydrogen], vector * 0.5)) in {"stays", "moved"}


def test_two_atoms_that_bind_to_each_other_are_rearranged(platinum):
    one = adsorbate("COH")
    sites = surface_sites(platinum, "C")
    start = placed(platinum, platinum.structure, sites, one, Placement("", "fcc", 0, 10.0))
    carbon, oxygen, hydrogen = range(len(start) - 3, len(start))
    # H 1.05 Å from O and 1.15 Å from C: a triangle with the 1.33 Å between them.
    across = start[oxygen].coords - start[carbon].coords
    apart_A = np.linalg.norm(across)
    along_A = (1.15**2 - 1.05**2 + apart_A**2) / (2 * apart_A)
    aside = np.cross(across, [1.0, 0.0, 0.0])
    aside *= np.sqrt(1.15**2 - along_A**2) / np.linalg.norm(aside)
    place = start[carbon].coords + across * along_A / apart_A + aside
    near = moved(start, [hydrogen], place - start[hydrogen].coords)
    assert near.get_distance(carbon, hydrogen) == pytest.approx(1.15)
    assert whereabouts(platinum, sites, "fcc", near, one).outcome == "rearranged"


def test_an_adsorbate_on_the_lower_side_is_below_the_surface(platinum):
    """Through the vacuum to the next image: bound, but not to the surface that was meant."""
    sites = surface_sites(platinum, "O")
    start = placed(platinum, platinum.structure, sites, adsorbate("O"), Placement("", "fcc"))
    last = len(start) - 1
    lowest_A = start.cart_coords[list(platinum.bottom(1)), 2].mean()
    for wrapped in (False, True):
        shift = lowest_A + start.lattice.c - 2.0 - start[last].coords[2]
        under = start.copy()
        under.translate_sites([last], [0, 0, shift], frac_coords=False, to_unit_cell=wrapped)
        found = whereabouts(platinum, sites, "fcc", under, adsorbate("O"))
        assert found.outcome == "below the surface"
        assert found.height_A < -6
        middle = start.copy()
        middle.translate_sites([last], [0, 0, shift - 2.5], frac_coords=False, to_unit_cell=wrapped)
        assert whereabouts(platinum, sites, "fcc", middle, adsorbate("O")).outcome == "desorbed"


def test_overlapping_atoms_are_told_from_broken_bonds(platinum):
    sites = surface_sites(platinum, "O")
    start = placed(platinum, platinum.structure, sites, adsorbate("OH"), Placement("", "top", 1))
    oxygen, hydrogen = len(start) - 2, len(start) - 1
    near = moved(start, [hydrogen], 0.6 * (start[oxygen].coords - start[hydrogen].coords))
    assert whereabouts(platinum, sites, "top", near, adsorbate("OH")).outcome == "atoms overlap"
    sunk = moved(start, [oxygen, hydrogen], [0.0, 0.0, -1.2])
    assert whereabouts(platinum, sites, "top", sunk, adsorbate("OH")).outcome == "atoms overlap"


def test_a_physisorbed_molecule_is_not_held_by_its_hydrogen(platinum):
    """H 2.6 Å above Pt, but the oxygen farther away than a bond."""
    one = adsorbate("OH")
    sites = surface_sites(platinum, "O")
    start = placed(platinum, platinum.structure, sites, one, Placement("", "top", 1))
    oxygen, hydrogen = len(start) - 2, len(start) - 1
    flipped = moved(start, [oxygen], [0, 0, 2.0])
    flipped = moved(flipped, [hydrogen], [0, 0, 2.0 - 2 * 0.98])
    assert whereabouts(platinum, sites, "top", flipped, one).outcome == "desorbed"


def test_an_adsorbate_that_left_with_an_atom_of_the_surface_has_desorbed(platinum):
    sites = surface_sites(platinum, "O")
    start = placed(platinum, platinum.structure, sites, adsorbate("O"), Placement("", "top"))
    oxygen = len(start) - 1
    metal = min(platinum.top(), key=lambda k: start.get_distance(k, oxygen))
    assert whereabouts(platinum, sites, "top", start, adsorbate("O")).outcome == "stays"
    gone = moved(start, [metal, oxygen], [0, 0, 4.0])
    assert whereabouts(platinum, sites, "top", gone, adsorbate("O")).outcome == "desorbed"


# --- sheets and defects


@pytest.mark.parametrize(("name", "atoms", "layers"), [("graphene", 2, 1), ("2H-MoS2", 3, 3)])
def test_one_layer_of_a_layered_crystal(name, atoms, layers):
    host = hosts.load(name).structure
    sheet = sheet_of(host, vacuum_A=11.0, repeat=(3, 2))
    assert len(sheet.structure) == 6 * atoms
    assert (sheet.layers, sheet.cells) == (layers, 6)
    assert sheet.structure.lattice.angles[:2] == pytest.approx((90, 90))
    heights = sheet.structure.cart_coords[:, 2]
    assert sheet.structure.lattice.c - np.ptp(heights) == pytest.approx(11.0)
    nearest = min(site.nn_distance for site in host.get_neighbors(host[0], 3.0))
    apart = sheet.structure.distance_matrix
    assert apart[apart > 0.1].min() == pytest.approx(nearest, abs=1e-6)


def test_a_metal_has_no_sheets():
    with pytest.raises(StructureError, match="no layers held together"):
        sheet_of(hosts.load("fcc-Pt").structure)


def test_a_vacancy_of_the_top_layer_is_a_site_of_its_name():
    sheet = sheet_of(hosts.load("2H-MoS2").structure, repeat=(3, 3))
    cell = in_top_layer(sheet, vacancies(sheet.structure, "S"))
    holed = with_defect(sheet, cell.name, cell.changed)
    assert len(holed.top()) == len(sheet.top()) - 1
    gone = cell.changed[0]
    assert sheet.structure[gone.index].coords[2] == sheet.structure.cart_coords[:, 2].max()
    sites = {site.label: site for site in surface_sites(holed, "H")}
    assert sites["V_S"].multiplicity == 1
    assert sites["V_S"].places_A[0] == pytest.approx(sheet.structure[gone.index].coords[:2])
    assert sites["V_S"].floor_A < -1.0
    start = placed(
        holed, holed.structure, list(sites.values()), adsorbate("H"), Placement("V_S", "V_S")
    )
    assert start.distance_matrix[-1][:-1].min() > 1.6
    found = whereabouts(holed, list(sites.values()), "V_S", start, adsorbate("H"))
    assert found.outcome == "stays"


def test_tops_of_a_mixed_layer_are_called_by_their_atom(platinum):
    cells = list(substitutions(platinum.structure, {"Pt": "Ni"}))
    with pytest.raises(StructureError, match="no Cu_Pt in the top layer"):
        in_top_layer(platinum, cells, "Cu_Pt")
    cell = in_top_layer(platinum, cells)
    doped = with_defect(platinum, cell.name, cell.changed)
    labels = [site.label for site in surface_sites(doped, "O")]
    assert "top Ni" in labels
    assert any(label.startswith("top Pt") for label in labels)


def test_a_defect_that_the_top_layer_cannot_have_is_refused():
    sheet = sheet_of(hosts.load("2H-MoS2").structure, repeat=(2, 2))
    with pytest.raises(StructureError, match="no such defect lies in the top layer"):
        in_top_layer(sheet, vacancies(sheet.structure, "Mo"))


@pytest.mark.parametrize("ligand", [None, "O"])
def test_a_metal_in_graphene_is_a_site_and_its_ligand_is_on_the_far_side(ligand):
    from defectflow.structures.single_atoms import single_atoms

    sheet = sheet_of(hosts.load("graphene").structure, repeat=(4, 4))
    cell = in_top_layer(sheet, single_atoms(sheet.structure, "Co", 4, ligand))
    made = with_defect(sheet, cell.name, cell.changed)
    symbols = [site.specie.symbol for site in made.structure]
    cobalt = symbols.index("Co")
    assert (symbols.count("C"), symbols.count("N")) == (26, 4)
    assert len(made.layer) == len(symbols)
    assert cobalt in made.top()
    assert len(made.top()) == 31
    near = made.structure.get_neighbors(made.structure[cobalt], 2.2)
    assert sorted(site.specie.symbol for site in near if site.specie.symbol != "C") == (
        ["N"] * 4 + ([ligand] if ligand else [])
    )
    if ligand:
        below = made.structure[symbols.index(ligand)]
        assert below.coords[2] < made.structure[cobalt].coords[2] - 1.0
        assert below.coords[:2] == pytest.approx(made.structure[cobalt].coords[:2])
    sites = surface_sites(made, "O")
    top = next(site for site in sites if site.label == "top Co")
    assert top.places_A[0] == pytest.approx(made.structure[cobalt].coords[:2])
    start = placed(
        made, made.structure, sites, adsorbate("OOH"), Placement("top Co", "top Co", 0, 10.0)
    )
    assert overlapping(start, 3) is None
    assert start.distance_matrix[cobalt][-3] == pytest.approx(1.26 + 0.66, abs=0.25)


def test_polar_slabs_are_refused():
    magnesia = hosts.load("rocksalt-MgO").structure
    flat = slab_of(magnesia, (1, 0, 0), layers=3)
    assert dipole_e_per_A(flat.structure) == pytest.approx(0.0, abs=1e-9)
    assert check_slab(flat, magnesia) == []
    # Layers of charge 2, -2, 2, -2 per area a²√3/4, a/(2√3) apart: the moment is 4 e a/(2√3).
    formula_A3 = magnesia.volume / magnesia.composition["Mg"]
    side_A = (4 * formula_A3) ** (1 / 3)
    polar = slab_of(magnesia, (1, 1, 1), layers=4)
    expected = 4 * side_A / (2 * np.sqrt(3)) / (side_A**2 * np.sqrt(3) / 4)
    assert abs(dipole_e_per_A(polar.structure)) == pytest.approx(expected, rel=1e-6)
    with pytest.raises(StructureError, match="is polar"):
        check_slab(polar, magnesia)


@pytest.mark.parametrize(
    ("name", "miller", "enough"),
    [
        ("fcc-Pt", (1, 1, 1), 3),
        ("fcc-Pt", (1, 0, 0), 3),
        # (110) layers are 1.4 Å apart: an atom has neighbours two layers away.
        ("fcc-Pt", (1, 1, 0), 5),
        ("bcc-Fe", (1, 0, 0), 5),
        ("rocksalt-MgO", (1, 0, 0), 3),
    ],
)
def test_a_slab_is_thin_where_no_atom_has_all_its_neighbours(name, miller, enough):
    """As many layers as the neighbours of one atom reach to both sides, by drawing."""
    host = hosts.load(name).structure
    for layers in range(2, 7):
        notes = check_slab(slab_of(host, miller, layers), host)
        assert bool(notes) == (layers < enough), (layers, notes)
    (note,) = check_slab(slab_of(host, miller, 2), host)
    assert "the slab of 2 layers is thin" in note


def test_a_sheet_is_not_thin():
    for name in ("graphene", "2H-MoS2"):
        host = hosts.load(name).structure
        assert check_slab(sheet_of(host), host) == []


def stacking(slab) -> str:
    """Letters of the layers by the lateral places of their atoms, in units of the first layer."""
    plane = slab.structure.lattice.matrix[:2, :2]
    letters: list[np.ndarray] = []
    word = ""
    for number in range(slab.layers):
        place = slab.structure.cart_coords[slab.layer.index(number)][:2]
        for k, known in enumerate(letters):
            frac = (place - known) @ np.linalg.inv(plane) * np.sqrt(slab.cells)
            if np.abs(frac - np.round(frac)).max() < 0.02:
                word += "ABC"[k]
                break
        else:
            word += "ABC"[len(letters)]
            letters.append(place)
    return word


@pytest.mark.parametrize(
    ("above", "word"), [(0, "ABCABC"), (1, "ABCABA"), (2, "ABCACA"), (3, "ABCBCA"), (4, "ABABCA")]
)
def test_a_fault_in_a_slab_is_intrinsic(above, word):
    slab = slab_of(hosts.load("fcc-Ag").structure, (1, 1, 1), layers=6, repeat=(2, 2))
    made = faulted(slab, above) if above else slab
    assert stacking(made) == word
    apart = made.structure.distance_matrix
    assert apart[apart > 0.1].min() == pytest.approx(4.086 / np.sqrt(2), abs=0.01)
    middle = [len(made.structure.get_neighbors(site, 3.1)) for site in made.structure[8:16]]
    assert set(middle) == {12}


def test_surfaces_without_such_faults_are_refused():
    with pytest.raises(StructureError, match="two have to be below"):
        faulted(slab_of(hosts.load("fcc-Ag").structure, (1, 1, 1), layers=3), 2)
    with pytest.raises(StructureError, match="not a close-packed stack"):
        faulted(slab_of(hosts.load("fcc-Ag").structure, (1, 0, 0), layers=5), 1)
