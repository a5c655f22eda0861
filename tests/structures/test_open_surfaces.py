"""Sites at atoms below the top layer: steps, troughs, undercoordinated metals of oxides."""

from __future__ import annotations

import numpy as np
import pytest

from defectflow import hosts
from defectflow.structures import vacancies
from defectflow.structures.adsorbates import adsorbate
from defectflow.structures.adsorption import named_site, surface_sites, top_height_A
from defectflow.structures.cell_slabs import ended_slab
from defectflow.structures.layers import covalent_radius_A
from defectflow.structures.open_surfaces import exposed_atoms, lateral_gaps_A
from defectflow.structures.poses import Placement, placed, placements
from defectflow.structures.sheets import sheet_of
from defectflow.structures.surface_defects import in_top_layer, with_defect
from defectflow.structures.surfaces import slab_of
from defectflow.structures.whereabouts import whereabouts


def slab(name, miller, layers=9, repeat=(1, 1)):
    return slab_of(hosts.load(name).structure, miller, layers, repeat=repeat)


def nearest_A(one, site):
    """Distances from an adsorbed O at a site to the atoms of the slab, nearest first."""
    sites = surface_sites(one, "O")
    atom = adsorbate("O")
    structure = placed(one, one.structure, sites, atom, Placement(site, site))
    _, _, _, apart = structure.get_neighbor_list(4.0, sites=[structure[-1]])
    return np.sort(apart[apart > 1e-6])  # without itself


@pytest.mark.parametrize(
    ("name", "miller"),
    [
        ("fcc-Pt", (1, 1, 1)),
        ("fcc-Pt", (1, 0, 0)),
        ("bcc-Fe", (1, 1, 0)),
        ("bcc-Fe", (1, 0, 0)),
        ("hcp-Ti", (0, 0, 1)),
        ("rocksalt-MgO", (1, 0, 0)),
    ],
)
def test_flat_surfaces_expose_their_top_layer_alone(name, miller):
    assert exposed_atoms(slab(name, miller)) == ()


@pytest.mark.parametrize("name", ["graphene", "2H-MoS2", "1T-TiS2"])
def test_sheets_expose_their_top_layer_alone(name):
    assert exposed_atoms(sheet_of(hosts.load(name).structure, 12.0)) == ()


@pytest.mark.parametrize(
    ("miller", "rows"), [((1, 1, 0), 2), ((3, 1, 1), 2), ((2, 1, 1), 3), ((2, 2, 1), 4)]
)
def test_all_rows_of_a_stepped_surface_have_sites(miller, rows):
    """V atoms of a triangulated plane have 3 V edges and 2 V triangles; squares are one hollow."""
    one = slab("fcc-Pt", miller, 12)
    assert len(exposed_atoms(one)) == rows - 1
    sites = surface_sites(one, "O")
    labels = {site.label for site in sites}
    # What lies above an atom and in a hollow of the top layer keeps the name of the hollow.
    lower = {f"top L{depth}" for depth in range(2, rows + 1)}
    assert lower <= labels or miller in {(1, 1, 0), (3, 1, 1)}
    assert labels & {"top L2", "hollow", "hcp"}
    assert all(nearest_A(one, site.label)[0] > 1.5 for site in sites)


def test_the_places_of_a_step_are_those_of_its_two_facets():
    """Fcc (211) is made of (111) terraces of three rows and (100) steps, with a square hollow."""
    one = slab("fcc-Pt", (2, 1, 1))
    bond_A = covalent_radius_A("Pt") + covalent_radius_A("O")
    assert nearest_A(one, "top L2")[0] == pytest.approx(bond_A, abs=1e-3)
    assert nearest_A(one, "top L3")[0] == pytest.approx(bond_A, abs=1e-3)
    square = {site.label: site.multiplicity for site in surface_sites(one, "O")}["hollow L1-3"]
    assert square == 1
    place = np.array(named_site(surface_sites(one, "O"), "hollow L1-3").places_A[0])
    asides = lateral_gaps_A(one.structure.cart_coords[:, :2] - place, one.structure.lattice.matrix)
    edge, foot = (np.array(one.layer) == one.layers - depth for depth in (1, 3))
    assert asides[edge].min() == pytest.approx(asides[foot].min(), abs=1e-3)


def test_the_fivefold_metal_of_rutile_is_a_site():
    """Where OER on (110) happens; bridging oxygen is the top layer."""
    one = ended_slab(hosts.load("rutile-TiO2").structure, (1, 1, 0), "O 2", (9, 12.0))
    sites = {site.label: site for site in surface_sites(one, "O")}
    assert {"top", "bridge", "hollow", "top Ti L2", "bridge L1-2", "hollow L1-2"} == set(sites)
    titanium = [one.structure[k].specie.symbol for k in exposed_atoms(one)]
    assert titanium == ["Ti"]
    bond_A = covalent_radius_A("Ti") + covalent_radius_A("O")
    assert nearest_A(one, "top Ti L2")[0] == pytest.approx(bond_A, abs=1e-3)
    labels = [one_.label for one_ in placements(one, tuple(sites.values()), adsorbate("OH"))]
    assert any(label.startswith("top Ti L2") for label in labels)


def test_below_the_edge_is_not_below_the_surface():
    one = slab("fcc-Pt", (2, 1, 1))
    sites = surface_sites(one, "O")
    atom = adsorbate("O")
    label = "hollow L2-3 1"
    structure = placed(one, one.structure, sites, atom, Placement(label, label))
    down = top_height_A(one, structure) - 0.1 - structure[-1].z
    structure.translate_sites([len(structure) - 1], [0, 0, down], frac_coords=False)
    found = whereabouts(one, sites, label, structure, atom)
    assert (found.outcome, found.height_A) == ("stays", pytest.approx(-0.1))
    structure.translate_sites([len(structure) - 1], [0, 0, -2.5], frac_coords=False)
    assert whereabouts(one, sites, label, structure, atom).outcome != "stays"


def test_what_a_vacancy_lays_bare_is_the_vacancy():
    platinum = slab("fcc-Pt", (1, 1, 1), 4, (3, 3))
    cell = in_top_layer(platinum, vacancies(platinum.structure, "Pt"))
    assert exposed_atoms(with_defect(platinum, cell.name, cell.changed)) == ()


def test_a_larger_cell_has_more_of_the_same_lower_sites():
    one, four = (
        {site.label: site.multiplicity for site in surface_sites(slab("fcc-Cu", m, 9, size), "H")}
        for m, size in (((2, 1, 1), (1, 1)), ((2, 1, 1), (2, 2)))
    )
    assert four == {label: 4 * count for label, count in one.items()}


def test_a_vacancy_of_an_open_surface_stays_a_site():
    host = hosts.load("rutile-TiO2").structure
    one = ended_slab(host, (1, 1, 0), "O 2", (9, 12.0), (2, 1))
    cell = in_top_layer(one, vacancies(one.structure, "O"))
    labels = {site.label for site in surface_sites(with_defect(one, cell.name, cell.changed), "O")}
    assert cell.name in labels
    assert any(label.startswith("top Ti L2") for label in labels)


@pytest.mark.parametrize("miller", [(1, 1, 0), (1, 0, 0), (1, 1, 1)])
def test_the_place_of_a_vacancy_is_a_site_on_every_surface(miller):
    """On (110) and (100) it is no hollow of the triangles between the atoms that are left."""
    copper = slab("fcc-Cu", miller, 7, (2, 2))
    cell = in_top_layer(copper, vacancies(copper.structure, "Cu"))
    broken = with_defect(copper, cell.name, cell.changed)
    sites = surface_sites(broken, "H")
    (hole,) = (site for site in sites if site.label.startswith("V_Cu"))
    place = copper.structure[cell.changed[0].index].coords[:2]
    gap = lateral_gaps_A(np.array(hole.places_A) - place, copper.structure.lattice.matrix)
    assert gap.min() < 0.5
    assert hole.floor_A < 0
    assert exposed_atoms(broken) == tuple(
        k - 1 if k > cell.changed[0].index else k for k in exposed_atoms(copper)
    )
