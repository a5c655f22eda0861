"""Interfaces: strain, gap and thickness measured from the atoms alone."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher

from defectflow.errors import StructureError
from defectflow.recipes.kinds.disorder import Concentration
from defectflow.recipes.kinds.interfaces import Interface
from defectflow.structures import hosts
from defectflow.structures.interfaces import Joint, Side, interfaces, plane_of
from defectflow.structures.lattice_matching import Plane, matches
from defectflow.structures.layers import dimensions
from defectflow.structures.sides import block, layer_plane

#: Substrate, film, both sides' options, joint.
CASES = {
    "MoS2/graphene": (
        ("graphene", {"miller": (0, 0, 1)}),
        ("2H-MoS2", {"miller": (0, 0, 1)}),
        {"gap_A": 3.3, "max_area_A2": 80},
    ),
    "graphene/MoS2": (
        ("2H-MoS2", {"miller": (0, 0, 1)}),
        ("graphene", {"miller": (0, 0, 1)}),
        {"gap_A": 3.3, "max_area_A2": 80},
    ),
    "rutile/MgO": (
        ("rocksalt-MgO", {"miller": (0, 0, 1)}),
        ("rutile-TiO2", {"miller": (1, 1, 0), "termination": 2}),
        {"gap_A": 2.1, "max_area_A2": 120},
    ),
    "Ag/Cu superlattice": (
        ("fcc-Cu", {"miller": (1, 1, 1), "slices": 3}),
        ("fcc-Ag", {"miller": (1, 1, 1), "slices": 3}),
        {"gap_A": 2.3, "vacuum_A": 0.0, "max_area_A2": 60},
    ),
    "ceria/Pt": (
        ("fcc-Pt", {"miller": (1, 1, 1), "slices": 3}),
        ("fluorite-CeO2", {"miller": (1, 1, 1)}),
        {"gap_A": 2.2, "max_area_A2": 90, "strained": "both"},
    ),
    "SnS2/Sb2S3": (
        ("stibnite-Sb2S3", {"miller": (1, 0, 0)}),
        ("1T-SnS2", {"miller": (0, 0, 1)}),
        {"gap_A": 2.8, "max_area_A2": 220},
    ),
    "CoSe2/ZnSe": (
        ("zincblende-ZnSe", {"miller": (0, 0, 1)}),
        ("pyrite-CoSe2", {"miller": (0, 0, 1)}),
        {"gap_A": 2.2, "max_area_A2": 60, "max_strain": 0.035},
    ),
    "Fe3Se4/FeSe": (
        ("tetragonal-FeSe", {}),
        ("monoclinic-Fe3Se4", {"miller": (0, 0, 1)}),
        {"gap_A": 2.6, "max_area_A2": 190},
    ),
    "TiO2(B)/anatase": (
        ("anatase-TiO2", {"miller": (1, 0, 0)}),
        ("bronze-TiO2", {"miller": (1, 0, 0)}),
        {"gap_A": 2.0, "max_area_A2": 80},
    ),
    "MnO2/graphene": (
        ("graphene", {}),
        ("birnessite-MnO2", {}),
        {"gap_A": 3.2, "max_area_A2": 60},
    ),
    "TiO2 sheet/graphene": (
        ("graphene", {}),
        ("lepidocrocite-TiO2", {}),
        {"gap_A": 3.2, "max_area_A2": 110},
    ),
}
#: Thickness (Å) of one layer of the films that have layers: from the crystals' coordinates.
LAYERS = {
    "MoS2/graphene": 3.17,
    "graphene/MoS2": 0.0,
    "SnS2/Sb2S3": 5.8992 / 2,
    "MnO2/graphene": 2 * 0.1389 * 7.19,
    "TiO2 sheet/graphene": (0.3657 - 0.1343) * 18.735,
}


@pytest.fixture(scope="module", params=CASES)
def case(request):
    (low, below), (high, above), joint = CASES[request.param]
    sides = (
        Side(hosts.load(low).structure, **below),
        Side(hosts.load(high).structure, **above),
    )
    cells = list(itertools.islice(interfaces(*sides, Joint(**joint)), 3))
    return request.param, sides, joint, cells


def parts(cell):
    first = cell.junction.film_from
    sites = list(cell.structure)
    return sites[:first], sites[first:]


def test_gap_and_vacuum_are_as_asked(case):
    _, _, joint, cells = case
    for cell in cells:
        below, above = ([site.coords[2] for site in part] for part in parts(cell))
        assert min(above) - max(below) == pytest.approx(joint["gap_A"], abs=1e-6)
        height = cell.structure.lattice.matrix[2, 2]
        rest = height - (max(above) - min(below))
        assert rest == pytest.approx(joint.get("vacuum_A", 12.0) or joint["gap_A"], abs=1e-6)
        assert cell.planar.count == (2 if joint.get("vacuum_A") == 0.0 else 1)


def test_both_crystals_are_whole(case):
    """Every atom has the neighbours of its crystal: no layer is split, no bond stretched."""
    _, sides, _, cells = case
    for cell, (side, part) in itertools.product(cells, zip(sides, (0, 1), strict=True)):
        atoms = parts(cell)[part]
        symbols = {site.specie.symbol for site in atoms}
        assert symbols == {element.symbol for element in side.crystal.elements}
        counts = [sum(a.specie.symbol == s for a in atoms) for s in sorted(symbols)]
        amounts = [side.crystal.composition[s] for s in sorted(symbols)]
        assert np.allclose(np.array(counts) / sum(counts), np.array(amounts) / sum(amounts))
        alone = cell.structure.__class__.from_sites(atoms)
        assert dimensions(alone) == min(2, dimensions(side.crystal))  # stibnite is ribbons
        bonds = [
            min(n.nn_distance for n in crystal.get_neighbors(crystal[0], 4))
            for crystal in (alone, side.crystal)
        ]
        assert bonds[0] == pytest.approx(bonds[1], rel=0.04)


def test_a_monolayer_is_one_layer():
    graphene = Side(hosts.load("graphene").structure, (0, 0, 1))
    sulfide = Side(hosts.load("2H-MoS2").structure, (0, 0, 1))
    cell = next(interfaces(graphene, sulfide, Joint(gap_A=3.3, max_area_A2=80)))
    below, above = parts(cell)
    assert np.ptp([site.coords[2] for site in below]) == pytest.approx(0, abs=1e-6)
    heights = sorted({round(float(site.coords[2]), 3) for site in above})
    assert len(heights) == 3
    assert heights[-1] - heights[0] < 3.3


def test_films_are_as_thick_as_their_crystal_says(case):
    """One whole layer of a layered crystal, neither half of one nor two; 8 Å or more of another."""
    name, sides, _, cells = case
    for cell in cells:
        thickness = np.ptp([site.coords[2] for site in parts(cell)[1]])
        if name in LAYERS:
            assert thickness == pytest.approx(LAYERS[name], abs=0.06)
        elif sides[1].slices is None:
            assert 6.0 < thickness < 12.0


def test_strain_is_that_of_the_lattices(case):
    """Edges of the film in the cell against those of the crystal at rest."""
    name, sides, joint, cells = case
    for cell in cells:
        share = {"film": 1.0, "both": 0.5}[joint.get("strained", "film")]
        film = sides[1].crystal
        count = len(parts(cell)[1])
        thickness = np.ptp([site.coords[2] for site in parts(cell)[1]])
        assert thickness < 15
        # Areas per formula unit and layer: both principal strains together.
        stretch = np.prod([1 + share * one for one in cell.junction.strain])
        area = cell.planar.area_A2
        reference = area_of(sides[1], count)
        assert area / reference == pytest.approx(stretch, rel=2e-3), (name, film.reduced_formula)
        assert cell.junction.largest_strain <= joint.get("max_strain", 0.03) + 1e-9


def area_of(side, atoms) -> float:
    """Return the area (Å²) that so many atoms of a crystal at rest cover."""
    slab = block(side)
    matrix = slab.lattice.matrix
    return float(abs(np.linalg.det(matrix[:2, :2]))) * atoms / len(slab)


def test_pristine_is_the_substrate_alone(case):
    _, _, _, cells = case
    for cell in cells:
        assert len(cell.pristine) == cell.junction.film_from
        for one, other in zip(cell.pristine, cell.structure, strict=False):
            assert one.specie == other.specie
            assert np.allclose(one.coords, other.coords, atol=1e-6)


def test_no_match_is_but_several_of_a_smaller_one(case):
    _, _, _, cells = case
    for one, other in itertools.combinations(cells, 2):
        strains = [sorted(cell.junction.strain) for cell in (one, other)]
        twists = [cell.junction.twist_deg for cell in (one, other)]
        assert not (np.allclose(*strains, atol=1e-5) and np.isclose(*twists))


# --- matching


def test_square_on_square_by_brute_force():
    """3 on 4: the cells (3i)² + (3j)² = (4k)² + (4l)², smallest first, without any strain."""
    found = matches(Plane(np.eye(2) * 3.0), Plane(np.eye(2) * 4.0), 400.0, 1e-6)
    areas = {round(one.area_A2) for one in found}
    squares = {
        9 * (i * i + j * j)
        for i, j in itertools.product(range(8), repeat=2)
        if any(
            9 * (i * i + j * j) == 16 * (k * k + l * l)
            for k, l in itertools.product(range(6), repeat=2)  # noqa: E741
        )
    } - {0}
    assert 144 in areas
    assert min(areas) == min(squares)


def test_a_match_maps_one_cell_onto_the_other():
    film = np.array([[3.16, 0.0], [-1.58, 2.737]])
    substrate = np.array([[2.46, 0.0], [-1.23, 2.130]])
    for one in matches(Plane(film), Plane(substrate), 120.0, 0.03):
        angle = np.radians(one.twist_deg)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        grown = one.film @ film @ (np.eye(2) + one.strain) @ turn.T
        assert np.allclose(grown, one.substrate @ substrate, atol=1e-6)
        assert np.linalg.det(one.film) > 0
        assert one.area_A2 == pytest.approx(abs(np.linalg.det(one.substrate @ substrate)))


def test_known_coincidence_of_graphene_and_molybdenum_sulfide():
    """√13 of graphene on √7... the smallest cell below 3 % and the 5 on 4 cell are both found."""
    a, b = 2.46, 3.16
    cells = [Plane(np.array([[x, 0.0], [-x / 2, x * np.sqrt(3) / 2]])) for x in (b, a)]
    found = matches(*cells, 150.0, 0.03)
    five_on_four = [one for one in found if abs(np.linalg.det(one.substrate)) == pytest.approx(25)]
    assert five_on_four
    assert five_on_four[0].strain[0, 0] == pytest.approx(5 * a / (4 * b) - 1, abs=1e-6)
    assert five_on_four[0].von_mises == pytest.approx(abs(5 * a / (4 * b) - 1), abs=1e-6)


def test_graphene_on_itself_at_every_coincidence():
    """Twists of cos θ = (n² + 4nm + m²) / 2(n² + nm + m²), the smaller of θ and 60° - θ.

    J. M. B. Lopes dos Santos, N. M. R. Peres and A. H. Castro Neto, Phys. Rev. B 86, 155449 (2012):
    with r = m - n the cell holds n² + nm + m² cells of each layer, a third of it if 3 divides r.
    """
    limit_A2 = 330.0
    sheet = Side(hosts.load("graphene").structure)
    joint = Joint(gap_A=3.35, max_area_A2=limit_A2, max_strain=1e-5)
    cells = list(interfaces(sheet, sheet, joint))
    count = int(limit_A2 / area_of(sheet, 2))
    wanted = {(1, 0.0)}
    for n, m in itertools.combinations(range(1, 3 * count), 2):
        size = n * n + n * m + m * m
        cells_each = size // 3 if (m - n) % 3 == 0 else size
        if math.gcd(n, m) == 1 and cells_each <= count:
            angle = math.degrees(math.acos((n * n + 4 * n * m + m * m) / (2 * size)))
            wanted.add((cells_each, round(min(angle, 60 - angle), 3)))
    assert [(len(x.structure) // 4, round(x.junction.twist_deg, 3) + 0.0) for x in cells] == sorted(
        wanted
    )
    assert len(wanted) > 8


def test_layers_of_lower_symmetry_meet_in_more_ways():
    """MoS2 on itself parallel and antiparallel (3R and 2H stackings); on graphene they are one."""
    sulfide = Side(hosts.load("2H-MoS2").structure)
    joint = Joint(gap_A=3.0, max_area_A2=70, max_strain=1e-5)
    twists = [one.junction.twist_deg for one in interfaces(sulfide, sulfide, joint)]
    assert np.allclose(twists, [0.0, 60.0, 21.787, 38.213], atol=1e-3)
    over_graphene = list(
        interfaces(Side(hosts.load("graphene").structure), sulfide, Joint(max_area_A2=80))
    )
    assert len(over_graphene) == 1


def test_equal_interfaces_are_not_listed_twice():
    """No two cells of one size and strain lie on each other, nor on the other's mirror image."""
    copper, silver = (Side(hosts.load(n).structure, (1, 0, 0)) for n in ("fcc-Cu", "fcc-Ag"))
    joint = Joint(max_area_A2=90, max_strain=0.03)
    found = list(interfaces(copper, silver, joint))
    assert len(found) == 3
    matcher = StructureMatcher(primitive_cell=False, scale=False)
    for one, other in itertools.combinations(found, 2):
        assert not matcher.fit(one.structure, other.structure)


def test_matches_do_not_depend_on_the_vectors_given():
    silver, copper = (
        plane_of(block(Side(hosts.load(n).structure, (1, 1, 1), slices=2)))
        for n in ("fcc-Ag", "fcc-Cu")
    )
    turned = Plane(np.array([[2, 1], [1, 1]]) @ silver.cell, silver.group)
    said = [
        [(round(x.area_A2, 3), round(x.largest, 5), round(x.twist_deg, 3)) for x in found]
        for found in (matches(one, copper, 150, 0.03) for one in (silver, turned))
    ]
    assert said[0] == said[1]
    assert len(said[0]) > 6


def test_what_does_not_fit_is_refused_with_the_nearest():
    copper, silver = (Side(hosts.load(n).structure, (1, 1, 1)) for n in ("fcc-Cu", "fcc-Ag"))
    joint = Joint(max_area_A2=40, max_strain=0.005)
    with pytest.raises(StructureError, match=r"no cell of at most 40 .* nearest has \d+\.\d %"):
        interfaces(copper, silver, joint)
    with pytest.raises(StructureError, match="no termination 3; choose from 1: "):
        interfaces(copper, Side(silver.crystal, (1, 1, 1), termination=3), joint)


def test_the_film_may_stand_on_its_head():
    magnesia = hosts.load("rocksalt-MgO").structure
    silver = Side(hosts.load("fcc-Ag").structure, (1, 1, 1))
    joint = Joint(max_area_A2=40, max_strain=0.08)
    faces = []
    for flipped in (False, True):
        film = Side(magnesia, (1, 1, 1), flipped=flipped)
        below, above = parts(next(interfaces(silver, film, joint)))
        del below
        faces.append(min(above, key=lambda site: site.coords[2]).specie.symbol)
    assert sorted(faces) == ["Mg", "O"]


def test_a_file_of_the_film_is_found_from_the_recipe(tmp_path):
    hosts.load("fcc-Ag").structure.to(str(tmp_path / "film.cif"))
    choice = Interface(film="film.cif", miller=(1, 1, 1), film_miller=(1, 1, 1))
    located = choice.located(tmp_path)
    assert located.film == str(tmp_path / "film.cif")
    assert next(located.cells(hosts.load("fcc-Cu").structure)).kind == "interface"
    assert Interface(film="fcc-Ag").located(tmp_path).film == "fcc-Ag"


@pytest.mark.parametrize(
    ("name", "plane"),
    [
        ("graphene", (0, 0, 1)),
        ("2H-MoS2", (0, 0, 1)),
        ("black-P", (0, 1, 0)),
        ("O3-NiO2", (0, 0, 1)),
        ("anatase-TiO2", None),
    ],
)
def test_layers_tell_their_plane(name, plane):
    assert layer_plane(hosts.load(name).structure) == plane


def test_vacancies_of_the_titania_sheet_stay_in_the_film():
    """Ti0.87O2 on graphene: an eighth of the titanium is missing from one whole layer."""
    sheet = hosts.load("lepidocrocite-TiO2").structure
    choice = Concentration(replace={"Ti": "vacancy"}, fractions=("1/8",))
    vacant = next(choice.cells(sheet)).structure
    joint = Joint(gap_A=3.2, max_area_A2=200, max_strain=0.05)
    graphene = Side(hosts.load("graphene").structure)
    cell = next(interfaces(graphene, Side(vacant), joint))
    _, above = parts(cell)
    counts = [sum(site.specie.symbol == s for site in above) for s in ("Ti", "O")]
    assert 16 * counts[0] == 7 * counts[1]
    assert np.ptp([site.coords[2] for site in above]) == pytest.approx(LAYERS_OF_TITANIA, abs=0.06)


LAYERS_OF_TITANIA = LAYERS["TiO2 sheet/graphene"]
