"""Bands are right before anything is computed, and wrong ones are refused."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.mep.neb import NEB
from pymatgen.core import Lattice, Structure

from defectflow.errors import StructureError
from defectflow.structures.bands import (
    check_band,
    check_ends,
    common_cell,
    interpolate,
    moving_atom,
    perturbed,
    unwrapped,
    waypoint_at,
)
from defectflow.structures.exchanges import exchange_of, exchanges


def _copper_vacancy_hop() -> tuple[Structure, Structure]:
    """Return a vacancy hop in a 2x2x2 cell of fcc copper, the moving atom last."""
    host = Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.61), ["Cu"], [[0, 0, 0]])
    host.make_supercell([2, 2, 2])
    origin = int(np.argmin(np.linalg.norm(host.frac_coords, axis=1)))
    distances = host.distance_matrix[origin].copy()
    distances[origin] = np.inf
    neighbour = int(distances.argmin())
    first, second = host[origin].frac_coords, host[neighbour].frac_coords
    host.remove_sites([origin, neighbour])
    initial, final = host.copy(), host.copy()
    initial.append("Cu", second)
    final.append("Cu", first)
    return initial, final


def test_ends_with_other_atoms_are_refused() -> None:
    initial, final = _copper_vacancy_hop()
    fewer = final.copy()
    fewer.remove_sites([0])
    with pytest.raises(StructureError, match="31 atoms"):
        check_ends(initial, fewer)
    other = final.copy()
    other.replace(0, "Ag")
    with pytest.raises(StructureError, match="Ag1"):
        check_ends(initial, other)
    a = Structure(Lattice.cubic(4), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    b = Structure(Lattice.cubic(4), ["Cl", "Na"], [[0.5, 0.5, 0.5], [0, 0, 0]])
    with pytest.raises(StructureError, match="different order: atom 1 is Na"):
        check_ends(a, b)


def test_common_cell_is_the_mean_and_says_the_strain() -> None:
    initial, final = _copper_vacancy_hop()
    longer = Structure(Lattice(final.lattice.matrix * 1.002), final.species, final.frac_coords)
    first, last, strain = common_cell(initial, longer)
    assert strain == pytest.approx(0.001, abs=1e-6)
    assert first.lattice.matrix == pytest.approx(last.lattice.matrix)
    assert first.lattice.a == pytest.approx(7.22 * 1.001, abs=1e-6)
    much_longer = Structure(Lattice(final.lattice.matrix * 1.1), final.species, final.frac_coords)
    with pytest.raises(StructureError, match=r"10\.0%"):
        common_cell(initial, much_longer)


def test_unwrapping_takes_the_shortest_way() -> None:
    a = Structure(Lattice.cubic(5), ["Li"], [[0.05, 0.5, 0.5]])
    b = Structure(Lattice.cubic(5), ["Li"], [[0.95, 0.5, 0.5]])
    moved = unwrapped(a, b)
    assert moved[0].frac_coords[0] == pytest.approx(-0.05)


def test_band_invariants() -> None:
    initial, final = _copper_vacancy_hop()
    band = interpolate(initial, final, 5, frozen=[0, 1])
    check_band(band, frozen=[0, 1])
    assert len(band) == 7
    assert moving_atom(initial, unwrapped(initial, final)) == len(initial) - 1
    for image in band:
        assert image.species == initial.species
        assert image.lattice == initial.lattice
    assert band[0].cart_coords == pytest.approx(initial.cart_coords)
    for frozen in (0, 1):
        travelled = [image[frozen].coords - initial[frozen].coords for image in band]
        assert np.array(travelled) == pytest.approx(np.zeros((7, 3)), abs=1e-9)


def test_idpp_opens_the_way_as_far_as_ase_does() -> None:
    initial, final = _copper_vacancy_hop()

    def nearest(image: Structure) -> float:
        distances = image.distance_matrix
        return float(distances[distances > 0].min())

    ours = min(nearest(image) for image in interpolate(initial, final, 5))
    atoms = [
        Atoms("Cu31", positions=s.cart_coords, cell=s.lattice.matrix, pbc=True)
        for s in (initial, unwrapped(initial, final))
    ]
    images = [atoms[0]] + [atoms[0].copy() for _ in range(5)] + [atoms[1]]
    NEB(images, method="improvedtangent").interpolate("idpp", mic=True)
    ases = []
    for image in images:
        distances = image.get_all_distances(mic=True)
        ases.append(distances[distances > 0].min())
    straight = 3.61 / np.sqrt(2) * np.sqrt(3) / 2
    assert straight < 2.22 < ours
    assert ours > min(ases) - 0.02


def test_rigid_shift_does_not_lengthen_a_path() -> None:
    initial, final = _copper_vacancy_hop()
    final = unwrapped(initial, final)
    path = np.array([image.cart_coords for image in interpolate(initial, final, 5)])
    straight = path[0] + np.linspace(0, 1, 7)[:, None, None] * (path[-1] - path[0])
    assert (path - straight).mean(axis=1) == pytest.approx(np.zeros((7, 3)), abs=1e-9)


def test_kick_moves_the_ion_across_its_path_and_nothing_else() -> None:
    initial, final = _copper_vacancy_hop()
    band = interpolate(initial, final, 5)
    kicked = perturbed(band, 0.05, seed=3)
    moved = np.array([b.cart_coords - a.cart_coords for a, b in zip(band, kicked, strict=True)])
    assert np.linalg.norm(moved[3, -1]) == pytest.approx(0.05)
    assert np.abs(moved[:, :-1]).max() < 1e-12
    assert np.abs(moved[[0, -1]]).max() < 1e-12
    along = band[-1][-1].coords - band[0][-1].coords
    assert moved[3, -1] @ along == pytest.approx(0.0, abs=1e-9)


def test_path_through_a_waypoint_passes_it() -> None:
    initial, final = _copper_vacancy_hop()
    final = unwrapped(initial, final)
    point = (initial[-1].coords + final[-1].coords) / 2 + np.array([0.0, 0.0, 0.8])
    waypoint = waypoint_at(initial, final, point)
    assert waypoint[-1].coords == pytest.approx(point)
    band = interpolate(initial, final, 5, waypoint=waypoint)
    nearest = min(np.linalg.norm(image[-1].coords - point) for image in band)
    assert nearest < 0.05


def test_bad_bands_are_refused() -> None:
    initial, final = _copper_vacancy_hop()
    band = interpolate(initial, final, 3)
    with pytest.raises(StructureError, match="images 1 and 2 are the same"):
        check_band([band[0], band[1], band[1], *band[2:]])
    squeezed = [image.copy() for image in band]
    squeezed[2][0] = ("Cu", squeezed[2][1].frac_coords + np.array([0.02, 0, 0]))
    with pytest.raises(StructureError, match=r"overlap|jumps"):
        check_band(squeezed)
    with pytest.raises(StructureError, match="constrained but moves"):
        check_band(band, frozen=[len(initial) - 1])


def test_exchange_swaps_the_ends_and_maps_the_path() -> None:
    initial, final = _copper_vacancy_hop()
    final = unwrapped(initial, final)
    swaps = exchanges(initial, final)
    assert swaps
    for swap in swaps:
        assert swap.positions(initial.cart_coords) == pytest.approx(final.cart_coords, abs=1e-6)
        assert swap.positions(final.cart_coords) == pytest.approx(initial.cart_coords, abs=1e-6)
        assert sorted(swap.permutation) == list(range(len(initial)))
    band = interpolate(initial, final, 4)
    swap = exchange_of(band, swaps)
    assert swap is not None
    assert swap.positions(band[1].cart_coords) == pytest.approx(band[-2].cart_coords, abs=1e-3)
    # a mirror leaves more freedom than an inversion centre and comes first
    traces = [round(float(np.trace(swap.rotation))) for swap in swaps]
    assert traces == sorted(traces, reverse=True)


def test_an_exchange_twice_moves_nothing() -> None:
    """However ends were relaxed: else the middle of a path creeps through the crystal."""
    initial, final = _copper_vacancy_hop()
    final = unwrapped(initial, final)
    final[-1].coords = final[-1].coords + np.array([0.01, 0.03, 0.02])
    swaps = exchanges(initial, final)
    assert swaps
    for one in swaps:
        twice = one.positions(one.positions(initial.cart_coords)) - initial.cart_coords
        assert np.abs(twice.mean(axis=0)).max() < 1e-12


def test_an_exchange_lays_frozen_atoms_onto_frozen_ones() -> None:
    """One that would move them is none; what noise of the hop has moved it by is taken back."""
    initial, final = _copper_vacancy_hop()
    final = unwrapped(initial, final)
    swaps = exchanges(initial, final)
    pair = {0, int(swaps[0].permutation[0])}
    assert len(pair) == 2
    assert not [one for one in exchanges(initial, final, frozen=[0]) if one.permutation[0] != 0]
    noisy = final.copy()
    noisy[-1].coords = final[-1].coords + np.array([0.01, 0.02, 0.0])
    kept = exchanges(initial, noisy, frozen=sorted(pair))
    assert kept
    for one in kept:
        assert {int(one.permutation[atom]) for atom in pair} == pair
        mapped = one.positions(initial.cart_coords)
        for atom in pair:
            assert mapped[atom] == pytest.approx(initial[atom].coords, abs=1e-6)


def test_ends_of_different_energy_have_no_exchange() -> None:
    lattice = Lattice.orthorhombic(6, 5, 5)
    a = Structure(lattice, ["O", "S", "Li"], [[0, 0, 0], [0.5, 0, 0], [0.2, 0.5, 0.5]])
    b = Structure(lattice, ["O", "S", "Li"], [[0, 0, 0], [0.5, 0, 0], [0.45, 0.5, 0.5]])
    assert exchanges(a, b) == ()


def _stripes(initial: Structure, final: Structure, ion: float) -> list[float]:
    """Return moments: up nearer to where the ion starts, down nearer to where it ends."""
    away = [
        initial.get_distance(k, len(initial) - 1) - final.get_distance(k, len(final) - 1)
        for k in range(len(initial) - 1)
    ]
    return [*(-np.sign(np.round(away, 3))).tolist(), ion]


def test_ends_of_different_moments_have_no_exchange() -> None:
    """Each end has the ion beside other moments; without one of its own the two are opposites."""
    initial, final = _copper_vacancy_hop()
    final = unwrapped(initial, final)
    plain, still = exchanges(initial, final), _stripes(initial, final, 0.0)
    swaps = exchanges(initial, final, (still, still))
    assert len(swaps) == len(plain)
    assert {swap.sign for swap in swaps} == {-1}
    assert swaps[0].scalars(np.array(still)) == pytest.approx(still)
    turning = _stripes(initial, final, 1.0)
    assert exchanges(initial, final, (turning, turning)) == ()
    moved = [-one for one in turning[:-1]] + [1.0]
    assert {swap.sign for swap in exchanges(initial, final, (turning, moved))} == {1}
    assert exchanges(initial, final, (turning, None)) == ()
    # An ion of unknown moment may have one, which a reversal of all others would leave.
    assert exchanges(initial, final, ([*still[:-1], None], [*still[:-1], None])) == ()
