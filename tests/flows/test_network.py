"""Sites and hops of real hosts, without any calculation."""

from __future__ import annotations

import numpy as np
import pytest

from defectflow.errors import StructureError
from defectflow.flows import network
from defectflow.flows.network import Scene, Site, distinct_sites, hops_between, stays
from defectflow.structures import hosts, supercell_matrix


def scene(name: str, species: str, limit: str = "charged") -> Scene:
    """Return an unrelaxed scene."""
    host = hosts.load(name).structure
    return Scene(host, supercell_matrix(host).tolist(), species, limit)  # type: ignore[arg-type]


def test_labels_of_sites_are_unique() -> None:
    host = hosts.load("1T-TiS2")
    for known in (host.sites, ()):
        labels = [site.label for site in distinct_sites(host.structure, "Mg", "charged", known)]
        assert len(labels) == len(set(labels)) >= 2


def test_host_without_a_site_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "insertion_sites", lambda *_: ())
    with pytest.raises(StructureError, match="MgO has no site for Cs"):
        distinct_sites(hosts.load("rocksalt-MgO").structure, "Cs", "charged")


def test_discharged_sites_are_the_ions() -> None:
    host = hosts.load("spinel-LiMn2O4").structure
    (site,) = distinct_sites(host, "Li", "discharged")
    assert site.multiplicity == 8


@pytest.mark.parametrize(
    ("name", "species", "label", "length"),
    [
        ("spinel-Mn2O4", "Mg", "8a tetrahedral", 8.03 * np.sqrt(3) / 4),
        ("1T-TiS2", "Mg", "1b octahedral", 3.407),
    ],
)
def test_shortest_hops_that_cross_the_crystal(
    name: str, species: str, label: str, length: float
) -> None:
    stage = scene(name, species)
    known = {site.label: site for site in hosts.load(name).sites}
    place = known[label].frac_coords
    size = len(stage.orbit(Site(label, list(place), 1)))
    (hop,) = hops_between(stage, Site(label, list(place), size), None)
    assert hop.distance_A == pytest.approx(length, abs=0.05)


def test_cutoff_gives_all_hops_up_to_it() -> None:
    stage = scene("1T-TiS2", "Mg")
    site = Site("1b octahedral", [0.0, 0.0, 0.5], 1)
    lengths = [hop.distance_A for hop in hops_between(stage, site, 6.0)]
    assert lengths == pytest.approx([3.407, 5.695, 3.407 * np.sqrt(3)], abs=0.01)
    with pytest.raises(StructureError, match="larger cutoff_A"):
        hops_between(stage, site, 2.0)


def test_an_ion_that_slides_away_does_not_stay() -> None:
    stage = scene("1T-TiS2", "Mg")
    site = Site("1b octahedral", [0.0, 0.0, 0.5], 1)
    placed = stage.stage().state(stage.cartesian(site.frac_coords))
    assert stays(stage, site, placed)
    moved = placed.copy()
    moved.translate_sites([len(moved) - 1], [0.0, 0.0, 1.2], frac_coords=False)
    assert not stays(stage, site, moved)


def test_equivalent_states_share_one_relaxation() -> None:
    """A relaxed state carried to the other end of a hop has the same surroundings."""
    host = scene("spinel-Mn2O4", "Mg")
    (hop,) = hops_between(host, Site("8a tetrahedral", [0.125] * 3, 8), None)
    stage, home, there = host.stage(), host.cartesian(hop.start), host.cartesian(hop.end)
    ideal = stage.state(home)
    relaxed = ideal.copy()
    generator = np.random.default_rng(5)
    relaxed.translate_sites([3], generator.normal(scale=0.02, size=3), frac_coords=False)
    forces = generator.normal(size=(len(ideal), 3))
    first, last = stage.ends(home, there)
    carried, moved = stage.carried(last, ideal, relaxed, forces)
    assert [s.species_string for s in carried] == [s.species_string for s in last]
    assert sorted(carried.distance_matrix[-1]) == pytest.approx(
        sorted(relaxed.distance_matrix[-1]), abs=1e-6
    )
    assert sorted(np.linalg.norm(moved, axis=1)) == pytest.approx(
        sorted(np.linalg.norm(forces, axis=1))
    )
    assert first.species == last.species
