"""Like atoms of two files in another order are matched; what is meant to move stays."""

from __future__ import annotations

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from defectflow.structures.bands import unwrapped
from defectflow.structures.matched_ends import matched_ends


def copper() -> Structure:
    host = Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.61), ["Cu"], [[0, 0, 0]])
    return host.make_supercell([2, 2, 2])


def without(host: Structure, index: int) -> Structure:
    left = host.copy()
    left.remove_sites([index])
    return left


def far(initial: Structure, final: Structure) -> int:
    moved = unwrapped(initial, final).cart_coords - initial.cart_coords
    return int(np.sum(np.linalg.norm(moved, axis=1) > 1.0))


def test_a_vacancy_removed_from_two_files_hops_by_one_atom_with_what_it_carries() -> None:
    host = copper()
    host.add_site_property("magmom", [float(k) for k in range(32)])
    neighbours = [k for k in range(1, 32) if host.get_distance(0, k) < 2.6]
    initial = without(host, 0)
    final = without(host, max(neighbours))
    assert far(initial, final) > 3
    matched, said = matched_ends(initial, final)
    assert far(initial, matched) == 1
    assert "like atoms of both ends were matched" in said
    moments = np.array(matched.site_properties["magmom"])
    assert sorted(moments) == sorted(final.site_properties["magmom"])
    kept = np.array(initial.site_properties["magmom"]) == moments
    assert kept.sum() == len(initial) - 1


@pytest.mark.parametrize("shift", [0, 1])
def test_atoms_that_exchange_their_places_are_left_to_it(shift: int) -> None:
    host = copper()
    ring = [0, *[k for k in range(1, 32) if host.get_distance(0, k) < 2.6][:3]]
    initial, final = host.copy(), host.copy()
    for one, other in zip(ring, np.roll(ring, 1), strict=True):
        final[one].frac_coords = host[other].frac_coords + shift
    matched, said = matched_ends(initial, final)
    assert matched is final
    assert "4 atoms move more than 1 Å in the order given" in said


def test_atoms_that_follow_each_other_in_a_row_stay_so() -> None:
    row = Structure(
        Lattice.orthorhombic(30, 8, 8), ["Li"] * 5, [[k / 10, 0, 0] for k in (0, 1, 2, 3, 4)]
    )
    final = row.copy().translate_sites(list(range(5)), [0.1, 0, 0])
    assert matched_ends(row, final) == (final, "")


def test_an_ordinary_hop_is_untouched() -> None:
    initial = without(copper(), 0)
    final = initial.copy().translate_sites([3], [0.2, 0.2, 0])
    assert matched_ends(initial, final) == (final, "")
