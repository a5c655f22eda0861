"""The equation of state of a crystal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from jobflow import Flow, Maker, Response, job

from defectflow.analysis.equation_of_state import birch_murnaghan
from defectflow.documents import EquationOfStateDocument, RelaxDocument
from defectflow.engines.levels import METAL_SPACING, SPACING
from defectflow.errors import NotConverged
from defectflow.flows.evaluation import static_settings
from defectflow.flows.host import about, cautions, checked_host, one_engine, relax_host
from defectflow.flows.provenance import Provenance
from defectflow.flows.results import cost, heading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymatgen.core import Structure

    from defectflow.engines.contract import Engine
    from defectflow.structures.hosts import Host
    from defectflow.words import HostCell

#: Settings that decide the k-point mesh; they follow the volume, so that every volume has one mesh.
_SPACINGS = (SPACING, METAL_SPACING)


@dataclass
class EquationOfStateMaker(Maker):
    """Energies at several volumes around that of the host, and the curve through them.

    1. Relax the host, unless its cell is to be kept.
    2. Evaluate (or relax the atoms of) the crystal at each volume, its shape kept.
    3. Fit the third-order Birch-Murnaghan equation; a minimum outside the volumes is refused.

    Attributes
    ----------
    volumes
        How many.
    range
        Largest relative change of the volume, to both sides.
    atoms
        ``fixed``: in the proportions of the host; ``relaxed``: at each volume.

    Examples
    --------
    >>> from defectflow.engines.registry import engine
    >>> from defectflow.structures import hosts
    >>> maker = EquationOfStateMaker(engine("emt"))
    >>> [job.name for job in maker.make(hosts.load("fcc-Cu"))]
    ['change volume']
    """

    engine: Engine
    name: str = "equation of state"
    host_cell: HostCell = "keep"
    volumes: int = 7
    range: float = 0.06
    atoms: Literal["fixed", "relaxed"] = "fixed"
    relax: dict[str, Any] = field(default_factory=dict)

    def make(self, host: Host | Structure, provenance: Provenance | None = None) -> Flow:
        """Return the flow; its output is an `EquationOfStateDocument`.

        Raises
        ------
        EngineError
            If the engine cannot do what is needed.
        """
        host = checked_host(self.engine, host)
        origin = provenance or Provenance.of(
            f"equation of state of {host.name}", self.as_dict(), host.structure.as_dict()
        )
        said = {**about(host), "notes": list(cautions(self.engine, host.structure))}
        if self.host_cell == "keep":
            scaled = self.change_volume(host.structure, None, said, origin)
            before = []
        else:
            before = [relax_host(self.engine, host, self.host_cell, self.relax)]
            relaxed = before[0].output
            scaled = self.change_volume(relaxed.structure, relaxed, said, origin)
        scaled.name = "change volume"
        return Flow([*before, scaled], output=scaled.output, name=origin.recipe)

    @job
    def change_volume(
        self,
        structure: Structure,
        relaxed_host: RelaxDocument | None,
        about: dict[str, Any],
        provenance: Provenance,
    ) -> Response[Any]:
        """Evaluate the crystal at each volume."""
        jobs = []
        for factor in np.linspace(1 - self.range, 1 + self.range, self.volumes):
            scaled = structure.copy()
            scaled.scale_lattice(structure.volume * factor)
            jobs.append(self._maker(float(factor)).make(scaled))
            jobs[-1].name = f"volume {factor:.3f}"
        last = self.conclude(relaxed_host, [one.output for one in jobs], about, provenance)
        last.name = "equation of state"
        return Response(replace=Flow([*jobs, last], output=last.output))

    def _maker(self, factor: float) -> Any:
        fixed = self.atoms == "fixed"
        asked = static_settings(self.engine, self.relax) if fixed else self.relax
        known = self.engine.settings("static" if fixed else "relax", **asked)
        mesh = {key: known[key] / factor ** (1 / 3) for key in _SPACINGS if key in known}
        if fixed:
            return self.engine.static_maker(**{**asked, **mesh})
        return self.engine.relax_maker("fixed", **{**asked, **mesh})

    @job(output_schema=EquationOfStateDocument, metadata={"defectflow": "result"})
    def conclude(
        self,
        relaxed_host: RelaxDocument | None,
        points: Sequence[RelaxDocument],
        about: dict[str, Any],
        provenance: Provenance,
    ) -> EquationOfStateDocument:
        """Fit the curve: step 3."""
        one_engine(*points)
        atoms = len(points[0].structure)
        volumes = [float(point.structure.volume) for point in points]
        energies = [point.energy_eV for point in points]
        notes, curve = list(about["notes"]), None
        try:
            curve = birch_murnaghan(volumes, energies)
        except NotConverged as error:
            notes.append(str(error))
        steps = [*points, *([relaxed_host] if relaxed_host else [])]
        settled = curve is not None and all(step.converged for step in steps)
        return EquationOfStateDocument(
            **heading(self.engine, provenance),
            **cost(*steps),
            **{**about, "notes": tuple(notes)},
            defect="",
            species="",
            converged=settled,
            value=curve.volume_A3 / atoms if curve and settled else None,
            host_cell=self.host_cell,
            atoms=self.atoms,
            volumes_A3=tuple(volumes),
            energies_eV=tuple(energies),
            bulk_modulus_GPa=curve.bulk_modulus_GPa if curve else None,
            pressure_derivative=curve.pressure_derivative if curve else None,
            energy_eV=curve.energy_eV if curve else None,
            residual_meV_per_atom=1000 * curve.residual_eV / atoms if curve else None,
            relaxed_host=relaxed_host,
            points=tuple(points),
        )
