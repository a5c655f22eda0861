"""Places of an ion in a host and at a defect, against distances measured by hand."""

from __future__ import annotations

import numpy as np
import pytest

from defectflow.errors import StructureError
from defectflow.structures import hosts, vacancies
from defectflow.structures.ion_places import places_at, places_in


def test_the_sites_of_a_host_are_found_again_in_its_supercell():
    host = hosts.load("1T-TiS2")
    whole = host.structure * (3, 3, 2)
    places = places_in(host, whole, "Mg")
    assert [one.label for one in places] == ["1b octahedral", "2d tetrahedral"]
    for one, neighbours in zip(places, (6, 4), strict=True):
        structure = one.cell.structure
        assert len(structure) == len(whole) + 1
        shell = sorted(
            s.nn_distance
            for s in structure.get_neighbors(structure[-1], 5.0)
            if s.specie.symbol == "S"
        )
        assert shell[neighbours] - shell[neighbours - 1] > 0.3


def test_the_missing_atoms_site_comes_first_and_then_the_sites_around_it():
    host = hosts.load("1T-TiS2")
    whole = host.structure * (3, 3, 2)
    defect = next(vacancies(whole, "Ti"))
    places = places_at(host, defect, "Mg", reach_A=4.2)
    assert (places[0].label, places[0].from_defect_A) == ("V_Ti", 0.0)
    empty = np.array(defect.changed[0].frac_coords)
    for one in places:
        structure = one.cell.structure
        assert len(structure) == len(whole)
        assert structure[-1].specie.symbol == "Mg"
        measured = whole.lattice.get_all_distances(structure[-1].frac_coords, empty).item()
        assert measured == pytest.approx(one.from_defect_A, abs=1e-6)
        near = structure.get_neighbors(structure[-1], 0.9)
        assert not near
    kinds = [(one.label, round(one.from_defect_A, 1)) for one in places]
    assert len(set(kinds)) == len(kinds)
    assert {label for label, _ in kinds} == {"V_Ti", "1b octahedral", "2d tetrahedral"}


def test_a_reach_that_ends_before_the_first_site_is_said():
    host = hosts.load("fcc-Al")
    dopant = next(iter(vacancies(host.structure * (2, 2, 2), "Al")))
    filled = places_at(host, dopant, "H", reach_A=0.5)
    assert [one.label for one in filled] == ["V_Al"]
    from defectflow.structures import substitutions

    exchanged = next(substitutions(host.structure * (2, 2, 2), {"Al": "Cu"}))
    with pytest.raises(StructureError, match="raise `reach_A`"):
        places_at(host, exchanged, "H", reach_A=0.5)
