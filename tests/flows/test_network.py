"""Sites and hops of real hosts, without any calculation."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from defectflow.errors import StructureError
from defectflow.flows import network
from defectflow.flows.barrier import HopPlan, heights_eV
from defectflow.flows.network import (
    Scene,
    Site,
    distinct_sites,
    hops_among,
    settled_sites,
    sites_near_defect,
    stays,
)
from defectflow.flows.walks import Network, Walk
from defectflow.recipes.kinds.planes import GrainBoundary
from defectflow.structures import hosts, supercell_matrix
from defectflow.structures.hops import distinct_hops

if TYPE_CHECKING:
    from collections.abc import Sequence

    from defectflow.documents.migration import Diffusion


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
    (hop,) = hops_among(stage, [Site(label, list(place), size)], None)
    assert hop.distance_A == pytest.approx(length, abs=0.05)


@pytest.mark.parametrize("limit", ["charged", "discharged"])
def test_a_host_file_that_breaks_the_point_group_has_the_network_of_the_crystal(limit: str) -> None:
    """H in bcc: 12 places per cubic cell and one hop, also in two cells side by side."""
    cubic = hosts.load("bcc-Fe").structure
    found = []
    for number, host in enumerate((cubic, cubic * (2, 1, 1)), start=1):
        ion = "H" if limit == "charged" else "Fe"
        sites = distinct_sites(host, ion, limit)  # type: ignore[arg-type]
        stage = Scene(host, supercell_matrix(host).tolist(), ion, limit)  # type: ignore[arg-type]
        hops = hops_among(stage, sites, 1.2 if limit == "charged" else 2.6)
        found.append(
            (
                [site.multiplicity / number for site in settled_sites(stage, sites)],
                [(round(hop.distance_A, 3), hop.multiplicity / number) for hop in hops],
            )
        )
        for hop in hops:  # the supercell has the operation that the hop's ends need
            ends = [stage.stage().state(stage.cartesian(one)) for one in (hop.start, hop.end)]
            stage.stage().carried(ends[1], ends[0], ends[0], np.zeros((len(ends[0]), 3)))
    assert found[0] == found[1]
    assert found[0][0] == ([12] if limit == "charged" else [2])


def test_cutoff_gives_all_hops_up_to_it() -> None:
    stage = scene("1T-TiS2", "Mg")
    site = Site("1b octahedral", [0.0, 0.0, 0.5], 1)
    lengths = [hop.distance_A for hop in hops_among(stage, [site], 6.0)]
    assert lengths == pytest.approx([3.407, 5.695, 3.407 * np.sqrt(3)], abs=0.01)
    with pytest.raises(StructureError, match="larger cutoff_A"):
        hops_among(stage, [site], 2.0)


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
    (hop,) = hops_among(host, [Site("8a tetrahedral", [0.125] * 3, 8)], None)
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


def test_a_network_joins_sites_of_several_kinds() -> None:
    """Octahedral and tetrahedral voids of fcc: 8 hops of a sqrt(3) / 4 from each of 4 voids."""
    stage = scene("fcc-Cu", "H")
    sites = distinct_sites(stage.host, "H", "charged")
    counts = {len(stage.orbit(site)): site.label for site in sites}
    assert sorted(counts) == [4, 8]
    (hop,) = hops_among(stage, sites, None)
    assert hop.distance_A == pytest.approx(3.615 * np.sqrt(3) / 4, abs=1e-3)
    assert hop.multiplicity == 32
    owners = [site.label for site in sites for _ in stage.orbit(site)]
    assert {owners[place] for place in hop.edges[0][:2]} == set(counts.values())


def test_saddles_between_unlike_sites_count_from_the_lowest_of_all() -> None:
    def hop(start: str, end: str, *energies: float) -> SimpleNamespace:
        band = SimpleNamespace(images=[SimpleNamespace(energy_eV=one) for one in energies])
        return SimpleNamespace(
            start=start, end=end, span_eV=max(energies) - min(energies), band=band
        )

    # From A (0) over 0.5 to B (0.3), from there over 0.6 to C (0.4): 0.6 above A, not 0.3 above B.
    hops = [hop("A", "B", 0.0, 0.5, 0.3), hop("B", "C", 0.3, 0.6, 0.4)]
    assert heights_eV(hops, 0.0) == pytest.approx([0.5, 0.6])
    # A way over B alone: the ion is at A, which is off the way, most of its time.
    assert heights_eV([hop("B", "B", 0.3, 0.6, 0.3)], 0.0) == pytest.approx([0.6])
    alike = [hop("A", "A", 0.0, 0.5, 0.0), hop("A", "A", 0.1, 0.4, 0.0)]
    assert heights_eV(alike) == pytest.approx([0.5, 0.4])


def test_sites_near_a_boundary_are_its_own() -> None:
    """The boundaries of this cell are at 1/4 and 3/4 of its height."""
    crystal = hosts.load("rocksalt-MgO")
    kind = GrainBoundary(sigma=5, miller=(3, 1, 0), shifts=(1, 1), min_thickness_A=14)
    host = crystal.with_cell(next(iter(kind.cells(crystal.structure))))
    sites = distinct_sites(host.structure, "Mg", "discharged")
    near = sites_near_defect(host, sites, 0.5)
    assert 0 < len(near) < len(sites) / 2
    for site in sites:
        away = min(abs(site.frac_coords[2] % 1.0 - plane) for plane in (0.25, 0.75))
        away_A = away * host.structure.lattice.c
        assert away_A < 3.5 if site in near else away_A > 2.5
    assert sites_near_defect(host, sites, 0.0) == sites
    assert sites_near_defect(host, sites, 99.0) == sites
    with pytest.raises(
        StructureError, match=r"leave out `near_defect_A`, or give the host a `cell`"
    ):
        sites_near_defect(crystal, sites, 1.0)
    far = [site for site in sites if site not in near]
    with pytest.raises(StructureError, match=r"no site within 0.1 Å of its defect; the nearest is"):
        sites_near_defect(host, far, 0.1)


def test_a_vacancy_is_carried_in_a_host_whose_ions_have_moved() -> None:
    """Lithium 0.4 Å off its place along z, everywhere alike, as ions of a boundary relax."""
    host = hosts.load("O3-LiCoO2").structure
    (site,) = distinct_sites(host, "Li", "discharged")
    polar = host.copy()
    lithium = polar.indices_from_symbol("Li")
    polar.translate_sites(lithium, [0, 0, 0.4], frac_coords=False)
    stage = Scene(polar, np.diag([3, 3, 1]).tolist(), "Li", "discharged")
    (moved,) = settled_sites(stage, [site])
    assert polar.lattice.get_all_distances(moved.frac_coords, polar.frac_coords).min() < 1e-6
    (hop,) = hops_among(stage, [moved], 3.0)
    ends = stage.stage().ends(stage.cartesian(hop.start), stage.cartesian(hop.end))
    ideal = stage.stage().state(stage.cartesian(moved.frac_coords))
    for end in ends:
        carried, _ = stage.stage().carried(end, ideal, ideal, np.zeros((len(ideal), 3)))
        gaps = polar.lattice.get_all_distances(carried.frac_coords * [3, 3, 1], polar.frac_coords)
        assert gaps.min(axis=1).max() < 1e-6
    stale = hops_among(stage, [site], 3.0)[0]
    like = stage.stage().ends(stage.cartesian(stale.start), stage.cartesian(stale.end))[0]
    with pytest.raises(StructureError, match="lacks an operation"):
        stage.stage().carried(like, ideal, ideal, np.zeros((len(ideal), 3)))


def _plans(lattice_A: float) -> list[HopPlan]:
    """Return hops in a simple cubic frame: A in the middle of the cell, B on its three faces.

    The first is A to its image, the second A to B.
    """
    frame = Structure(Lattice.cubic(lattice_A), ["Cu"], [[0, 0, 0]])
    places = [[0.5, 0.5, 0.5], [0.5, 0.5, 0.0], [0.5, 0.0, 0.5], [0.0, 0.5, 0.5]]
    hops = distinct_hops(frame, np.array(places), lattice_A + 0.01)
    plans = [HopPlan.from_hop(hop, ["A", "B", "B", "B"]) for hop in hops]
    found = {(plan.start, plan.end): plan for plan in reversed(plans)}
    return [found["A", "A"], found["A", "B"]]


def test_diffusion_in_a_simple_cubic_net_is_the_textbooks() -> None:
    """D = z/2d a² ν exp(-E/kT): six jumps of length a, whatever sites there are beside."""
    plan, _ = _plans(3.0)
    assert plan.per_site == 6
    found = _walked([replace(plan, places=["A"])], [0.3], {"A": 0.0}, 3 * np.eye(3), 300.0)
    assert (found.geometric_factor, found.jump_length_A) == (1.0, pytest.approx(3.0))
    expected = 9e-16 * 1e13 * np.exp(-0.3 / (8.617333e-5 * 300.0))
    assert found.coefficient_cm2_per_s["300"] == pytest.approx(expected, rel=1e-5)
    assert np.allclose(found.tensor_cm2_per_s["300"], expected * np.eye(3), rtol=1e-5, atol=0)


def test_diffusion_of_a_vacancy_in_an_fcc_crystal_is_the_textbooks() -> None:
    """Twelve jumps of a/√2 from each of four sites: D = a² ν exp(-E/kT)."""
    copper = hosts.load("fcc-Cu").structure
    side = copper.lattice.a
    (hop,) = distinct_hops(copper, copper.frac_coords, side * 0.75)
    plan = HopPlan.from_hop(hop, ["Cu site 1"] * 4)
    assert plan.per_site == 12
    cell = copper.lattice.matrix
    found = _walked([plan], [0.7], {"Cu site 1": 0.0}, cell, 600.0)
    assert found.geometric_factor == 2.0
    expected = side**2 * 1e-16 * 1e13 * np.exp(-0.7 / (8.617333e-5 * 600.0))
    assert found.coefficient_cm2_per_s["600"] == pytest.approx(expected, rel=1e-5)


def test_the_factors_of_a_zigzag_chain_are_not_those_of_its_coefficient() -> None:
    """Sites in turn 1 Å above and below a line, 2 Å apart along it: the jumps are longer."""
    frame = Structure(Lattice.orthorhombic(4.0, 8.0, 10.0), ["Cu"], [[0, 0, 0]])
    points = np.array([[1.0, 0.0, 4.0], [3.0, 0.0, 6.0]])
    edges = [[0, 1, [0, 0, 0]], [0, 1, [-1, 0, 0]], [1, 0, [0, 0, 0]], [1, 0, [1, 0, 0]]]
    length_A = float(np.linalg.norm(points[1] - points[0]))
    plan = HopPlan("A to A", "A", "A", length_A, 2, edges, 2, ["A", "A"])
    network = Network.of([plan], [0.3], {"A": 0.0}, frame.lattice.matrix.tolist())
    found = Walk(1e13, [300.0, 900.0]).document(network, [plan], 0.3, 1)
    for kelvin in (300.0, 900.0):
        expected = 2.0**2 * 1e-16 * 1e13 * np.exp(-0.3 / (8.617333e-5 * kelvin))
        assert found.coefficient_cm2_per_s[f"{kelvin:g}"] == pytest.approx(expected, rel=1e-5)
    assert (found.geometric_factor, found.jump_length_A) == (None, None)


def _walked(
    plans: Sequence[HopPlan],
    heights: Sequence[float],
    above: dict[str, float],
    lattice: Any,
    kelvin: float,
) -> Diffusion:
    network = Network.of(plans, heights, above, lattice)
    return Walk(1e13, [kelvin]).document(network, plans, min(heights), 3)


def test_a_trap_beside_the_way_slows_diffusion_by_the_time_spent_in_it() -> None:
    """Three sites B beside each A, 0.1 eV below: the ion is at A once in 1 + 3 exp(0.1 eV/kT)."""
    direct, aside = _plans(3.0)
    # One B of each kind belongs to one A alone: those hops lead nowhere.
    trap = replace(aside, edges=[edge for edge in aside.edges if edge[2] == [0, 0, 0]])
    cell, above = 3 * np.eye(3), {"A": 0.1, "B": 0.0}
    free = _walked([replace(direct, places=["A"])], [0.3], {"A": 0.0}, cell, 300.0)
    slow = _walked([direct, trap], [0.4, 0.2], above, cell, 300.0)
    thermal_eV = 8.617333e-5 * 300.0
    at_a = 1 / (1 + 3 * np.exp(0.1 / thermal_eV))
    ratio = slow.coefficient_cm2_per_s["300"] / free.coefficient_cm2_per_s["300"]
    assert ratio == pytest.approx(at_a, rel=1e-5)
    assert (slow.geometric_factor, slow.jump_length_A) == (None, None)


def _layers(*moments: float, apart_A: float = 3.3) -> Scene:
    """Return a tetragonal crystal whose layers have these moments, with sites amid each layer."""
    lattice = Lattice.tetragonal(3.0, apart_A * len(moments))
    places = [[0, 0, k / len(moments)] for k in range(len(moments))]
    host = Structure(lattice, ["Cu"] * len(moments), places, site_properties={"magmom": moments})
    return Scene(host, [[3, 0, 0], [0, 3, 0], [0, 0, 1]], "H", "charged")


@pytest.mark.parametrize(
    ("moments", "counts"),
    [
        ((2.0, 2.05, 1.97, 2.0), [4]),
        ((2.0, -2.0, 2.05, -1.97), [4]),
        ((2.0, 1.0, 2.0, 1.0), [2, 2]),
        ((2.0, 2.0, 2.0, -2.0), [2, 1, 1]),
    ],
)
def test_sites_beside_different_moments_are_different(
    moments: tuple[float, ...], counts: list[int]
) -> None:
    """All reversed is all the same; but a layer of its own, or two like it, make a site differ."""
    magnetic = _layers(*moments)
    found = settled_sites(magnetic, [Site("hollow", [0.5, 0.5, 0.0], 4)])
    assert sorted(one.multiplicity for one in found) == sorted(counts)
    labels = ["hollow", "hollow (2)", "hollow (3)"]
    assert [one.label for one in found] == labels[: len(counts)]
    assert sum(len(magnetic.orbit(one)) for one in found) == 4


def test_no_site_of_a_magnetic_host_is_lost_in_a_cell_that_breaks_its_point_group() -> None:
    """Faces of a cube across the layers are sites as those in them are."""
    cubic = _layers(2.0, 1.0, 2.0, 1.0, apart_A=3.0)
    found = settled_sites(cubic, [Site("hollow", [0.5, 0.5, 0.0], 12)])
    assert sum(one.multiplicity for one in found) == 12


def test_a_state_is_carried_with_its_moments() -> None:
    """From an up layer to a down one all moments are reversed; to a weaker one nothing leads."""
    for moments, sign in (((2.0, -2.0), -1), ((2.0, 2.0), 1), ((2.0, -1.0), 0)):
        stage = _layers(*moments).stage()
        ideal, like = stage.state(np.array([1.5, 1.5, 0.0])), stage.state(np.array([1.5, 1.5, 3.3]))
        relaxed = ideal.copy()
        near = relaxed.get_neighbors(relaxed[-1], 2.2)[0].index
        relaxed[near].properties["magmom"] = 1.5
        forces = np.zeros((len(ideal), 3))
        if not sign:
            with pytest.raises(StructureError, match="not in its supercell"):
                stage.carried(like, ideal, relaxed, forces)
            continue
        carried, _ = stage.carried(like, ideal, relaxed, forces)
        beside = carried.get_neighbors(carried[-1], 2.2)
        found = sorted(sign * one.properties["magmom"] for one in beside)
        assert found == [1.5, 2.0, 2.0, 2.0]
