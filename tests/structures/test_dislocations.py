"""Dislocations: Burgers vectors counted from the atoms, and elasticity against closed formulas."""

from __future__ import annotations

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from defectflow.errors import StructureError
from defectflow.structures import hosts
from defectflow.structures.dislocations import dislocations, strained_crystals
from defectflow.structures.elastic_field import elastic_field, isotropic, stiffness_of, turned
from defectflow.structures.frank_circuit import burgers_vector
from defectflow.structures.slip_systems import slip_system

#: Host, Burgers vector, line, plane, length of the Burgers vector over the lattice constant.
SYSTEMS = {
    "fcc edge": ("fcc-Cu", (0.5, -0.5, 0), (1, 1, -2), None, np.sqrt(1 / 2)),
    "fcc screw": ("fcc-Cu", (0.5, -0.5, 0), (1, -1, 0), None, np.sqrt(1 / 2)),
    "fcc 60°": ("fcc-Cu", (0.5, -0.5, 0), (0, 1, -1), None, np.sqrt(1 / 2)),
    "bcc edge": ("bcc-Fe", (0.5, 0.5, 0.5), (1, -2, 1), None, np.sqrt(3 / 4)),
    "bcc screw": ("bcc-Fe", (0.5, 0.5, 0.5), (1, 1, 1), None, np.sqrt(3 / 4)),
    "MgO edge": ("rocksalt-MgO", (0.5, -0.5, 0), (0, 0, 1), None, np.sqrt(1 / 2)),
    "MgO screw": ("rocksalt-MgO", (0.5, -0.5, 0), (1, -1, 0), (1, 1, 0), np.sqrt(1 / 2)),
    "ceria edge": ("fluorite-CeO2", (0.5, -0.5, 0), (1, 1, -2), None, np.sqrt(1 / 2)),
    "rutile screw": ("rutile-TiO2", (0, 0, 1), (0, 0, 1), None, 0.6440),
    "basal edge": ("hcp-Mg", (1, 0, 0), (1, 2, 0), (0, 0, 1), 1.0),
}


def made(name, **options):
    host, burgers, line, plane, _ = SYSTEMS[name]
    system = slip_system(hosts.load(host).structure, burgers, line, plane)
    return next(dislocations(system, **options))


def nearest(structure) -> float:
    distances = structure.distance_matrix
    return distances[distances > 1e-6].min()


@pytest.mark.parametrize("arrangement", ["quadrupole", "dipole"])
@pytest.mark.parametrize("name", SYSTEMS)
def test_atoms_around_each_line_show_its_burgers_vector_and_nothing_else(name, arrangement):
    cell = made(name, arrangement=arrangement)
    constant = hosts.load(SYSTEMS[name][0]).structure.lattice.a
    apart = cell.line.cores_A[1][0] - cell.line.cores_A[0][0]
    ring = (3.5, 0.75 * apart)
    found = [burgers_vector(cell.structure, cell.pristine, c, ring) for c in cell.line.cores_A]
    assert np.linalg.norm(found[0]) == pytest.approx(SYSTEMS[name][4] * constant, rel=2e-3)
    assert np.allclose(found[0], -found[1], atol=2e-3)
    assert np.allclose(found[0], cell.line.burgers_A, atol=2e-3)
    character = name.split()[-1]
    assert cell.line.character == character
    along = abs(found[0][2]) / np.linalg.norm(found[0])
    cosine = {"edge": 0.0, "screw": 1.0, "60°": 0.5}[character]
    assert along == pytest.approx(cosine, abs=1e-3)


@pytest.mark.parametrize("name", SYSTEMS)
def test_no_atom_is_added_or_lost_or_squeezed(name):
    host = hosts.load(SYSTEMS[name][0]).structure
    cell = made(name, size=(12.0, 5.0))
    assert cell.structure.species == cell.pristine.species
    assert cell.structure.reduced_formula == host.reduced_formula
    assert nearest(cell.pristine) == pytest.approx(nearest(host), rel=1e-6)
    assert nearest(cell.structure) > 0.65 * nearest(host)
    assert cell.structure.volume == pytest.approx(cell.pristine.volume, rel=0.02)
    assert cell.line.length_A >= 5.0


def test_a_ring_without_a_line_shows_none():
    cell = made("fcc edge")
    x, y = cell.line.cores_A[0]
    perfect = burgers_vector(cell.pristine, cell.pristine, (x, y), (3.5, 9.0))
    assert np.allclose(perfect, 0, atol=1e-6)
    # Half a cell up stands nothing; both lines together make none either.
    middle = (cell.line.cores_A[1][0] + x) / 2
    both = burgers_vector(cell.structure, cell.pristine, (middle, y), (9.0, 12.0))
    assert np.allclose(both, 0, atol=0.05)


def test_the_cell_leans_by_half_a_burgers_vector_and_repeats_without_a_fault():
    for name in SYSTEMS:
        cell = made(name)
        lean = cell.structure.lattice.matrix - cell.pristine.lattice.matrix
        assert np.allclose(lean[1], np.array(cell.line.burgers_A) / 2, atol=1e-6)
        assert np.allclose(lean[[0, 2]], 0, atol=1e-9)
        # Far from both cores every bond is that of a strained crystal: b/(2 pi r) is 8 %.
        away = [
            k for k, place in enumerate(cell.structure.cart_coords) if distance(cell, place) > 6.0
        ]
        assert len(away) > 5
        lengths = [min(n.nn_distance for n in near(cell.structure, k)) for k in away]
        assert min(lengths) > 0.88 * nearest(cell.pristine)
        assert max(lengths) < 1.12 * max(
            min(n.nn_distance for n in near(cell.pristine, k)) for k in away
        )


def distance(cell, place) -> float:
    """Return the distance (Å) of an atom from the nearest line, images included."""
    matrix = cell.structure.lattice.matrix[:2, :2]
    gaps = []
    for core in cell.line.cores_A:
        coords = (place[:2] - core) @ np.linalg.inv(matrix)
        steps = np.array([[i, j] for i in (-1, 0, 1) for j in (-1, 0, 1)]) - np.round(coords)
        gaps.append(np.linalg.norm((coords + steps) @ matrix, axis=1).min())
    return min(gaps)


def near(structure, index):
    return structure.get_neighbors(structure[index], 4.0)


def test_the_answer_does_not_depend_on_the_cell_of_the_host():
    host = hosts.load("rocksalt-MgO").structure
    burgers, line = (0.5, -0.5, 0), (0, 0, 1)
    cells = [
        next(dislocations(slip_system(one, burgers, line)))
        for one in (host, host.get_primitive_structure())
    ]
    assert len(cells[0].structure) == len(cells[1].structure)
    assert cells[0].name == cells[1].name
    assert cells[0].multiplicity == cells[1].multiplicity == 6


@pytest.mark.parametrize(
    ("name", "count"),
    [("fcc edge", 12), ("fcc screw", 12), ("fcc 60°", 24), ("bcc screw", 12), ("basal edge", 3)],
)
def test_slip_systems_are_counted_as_in_textbooks(name, count):
    assert made(name).multiplicity == count


@pytest.mark.parametrize("name", ["hcp-Mg", "hcp-Ti"])
@pytest.mark.parametrize(
    ("line", "plane", "count"),
    [
        ((1, 2, 0), None, 3),
        ((1, 0, 0), None, 3),
        ((1, 0, 0), (0, 1, 0), 3),
        ((1, 0, 0), (0, 1, 1), 6),
    ],
)
def test_hexagonal_slip_systems_are_counted_whatever_the_lattice_constants(
    name, line, plane, count
):
    assert slip_system(hosts.load(name).structure, (1, 0, 0), line, plane).equivalent() == count


def test_an_isotropic_screw_is_the_textbook_arctangent():
    field = elastic_field(isotropic(), np.array([0.0, 0.0, 2.5]))
    strain = field.distortion(3.0, 4.0)
    assert strain[2, 0] == pytest.approx(-2.5 * 4 / (2 * np.pi * 25), rel=1e-3)
    assert strain[2, 1] == pytest.approx(2.5 * 3 / (2 * np.pi * 25), rel=1e-3)
    assert np.abs(strain[:2]).max() < 1e-9


def test_an_isotropic_edge_is_that_of_hirth_and_lothe():
    b, nu, x, y = 2.5, 0.3, 3.0, 4.0
    field = elastic_field(isotropic(nu), np.array([b, 0.0, 0.0]))
    found = field.distortion(x, y)
    r2, factor = x * x + y * y, b / (4 * np.pi * (1 - nu))
    dilatation = -2 * (1 - 2 * nu) * factor * y / r2
    shear = factor * x * (x * x - y * y) / r2**2
    assert found[0, 0] + found[1, 1] == pytest.approx(dilatation, rel=2e-3)
    assert (found[0, 1] + found[1, 0]) / 2 == pytest.approx(shear, rel=2e-3)


@pytest.mark.parametrize(
    ("name", "burgers", "line", "plane"),
    [
        ("Li2MnO3", (1, 0, 0), (0, 1, 0), None),
        ("triclinic", (1, 0, 0), (0, 1, 0), None),
        ("triclinic", (0, 0, 1), (1, 0, 0), None),
    ],
)
def test_an_isotropic_field_is_the_same_in_crystals_of_oblique_axes(name, burgers, line, plane):
    lattice = Lattice.from_parameters(4.1, 5.2, 6.3, 75, 100, 82)
    host = Structure(lattice, ["Li", "O"], [[0, 0, 0], [0.3, 0.4, 0.5]])
    host = host if name == "triclinic" else hosts.load(name).structure
    system = slip_system(host, burgers, line, plane)
    found = system.field(None).distortion(3.0, 5.0)
    assert np.trace(found) == pytest.approx(
        -system.burgers_A[0] * 0.4 * 5.0 / (2 * np.pi * 0.7 * 34.0), rel=2e-3
    )


def rotations_of(name: str) -> np.ndarray:
    """Point operations along x || a, z || c, of hosts whose standard cell stands so."""
    finder = SpacegroupAnalyzer(hosts.load(name).structure)
    matrix = finder.get_conventional_standard_structure().lattice.matrix
    x, z = matrix[0] / np.linalg.norm(matrix[0]), matrix[2] / np.linalg.norm(matrix[2])
    frame = np.array([x, np.cross(z, x), z])
    standard = SpacegroupAnalyzer(finder.get_conventional_standard_structure())
    operations = standard.get_point_group_operations(cartesian=True)
    return np.array([frame @ one.rotation_matrix @ frame.T for one in operations])


ALUMINA = {"C11": 497, "C12": 163, "C13": 116, "C33": 501, "C44": 147, "C14": -23}


def test_a_trigonal_crystal_needs_its_c14_alone():
    """(R. E. Newnham, Properties of Materials, 2005: C24 = -C14, C56 = C14, C66 by the others.)"""
    found = stiffness_of(ALUMINA, rotations_of("1T-TiS2"))
    assert found[1, 1, 1, 2] == pytest.approx(23)  # C24
    assert found[0, 2, 0, 1] == pytest.approx(-23)  # C56
    assert found[0, 1, 0, 1] == pytest.approx((497 - 163) / 2)  # C66
    turn = np.array([[-0.5, np.sqrt(0.75), 0], [-np.sqrt(0.75), -0.5, 0], [0, 0, 1]])
    assert np.allclose(turned(found, turn), found)
    with pytest.raises(StructureError, match="nearest to which is C24 = "):
        stiffness_of({**ALUMINA, "C24": -95}, rotations_of("1T-TiS2"))


@pytest.mark.parametrize(
    ("name", "independent"),
    [
        ("fcc-Cu", ["C11", "C12", "C44"]),
        ("hcp-Mg", ["C11", "C12", "C13", "C33", "C44"]),
        ("1T-TiS2", ["C11", "C12", "C13", "C14", "C33", "C44"]),
        ("rutile-TiO2", ["C11", "C12", "C13", "C33", "C44", "C66"]),
        (
            "olivine-FePO4",
            ["C11", "C12", "C13", "C22", "C23", "C33", "C44", "C55", "C66"],
        ),
    ],
)
def test_the_independent_constants_are_those_of_the_textbooks(name, independent):
    """J. F. Nye, Physical Properties of Crystals (1957), table 9; what is left out is named."""
    assert missing_of({}, name) == independent
    values = dict(zip(independent, (500, 150, 110, 5, 90, 300, 120, 60, 70), strict=False))
    stiffness_of(values | {"C33": 400.0} if "C33" in values else values, rotations_of(name))
    for one in independent:
        assert missing_of({key: values[key] for key in independent if key != one}, name) == [one]


def missing_of(constants: dict[str, float], name: str) -> list[str]:
    with pytest.raises(StructureError, match=r"are independent; give .* too") as caught:
        stiffness_of(constants, rotations_of(name))
    return str(caught.value).split("give ")[1].split(" too")[0].split(", ")


def test_anisotropy_matters_and_a_hexagonal_crystal_is_isotropic_in_its_plane():
    copper = {"C11": 168.4, "C12": 121.4, "C44": 75.4}
    host = hosts.load("fcc-Cu").structure
    system = slip_system(host, (0.5, -0.5, 0), (1, 1, -2))
    one, other = (system.field(given).distortion(5, 5) for given in (copper, None))
    assert np.abs(one - other).max() > 0.05 * np.abs(other).max()
    hexagonal = {"C11": 59.3, "C12": 25.7, "C44": 16.4, "C13": 21.4, "C33": 61.5}
    turn = np.array([[0.8, 0.6, 0], [-0.6, 0.8, 0], [0, 0, 1]])
    straight = stiffness_of(hexagonal, rotations_of("hcp-Mg"))
    assert np.allclose(turned(straight, turn), straight)


def test_a_crystal_beside_an_edge_is_compressed_above_and_stretched_below():
    host = hosts.load("fcc-Pt").structure
    system = slip_system(host, (0.5, -0.5, 0), (1, 1, -2))
    side = np.sign(system.burgers_A[0]) * 10.0  # the extra half plane is above for b along x
    up, down = strained_crystals(host, system, [(0.0, side), (0.0, -side)])
    assert up.structure.volume < host.volume < down.structure.volume
    for cell in (up, down):
        # The plane of the dislocation is across [1-10] and [111]: nothing happens along [11-2].
        along = np.array([1, 1, -2]) @ cell.structure.lattice.matrix
        assert np.linalg.norm(along) == pytest.approx(
            np.linalg.norm(np.array([1, 1, -2]) @ cell.pristine.lattice.matrix), rel=1e-6
        )


BAD = {
    "partial": (
        ("fcc-Cu", (1 / 6, 1 / 6, -1 / 3), (1, -1, 0), None),
        r"Burgers vector \[1/6 1/6 -1/3\] is no lattice vector of the crystal; the nearest is \[",
    ),
    "off plane": (
        ("fcc-Cu", (0.5, -0.5, 0), (1, 1, -2), (0, 0, 1)),
        r"does not lie in the plane \(001\); .*: \(111\)",
    ),
    "nothing": (("fcc-Cu", (0, 0, 0), (1, 1, -2), (1, 1, 1)), "no lattice vector"),
    "no line": (("fcc-Cu", (0.5, -0.5, 0), (0, 0, 0), (1, 1, 1)), "has no length"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_dislocation_is_refused_with_what_is_near(case):
    (host, burgers, line, plane), said = BAD[case]
    with pytest.raises(StructureError, match=said) as caught:
        slip_system(hosts.load(host).structure, burgers, line, plane)
    assert "\n" not in str(caught.value)


def test_elastic_constants_have_the_symmetry_of_the_crystal():
    """Three constants of magnesium would make it cubic about its c axis: C66 = C44."""
    magnesium = slip_system(hosts.load("hcp-Mg").structure, (1, 0, 0), (1, 2, 0))
    three = {"C11": 63.5, "C12": 25.9, "C44": 11.0}
    with pytest.raises(StructureError, match=r"has 5 that are independent; give C13, C33 too"):
        magnesium.field(three)
    five = magnesium.field(three | {"C13": 21.7, "C33": 66.5})
    same = magnesium.field(three | {"C13": 21.7, "C33": 66.5, "C66": 18.8})
    assert np.sort_complex(five.roots) == pytest.approx(np.sort_complex(same.roots))
    copper = slip_system(hosts.load("fcc-Cu").structure, (0.5, -0.5, 0), (1, 1, -2))
    copper.field({"C11": 168, "C12": 121, "C44": 75})
    with pytest.raises(StructureError, match="symmetry of the crystal"):
        copper.field({"C11": 168, "C12": 121, "C44": 75, "C33": 120, "C13": 60})


def test_bad_elastic_constants_and_places_in_the_core_are_refused():
    host = hosts.load("fcc-Cu").structure
    system = slip_system(host, (0.5, -0.5, 0), (1, 1, -2))
    with pytest.raises(StructureError, match="give C44 too"):
        dislocations(system, elastic={"C11": 168, "C12": 121})
    with pytest.raises(StructureError, match="C77: does not exist"):
        stiffness_of({"C11": 3, "C12": 1, "C44": 1, "C77": 1}, rotations_of("fcc-Cu"))
    with pytest.raises(StructureError, match="inside the core"):
        strained_crystals(host, system, [(1.0, 0.0)])


def test_the_host_is_left_as_it_was():
    host = hosts.load("fcc-Cu").structure
    before = Structure.from_sites(list(host))
    list(dislocations(slip_system(host, (0.5, -0.5, 0), (1, 1, -2))))
    assert host == before
