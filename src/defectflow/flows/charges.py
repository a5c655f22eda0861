"""Charges of atoms, and how the density changes where something is adsorbed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from jobflow import Flow, Maker, Response, job

from defectflow.documents import BaderChargeDocument, ChargesDocument, RelaxDocument
from defectflow.engines.charges import ChargesMaker
from defectflow.engines.contract import Capability
from defectflow.errors import RecipeError, StructureError, did_you_mean
from defectflow.flows.electronic_structure import CellPlan
from defectflow.flows.host import HostCell, about, cautions, checked_host, relax_host
from defectflow.flows.provenance import Provenance
from defectflow.flows.results import cost, heading
from defectflow.structures.adsorbates import adsorbate, adsorbates
from defectflow.structures.adsorption import named_site, surface_sites
from defectflow.structures.poses import placed, placements

if TYPE_CHECKING:
    from pymatgen.core import Structure

    from defectflow.engines.contract import Engine
    from defectflow.structures.hosts import Host


@dataclass
class BaderChargeMaker(Maker):
    """Bader charges of a host, a slab, a cell with a vacancy, or of an adsorbate on a slab.

    1. Relax the host, cut the cell out of it, put the adsorbate on its site, and relax the atoms;
       `geometry` may be a cheaper engine than the one of the electrons.
    2. Compute the density and divide it among the atoms.
    3. With an adsorbate: the same for the slab and for the adsorbate alone, where they are; the
       difference of the densities says what moved.

    Attributes
    ----------
    element
        Whose charge is the value; with an adsorbate it is the adsorbate's.
    adsorbate, site
        What is adsorbed where; a molecule in its first pose.

    Examples
    --------
    >>> BaderChargeMaker.__name__
    'BaderChargeMaker'
    """

    engine: Engine
    cell: CellPlan = field(default_factory=CellPlan)
    name: str = "Bader charge"
    element: str = ""
    adsorbate: str = ""
    site: str = "top"
    host_cell: HostCell = "relax"
    relax_atoms: bool = True
    geometry: Engine | None = None
    relax: dict[str, Any] = field(default_factory=dict)

    def make(self, host: Host | Structure, provenance: Provenance | None = None) -> Flow:
        """Return the flow; its output is a `BaderChargeDocument`.

        Raises
        ------
        RecipeError
            If there is no such adsorbate, or an element is not said or not there.
        StructureError
            If the host has no such surface, site or defect.
        EngineError
            If the engine gives no density, or lacks an element.
        """
        self.engine.require(Capability.ATOMIC_CHARGES)
        host = checked_host(self.engine, host)
        mover = self.geometry or self.engine
        built = self._built(host.structure)
        symbols = sorted({site.specie.symbol for site in built["structure"]})
        for one in (self.engine, mover):
            one.check(symbols)
        self._check_element(host.structure)
        origin = provenance or Provenance.of(
            f"Bader charge in {host.name}", self.as_dict(), host.structure.as_dict()
        )
        bulk = relax_host(mover, host, self.host_cell, self.relax)
        said = {**about(host), "notes": list(cautions(mover, host.structure))}
        cell = self.cut_cell(bulk.output, said, origin)
        cell.name = "cut cell"
        return Flow([bulk, cell], output=cell.output, name=origin.recipe)

    def _check_element(self, host: Structure) -> None:
        symbols = sorted({element.symbol for element in host.elements})
        if self.adsorbate:
            return
        if not self.element and len(symbols) > 1:
            message = f"{host.reduced_formula}: say whose charge, e.g. `element: {symbols[0]}`"
            raise RecipeError(message)
        if self.element and self.element not in symbols:
            near = did_you_mean(self.element, symbols)
            message = f"{host.reduced_formula} has no {self.element}; {near}"
            raise RecipeError(message)

    def _built(self, host: Structure) -> dict[str, Any]:
        """Return the cell before it is relaxed, with its adsorbate."""
        cut = self.cell.cut(host)
        if not self.adsorbate:
            return cut
        if self.cell.slab is None:
            message = "an adsorbate needs a `slab` to be put on"
            raise RecipeError(message)
        if self.adsorbate not in adsorbates():
            near = did_you_mean(self.adsorbate, adsorbates())
            message = f"adsorbate {self.adsorbate!r}: not known; {near}"
            raise RecipeError(message)
        slab, one = self.cell.slab.cut(host), adsorbate(self.adsorbate)
        sites = surface_sites(slab, one.species[0])
        first = placements(slab, [named_site(sites, self.site)], one)[0]
        return {**cut, "structure": placed(slab, slab.structure, sites, one, first)}

    @job
    def cut_cell(
        self, host: RelaxDocument, about: dict[str, Any], provenance: Provenance
    ) -> Response[Any]:
        """Relax the atoms of the cell, and go on with the electrons."""
        cut = self._built(host.structure)
        structure: Any = cut.pop("structure")
        steps: list[Any] = [host, None]
        jobs: list[Any] = []
        if self.relax_atoms and self.cell.kind != "bulk":
            maker = (self.geometry or self.engine).relax_maker("fixed", **self.relax)
            jobs.append(maker.make(structure, frozen=cut["frozen"]))
            jobs[-1].name = f"relax {self.cell.kind} cell"
            steps[1] = jobs[-1].output
            structure = jobs[-1].output.structure
        last = self.divide(structure, steps, cut, about, provenance)
        last.name = "density"
        return Response(replace=Flow([*jobs, last], output=last.output))

    @job
    def divide(
        self,
        structure: Structure,
        steps: list[Any],
        cut: dict[str, Any],
        about: dict[str, Any],
        provenance: Provenance,
    ) -> Response[Any]:
        """Compute the density of the whole, and of its parts where there are two."""
        pieces = {"whole": structure}
        if self.adsorbate:
            first = len(structure) - len(adsorbate(self.adsorbate).species)
            slab, alone = structure.copy(), structure.copy()
            slab.remove_sites(list(range(first, len(structure))))
            alone.remove_sites(list(range(first)))
            pieces |= {"slab": slab, self.adsorbate: alone}
        jobs = []
        for name, piece in pieces.items():
            jobs.append(ChargesMaker(self.engine).make(piece))
            jobs[-1].name = f"charges of {name}"
        last = self.conclude(steps, [one.output for one in jobs], cut, about, provenance)
        last.name = self.name
        return Response(replace=Flow([*jobs, last], output=last.output))

    @job(output_schema=BaderChargeDocument, metadata={"defectflow": "result"})
    def conclude(
        self,
        steps: list[RelaxDocument | None],
        found: list[ChargesDocument],
        cut: dict[str, Any],
        about: dict[str, Any],
        provenance: Provenance,
    ) -> BaderChargeDocument:
        """Take the charges that were asked for."""
        done = [step for step in steps if step is not None]
        whole = found[0]
        value, what = self._value(whole)
        matrix = cut["matrix"]
        converged = all(step.converged for step in done)
        slab = self.cell.slab
        where = f" beside {cut['name']}" if cut["name"] else ""
        if slab is not None:
            where = f" on {slab.title}, {self.site}" if self.adsorbate else f" in {slab.title} slab"
        return BaderChargeDocument(
            **heading(self.engine, provenance),
            **cost(*done, *found),
            **{**about, "notes": (*about["notes"], *self._notes(found))},
            defect=f"{what}{where}",
            species=self.adsorbate or self.element,
            converged=converged,
            value=value if converged else None,
            host_cell=self.host_cell,
            cell=self.cell.kind,
            facet=slab.facet if slab else "",
            surface=slab.surface if slab else "",
            strain=slab.strain if slab else 0.0,
            element="" if self.adsorbate else what,
            site=self.site if self.adsorbate else "",
            supercell_matrix=None if matrix is None else tuple(map(tuple, matrix)),
            relaxed_host=steps[0],
            geometry=steps[1],
            charges=whole,
            parts=tuple(found[1:]),
            **_moved(found),
        )

    def _value(self, whole: ChargesDocument) -> tuple[float, str]:
        """Return the charge that is the value, and of what it is."""
        charges = whole.charges_e
        if self.adsorbate:
            count = len(adsorbate(self.adsorbate).species)
            return float(sum(charges[-count:])), self.adsorbate
        symbols = [site.specie.symbol for site in whole.structure]
        element = self.element or symbols[0]
        own = [charge for charge, symbol in zip(charges, symbols, strict=True) if symbol == element]
        if not own:
            message = f"{whole.structure.reduced_formula}: no {element} is left in the cell"
            raise StructureError(message)
        return float(np.mean(own)), element

    def _notes(self, found: list[ChargesDocument]) -> list[str]:
        notes = list(dict.fromkeys(note for one in found for note in one.notes))
        if self.geometry is not None:
            stamp = self.geometry.stamp()
            notes.append(f"the atoms were relaxed with {stamp.name} ({stamp.fidelity})")
        return notes


def _moved(found: list[ChargesDocument]) -> dict[str, Any]:
    """Return the density of the whole less that of its parts, and how much it moves."""
    whole, *parts = (np.array(one.profile_per_A) for one in found)
    if not parts:
        return {}
    if len({len(one) for one in (whole, *parts)}) > 1:
        message = "densities of the whole and of its parts lie on different grids"
        raise StructureError(message)
    difference = whole - sum(parts)
    height_A = found[0].structure.volume / _area_A2(found[0].structure)
    moved = float(np.abs(difference).mean() * height_A / 2)
    return {"difference_per_A": tuple(difference.tolist()), "moved_electrons": moved}


def _area_A2(structure: Structure) -> float:
    lattice = structure.lattice.matrix
    return float(np.linalg.norm(np.cross(lattice[0], lattice[1])))
