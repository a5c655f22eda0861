"""Which surface a recipe means, and the slab that stands for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from monty.json import MSONable

from defectflow.errors import StructureError
from defectflow.flows.defect_cells import DefectPlan
from defectflow.structures.cell_slabs import CellCut, ended_slab
from defectflow.structures.cells import Change
from defectflow.structures.charges import refuse_charge
from defectflow.structures.sheets import sheet_of
from defectflow.structures.strain import biaxial, strained_structure
from defectflow.structures.surface_defects import check_slab, faulted, in_top_layer, with_defect
from defectflow.structures.surfaces import Slab, slab_of

if TYPE_CHECKING:
    from pymatgen.core import Structure

    from defectflow.flows.defect_cells import DefectsIn


@dataclass(frozen=True)
class SlabPlan(MSONable):
    """Which surface, and what stands for it.

    Attributes
    ----------
    miller
        In the conventional cell of the host.
    repeat
        Surface cells along the two vectors; one adsorbate is put on all of them.
    frozen_layers
        Layers at the bottom that stay as in the bulk.
    sheet
        Take one layer of a layered host instead of a cut through it.
    strain
        Equal stretch in the plane of the surface, a fraction; the layers keep their distances.
    fault_below
        Layers above an intrinsic stacking fault; 0 for none.
    defect
        In the top layer; see `with_defect`.
    termination
        Of a perfect crystal with several: the composition of the uppermost layer.
    cut_out
        Of a generated host: how the slab is cut out of it.
    near_defect_A
        Only sites this near to the defect of a generated host get an adsorbate; 0 for all sites.
    """

    miller: tuple[int, int, int]
    layers: int = 4
    vacuum_A: float = 12.0
    repeat: tuple[int, int] = (1, 1)
    frozen_layers: int = 2
    sheet: bool = False
    strain: float = 0.0
    fault_below: int = 0
    defect: DefectPlan | None = None
    termination: str | None = None
    cut_out: CellCut | None = None
    near_defect_A: float = 0.0

    def cut(self, host: Structure) -> Slab:
        """Return the slab of a crystal, with its strain and its defect."""
        slab = self._perfect(host)
        if self.strain:
            stretched = strained_structure(slab.structure, biaxial(self.strain))
            slab = replace(slab, structure=stretched)
        if self.defect is None:
            return slab
        changes = [
            Change(**{**one, "frac_coords": tuple(one["frac_coords"])})
            for one in self.defect.changes
        ]
        return with_defect(slab, self.defect.name, changes)

    def with_defect(self, host: Structure, defects: DefectsIn, label: str | None) -> SlabPlan:
        """Return the same surface with a defect in its top layer.

        Raises
        ------
        StructureError
            If the top layer cannot have it, or in several ways and no `label` says which.
        RecipeError
            If it is charged.
        """
        slab = self._perfect(host)
        cells = list(defects(slab.structure))
        for one in cells:
            refuse_charge(one.name, one.charge, "adsorption on a slab")
        cell = in_top_layer(slab, cells, label)
        return replace(self, defect=DefectPlan.of(cell))

    def check(self, host: Structure) -> list[str]:
        """Return cautions about the slab; refuse one that cannot stand for a surface."""
        slab = self._perfect(host)
        if self.frozen_layers >= slab.layers and not self.sheet:
            message = (
                f"{self.surface}: {self.frozen_layers} of {slab.layers} layers are frozen; give "
                "`frozen_layers` that leaves some to move"
            )
            raise StructureError(message)
        return check_slab(slab, host)

    @property
    def repeats(self) -> bool:
        """Whether the slab is several equal surface cells side by side."""
        return self.repeat != (1, 1) and self.defect is None

    def smallest(self) -> SlabPlan:
        """Return the same slab of one surface cell."""
        return replace(self, repeat=(1, 1))

    def fields(self, slab: Slab) -> dict[str, Any]:
        """Return the fields of a result that say which slab it was computed on."""
        places = slab.cells if self.sheet else len(self.top_of(slab))
        return {
            "facet": self.facet,
            "surface": self.surface,
            "coverage_ML": 1 / places,
            "layers": slab.layers,
            "frozen_layers": self.frozen_layers,
            "vacuum_A": self.vacuum_A,
            "strain": self.strain,
        }

    def _perfect(self, host: Structure) -> Slab:
        if self.cut_out is not None:
            return self.cut_out.slab(host, self.vacuum_A, self.repeat)
        if self.termination is not None:
            size = (self.layers, self.vacuum_A)
            return ended_slab(host, self.miller, self.termination, size, self.repeat)
        if self.sheet:
            return sheet_of(host, self.vacuum_A, self.repeat)
        slab = slab_of(host, self.miller, self.layers, self.vacuum_A, self.repeat)
        return faulted(slab, self.fault_below) if self.fault_below else slab

    def top_of(self, slab: Slab) -> tuple[int, ...]:
        """Return the places of the top layer, those of atoms taken away included."""
        gone = sum(change["after"] is None for change in self.defect.changes) if self.defect else 0
        return (*slab.top(), *([-1] * gone))

    @property
    def facet(self) -> str:
        """Miller indices as they are written: ``111``."""
        return self.cut_out.facet if self.cut_out else "".join(map(str, self.miller))

    @property
    def surface(self) -> str:
        """What the surface is called: ``(111)``, ``(001) with V_S``."""
        text = self.cut_out.surface if self.cut_out else f"({self.facet})"
        text += f", {self.termination} on top" if self.termination else ""
        text += f" with a fault below {self.fault_below} layers" if self.fault_below else ""
        return text + (f" with {self.defect.name}" if self.defect else "")

    @property
    def title(self) -> str:
        """The surface and its strain: ``(111) at +2% strain``."""
        return self.surface + (f" at {100 * self.strain:+g}% strain" if self.strain else "")
