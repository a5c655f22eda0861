"""Energies of interfaces: how strongly two crystals hold together, and what their contact costs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from jobflow import Flow, Maker, Response, job
from monty.json import MSONable

from defectflow.documents.surfaces import InterfaceEnergyDocument
from defectflow.errors import StructureError
from defectflow.flows.alike import one_cutoff, one_hubbard_set, one_spacing
from defectflow.flows.host import about, as_host, cautions, one_engine, relax_host
from defectflow.flows.provenance import Provenance
from defectflow.flows.results import cost, heading
from defectflow.flows.surface_energy import J_PER_M2_PER_EV_A2
from defectflow.structures.handover import moments_from, with_moments
from defectflow.structures.interfaces import Joint, Side, interfaces
from defectflow.structures.symmetry import upward_operations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymatgen.core import Structure

    from defectflow.documents.steps import RelaxDocument
    from defectflow.engines.contract import Engine, FreeCell
    from defectflow.structures.cells import Cell, Junction, Planar
    from defectflow.structures.hosts import Host
    from defectflow.words import HostCell

InterfaceQuantity = Literal["work_of_adhesion", "interface_formation_energy"]

_STRAIN: Final = 0.005
_ROUNDING: Final = 1e-6


@dataclass(frozen=True)
class InterfacePlan(MSONable):
    """Which interface.

    Attributes
    ----------
    substrate, film
        Arguments of `structures.interfaces.Side` but the crystal.
    joint
        Arguments of `structures.interfaces.Joint`.
    match
        Which common cell, counted from 1, the smallest first.
    """

    substrate: dict[str, Any] = field(default_factory=dict)
    film: dict[str, Any] = field(default_factory=dict)
    joint: dict[str, Any] = field(default_factory=dict)
    match: int = 1

    def cell(self, substrate: Structure, film: Structure) -> Cell:
        """Return the interface of two crystals.

        Raises
        ------
        StructureError
            If there are not so many common cells.
        """
        sides = Side(substrate, **self.substrate), Side(film, **self.film)
        found = list(interfaces(*sides, Joint(**self.joint)))
        if self.match > len(found):
            message = f"match {self.match}: only {len(found)} cells fit; raise the area or strain"
            raise StructureError(message)
        cell = found[self.match - 1]
        below, above = parts_of(cell)
        moments = [*moments_from(substrate, below), *moments_from(film, above)]
        return replace(cell, structure=with_moments(cell.structure, moments))


@dataclass(frozen=True)
class _Scene(MSONable):
    """What the steps after the crystals share."""

    crystals: list[RelaxDocument]
    about: dict[str, Any]
    provenance: Provenance


@dataclass
class InterfaceEnergyMaker(Maker):
    """Work of adhesion, or formation energy, of an interface.

    1. Relax both crystals.
    2. Find their common cell and build the interface: with vacuum for the work of adhesion, as a
       superlattice for the formation energy.
    3. Relax its atoms, of a superlattice the height too, which else would be what the gap made it;
       and substrate and film alone in the same cell, or both crystals.
    4. Subtract.

    Attributes
    ----------
    height
        ``relaxed``: a superlattice is free across its plane; ``fixed``: as high as built.

    Examples
    --------
    >>> from defectflow.engines.registry import engine
    >>> from defectflow.structures import hosts
    >>> plan = InterfacePlan({"miller": (1, 1, 1)}, {"miller": (1, 1, 1)})
    >>> maker = InterfaceEnergyMaker(engine("emt"), plan, "work_of_adhesion")
    >>> [job.name for job in maker.make(hosts.load("fcc-Cu"), hosts.load("fcc-Ag"))]
    ['relax substrate', 'relax film', 'join']
    """

    engine: Engine
    plan: InterfacePlan
    quantity: InterfaceQuantity
    name: str = "interface"
    host_cell: HostCell = "relax"
    height: Literal["relaxed", "fixed"] = "relaxed"
    relax: dict[str, Any] = field(default_factory=dict)

    def make(
        self,
        substrate: Host | Structure,
        film: Host | Structure,
        provenance: Provenance | None = None,
    ) -> Flow:
        """Return the flow; its output is an `InterfaceEnergyDocument`.

        Raises
        ------
        StructureError
            If no cell fits both planes within the strain.
        EngineError
            If the engine cannot do what is needed, or gives an element U in one of the crystals
            alone or beside the other.
        """
        below, above = as_host(substrate), as_host(film)
        kinds = [*below.structure.elements, *above.structure.elements]
        self.engine.check({element.symbol for element in kinds})
        joined = self.plan.cell(below.structure, above.structure).structure
        self.engine.check_request(joined)
        self.engine.relax_maker(self._free())
        one_hubbard_set(self.engine, [below.structure, above.structure, joined])
        origin = provenance or Provenance.of(
            f"{above.name} on {below.name}",
            self.as_dict(),
            below.structure.as_dict(),
            above.structure.as_dict(),
        )
        notes = [*cautions(self.engine, below.structure), *cautions(self.engine, above.structure)]
        said = {**about(below), "film": above.name, "film_formula": above.formula, "notes": notes}
        jobs = [relax_host(self.engine, one, self.host_cell, self.relax) for one in (below, above)]
        for one, role in zip(jobs, ("substrate", "film"), strict=True):
            one.name = f"relax {role}"
        last = self.join([one.output for one in jobs], said, origin)
        last.name = "join"
        return Flow([*jobs, last], output=last.output, name=origin.recipe)

    @job
    def join(
        self, crystals: Sequence[RelaxDocument], about: dict[str, Any], provenance: Provenance
    ) -> Response[Any]:
        """Build the interface of the relaxed crystals and compute it: steps 2 and 3."""
        cell = self.plan.cell(*(one.structure for one in crystals))
        alone = list(parts_of(cell))
        if self.quantity == "interface_formation_energy":
            alone = [one.structure for one in crystals]
        cells = [cell.structure, *alone]
        settings = one_spacing(self.engine, "relax", cells, self.relax)
        settings = one_cutoff(self.engine, self._free(), settings)
        both = self.engine.relax_maker(self._free(), **settings)
        maker = self.engine.relax_maker("fixed", **settings)
        jobs = [both.make(cells[0]), *(maker.make(one) for one in alone)]
        for one, name in zip(jobs, ("interface", "substrate", "film"), strict=True):
            one.name = f"relax {name} in place"
        scene = _Scene(list(crystals), about, provenance)
        last = self.conclude(scene, jobs[0].output, [one.output for one in jobs[1:]])
        last.name = self.quantity.replace("_", " ")
        return Response(replace=Flow([*jobs, last], output=last.output))

    @job(output_schema=InterfaceEnergyDocument, metadata={"defectflow": "result"})
    def conclude(
        self, scene: _Scene, relaxed: RelaxDocument, parts: Sequence[RelaxDocument]
    ) -> InterfaceEnergyDocument:
        """Subtract the energies: step 4."""
        one_engine(relaxed, *parts)
        below, above = scene.crystals
        cell = self.plan.cell(below.structure, above.structure)
        settled = all(step.converged for step in (below, above, relaxed, *parts))
        gaps = [gap_A(cell, one) for one in (cell.structure, relaxed.structure)]
        junction, planar = _facts(cell)
        notes = [*scene.about["notes"], *self._remarks(cell)]
        return InterfaceEnergyDocument(
            **heading(self.engine, scene.provenance),
            **cost(below, above, relaxed, *parts),
            **{**scene.about, "notes": tuple(notes)},
            quantity=self.quantity,
            defect=cell.name,
            species="",
            converged=settled,
            value=self.energy_J_per_m2(cell, relaxed, parts) if settled else None,
            host_cell=self.host_cell,
            said=planar.said,
            area_A2=planar.area_A2,
            principal_strains=junction.strain,
            twist_deg=junction.twist_deg,
            gap_built_A=gaps[0],
            gap_relaxed_A=gaps[1],
            relaxed=relaxed,
            parts=tuple(parts),
            relaxed_host=below,
            relaxed_film=above,
        )

    def _free(self) -> FreeCell:
        """Return what of the cell of the interface is free."""
        free = self.quantity == "interface_formation_energy" and self.height == "relaxed"
        return "height" if free else "fixed"

    def energy_J_per_m2(
        self, cell: Cell, relaxed: RelaxDocument, parts: Sequence[RelaxDocument]
    ) -> float:
        """Return the work of adhesion, or the formation energy per interface."""
        junction, planar = _facts(cell)
        if self.quantity == "work_of_adhesion":
            gained_eV = sum(part.energy_eV for part in parts) - relaxed.energy_eV
            return J_PER_M2_PER_EV_A2 * gained_eV / planar.area_A2
        counts = junction.film_from, len(cell.structure) - junction.film_from
        crystals_eV = sum(
            count * part.energy_eV / len(part.structure)
            for count, part in zip(counts, parts, strict=True)
        )
        excess_eV = relaxed.energy_eV - crystals_eV
        return J_PER_M2_PER_EV_A2 * excess_eV / (planar.count * planar.area_A2)

    def _remarks(self, cell: Cell) -> list[str]:
        junction, _ = _facts(cell)
        notes = []
        if held_in_place(cell):
            notes.append(
                "symmetry holds the film where `shift` put it: no force leads it to another place "
                "over the substrate, of which one may be much lower; compare a few"
            )
        if self.host_cell == "keep" and self._free() != "fixed":
            notes.append(
                "the crystals kept their cells and the superlattice was free along its normal: the "
                "energy contains what that gains; relax them (`host_cell`), or keep `height: fixed`"
            )
        if junction.largest_strain >= _STRAIN and self.quantity != "work_of_adhesion":
            strain = f"a strain of {100 * junction.largest_strain:.1f} %"
            notes.append(f"the energy contains that of {strain}, which grows with the thickness")
        return notes


def held_in_place(cell: Cell) -> bool:
    """Tell whether it matters where a film lies, and no force leads it elsewhere, by symmetry.

    So it is where a turn about the normal maps the cell onto itself, as with the atoms of a film
    right above those of the substrate: relaxing stays there, be it the top of a hill. Where the
    common cell holds several cells of both crystals, all places are nearly alike.
    """
    several = [len(_turns(part)[1]) > 1 for part in parts_of(cell)]
    proper, _ = _turns(cell.structure)
    return len(proper) > 0 and not all(several)


def _turns(structure: Structure) -> tuple[np.ndarray, np.ndarray]:
    """Return the turns about the normal that map a cell onto itself, and its translations."""
    rotations, translations = upward_operations(structure)
    flat = rotations[:, :2, :2]
    still = np.abs(flat - np.eye(2)).max(axis=(1, 2)) < _ROUNDING
    return flat[(np.linalg.det(flat) > 0) & ~still], translations[still]


def parts_of(cell: Cell) -> tuple[Structure, Structure]:
    """Return substrate and film, each alone in the cell of the interface."""
    junction, _ = _facts(cell)
    below, above = cell.structure.copy(), cell.structure.copy()
    below.remove_sites(range(junction.film_from, len(below)))
    above.remove_sites(range(junction.film_from))
    return below, above


def gap_A(cell: Cell, structure: Structure) -> float:
    """Return the distance between the uppermost atom of the substrate and the lowest of the film.

    Positive along the normal; heights are followed through the boundary of the cell.
    """
    junction, _ = _facts(cell)
    height = structure.lattice.matrix[2, 2]
    built = cell.structure.frac_coords[:, 2]
    moved = structure.frac_coords[:, 2] - built
    heights = (built + moved - moved.round()) * height
    return float(heights[junction.film_from :].min() - heights[: junction.film_from].max())


def _facts(cell: Cell) -> tuple[Junction, Planar]:
    if cell.junction is None or cell.planar is None:
        message = f"{cell.name}: is no interface; give two crystals"
        raise StructureError(message)
    return cell.junction, cell.planar
