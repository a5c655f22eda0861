"""Charges of atoms, and how the density changes where something is adsorbed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from jobflow import Flow, Job, Response, job

from defectflow.documents import BaderChargeDocument, ChargesDocument, RelaxDocument
from defectflow.engines.charges import ChargesMaker, base_area_A2
from defectflow.engines.contract import Capability
from defectflow.errors import RecipeError, StructureError, did_you_mean
from defectflow.flows.cells import CellMaker, CellScene, Cut
from defectflow.structures.adsorbates import adsorbate, adsorbates
from defectflow.structures.adsorption import named_site, surface_sites
from defectflow.structures.poses import placed, placements

if TYPE_CHECKING:
    from pymatgen.core import Structure


@dataclass
class BaderChargeMaker(CellMaker):
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

    name: str = "Bader charge"
    element: str = ""
    adsorbate: str = ""
    site: str = "top"

    title: ClassVar[str] = "Bader charge"
    capability: ClassVar[Capability] = Capability.ATOMIC_CHARGES

    def check_host(self, host: Structure) -> None:
        """Refuse a host without the element, or of several without saying which."""
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

    def built(self, host: Structure) -> Cut:
        """Return the cell before it is relaxed, with its adsorbate."""
        cut = super().built(host)
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
        return replace(cut, structure=placed(slab, slab.structure, sites, one, first))

    def electrons(self, structure: Structure, scene: CellScene, relaxed: Any) -> list[Job]:
        """Return the job that divides the density."""
        last: Job = self.divide(structure, scene, relaxed)
        last.name = "density"
        return [last]

    @job
    def divide(
        self, structure: Structure, scene: CellScene, relaxed: RelaxDocument | None
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
        last = self.conclude(scene, relaxed, [one.output for one in jobs])
        last.name = self.name
        return Response(replace=Flow([*jobs, last], output=last.output))

    @job(output_schema=BaderChargeDocument, metadata={"defectflow": "result"})
    def conclude(
        self, scene: CellScene, relaxed: RelaxDocument | None, found: list[ChargesDocument]
    ) -> BaderChargeDocument:
        """Take the charges that were asked for."""
        whole, slab = found[0], self.cell.slab
        value, what = self._value(whole)
        shared = self.fields(scene, relaxed, found)
        said = dict.fromkeys(note for one in found for note in one.notes)
        where = f" beside {scene.cut.name}" if scene.cut.name else ""
        if slab is not None:
            where = f" on {slab.title}, {self.site}" if self.adsorbate else f" in {slab.title} slab"
        return BaderChargeDocument(
            **{**shared, "notes": (*shared["notes"], *said)},
            defect=f"{what}{where}",
            species=self.adsorbate or self.element,
            value=value if shared["converged"] else None,
            element="" if self.adsorbate else what,
            site=self.site if self.adsorbate else "",
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


def _moved(found: list[ChargesDocument]) -> dict[str, Any]:
    """Return the density of the whole less that of its parts, and how much it moves."""
    whole, *parts = (np.array(one.profile_per_A) for one in found)
    if not parts:
        return {}
    if len({len(one) for one in (whole, *parts)}) > 1:
        message = "densities of the whole and of its parts lie on different grids"
        raise StructureError(message)
    difference = whole - sum(parts)
    height_A = found[0].structure.volume / base_area_A2(found[0].structure)
    moved = float(np.abs(difference).mean() * height_A / 2)
    return {"difference_per_A": tuple(difference.tolist()), "moved_electrons": moved}
