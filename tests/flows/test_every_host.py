"""From host to bands for the prototypes, all but the forces: sites, hops, ends, paths."""

from __future__ import annotations

import numpy as np
import pytest

from defectflow.flows.network import Scene, distinct_sites, hops_among, waypoints
from defectflow.structures import hosts, supercell_matrix
from defectflow.structures.bands import check_band, interpolate, moving_atom, unwrapped

CHARGED = {
    "spinel-Ti2S4": "Mg",
    "O3-NiO2": "Mg",
    "O1-CoO2": "Li",
    "P2-CoO2": "Na",
    "alpha-V2O5": "Mg",
    "delta-V2O5": "Mg",
    "alphaI-VOPO4": "Li",
    "olivine-FePO4": "Li",
    "anatase-TiO2": "Li",
    "rutile-TiO2": "Li",
    "Chevrel-Mo6S8": "Mg",
    "2H-MoS2": "Li",
}
DISCHARGED = {
    "spinel-LiMn2O4": "Li",
    "O3-LiCoO2": "Li",
    "olivine-LiFePO4": "Li",
    "delta-MgV2O5": "Mg",
    "fcc-Al": "Al",
    "hcp-Mg": "Mg",
    "bcc-Fe": "Fe",
    "rocksalt-MgO": "Mg",
}
CASES = [
    *((name, ion, "charged") for name, ion in CHARGED.items()),
    *((name, ion, "discharged") for name, ion in DISCHARGED.items()),
]


@pytest.mark.parametrize(("name", "ion", "limit"), CASES)
def test_bands_can_be_made(name, ion, limit, unmoved):
    host = hosts.load(name)
    matrix = supercell_matrix(host.structure)
    scene = Scene(host.structure, matrix.tolist(), ion, limit)
    sites = distinct_sites(host.structure, ion, limit, host.sites)
    stage = scene.stage()
    ideal = [stage.state(scene.cartesian(site.frac_coords)) for site in sites]
    hops = hops_among(scene, [sites[0]], None)
    assert hops
    for hop in hops:
        points = scene.cartesian(hop.start), scene.cartesian(hop.end)
        ends = []
        for end in stage.ends(*points):
            carried, _ = stage.carried(end, ideal[0], ideal[0], np.zeros((len(end), 3)))
            ends.append(carried)
        initial, final = ends[0], unwrapped(*ends)
        atom = moving_atom(initial, final)
        travelled = final.cart_coords - initial.cart_coords
        assert atom == len(initial) - 1
        assert np.linalg.norm(travelled[atom]) == pytest.approx(hop.distance_A, abs=0.02)
        assert np.abs(np.delete(travelled, atom, axis=0)).max() < 0.02
        documents = [unmoved(state) for state in ideal]
        through = waypoints(scene, sites[0], sites, documents, hop)
        for waypoint in (None, *through.values()):
            check_band(interpolate(initial, final, 5, waypoint=waypoint))
