"""The barrier between two structures that the user gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from jobflow import Flow, Maker, job
from pymatgen.core import Structure

from defectflow.documents import BandDocument, Image, MigrationBarrierDocument, RelaxDocument
from defectflow.errors import StructureError
from defectflow.flows.barrier import (
    HopPlan,
    cost_of_path,
    hop_document,
    path_notes,
    spline_span_eV,
    unseen_notes,
)
from defectflow.flows.provenance import Provenance
from defectflow.flows.results import heading
from defectflow.structures.bands import (
    SAME_IMAGE_A,
    check_ends,
    common_cell,
    moving_atom,
    moving_unit,
    unit_name,
    unwrapped,
    waypoint_at,
)
from defectflow.structures.endpoints import detours
from defectflow.structures.exchanges import exchanges
from defectflow.structures.matched_ends import matched_ends
from defectflow.structures.moments import moments_of
from defectflow.structures.sites import insertion_sites
from defectflow.structures.supercells import nearest_image_distance_A

if TYPE_CHECKING:
    from collections.abc import Sequence

    from defectflow.engines.contract import Engine
    from defectflow.structures.exchanges import Exchange


@dataclass
class EndpointsBarrierMaker(Maker):
    """Barrier of one hop between two given end points, in their cell.

    1. Bring both into one cell, if theirs differ slightly (the strain is recorded), and like atoms
       into one order, if that given makes many of them hop (a note says so).
    2. Relax the ends; if a symmetry operation swaps them, only the first. Of a molecule always
       both: it may turn as it relaxes, and a mirror would turn it the other way.
    3. Relax the band, straight and through the voids beside the straight line.

    Attributes
    ----------
    explore
        Send bands through voids between the ends, not only straight.
    """

    engine: Engine
    name: str = "barrier between end points"
    images: int = 0
    explore: bool = True
    relax: dict[str, Any] = field(default_factory=dict)
    band: dict[str, Any] = field(default_factory=dict)

    def make(
        self, initial: Structure, final: Structure, provenance: Provenance | None = None
    ) -> Flow:
        """Return the flow; its output is a `MigrationBarrierDocument`.

        Raises
        ------
        StructureError
            If the two structures do not hold the same atoms in the same order, or their cells
            differ too much.
        """
        check_ends(initial, final)
        first, last, strain = common_cell(initial, final)
        last, said = matched_ends(first, last)
        last = unwrapped(first, last)
        atom = moving_atom(first, last)
        if np.linalg.norm(last[atom].coords - first[atom].coords) < SAME_IMAGE_A:
            message = "the two end points are the same structure: nothing moves"
            raise StructureError(message)
        self.engine.check({element.symbol for element in first.elements})
        unit = moving_unit(first, last)
        origin = provenance or Provenance.of(
            f"{unit_name(first, unit)} hop in {first.composition.reduced_formula}",
            self.as_dict(),
            first.as_dict(),
            last.as_dict(),
        )
        maker = self.engine.relax_maker("fixed", **self.relax)
        relaxed = [maker.make(first)]
        if len(unit) > 1 or not _swaps(first, last):
            relaxed.append(maker.make(last))
        for end, title in zip(relaxed, ("relax initial end", "relax final end"), strict=False):
            end.name = title
        ends = both_ends(first, last, [end.output for end in relaxed])
        overrides = self.band | ({"images": self.images} if self.images else {})
        through = _waypoints(first, last) if self.explore else {}
        band = self.engine.band_maker(**overrides).make(ends.output[0], ends.output[1], through)
        strained = f"end points were brought into one cell, strain {strain:.2%}"
        notes = [*[strained] * bool(strain), *[said] * bool(said)]
        about = {"strain": strain, "notes": notes}
        result = self.conclude(
            first, last, about, [end.output for end in relaxed], band.output, origin
        )
        return Flow([*relaxed, ends, band, result], output=result.output, name=origin.recipe)

    @job(output_schema=MigrationBarrierDocument, metadata={"defectflow": "result"})
    def conclude(
        self,
        initial: Structure,
        final: Structure,
        about: dict[str, Any],
        ends: Sequence[RelaxDocument],
        band: BandDocument,
        provenance: Provenance,
    ) -> MigrationBarrierDocument:
        """Reduce the band to a document."""
        atom = moving_atom(initial, final)
        species = unit_name(initial, moving_unit(initial, final))
        distance = float(np.linalg.norm(final[atom].coords - initial[atom].coords))
        plan = HopPlan(f"{species} hop, {distance:.2f} Å", "initial", "final", distance, 1, [], 1)
        hop = hop_document(plan, band)
        said = unseen_notes([hop])
        converged = hop.converged and all(end.converged for end in ends)
        value = hop.span_eV if converged else None
        formula = initial.composition.reduced_formula
        return MigrationBarrierDocument(
            **heading(self.engine, provenance),
            **cost_of_path([band], *ends),
            host=formula,
            host_formula=formula,
            defect=f"{species} hop",
            species=species,
            limit="given",
            converged=converged,
            value=value,
            barrier_eV=value,
            spline_barrier_eV=spline_span_eV(hop) if converged else None,
            dimensions=None,
            host_cell="given",
            host_lattice=tuple(map(tuple, initial.lattice.matrix.tolist())),
            nearest_image_A=nearest_image_distance_A(initial.lattice.matrix),
            strain=about["strain"],
            hops=(hop,),
            diffusion=None,
            notes=(*about["notes"], *said, *path_notes(self.engine, [band], initial)),
        )


@job
def both_ends(
    initial: Structure, final: Structure, relaxed: Sequence[RelaxDocument]
) -> list[Image]:
    """Return both relaxed ends as images; the second by symmetry if only one was relaxed."""
    first = relaxed[0].image()
    if len(relaxed) > 1:
        return [first, relaxed[1].image()]
    swap = _swaps(initial, final)[0]
    positions = unwrapped(initial, first.structure).cart_coords
    forces = swap.vectors(np.array(first.forces_eV_per_A))
    second = Structure(
        initial.lattice,
        initial.species,
        swap.positions(positions),
        coords_are_cartesian=True,
        to_unit_cell=False,
    )
    image = Image(
        structure=second,
        energy_eV=first.energy_eV,
        forces_eV_per_A=tuple(map(tuple, forces.tolist())),
        magnetic_moments=_exchanged(swap, first.magnetic_moments),
        charge=first.charge,
    )
    return [first, image]


def _swaps(initial: Structure, final: Structure) -> tuple[Exchange, ...]:
    """Return the operations that swap the ends, with the magnetic moments that they are given."""
    return exchanges(initial, final, (moments_of(initial), moments_of(final)))


def _exchanged(
    swap: Exchange, moments: tuple[float | None, ...] | None
) -> tuple[float | None, ...] | None:
    """Return the moments on the other end, atom by atom."""
    if moments is None:
        return None
    values = swap.scalars(np.array([0.0 if one is None else one for one in moments]))
    return tuple(float(value) for value in values)


def _waypoints(initial: Structure, final: Structure) -> dict[str, Structure]:
    """Return the voids beside the straight line, found in the frame without what moves."""
    atom = moving_atom(initial, final)
    frame = initial.copy()
    frame.remove_sites(moving_unit(initial, final))
    voids = insertion_sites(frame, initial[atom].species_string)
    if not voids:
        return {}
    places = np.array([void.frac_coords for void in voids])
    start, end = initial[atom].coords, final[atom].coords
    points = detours(start, end, places, initial.lattice.matrix)
    return {
        f"through void {number}": waypoint_at(initial, final, point)
        for number, point in enumerate(points, start=1)
    }
