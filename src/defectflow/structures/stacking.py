"""Layers of octahedra stacked anew: O3, P3, O1, P2, O2, and any sequence of these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from defectflow.errors import StructureError, did_you_mean
from defectflow.structures.galleries import layering
from defectflow.structures.stacking_faults import crystal_of, upright
from defectflow.structures.symmetry import primitive

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from pymatgen.core.structure import Structure

    from defectflow.structures.galleries import Layering

#: How one layer follows another: the name of the crystal in which all of them do; ``host``: as in
#: the crystal given.
Gallery = Literal["host", "O3", "P3", "O1", "P2", "O2"]

#: Whether the next layer is turned over, and where its lower anions lie against the upper anions
#: below, in steps from A to B: 0 on top of them (prisms), ±1 in the hollows (octahedra). Letters of
#: anions as in C. Delmas, C. Fouassier, P. Hagenmuller, Physica B+C 99, 81 (1980): O3 is AB CA BC,
#: P3 AB BC CA, O1 AB, P2 AB BA, O2 AB CB.
STEPS: Final[dict[str, tuple[bool, int]]] = {
    "O3": (False, 1),
    "P3": (False, 0),
    "O1": (False, -1),
    "P2": (True, 0),
    "O2": (True, 1),
}
_ANION: Final = 2.5
_SAME_A: Final = 0.35
#: Nodes of the net whose coordinates in the layer's cell differ by less are the same.
_SAME_NODE: Final = 1e-3


@dataclass(frozen=True, eq=False)
class Template:
    """One layer of a crystal and the ions above it, with what decides how they are stacked.

    Attributes
    ----------
    plane
        (3, 3) Rows, Å: two vectors of the layer, the first along x, and the normal times the
        distance of layers.
    places, symbols
        Of the layer's atoms.
    guests, guest_symbols
        Of the ions in the gallery above.
    net
        (2, 2) Rows, Å: the vectors of the close-packed net of anions, 120° apart.
    lower, upper
        (2,) Where the anions of the lower and of the upper face lie, at the mean of their offsets
        from the net.
    centre
        (2,) Where the cations lie, likewise; about it the layer may be turned over. Of several the
        one about which most cations then fall on their like.
    native
        (2,) Displacement of the next layer in the crystal itself; None where that is no copy.
    """

    plane: np.ndarray
    places: np.ndarray
    symbols: tuple[str, ...]
    guests: np.ndarray
    guest_symbols: tuple[str, ...]
    net: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    centre: np.ndarray
    native: np.ndarray | None

    @property
    def step_A(self) -> np.ndarray:
        """The vector from A to B of the net, so that the layer's upper anions lie a step on."""
        one = (self.net[0] + 2 * self.net[1]) / 3
        away = remainder(self.upper - self.lower - one, self.net)
        step: np.ndarray = one if np.linalg.norm(away) < _SAME_A else -one
        return step

    def face(self, place: np.ndarray, *, flipped: bool) -> np.ndarray:
        """Return a place in the plane, or where it is when the layer is turned over."""
        moved: np.ndarray = 2 * self.centre - place if flipped else place
        return moved

    def layer(self, *, flipped: bool) -> np.ndarray:
        """Return the layer's atoms, or those of the layer turned by 180° about its normal."""
        places = self.places.copy()
        places[:, :2] = self.face(places[:, :2], flipped=flipped)
        return places

    def steps_between(self) -> int:
        """Return how many distinct displacements by vectors of the net the layer has."""
        return round(float(abs(np.linalg.det(self.plane[:2, :2]) / np.linalg.det(self.net))))


def template_of(structure: Structure, guests: Collection[str] = ()) -> Template:
    """Return a layer of a crystal of octahedral layers.

    Parameters
    ----------
    guests
        Elements between the layers; their atoms inside a layer stay there, as in Li2MnO3.

    Raises
    ------
    StructureError
        If the crystal is not made of layers, or these are not of octahedra.
    """
    structure = primitive(structure)
    found = layering(structure, guests)
    atoms, between = _sorted_out(found)
    rows, frame = _turned(found)
    symbols = [site.specie.symbol for site in structure]
    places = found.structure.cart_coords @ frame.T
    places -= places[atoms[0]] * [0.0, 0.0, 1.0]
    anions = [k for k in atoms if structure[k].specie.X > _ANION]
    cations = [k for k in atoms if k not in anions]
    if not anions or not cations:
        raise _not_octahedral(structure)
    faces = [_face(places, anions, side) for side in (1, -1)]
    if len(faces[0]) != len(faces[1]) or not faces[0]:
        raise _not_octahedral(structure)
    plane = np.array([*rows, [0.0, 0.0, found.spacing_A]])
    net = _net(plane[:2, :2], places[faces[0]], structure)
    made = Template(
        plane=plane,
        places=places[atoms],
        symbols=tuple(symbols[k] for k in atoms),
        guests=places[between],
        guest_symbols=tuple(symbols[k] for k in between),
        net=net,
        lower=_on_net(places[faces[0], :2], net),
        upper=_on_net(places[faces[1], :2], net),
        centre=_centre(places[cations, :2], [symbols[k] for k in cations], plane[:2, :2], net),
        native=(frame @ found.structure.lattice.matrix[2])[:2] if len(found.layers) == 1 else None,
    )
    if np.linalg.norm(remainder(made.upper - made.lower - made.step_A, made.net)) > _SAME_A:
        raise _not_octahedral(structure)
    return made


def stacked(
    template: Template, galleries: Sequence[str], shifts: Sequence[Sequence[int]] = ()
) -> Structure:
    """Return as many layers as there are galleries, the last gallery leading to the next cell.

    Parameters
    ----------
    galleries
        How each layer is followed by the next; see `STEPS`.
    shifts
        Vectors of the anions' net by which each gallery displaces all that lies above it, as in a
        fault of ordered layers; none by default. The anions' stacking does not depend on them.

    Raises
    ------
    StructureError
        If a gallery is unknown, or an odd number of them turns the layers over.
    """
    _check(template, galleries)
    layers, last = positions(template, galleries, shifts)
    places: list[np.ndarray] = []
    symbols: list[str] = []
    for number, (flipped, lateral) in enumerate(layers):
        places.append(
            template.layer(flipped=flipped) + np.array([*lateral, number * template.plane[2, 2]])
        )
        symbols += template.symbols
    matrix = np.array([*template.plane[:2], upright(last, template.plane)])
    frame = crystal_of(matrix, symbols, np.vstack(places))
    if not template.guest_symbols:
        return frame
    ions = []
    for number, (flipped, lateral) in enumerate(layers):
        below = template.face(template.upper, flipped=flipped) + lateral
        ions.append(_guests(template, frame, below, number))
    everything = [*symbols, *template.guest_symbols * len(layers)]
    return crystal_of(matrix, everything, np.vstack([*places, *ions]))


def positions(
    template: Template, galleries: Sequence[str], shifts: Sequence[Sequence[int]]
) -> tuple[list[tuple[bool, np.ndarray]], np.ndarray]:
    """Return of each layer whether it is turned over and its displacement, (2,); and c, (3,).

    `galleries` and `shifts` as in `stacked`.
    """
    flipped, lateral, sense = False, np.zeros(2), 1
    layers = []
    for number, gallery in enumerate(galleries):
        layers.append((flipped, lateral))
        top = template.face(template.upper, flipped=flipped) + lateral
        if gallery == "host":
            native = np.zeros(2) if template.native is None else template.native
            further = -native if flipped else native
        else:
            turn, step = STEPS[gallery]
            # Octahedral galleries between layers turned over glide to and fro.
            forward = template.step_A * (sense if turn else -1 if flipped else 1)
            sense = -sense if turn and step else sense
            flipped = flipped != turn
            base = template.face(template.lower, flipped=flipped) + lateral
            further = remainder(top + step * forward - base, template.net)
        extra = np.asarray(shifts[number]) @ template.net if number < len(shifts) else np.zeros(2)
        lateral = lateral + further + extra
    return layers, np.array([*lateral, len(galleries) * template.plane[2, 2]])


def _guests(template: Template, frame: Structure, below: np.ndarray, number: int) -> np.ndarray:
    """Return the ions of a gallery, at the sites farthest from anions, then from cations."""
    anion = np.array([site.specie.X > _ANION for site in frame])
    best: tuple[tuple[float, float], np.ndarray] | None = None
    for letter in range(3):
        lateral = below - template.upper + letter * template.step_A
        ions = template.guests + np.array([*lateral, number * template.plane[2, 2]])
        coords = frame.lattice.get_fractional_coords(ions)
        distances = frame.lattice.get_all_distances(coords, frame.frac_coords)
        rank = (
            round(float(distances[:, anion].min()), 2),
            round(float(distances[:, ~anion].min()), 2),
        )
        if best is None or rank > best[0]:
            best = (rank, ions)
    return template.guests if best is None else best[1]


def _sorted_out(found: Layering) -> tuple[list[int], list[int]]:
    """Return the atoms of the lowest layer, guests inside it included, and those above it."""
    heights = found.heights_A()
    layer = list(found.layers[0])
    low, high = heights[layer].min(), heights[layer].max()
    guests = list(found.guests[0])
    period = found.spacing_A * len(found.layers)
    everywhere = [k for gallery in found.guests for k in gallery]
    away = np.array([(heights[k] - low) % period for k in everywhere])
    inside = [k for k, one in zip(everywhere, away, strict=True) if one < high - low]
    return layer + inside, [k for k in guests if k not in inside]


def _turned(found: Layering) -> tuple[np.ndarray, np.ndarray]:
    """Return the two vectors of the layers in a frame with z along their normal, and the frame."""
    a, b, _ = found.structure.lattice.matrix
    x = a / np.linalg.norm(a)
    frame = np.array([x, np.cross(found.normal, x), found.normal])
    return np.array([a, b]) @ frame.T, frame


def _face(places: np.ndarray, anions: list[int], side: int) -> list[int]:
    """Return the anions of the lower (1) or upper (-1) half of a layer."""
    middle = (places[anions, 2].min() + places[anions, 2].max()) / 2
    return [k for k in anions if side * (middle - places[k, 2]) > 0]


def _on_net(places: np.ndarray, net: np.ndarray) -> np.ndarray:
    """Return the node (2,) near the first of some atoms from which all are least away on average.

    Atoms of real layers are off their nodes, each in its own way.
    """
    mean: np.ndarray = places[0] + np.mean([remainder(one - places[0], net) for one in places], 0)
    return mean


def _centre(
    places: np.ndarray, symbols: list[str], plane: np.ndarray, net: np.ndarray
) -> np.ndarray:
    """Return the node (2,) of the cations about which the layer is most like itself turned."""
    first = _on_net(places, net)
    steps = np.array([one - first - remainder(one - first, net) for one in places])
    alike = np.array([[one == other for other in symbols] for one in symbols])
    best, most = first, -1
    for step in steps:
        inside = (2 * step - steps[:, None] - steps[None]) @ np.linalg.inv(plane)
        onto = np.abs(inside - np.round(inside)).max(axis=2) < _SAME_NODE
        if np.sum(onto & alike) > most:
            best, most = first + step, int(np.sum(onto & alike))
    return best


def _net(plane: np.ndarray, face: np.ndarray, structure: Structure) -> np.ndarray:
    """Return the vectors of the hexagonal net that the anions of a face form on average."""
    steps = np.array([[i, j] for i in (-1, 0, 1) for j in (-1, 0, 1)]) @ plane
    vectors = (face[:, None, None, :2] - face[None, :, None, :2] + steps).reshape(-1, 2)
    lengths = np.linalg.norm(vectors, axis=1)
    near = vectors[(lengths > 1.0) & (lengths < 1.3 * lengths[lengths > 1.0].min())]
    first = near[int(np.argmax(near @ [1.0, 1e-3]))]
    angles = np.degrees(np.arctan2(*(near @ np.array([[0, 1], [1, 0]])).T))
    angles = (angles - np.degrees(np.arctan2(first[1], first[0]))) % 360
    second = near[int(np.argmin(np.abs(angles - 120)))]
    times = np.round(plane @ np.linalg.inv(np.array([first, second])))
    if abs(round(np.linalg.det(times))) != len(face):
        raise _not_octahedral(structure)
    net: np.ndarray = np.linalg.solve(times, plane)
    return net


def remainder(vector: np.ndarray, net: np.ndarray) -> np.ndarray:
    """Return a vector less the vectors of a net, as short as it can be."""
    parts = vector @ np.linalg.inv(net)
    near = parts - np.round(parts)
    trials = (near + np.array([[i, j] for i in (-1, 0, 1) for j in (-1, 0, 1)])) @ net
    shortest: np.ndarray = trials[int(np.argmin(np.linalg.norm(trials, axis=1).round(6)))]
    return shortest


def _check(template: Template, galleries: Sequence[str]) -> None:
    for gallery in galleries:
        if gallery not in {"host", *STEPS}:
            message = f"stacking {gallery!r}: {did_you_mean(gallery, ['host', *STEPS])}"
            raise StructureError(message)
    if "host" in galleries and template.native is None:
        message = "stacking host: the crystal repeats after several layers; name their galleries"
        raise StructureError(message)
    if not galleries or sum(gallery in {"P2", "O2"} for gallery in galleries) % 2:
        message = (
            f"stacking {' '.join(galleries) or 'of nothing'}: P2 and O2 turn the next layer over, "
            "so that a cell needs an even number of these; give one more"
        )
        raise StructureError(message)


def _not_octahedral(structure: Structure) -> StructureError:
    return StructureError(
        f"{structure.reduced_formula}: its layers are no octahedra between two close-packed nets of"
        " anions; name the ions between the layers (guests), or displace the crystal by a shift"
    )
