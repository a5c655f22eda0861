"""Limits of chemical potentials against a brute-force search of the region's corners."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from pymatgen.core import Composition

from defectflow.analysis.stability import Phase, extreme, stability_limits
from defectflow.errors import MissingData, StructureError

O2 = Phase("O2", "O2", -9.8)
MG, AL = Phase("hcp-Mg", "Mg2", -3.2), Phase("fcc-Al", "Al4", -14.8)
MGO = Phase("rocksalt-MgO", "MgO", -12.0)
ALUMINA, SPINEL = Phase("corundum", "Al2O3", -37.4), Phase("spinel", "MgAl2O4", -49.6)


def corners_by_brute_force(host, others):
    """Return every point where the host's plane and n-1 others cross and no phase is exceeded."""
    phases = [host, *others]
    elements = sorted({e.symbol for one in phases for e in Composition(one.formula).elements})
    counts = np.array([[Composition(p.formula)[e] for e in elements] for p in phases])
    energies = np.array([p.energy_eV for p in phases])
    found = set()
    for chosen in combinations(range(1, len(phases)), len(elements) - 1):
        rows = counts[[0, *chosen]]
        if abs(np.linalg.det(rows)) < 1e-9:
            continue
        mu = np.linalg.solve(rows, energies[[0, *chosen]])
        if np.all(counts @ mu <= energies + 1e-7):
            found.add(tuple(np.round(mu, 5)))
    return elements, found


@pytest.mark.parametrize(
    ("host", "others"),
    [
        (MGO, [MG, O2]),
        (SPINEL, [MG, AL, O2, MGO, ALUMINA]),
        (MGO, [MG, AL, O2, SPINEL, ALUMINA]),
        (ALUMINA, [MG, AL, O2, SPINEL, MGO, Phase("high", "MgAl4O7", -80.0)]),
    ],
)
def test_the_limits_are_the_corners_of_the_region(host, others):
    elements, expected = corners_by_brute_force(host, others)
    limits = stability_limits(host, others)
    found = {tuple(round(limit.chemical_potentials_eV[e], 5) for e in elements) for limit in limits}
    assert found == expected
    for limit in limits:
        mu = limit.chemical_potentials_eV
        for one in (host, *others):
            counted = sum(n * mu[e.symbol] for e, n in Composition(one.formula).items())
            touches = one is host or one.name in limit.phases
            assert counted <= one.energy_eV + 1e-6
            assert (abs(counted - one.energy_eV) < 1e-6) == touches, one.name


def test_rich_and_poor_are_the_ends_of_the_range():
    limits = stability_limits(MGO, [MG, O2])
    assert extreme(limits, "O", rich=True).phases == ("O2",)
    assert extreme(limits, "O", rich=False).phases == ("hcp-Mg",)
    gap = (
        extreme(limits, "O", rich=True).chemical_potentials_eV["O"]
        - extreme(limits, "O", rich=False).chemical_potentials_eV["O"]
    )
    assert gap == pytest.approx(12.0 - 1.6 - 4.9), "minus the formation energy of MgO"


def test_an_element_is_its_own_reservoir():
    (limit,) = stability_limits(AL, [])
    assert limit.chemical_potentials_eV == {"Al": pytest.approx(-3.7)}


def test_an_unstable_host_is_refused_by_how_much_and_against_what():
    high = Phase("spinel", "MgAl2O4", -48.7)
    with pytest.raises(
        StructureError, match=r"spinel is 100.0 meV per atom above corundum \+ rocksalt-MgO"
    ):
        stability_limits(high, [MG, AL, O2, MGO, ALUMINA])


def test_a_missing_elemental_phase_is_named():
    with pytest.raises(MissingData, match="no elemental phase of Al, Mg"):
        stability_limits(SPINEL, [O2, MGO])
