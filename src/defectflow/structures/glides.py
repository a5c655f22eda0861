"""Glides of whole layers: other stackings of a layered crystal, intergrowths, and single faults."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.errors import StructureError
from defectflow.structures.cells import Cell, Planar, frac_tuple
from defectflow.structures.stacking import positions, remainder, stacked, template_of
from defectflow.structures.symmetry import cartesian_rotations, operations

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from pymatgen.core.structure import Structure

    from defectflow.structures.stacking import Template

#: Galleries that a glide makes of one between layers of one orientation.
GLIDES: Final = ("O3", "P3", "O1")
_SAME: Final = 0.02
#: Layers of a crystal may be so far off the places of the ideal net, Å.
_NEARLY_A: Final = 0.4


def layer_stackings(
    structure: Structure,
    galleries: Sequence[str] | None = None,
    guests: Collection[str] = (),
    shifts: Sequence[Sequence[int]] = (),
    layers: int = 6,
) -> Iterator[Cell]:
    """Yield a layered crystal stacked anew, or with each distinct glide of one layer.

    Parameters
    ----------
    galleries
        How each layer is followed by the next (`stacking.STEPS`): ``["P3"]``, ``["P2", "P2", "O3",
        "O3"]`` for an intergrowth. None: cells of `layers` layers as in the crystal with one
        gallery in which all that lies above has glided, each distinct glide once.
    guests
        Elements between the layers, e.g. Na.
    shifts
        Vectors of the anions' net by which each gallery displaces what lies above, beside its
        kind: faults in the order of the layers, such as ±b/3 of Li2MnO3.

    Raises
    ------
    StructureError
        If the crystal is not made of layers of octahedra, or the stacking does not close.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> sodium = hosts.load("O3-NaCoO2").structure
    >>> [cell.name for cell in layer_stackings(sodium, ["P3"], ["Na"])]
    ['P3']
    >>> [cell.name for cell in layer_stackings(sodium, guests=["Na"], layers=4)]
    ['3host+P3', '3host+O1']
    """
    template = template_of(structure, guests)
    if galleries is None:
        if template.native is None:
            message = (
                f"{structure.reduced_formula}: repeats after several layers; name the galleries of "
                "the cell, e.g. P2, P2, O2, O2"
            )
            raise StructureError(message)
        return _single_glides(template, layers)
    made = stacked(template, galleries, shifts)
    return iter([_cell(template, made, galleries, shifts, structure)])


def _single_glides(template: Template, layers: int) -> Iterator[Cell]:
    if layers < 2:  # noqa: PLR2004 - a fault and what it is a fault in
        message = f"layers {layers}: a fault needs at least two, so that something is left of both"
        raise StructureError(message)
    rest = ["host"] * (layers - 1)
    pristine = stacked(template, [*rest, "host"])
    acting = _glide_symmetry(stacked(template, ["host"]))
    seen, steps = [np.zeros(2)], _net_steps(template)
    ideal = _ideal_host(template, steps)
    for gallery, step in itertools.product(("host", *GLIDES), steps):
        away = _glide(template, gallery, step, ideal)
        if _taken(seen, away):
            continue
        seen += list(acting @ away)
        galleries, shifts = [*rest, gallery], [(0, 0)] * (layers - 1) + [step]
        made = stacked(template, galleries, shifts)
        shortest = remainder(away @ template.plane[:2, :2], template.plane[:2, :2])
        yield _cell(template, made, galleries, shifts, pristine, shortest)


def _ideal_host(
    template: Template, steps: Sequence[tuple[int, int]]
) -> tuple[str, tuple[int, int]]:
    """Return the gallery of the ideal net that the crystal has; ``host`` itself if it has none.

    Layers of real crystals are a little off the places of the net, as in monoclinic Li2MnO3;
    measured from there, glides that the symmetry makes equal would differ by as much.
    """
    plane = template.plane[:2, :2]
    host = positions(template, ["host"], [])[1][:2]
    best, least = ("host", (0, 0)), _NEARLY_A
    for kind, step in itertools.product(GLIDES, steps):
        away = positions(template, [kind], [step])[1][:2] - host
        distance = float(np.linalg.norm(remainder(away, plane)))
        if distance < least:
            best, least = (kind, step), distance
    return best


def _glide(
    template: Template, gallery: str, step: tuple[int, int], ideal: tuple[str, tuple[int, int]]
) -> np.ndarray:
    """Return by how much what lies above a gallery glides, in vectors of the layer, (2,)."""
    kind, first = ideal
    if gallery == "host":
        gallery, step = kind, (first[0] + step[0], first[1] + step[1])
    across = positions(template, [gallery], [step])[1] - positions(template, [kind], [first])[1]
    glide: np.ndarray = across[:2] @ np.linalg.inv(template.plane[:2, :2])
    return glide


def _glide_symmetry(crystal: Structure) -> np.ndarray:
    """Return the operations of a crystal on glides of one gallery, in vectors of the layer.

    The crystal repeats with each layer, so that every operation that keeps the normal maps the
    gallery on itself or on one that a translation moves there. One that keeps the sides takes the
    glide t to W t; one that exchanges them takes it to -W t.
    """
    turns = cartesian_rotations(crystal.lattice.matrix, operations(crystal)[0])
    sides = np.round(turns[:, 2, 2])
    flat = np.abs(np.abs(turns[:, 2, 2]) - 1) < _SAME
    plane = crystal.lattice.matrix[:2, :2].T
    acting: np.ndarray = sides[flat, None, None] * (
        np.linalg.inv(plane) @ turns[flat][:, :2, :2] @ plane
    )
    return acting


def _taken(seen: Sequence[np.ndarray], away: np.ndarray) -> bool:
    return any(np.allclose(away - one, np.round(away - one), atol=_SAME) for one in seen)


def _cell(
    template: Template,
    made: Structure,
    galleries: Sequence[str],
    shifts: Sequence[Sequence[int]],
    pristine: Structure,
    glide: Sequence[float] | np.ndarray = (0.0, 0.0),
) -> Cell:
    if template.native is not None:
        pristine = stacked(template, ["host"] * len(galleries))
    steps = [shift for shift in shifts if any(shift)]
    other = sum(gallery != "host" for gallery in galleries)
    moved = sum(any(shift) for shift in shifts)
    name = _written(galleries) + "".join(f"[{i},{j}]" for i, j in steps)
    return Cell(
        structure=made,
        pristine=pristine,
        name=name,
        kind="layer_stacking",
        changed=(),
        multiplicity=1,
        planar=Planar(
            miller=(0, 0, 1),
            area_A2=abs(float(np.linalg.det(template.plane[:2, :2]))),
            count=max(other, moved, 1),
            shift_A=frac_tuple((*glide, 0.0)),
            said="galleries " + " ".join(galleries),
        ),
    )


def _written(galleries: Sequence[str]) -> str:
    """Return galleries with runs counted: ``5host+O1``; a single kind by its name alone."""
    runs = [(kind, len(list(group))) for kind, group in itertools.groupby(galleries)]
    if len(runs) == 1:
        return runs[0][0]
    return "+".join(kind if count == 1 else f"{count}{kind}" for kind, count in runs)


def _net_steps(template: Template) -> list[tuple[int, int]]:
    """Return the displacements by vectors of the net that the layer's own lattice does not have."""
    plane = template.plane[:2, :2]
    found: list[tuple[int, int]] = []
    kept: list[np.ndarray] = []
    reach = (0, 1, -1, 2, -2)
    order = sorted(((i, j) for i in reach for j in reach), key=lambda s: s[0] ** 2 + s[1] ** 2)
    for step in order:
        away = np.array(step) @ template.net @ np.linalg.inv(plane)
        if not _taken(kept, away):
            found.append(step)
            kept.append(away)
    return found
