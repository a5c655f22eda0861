"""The energy with which larger defects hold point defects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobflow import Flow, Maker, job
from monty.json import MSONable

from defectflow.documents.segregation import SegregationEnergyDocument, SegregationSite
from defectflow.errors import StructureError
from defectflow.flows.defect_cells import neutral_plans_in
from defectflow.flows.host import cautions, chosen_supercell, one_engine, supercell
from defectflow.flows.results import heading
from defectflow.structures.charges import refuse_charge
from defectflow.structures.surroundings import strange_atoms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymatgen.core import Structure

    from defectflow.documents import DefectDocument, DefectFormationEnergyDocument
    from defectflow.engines.contract import Engine
    from defectflow.flows.defect_cells import DefectsIn
    from defectflow.flows.provenance import Provenance


@dataclass(frozen=True)
class SegregationPlace(MSONable):
    """A distinct place of the point defect, and how far from the larger one it is."""

    name: str
    distance_A: float | None


def places(
    cell: Structure,
    crystal: Structure,
    defects: DefectsIn,
    matrix: Sequence[Sequence[int]] | None,
    min_image_distance_A: float,
) -> list[SegregationPlace]:
    """Return the distinct places of a point defect in a supercell of a cell.

    Parameters
    ----------
    cell, crystal
        With the larger defect, and perfect; both as generated.
    matrix, min_image_distance_A
        As those of the formation energy in this cell.

    Raises
    ------
    StructureError
        If the point defect has no place in the cell.
    RecipeError
        If it is charged: the potentials of the two crystals have no common zero.
    """
    strange = cell.frac_coords[strange_atoms(cell, crystal)]
    chosen = chosen_supercell(cell, matrix, min_image_distance_A)
    whole = supercell(cell, chosen)
    found = []
    for plan in neutral_plans_in(whole, defects, "segregation_energy"):
        coords = whole.lattice.get_cartesian_coords(plan.changes[0]["frac_coords"])
        inside = cell.lattice.get_fractional_coords(coords)
        nearest = (
            float(cell.lattice.get_all_distances([inside], strange).min()) if len(strange) else None
        )
        found.append(SegregationPlace(plan.name, nearest))
    return found


@dataclass
class SegregationMaker(Maker):
    """Energy of a point defect at a larger defect, against the perfect crystal.

    1. Relax the cell with the larger defect, its supercell, and the point defect at each of its
       distinct sites; do the same in the perfect crystal. Both are flows of formation energies.
    2. E_seg = [E(cell + X) - E(cell)] - [E(crystal + X) - E(crystal)] for each site.
    """

    engine: Engine
    name: str = "segregation energy"

    def make(
        self,
        cell: Flow,
        crystal: Flow,
        places: Sequence[SegregationPlace],
        provenance: Provenance,
    ) -> Flow:
        """Return the flow; its output is a `SegregationEnergyDocument`.

        Parameters
        ----------
        cell, crystal
            Flows of the formation energy of the point defect, whose outputs are its documents.
        """
        last = self.conclude(cell.output, crystal.output, list(places), provenance)
        last.name = "segregation energy"
        return Flow([cell, crystal, last], output=last.output, name=provenance.recipe)

    @job(output_schema=SegregationEnergyDocument, metadata={"defectflow": "result"})
    def conclude(
        self,
        cell: DefectFormationEnergyDocument,
        crystal: DefectFormationEnergyDocument,
        places: Sequence[SegregationPlace],
        provenance: Provenance,
    ) -> SegregationEnergyDocument:
        """Subtract the energies: step 2."""
        one_engine(cell.pristine, crystal.pristine)
        away = {one.name: one.distance_A for one in places}
        sites = [
            SegregationSite(
                name=one.name,
                multiplicity=one.multiplicity,
                distance_A=away.get(one.name),
                energy_eV=_energy_eV(one, cell, crystal),
            )
            for one in cell.defects
        ]
        sites.sort(key=lambda one: (one.distance_A or 0.0, one.name))
        known = [one for one in sites if one.energy_eV is not None]
        settled = len(known) == len(sites) and cell.converged and crystal.converged
        best = min(known, key=lambda one: one.energy_eV or 0.0) if known else sites[0]
        return SegregationEnergyDocument(
            **heading(self.engine, provenance),
            host=cell.host,
            host_formula=cell.host_formula,
            prototype=cell.prototype,
            species=cell.species,
            defect=best.name,
            converged=settled,
            value=best.energy_eV if settled else None,
            sites=tuple(sites),
            cell_key=cell.key,
            crystal_key=crystal.key,
            force_calls=cell.force_calls + crystal.force_calls,
            wall_time_s=cell.wall_time_s + crystal.wall_time_s,
            notes=cautions(self.engine, cell.relaxed_host.structure),
        )


def _energy_eV(
    here: DefectDocument,
    cell: DefectFormationEnergyDocument,
    crystal: DefectFormationEnergyDocument,
) -> float | None:
    """Return E_seg of a site against the lowest like it in the crystal; None if not converged."""
    alike = [one for one in crystal.defects if one.added == here.added]
    for one in (here, *alike):
        refuse_charge(one.name, one.charge, "segregation_energy")
    if not alike:
        message = (
            f"{here.name}: the perfect crystal has no such defect; give a defect that both have"
        )
        raise StructureError(message)
    if not all(one.relaxed.converged for one in (here, *alike)):
        return None
    there_eV = min(one.relaxed.energy_eV for one in alike) - crystal.pristine.energy_eV
    return here.relaxed.energy_eV - cell.pristine.energy_eV - there_eV
