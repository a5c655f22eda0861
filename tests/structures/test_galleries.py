"""Layers found, galleries opened, supercells of the plane."""

from __future__ import annotations

import numpy as np
import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure

from defectflow.errors import StructureError
from defectflow.structures import hosts, primitive
from defectflow.structures.galleries import layering, opened, plane_cells, plane_supercell
from defectflow.structures.layers import pieces

#: Host, ions between its layers, layers and atoms of a layer in the primitive cell.
LAYERED = [
    ("2H-MoS2", (), 2, 3),
    ("1T-TiS2", (), 1, 3),
    ("O3-CoO2", (), 1, 3),
    ("O3-NaCoO2", ("Na",), 1, 3),
    ("P2-CoO2", (), 2, 3),
    ("alpha-V2O5", (), 1, 14),
    ("delta-V2O5", (), 1, 14),
    ("delta-MgV2O5", ("Mg",), 1, 14),
    ("alphaI-VOPO4", (), 1, 14),
]
SAME = StructureMatcher(scale=False, primitive_cell=False, attempt_supercell=False)


@pytest.mark.parametrize(("name", "guests", "layers", "atoms"), LAYERED)
@pytest.mark.parametrize("smallest", [True, False])
def test_layers_are_found_in_every_cell(name, guests, layers, atoms, smallest):
    host = hosts.load(name).structure
    given = primitive(host) if smallest else host
    found = layering(given, guests)
    if smallest:
        assert [len(layer) for layer in found.layers] == [atoms] * layers
    assert sum(map(len, found.layers)) + sum(map(len, found.guests)) == len(given)
    assert SAME.fit(found.structure, given)
    assert found.structure.species == given.species
    assert found.structure.volume == pytest.approx(given.volume)
    assert found.structure.lattice.matrix[:2] @ found.normal == pytest.approx([0, 0], abs=1e-9)


@pytest.mark.parametrize(("name", "guests", "layers", "atoms"), LAYERED)
def test_opening_moves_layers_apart_and_leaves_them_as_they_are(name, guests, layers, atoms):
    found = layering(hosts.load(name).structure, guests)
    wide = opened(found, 3.0)
    for gallery in range(len(found.layers)):
        before, after = found.gallery_A(gallery), wide.gallery_A(gallery)
        assert after[1] - after[0] == pytest.approx(before[1] - before[0] + 3.0)
    assert wide.spacing_A == pytest.approx(found.spacing_A + 3.0)
    layer = list(found.layers[-1])
    for structure in (found.structure, wide.structure):  # distances within a layer, by pymatgen
        assert structure.lattice.matrix[:2] == pytest.approx(found.structure.lattice.matrix[:2])
    inside = [s.distance_matrix[np.ix_(layer, layer)] for s in (found.structure, wide.structure)]
    short = inside[0] < 2.5
    assert np.allclose(inside[0][short], inside[1][short])
    # Nothing is bonded between the layers now: the walk over bonds sees layers of the same size.
    again = [len(piece.atoms) for piece in pieces(wide.structure, 1.25, guests)]
    assert sum(again) == sum(map(len, found.layers))


def test_one_gallery_of_two():
    found = layering(hosts.load("2H-MoS2").structure)
    wide = opened(found, 2.5, [1])
    heights = [np.subtract(*wide.gallery_A(k)[::-1]) for k in range(2)]
    closed = np.subtract(*found.gallery_A(0)[::-1])
    assert heights == pytest.approx([closed, closed + 2.5])
    assert wide.structure.lattice.c == pytest.approx(found.structure.lattice.c + 2.5)


def test_ions_stay_in_the_middle():
    found = layering(hosts.load("O3-NaCoO2").structure, ["Na"])
    wide = opened(found, 2.0)
    for gallery, (ion,) in enumerate(wide.guests):
        bottom, top = wide.gallery_A(gallery)
        assert wide.heights_A()[ion] == pytest.approx((bottom + top) / 2, abs=0.02)


def test_input_is_left_alone():
    host = hosts.load("2H-MoS2").structure
    before = host.copy()
    opened(layering(host), 3.0)
    assert host == before


@pytest.mark.parametrize("cells", [1, 2, 3, 4, 6, 7, 9, 12])
def test_supercells_of_the_plane(cells):
    found = layering(hosts.load("1T-TiS2").structure)
    rows = plane_supercell(found, cells)
    assert round(np.linalg.det(rows)) == cells
    assert rows[2].tolist() == [0, 0, 1]
    lattice = rows @ found.structure.lattice.matrix
    a = found.structure.lattice.a
    width = min(np.linalg.norm(lattice[:2], axis=1))
    # The widest lattice of that area is hexagonal.
    assert width <= np.sqrt(cells) * a + 1e-6
    if cells in {1, 3, 4, 9, 12}:
        assert width == pytest.approx(np.sqrt(cells) * a)


@pytest.mark.parametrize(("distance", "cells"), [(3.0, 1), (5.0, 3), (6.5, 4), (8.0, 9)])
def test_cells_for_a_distance_keep_the_symmetry(distance, cells):
    """Of sqrt(7) a = 9.02 Å one has two mirror images; 3 a = 10.2 Å keeps every mirror."""
    assert plane_cells(layering(hosts.load("1T-TiS2").structure), distance) == cells


def hexagonal(group, a, c, atoms):
    symbols, coords = zip(*atoms, strict=True)
    return Structure.from_spacegroup(group, Lattice.hexagonal(a, c), symbols, coords)


def wurtzite(metal, anion, a, c, u):
    return hexagonal("P6_3mc", a, c, [(metal, [1 / 3, 2 / 3, 0]), (anion, [1 / 3, 2 / 3, u])])


#: Bonds of two lengths do not make layers.
FRAMEWORKS = {
    "GaN": wurtzite("Ga", "N", 3.19, 5.189, 0.377),
    "AlN": wurtzite("Al", "N", 3.111, 4.978, 0.3821),
    "corundum": hexagonal(
        "R-3c", 4.759, 12.991, [("Al", [0, 0, 0.3522]), ("O", [0.3063, 0, 0.25])]
    ),
    "GeTe": hexagonal("R3m", 4.156, 10.663, [("Ge", [0, 0, 0.237]), ("Te", [0, 0, 0.7625])]),
    "cadmium": hexagonal("P6_3/mmc", 2.979, 5.617, [("Cd", [1 / 3, 2 / 3, 0.25])]),
    **{
        name: hosts.load(name).structure
        for name in (
            *("olivine-LiFePO4", "olivine-FePO4", "monoclinic-Fe3Se4", "bronze-TiO2"),
            *("rutile-TiO2", "Chevrel-Mo6S8", "spinel-MgTi2S4", "stibnite-Sb2S3", "rocksalt-MgO"),
        )
    },
}


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_bonds_of_two_lengths_make_no_layers(name):
    with pytest.raises(StructureError, match="is not made of layers; give a layered host"):
        layering(FRAMEWORKS[name])


@pytest.mark.parametrize(
    ("crystal", "layers"),
    [
        (hexagonal("R-3m", 4.307, 11.273, [("Sb", [0, 0, 0.23349])]), 3),
        (hexagonal("R-3m", 4.546, 11.862, [("Bi", [0, 0, 0.23389])]), 3),
        (hexagonal("P-3m1", 4.037, 5.126, [("Pd", [0, 0, 0]), ("Te", [1 / 3, 2 / 3, 0.2716])]), 1),
    ],
    ids=["Sb", "Bi", "PdTe2"],
)
def test_layers_that_nearly_touch_are_layers(crystal, layers):
    assert len(layering(crystal).layers) == layers


@pytest.mark.parametrize(
    ("act", "remedy"),
    [
        (lambda: layering(hosts.load("anatase-TiO2").structure), "layered host"),
        (lambda: layering(hosts.load("O3-NaCoO2").structure), "CoO2 .* without Na it is"),
        (lambda: opened(layering(hosts.load("1T-TiS2").structure), -3.0), "give more than -2.85"),
        (lambda: opened(layering(hosts.load("1T-TiS2").structure), 1.0, [1]), "galleries 0 to 0"),
        (lambda: plane_cells(layering(hosts.load("1T-TiS2").structure), 90.0), "lower the"),
    ],
)
def test_bad_input_is_refused(act, remedy):
    with pytest.raises(StructureError, match=remedy):
        act()
