"""Point defects of twelve hosts against those that doped finds, and against brute force.

What doped found is recorded in sites_of_doped.json, with the crystals in its own primitive cells.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Structure
from scipy.ndimage import maximum_filter
from scipy.spatial import cKDTree

from defectflow.structures import hosts, orbit
from defectflow.structures.points import antisites, interstitials, vacancies
from defectflow.structures.sites import MERGE_A, MIN_DISTANCE_A, insertion_sites

RECORD = json.loads(Path(__file__).with_name("sites_of_doped.json").read_text())["hosts"]
#: Hosts whose voids are the same places; see the page on point defects for the others.
SAME_VOIDS = [
    "fcc-Al",
    "rocksalt-MgO",
    "fluorite-CeO2",
    "rutile-TiO2",
    "spinel-MgAl2O4",
    "O3-LiNiO2",
    "2H-MoS2",
]
BULK = [name for name in RECORD if name != "graphene"]  # its voids are a vacuum without end
GRID_A = 0.2
NEAR_A = 0.05


def recorded(name):
    """The crystal in doped's primitive cell."""
    host = RECORD[name]
    return Structure(host["lattice"], host["elements"], host["places"])


class Field:
    """Distance to the nearest atom, by a tree of atoms and their images: no code of ours."""

    def __init__(self, cell):
        self.lattice = cell.lattice.matrix
        steps = np.array(list(itertools.product((-2, -1, 0, 1, 2), repeat=3)))
        atoms = (cell.frac_coords % 1)[:, None, :] + steps
        self.tree = cKDTree(atoms.reshape(-1, 3) @ self.lattice)

    def __call__(self, fractional):
        return self.tree.query((np.asarray(fractional) % 1) @ self.lattice)[0]

    def climbed(self, fractional):
        """The place at which steps in all directions no longer lead away from atoms."""
        number = np.arange(300)
        height, turn = 1 - 2 * (number + 0.5) / 300, np.pi * (1 + 5**0.5) * number
        flat = np.sqrt(1 - height**2)
        sphere = np.c_[np.cos(turn) * flat, np.sin(turn) * flat, height]
        random = np.random.default_rng(0)
        place, step = np.asarray(fractional, dtype=float), 0.05
        while step > 1e-4:
            turned = sphere @ np.linalg.qr(random.normal(size=(3, 3)))[0]
            trial = place + step * turned @ np.linalg.inv(self.lattice)
            heights = self(trial)
            if heights.max() > self(place) + 1e-9:
                place = trial[heights.argmax()]
            else:
                step *= 0.6
        return place

    def maxima(self):
        """Places where a grid has its largest value among neighbours, climbed to the top."""
        counts = np.ceil(np.linalg.norm(self.lattice, axis=1) / GRID_A).astype(int)
        axes = [np.arange(count) / count for count in counts]
        grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
        values = self(grid)
        peaks = grid[(values == maximum_filter(values, size=3, mode="wrap")) & (values > 1.0)]
        return np.array([self.climbed(place) for place in peaks])


def distance_A(cell, places, place):
    return float(cell.lattice.get_all_distances(places, place).min())


def all_places(cell, sites):
    return np.vstack([orbit(cell, site.frac_coords) for site in sites])


@pytest.mark.parametrize("name", RECORD)
@pytest.mark.parametrize("cell", ["conventional", "primitive"])
def test_vacancies_and_antisites_are_those_of_doped(name, cell):
    structure = hosts.load(name).structure if cell == "conventional" else recorded(name)
    found = {}
    for one in itertools.chain(vacancies(structure), antisites(structure)):
        (change,) = one.changed
        said = f"{change.after} on {change.before}" if change.after else f"no {change.before}"
        found.setdefault(said, []).append(one.multiplicity)
    assert {said: sorted(sizes) for said, sizes in found.items()} == RECORD[name]["orbits"]


@pytest.mark.parametrize("name", SAME_VOIDS)
@pytest.mark.parametrize("cell", ["conventional", "primitive"])
def test_self_interstitials_are_those_of_doped(name, cell):
    structure = hosts.load(name).structure if cell == "conventional" else recorded(name)
    element = RECORD[name]["elements"][0]
    cells = interstitials(structure, element, min_contact=0.0)
    assert sorted(one.multiplicity for one in cells) == sorted(
        void["multiplicity"] for void in RECORD[name]["voids"]
    )


@pytest.mark.parametrize("name", SAME_VOIDS)
def test_voids_are_where_doped_has_them(name):
    cell = recorded(name)
    sites = insertion_sites(cell, "Li")
    for void in RECORD[name]["voids"]:
        near = min(
            sites, key=lambda site: distance_A(cell, all_places(cell, [site]), void["place"])
        )
        assert distance_A(cell, all_places(cell, [near]), void["place"]) < NEAR_A
        assert near.multiplicity == void["multiplicity"]


@pytest.mark.parametrize("name", BULK)
def test_what_else_doped_lists_is_in_a_void_of_ours(name):
    """An atom put there that goes away from its neighbours comes to one of our sites."""
    cell = recorded(name)
    ours, field = all_places(cell, insertion_sites(cell, "Li")), Field(cell)
    for void in RECORD[name]["voids"]:
        top = field.climbed(void["place"])
        assert min(distance_A(cell, ours, one) for one in (top, void["place"])) < MERGE_A


@pytest.mark.parametrize("name", BULK)
def test_every_local_maximum_is_in_a_void_of_ours(name):
    """Brute force: no place that atoms enclose is left out, and none of ours is out of thin air.

    Shallow maxima that a grid does not show are in doped's list.
    """
    cell = recorded(name)
    ours, field = all_places(cell, insertion_sites(cell, "Li")), Field(cell)
    maxima = field.maxima()
    assert len(maxima)
    for top in maxima[field(maxima) > MIN_DISTANCE_A]:
        assert distance_A(cell, ours, top) < MERGE_A
    listed = np.vstack([orbit(cell, void["place"]) for void in RECORD[name]["voids"]])
    for place in ours:
        assert distance_A(cell, np.vstack([maxima, listed]), place) < MERGE_A


@pytest.mark.parametrize("name", RECORD)
def test_multiplicity_is_the_group_over_the_stabiliser(name):
    """Orbit and stabiliser, counted from the operations that spglib gives."""
    import spglib

    cell = recorded(name)
    group = spglib.get_symmetry((cell.lattice.matrix, cell.frac_coords, cell.atomic_numbers))
    for site in insertion_sites(cell, "Li"):
        place = np.array(site.frac_coords)
        gaps = group["rotations"] @ place + group["translations"] - place
        kept = np.linalg.norm((gaps - np.round(gaps)) @ cell.lattice.matrix, axis=1) < NEAR_A
        assert site.multiplicity == len(gaps) / kept.sum()
