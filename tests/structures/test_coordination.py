"""Shells around places whose surroundings follow from elementary geometry."""

from __future__ import annotations

import pytest
from pymatgen.core import Lattice, Structure

from defectflow.structures import hosts
from defectflow.structures.coordination import coordination


@pytest.mark.parametrize(
    ("name", "place", "expected"),
    [
        ("fcc-Al", (0.5, 0.5, 0.5), (6, "octahedral")),
        ("fcc-Al", (0.25, 0.25, 0.25), (4, "tetrahedral")),
        ("bcc-Fe", (0.5, 0.25, 0.0), (4, "tetrahedral")),
        ("spinel-Mn2O4", (0.125, 0.125, 0.125), (4, "tetrahedral")),
        ("spinel-Mn2O4", (0.0, 0.0, 0.0), (6, "octahedral")),
        ("P2-CoO2", (0.0, 0.0, 0.25), (6, "prismatic")),
        ("1T-TiS2", (0.0, 0.0, 0.5), (6, "octahedral")),
        ("alpha-V2O5", (0.25, 0.75, 0.609), (8, "eightfold")),
    ],
)
def test_known_shells(name, place, expected):
    assert coordination(hosts.load(name).structure, place) == expected


def test_four_in_a_plane_are_not_a_tetrahedron():
    square = Structure(Lattice.tetragonal(3.0, 12.0), ["Pt"], [[0.5, 0.5, 0.0]])
    assert coordination(square, (0.0, 0.0, 0.0)) == (4, "fourfold")


def test_cations_do_not_count_beside_anions():
    """The octahedral void of TiS2 has two Ti at 2.85 Å behind its six S at 2.43 Å."""
    structure = hosts.load("1T-TiS2").structure
    assert coordination(structure, (0.0, 0.0, 0.5))[0] == 6


def test_wide_vacuum_still_has_a_shell():
    assert coordination(hosts.load("graphene").structure, (0.0, 0.0, 0.5))[0] >= 6
