"""Layers that glide, judged by polyhedra, space groups and distances measured on their own."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import spglib
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure

from defectflow.errors import StructureError
from defectflow.structures import hosts, primitive
from defectflow.structures.glides import layer_stackings

SODIUM = hosts.load("O3-NaCoO2").structure


def honeycomb(metal):
    """Li2MO3 of regular octahedra, C2/m: layers of M in a honeycomb of Li."""
    bond, spacing, height = 2.85, 4.74, 1.07
    a, z = bond * 3**0.5, height / spacing
    c, beta = (a * a / 9 + spacing**2) ** 0.5, 90 + np.degrees(np.arctan(a / 3 / spacing))
    places = [[0, 1 / 6, 0], [0, 0.5, 0], [0, 0, 0.5], [0, 2 / 3, 0.5]]
    places += [[1 / 6 + z / 3, 0, z], [1 / 6 + z / 3, 1 / 3, z]]
    symbols = [metal, "Li", "Li", "Li", "O", "O"]
    lattice = Lattice.monoclinic(a, 3 * bond, c, beta)
    return Structure.from_spacegroup("C2/m", lattice, symbols, places)


def space_group(structure):
    cell = (structure.lattice.matrix, structure.frac_coords, structure.atomic_numbers)
    return spglib.get_spacegroup(cell, symprec=0.05).split()[0]


def polyhedra(structure, symbols, bonds_of):
    """``o`` (three straight lines through six anions), ``p`` (none) or ``?``, from below."""
    labels = []
    for atom in np.argsort(structure.cart_coords[:, 2], kind="stable"):
        if structure[int(atom)].specie.symbol not in symbols:
            continue
        vectors, owner = bonds_of(structure, int(atom), 4.0)
        vectors = vectors[[structure[int(k)].specie.symbol in {"O", "S"} for k in owner]]
        vectors = vectors[np.argsort(np.linalg.norm(vectors, axis=1))][:6]
        straight = sum(np.linalg.norm(vectors + one, axis=1).min() < 0.3 for one in vectors)
        labels.append({6: "o", 0: "p"}.get(straight, "?"))
    return "".join(labels)


@pytest.mark.parametrize(
    ("galleries", "sodium", "group"),
    [
        (["O3"], "o", "R-3m"),
        (["P3"], "p", "R3m"),
        (["O1"], "o", "P-3m1"),
        (["P2", "P2"], "pp", "P6_3/mmc"),
        (["O2", "O2"], "oo", "P6_3mc"),
        (["P2", "P2", "O3", "O3"], "ppoo", None),
        (["P2", "P2", "P3"], "ppp", None),
        (["O3", "P3"], "op", None),
        (["O3", "O3", "O3", "P3", "P3", "P3"], "oooppp", None),
        (["P2", "O3", "P2", "O3", "O3"], "popoo", None),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else str(value),
)
def test_each_gallery_has_its_polyhedra(galleries, sodium, group, bonds_of):
    """Space groups: C. Delmas, C. Fouassier, P. Hagenmuller, Physica B+C 99, 81 (1980)."""
    (cell,) = layer_stackings(SODIUM, galleries, ["Na"])
    made = cell.structure
    assert polyhedra(made, {"Na"}, bonds_of) == sodium
    assert polyhedra(made, {"Co"}, bonds_of) == "o" * len(galleries)
    assert made.reduced_formula == SODIUM.reduced_formula
    assert len(made) == 4 * len(galleries)
    assert made.volume / len(made) == pytest.approx(SODIUM.volume / len(SODIUM))
    if group is not None:
        assert space_group(made) == group


@pytest.mark.parametrize(
    "galleries", [["P3"], ["O1"], ["P2", "P2"], ["O2", "O2"], ["P2", "P2", "O3"]]
)
def test_layers_stay_as_they_are(galleries, bonds_of, closest_A):
    (cell,) = layer_stackings(SODIUM, galleries, ["Na"])

    def bonds(structure):
        atoms = [k for k, site in enumerate(structure) if site.specie.symbol == "Co"]
        return [sorted(np.linalg.norm(bonds_of(structure, k, 2.2)[0], axis=1)) for k in atoms]

    assert np.allclose(bonds(cell.structure), bonds(SODIUM)[0])
    sides = SODIUM.lattice.a / 3**0.5  # of an octahedron: where its anions lie beside the axis
    thickness_A = 2 * (bonds(SODIUM)[0][0] ** 2 - sides**2) ** 0.5
    for one, other in itertools.combinations_with_replacement(["Na", "Co", "O"], 2):
        usual = closest_A(SODIUM, one, other)
        if {one, other} == {"Co", "Na"}:  # a polyhedron of sodium may share a face with cobalt's
            usual = SODIUM.lattice.c / 6
        if (one, other) == ("O", "O") and set(galleries) & {"P2", "P3"}:
            usual = min(usual, SODIUM.lattice.c / 3 - thickness_A)  # oxygen on top of oxygen
        assert closest_A(cell.structure, one, other) > usual - 1e-3, (one, other)


def galleries_by_geometry(structure, bonds_of):
    """O3, P3 or P2 for each gallery from below: straight lines through anions, and cobalt in line.

    A prism has cobalt straight above or below on one side where the next layer has turned not at
    all (P3), on both or neither where it has (P2); an octahedron of O3 has none.
    """
    shapes = polyhedra(structure, {"Na"}, bonds_of)
    places, labels = structure.cart_coords, []
    cobalt = structure.indices_from_symbol("Co")
    sodium = sorted(structure.indices_from_symbol("Na"), key=lambda k: places[k][2])
    for shape, atom in zip(shapes, sodium, strict=True):
        vectors, owner = bonds_of(structure, atom, 4.0)
        vectors = vectors[[int(k) in cobalt for k in owner]]
        in_line = sum(np.linalg.norm(vectors[:, :2], axis=1) < 0.3)
        labels.append(
            {("o", 0): "O3", ("p", 1): "P3", ("p", 0): "P2", ("p", 2): "P2"}[shape, in_line]
        )
    return labels


def turned_around(one, other):
    """Whether two cyclic sequences are the same, from wherever one begins."""
    return any(one == other[k:] + other[:k] for k in range(len(other)))


@pytest.mark.parametrize("kinds", [("P2", "O3"), ("P2", "P3"), ("O3", "P3")])
def test_every_intergrowth_of_up_to_five_layers_is_what_it_is_called(kinds, bonds_of):
    """All sequences of two galleries; where layers of P2 are odd in number it does not close."""
    made = 0
    for count in range(1, 6):
        for galleries in itertools.product(kinds, repeat=count):
            if galleries.count("P2") % 2:
                with pytest.raises(StructureError):
                    next(layer_stackings(SODIUM, galleries, ["Na"]))
                continue
            (cell,) = layer_stackings(SODIUM, galleries, ["Na"])
            found = galleries_by_geometry(cell.structure, bonds_of)
            assert turned_around(found, list(galleries)), galleries
            made += 1
    assert made == (62 if "P2" not in kinds else 31)


@pytest.mark.parametrize("kinds", [("P2", "P3"), ("O3", "P3"), ("P2", "O3", "P3")])
def test_a_long_intergrowth_is_what_it_is_called(kinds, bonds_of):
    """24 layers in a random order, as a disordered intergrowth has them."""
    order = [str(kind) for kind in np.random.default_rng(5).choice(kinds, 24)]
    if order.count("P2") % 2:
        order[order.index("P2")] = "P3"
    (cell,) = layer_stackings(SODIUM, order, ["Na"])
    assert len(cell.structure) == 96
    assert turned_around(galleries_by_geometry(cell.structure, bonds_of), order)
    assert cell.structure.volume / 96 == pytest.approx(SODIUM.volume / len(SODIUM))


def test_p2_turns_into_o2_and_back(bonds_of):
    crystal = hosts.load("P2-CoO2").structure
    (glided,) = layer_stackings(crystal, ["O2", "O2"])
    assert space_group(crystal) == "P6_3/mmc"
    assert space_group(glided.structure) == "P6_3mc"
    (back,) = layer_stackings(glided.structure, ["P2", "P2"])
    assert StructureMatcher(scale=False).fit(back.structure, crystal)


def test_sulphides_glide_as_oxides_do():
    crystal = hosts.load("1T-TiS2").structure
    (cell,) = layer_stackings(crystal, ["O3"])
    assert space_group(crystal) == "P-3m1"
    assert space_group(cell.structure) == "R-3m"
    names = [one.name for one in layer_stackings(crystal, layers=3)]
    assert names == ["2host+O3", "2host+P3"]


def test_primitive_and_conventional_cells_glide_alike():
    given = (SODIUM, primitive(SODIUM), SODIUM * (2, 1, 1))
    made = [[c.structure for c in layer_stackings(one, None, ["Na"], layers=3)] for one in given]
    same = StructureMatcher(scale=False, primitive_cell=False)
    for others in made[1:]:
        assert len(others) == len(made[0])
        assert all(same.fit(one, other) for one, other in zip(made[0], others, strict=True))


# --- faults of honeycomb order


@pytest.mark.parametrize("metal", ["Mn", "Ru"])
def test_faults_of_honeycombs_by_a_third_of_b(metal, bonds_of, closest_A):
    """Shears by ±b/3 [010] keep every octahedron; a screw of these is P3_112, to and fro C2/c.

    K. A. Jarvis, Z. Deng, L. F. Allard, A. Manthiram, P. J. Ferreira, J. Mater. Chem. 22, 11550
    (2012) name the shear and the P3_112 cell.
    """
    crystal = honeycomb(metal)
    assert space_group(crystal) == "C2/m"
    for shifts, groups in (
        ([(0, 0), (1, 0), (-1, 0)], {"P3_112", "P3_212"}),
        ([(0, 0), (1, 0)], {"C2/c"}),
    ):
        (cell,) = layer_stackings(crystal, ["host"] * len(shifts), ["Li"], shifts)
        assert space_group(cell.structure) in groups
        assert set(polyhedra(cell.structure, {"Li", metal}, bonds_of)) == {"o"}
        assert closest_A(cell.structure) == pytest.approx(closest_A(crystal), abs=1e-3)
        assert cell.structure.reduced_formula == f"Li2{metal}O3"


def test_glides_of_a_honeycomb_are_counted_by_hand(bonds_of):
    """Nine distinct places per kind of hollow make three glides of each kind, one of them none.

    The honeycomb has three net vectors that it lacks itself: 0, b/3, -b/3. The mirror of C2/m
    exchanges the last two, whatever the kind of gallery.
    """
    cells = list(layer_stackings(honeycomb("Mn"), None, ["Li"], layers=4))
    names = [cell.name.partition("[")[0] for cell in cells]
    assert names == ["host", "3host+P3", "3host+P3", "3host+O1", "3host+O1"]
    fault = cells[0]
    b = np.linalg.norm(fault.planar.shift_A)
    assert b == pytest.approx(honeycomb("Mn").lattice.b / 3)
    labels = [polyhedra(cell.structure, {"Li", "Mn"}, bonds_of) for cell in cells]
    assert [label.count("p") for label in labels] == [0, 3, 3, 0, 0]


@pytest.mark.parametrize("metal", ["Mn", "Ru"])
def test_the_published_crystals_have_the_glides_of_the_ideal_honeycomb(metal):
    """Ions a little off the ideal places make no glides of their own; b/3 keeps octahedra."""
    cells = list(layer_stackings(hosts.load(f"Li2{metal}O3").structure, None, ["Li"], layers=4))
    names = [cell.name.partition("[")[0] for cell in cells]
    assert names == ["host", "3host+P3", "3host+P3", "3host+O1", "3host+O1"]
    assert np.linalg.norm(cells[0].planar.shift_A) == pytest.approx(
        hosts.load(f"Li2{metal}O3").structure.lattice.b / 3, rel=0.02
    )
    fault = cells[0].structure
    for site in fault:
        if site.specie.symbol != "O":
            near = [one for one in fault.get_neighbors(site, 2.45) if one.specie.symbol == "O"]
            assert len(near) == 6


def test_equivalent_glides_are_equal_crystals_and_distinct_ones_are_not():
    """Every displacement by net vectors, matched by pymatgen."""
    crystal = honeycomb("Mn")
    same = StructureMatcher(scale=False, primitive_cell=False, ltol=0.05, stol=0.05, angle_tol=1)
    found = [cell.structure for cell in layer_stackings(crystal, None, ["Li"], layers=3)]
    kinds = ("host", "P3", "O1")
    steps = ((0, 0), (1, 0), (-1, 0), (0, 1))
    everything = [
        next(layer_stackings(crystal, ["host", "host", kind], ["Li"], [(0, 0), (0, 0), step]))
        for kind, step in itertools.product(kinds, steps)
    ]
    pristine = everything[0].pristine
    for cell in everything:
        fits = sum(same.fit(cell.structure, one) for one in [pristine, *found])
        assert fits == 1, cell.name


@pytest.mark.parametrize("galleries", [["O1"], ["P3"], ["P2", "P2"], ["O2", "O2"]])
def test_real_layers_glide_alike_whatever_their_first_atom_and_origin(galleries):
    crystal = hosts.load("Li2MnO3").structure  # of distorted octahedra
    random = np.random.default_rng(1)
    found = []
    for turn in range(3):
        order = random.permutation(len(crystal)) if turn else np.arange(len(crystal))
        moved = Structure(
            crystal.lattice,
            [crystal[int(k)].specie for k in order],
            crystal.frac_coords[order] + turn * np.array([0.21, 0.37, 0.13]),
        )
        layers = next(layer_stackings(moved, galleries, ["Li"])).structure
        layers.remove_species(["Li"])
        found.append(np.sort(layers.distance_matrix.ravel()))
    assert np.allclose(found[0], found[1:], atol=0.005)


# --- what is refused


@pytest.mark.parametrize(
    ("host", "galleries", "guests", "said"),
    [
        ("O3-NaCoO2", ["P2"], ["Na"], "even number"),
        ("O3-NaCoO2", ["P4"], ["Na"], "known: O1, O2, O3, P2, P3"),
        ("P2-CoO2", ["host", "host"], [], "repeats after several layers"),
        ("P2-CoO2", None, [], "name the galleries"),
        ("2H-MoS2", ["O3"], [], "no octahedra"),
        ("black-P", ["O3"], [], "no octahedra"),
        ("fcc-Al", ["O3"], [], "layers"),
    ],
)
def test_stackings_that_cannot_be_are_refused(host, galleries, guests, said):
    with pytest.raises(StructureError, match=said):
        list(layer_stackings(hosts.load(host).structure, galleries, guests))


def test_a_single_layer_has_no_fault():
    with pytest.raises(StructureError, match="at least two"):
        list(layer_stackings(SODIUM, None, ["Na"], layers=1))
