"""Kinks: layers that bend over a wall, judged by neighbours and angles measured in the cells."""

import numpy as np
import pytest

from defectflow.errors import StructureError
from defectflow.structures import hosts
from defectflow.structures.kinks import kinks

#: Host, angle, guests; metal of the layers and its bond to the anions, Å.
CASES = [
    ("2H-MoS2", 15.0, (), "Mo", 2.41),
    ("1T-TiS2", 17.0, (), "Ti", 2.43),
    ("O3-LiCoO2", 11.0, ("Li",), "Co", 1.92),
    ("O3-NaCoO2", 10.0, ("Na",), "Co", 1.94),
]


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case[0])
def kinked(request):
    name, angle, guests, metal, bond = request.param
    crystal = hosts.load(name).structure
    made = next(kinks(crystal, angle, guests=guests, min_width_A=36.0, max_atoms=2000))
    return crystal, made, metal, bond


def heights(structure):
    return structure.frac_coords[:, 2] % 1.0


def normal_at(structure, atom, metal, reach_A, bonds_of):
    """Normal of a layer at a metal, from the neighbours of its element in the layer."""
    vectors, owner = bonds_of(structure, atom, reach_A)
    same = [structure[int(k)].specie.symbol == metal for k in owner]
    assert sum(same) == 6
    return np.linalg.svd(vectors[same])[2][-1]


def test_no_layer_is_broken(kinked, bonds_of):
    """Every metal keeps six anions, and six metals of its layer, near the walls too."""
    crystal, made, metal, bond = kinked
    spacing = crystal.lattice.a
    metals = [k for k, site in enumerate(made.structure) if site.specie.symbol == metal]
    for atom in metals:
        vectors, owner = bonds_of(made.structure, atom, 1.25 * spacing)
        symbols = np.array([made.structure[int(k)].specie.symbol for k in owner])
        lengths = np.linalg.norm(vectors, axis=1)
        assert np.sum((symbols != metal) & (lengths < 1.25 * bond)) == 6
        assert np.sum((symbols == metal) & (lengths > 0.8 * spacing)) == 6
        assert lengths.min() > 0.8 * bond


def test_far_from_the_walls_the_crystal_is_perfect(kinked, bonds_of):
    crystal, made, _, bond = kinked
    reach = 2.2 * bond
    perfect = {}
    for atom, site in enumerate(crystal):
        lengths = np.sort(np.linalg.norm(bonds_of(crystal, atom, reach)[0], axis=1))
        perfect.setdefault(site.specie.symbol, lengths)
    near = np.abs((heights(made.structure)[:, None] - [0.25, 0.75] + 0.5) % 1.0 - 0.5).min(axis=1)
    inside = np.flatnonzero(near * made.structure.lattice.c < 2.0)
    assert len(inside) > 4
    for atom in inside:
        lengths = np.sort(np.linalg.norm(bonds_of(made.structure, int(atom), reach)[0], axis=1))
        known = perfect[made.structure[int(atom)].specie.symbol]
        assert lengths == pytest.approx(known, abs=1e-6)


def test_layers_bend_by_the_angle_and_glides_make_it(kinked, bonds_of):
    """Frank's formula: b = 2 D sin(θ/2), D the distance of dislocations along the wall."""
    crystal, made, metal, _ = kinked
    metals = [k for k, site in enumerate(made.structure) if site.specie.symbol == metal]
    at = heights(made.structure)
    normals = [
        normal_at(
            made.structure,
            min(metals, key=lambda k, middle=middle: abs(at[k] - middle)),
            metal,
            1.05 * crystal.lattice.a,
            bonds_of,
        )
        for middle in (0.25, 0.75)
    ]
    angle = np.degrees(np.arccos(abs(normals[0] @ normals[1])))
    assert angle == pytest.approx(float(made.name.split("_")[1][:-1]), abs=0.06)
    wall = made.structure.lattice.matrix[1, 1]
    b = 2 * wall * np.sin(np.radians(angle / 2))
    assert b / crystal.lattice.a == pytest.approx(round(b / crystal.lattice.a), abs=1e-3)


def test_atoms_are_those_of_the_crystal(kinked, closest_A):
    crystal, made, _, _ = kinked
    assert made.structure.composition == made.pristine.composition
    assert made.structure.composition.reduced_formula == crystal.composition.reduced_formula
    assert made.structure.volume == pytest.approx(made.pristine.volume)
    assert made.pristine.volume / len(made.pristine) == pytest.approx(
        crystal.volume / len(crystal), rel=1e-3
    )
    assert closest_A(made.structure) > 0.7 * closest_A(made.pristine)


def test_both_walls_are_alike_where_that_is_said(kinked, boundary, same_boundaries):
    _, made, _, _ = kinked
    middle = made.structure.lattice.matrix[2, 2] / 2
    same = same_boundaries(boundary(made.structure, 0.0), boundary(made.structure, middle))
    assert same == made.planar.equivalent


def test_the_wall_has_as_many_orientations_as_the_point_group_makes(kinked):
    """Of 12 (or 24) operations, inversion (and a mirror) keep the wall: three axes, to and fro."""
    assert kinked[1].multiplicity == 6


def test_a_row_of_guests_between_glided_layers_makes_the_walls_differ():
    found = {
        name: next(kinks(hosts.load(name).structure, angle, guests=guests)).planar.equivalent
        for name, angle, guests, _, _ in CASES
    }
    assert found["1T-TiS2"] is True
    assert found["O3-LiCoO2"] is False


def test_the_axis_may_be_chosen():
    crystal = hosts.load("1T-TiS2").structure
    along = next(kinks(crystal, 17.0, axis=(1, 2, 0)))
    other = next(kinks(crystal, 17.0, axis=(1, 0, 0)))
    assert along.structure.lattice.a == pytest.approx(3**0.5 * crystal.lattice.a)
    assert other.structure.lattice.a == pytest.approx(crystal.lattice.a)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("fcc-Cu", {}, "not made of layers"),
        ("O3-LiCoO2", {}, "without Li it is"),
        ("1T-TiS2", {"axis": (0, 0, 1)}, "nearest are"),
        ("1T-TiS2", {"axis": (0, 0, 0)}, "nearest are"),
        ("1T-TiS2", {"angle_deg": 80.0}, "no wall within 1°; the nearest are"),
        ("1T-TiS2", {"angle_deg": 3.0, "max_atoms": 100}, "more than 100"),
    ],
)
def test_what_cannot_be_bent_is_refused(name, options, said):
    with pytest.raises(StructureError, match=said):
        next(kinks(hosts.load(name).structure, **options))


def test_layers_without_a_right_angle_cannot_bend():
    crystal = hosts.load("1T-TiS2").structure
    sheared = crystal.lattice.matrix @ np.array([[1.0, 0.07, 0], [0, 1.11, 0], [0, 0, 1]])
    oblique = crystal.__class__(sheared, crystal.species, crystal.frac_coords)
    with pytest.raises(StructureError, match="right angle to it; no other axis has one"):
        next(kinks(oblique))
