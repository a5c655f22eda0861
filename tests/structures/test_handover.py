"""Starting geometries from a smaller cell and from another engine."""

from __future__ import annotations

import numpy as np
import pytest

from defectflow import hosts
from defectflow.errors import StructureError
from defectflow.structures.handover import carried_over, spread
from defectflow.structures.sheets import sheet_of
from defectflow.structures.surfaces import slab_of


@pytest.mark.parametrize(
    ("cut", "repeat"),
    [
        (lambda n: slab_of(hosts.load("fcc-Pt").structure, (1, 1, 1), 4, 10.0, n), (2, 2)),
        (lambda n: slab_of(hosts.load("bcc-Fe").structure, (1, 1, 0), 5, 10.0, n), (3, 1)),
        (lambda n: slab_of(hosts.load("rocksalt-MgO").structure, (1, 0, 0), 3, 10.0, n), (2, 3)),
        (lambda n: sheet_of(hosts.load("2H-MoS2").structure, 10.0, n), (2, 2)),
    ],
)
def test_the_large_cell_has_the_neighbours_of_the_relaxed_small_one(cut, repeat):
    """Every atom sees the distances that its copy sees: a supercell, whatever the order."""
    one, many = cut((1, 1)).structure, cut(repeat).structure
    relaxed = one.copy()
    rng = np.random.default_rng(3)
    for k in range(len(one)):
        shift = rng.normal(0.0, 0.05, 3)
        relaxed.translate_sites([k], shift, frac_coords=False, to_unit_cell=True)
    made = spread(one, relaxed, many)

    def seen(structure):
        return sorted(
            (site.specie.symbol, *sorted(round(n.nn_distance, 4) for n in near))
            for site, near in zip(structure, structure.get_all_neighbors(4.0), strict=True)
        )

    copies = repeat[0] * repeat[1]
    assert seen(made) == sorted(seen(relaxed) * copies)
    assert [site.specie for site in made] == [site.specie for site in many]
    assert np.abs(made.cart_coords - many.cart_coords).max() < 0.5


def test_moments_go_along():
    slabs = [
        slab_of(hosts.load("fcc-Ni").structure, (1, 1, 1), 3, 10.0, (n, n)).structure
        for n in (1, 2)
    ]
    relaxed = slabs[0].copy()
    relaxed.add_site_property("magmom", [0.6, 0.7, 0.8])
    assert spread(slabs[0], relaxed, slabs[1]).site_properties["magmom"] == pytest.approx(
        [0.6] * 4 + [0.7] * 4 + [0.8] * 4
    )


def test_a_cell_that_repeats_nothing_is_refused():
    copper = slab_of(hosts.load("fcc-Cu").structure, (1, 1, 1), 3).structure
    silver = slab_of(hosts.load("fcc-Ag").structure, (1, 1, 1), 3, repeat=(2, 2)).structure
    with pytest.raises(StructureError, match="does not repeat the small one of 3 atoms"):
        spread(copper, copper, silver)
    platinum = slab_of(hosts.load("fcc-Pt").structure, (1, 1, 1), 4, repeat=(2, 2)).structure
    with pytest.raises(StructureError, match="does not repeat"):
        spread(copper, copper, platinum)


def test_an_adsorbate_keeps_its_height_and_its_effect_on_the_slab():
    slab = slab_of(hosts.load("fcc-Cu").structure, (1, 1, 1), 3, repeat=(2, 2))
    top = list(slab.top())

    def displaced(structure, atoms, height):
        made = structure.copy()
        made.translate_sites(atoms, [0, 0, height], frac_coords=False)
        return made

    clean = displaced(slab.structure, top, -0.10)
    bare = displaced(slab.structure, top, 0.04)
    end = displaced(bare, top[:1], 0.03)
    end.append(
        "H", slab.structure[top[0]].coords + np.array([0, 0, 1.6]), coords_are_cartesian=True
    )
    made = carried_over(end, bare, clean, top)
    moved = made.cart_coords[:-1, 2] - clean.cart_coords[:, 2]
    assert moved[top[0]] == pytest.approx(0.03)
    assert np.delete(moved, top[0]) == pytest.approx(0.0, abs=1e-9)
    assert made[-1].coords[2] - end[-1].coords[2] == pytest.approx(-0.14)
    same = carried_over(end, bare, bare, top)
    assert same.cart_coords == pytest.approx(end.cart_coords)
