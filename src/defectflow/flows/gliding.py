"""The energy of sliding half a crystal over the other: unstable fault energies and γ-surfaces."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from jobflow import Flow, Maker, Response, job
from monty.json import MSONable

from defectflow.analysis.gamma_surface import Summit, fitted_surface, line_summit, lowest
from defectflow.documents.planar import GlidePoint, SurfaceFit, UnstableFaultDocument
from defectflow.flows.evaluation import static_settings
from defectflow.flows.host import about, cautions, checked_host, one_engine, relax_host
from defectflow.flows.planar import CAUTION, element_of
from defectflow.flows.provenance import Provenance
from defectflow.flows.results import cost, heading
from defectflow.structures.cells import frac_tuple
from defectflow.structures.gamma_grid import chosen_cut, gamma_grid, plane_symmetry
from defectflow.structures.handover import magnetised
from defectflow.structures.planes import fractions_said, stack_of, written
from defectflow.structures.stacking_faults import glided, in_plane, perfect, slices_of
from defectflow.units import MJ_PER_M2_PER_EV_A2

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymatgen.core import Structure

    from defectflow.documents.steps import RelaxDocument
    from defectflow.engines.contract import Engine
    from defectflow.structures.hosts import Host
    from defectflow.structures.planes import Stack
    from defectflow.words import HostCell

#: Extra distances of the two halves that are tried, Å.
GAPS_A = (-0.06, 0.0, 0.06, 0.14, 0.24, 0.36, 0.5)


@dataclass(frozen=True)
class GlidePlan(MSONable):
    """Where a crystal is cut, how far its upper half glides, and at which points of the way.

    Attributes
    ----------
    shift
        End of the path, in vectors of the standard conventional cell.
    points
        On the path, both ends included; not used with `grid`.
    grid
        Points along the two vectors of the plane: computes the whole γ-surface and reads the path
        off it; None for the path alone.
    gap
        ``relaxed``: at each point the two rigid halves take their best distance; ``fixed``.
    """

    miller: Sequence[int]
    shift: Sequence[float]
    points: int = 11
    grid: Sequence[int] | None = None
    cut: int = 1
    gap: Literal["relaxed", "fixed"] = "relaxed"
    min_height_A: float = 20.0

    def stack(self, host: Structure) -> Stack:
        """Return the crystal along the plane."""
        return stack_of(host, self.miller)

    def glides(self, host: Structure) -> tuple[np.ndarray, np.ndarray]:
        """Return the points: fractions of the plane's vectors (n, 2), and their weights (n,).

        Raises
        ------
        StructureError
            If the displacement does not lie in the plane.
        """
        stack = self.stack(host)
        self.height_A(stack)
        end = self.end(stack)
        if self.grid is None:
            return np.outer(np.linspace(0.0, 1.0, self.points), end), np.ones(self.points)
        found = gamma_grid(host, self.miller, self.grid, self.cut, self.shift)
        points = found.distinct()
        weights = np.array([found.multiplicity(int(point)) for point in points], dtype=float)
        return found.fractions[points], weights

    def height_A(self, stack: Stack) -> float:
        """Return the height of the cut."""
        return chosen_cut(stack, self.cut, in_plane(stack, self.shift))

    def end(self, stack: Stack) -> np.ndarray:
        """Return the end of the path in fractions of the plane's vectors, (2,)."""
        fractions: np.ndarray = (in_plane(stack, self.shift) @ np.linalg.inv(stack.matrix))[:2]
        return fractions

    @property
    def gaps_A(self) -> tuple[float, ...]:
        """Extra distances that are tried."""
        return GAPS_A if self.gap == "relaxed" else (0.0,)

    def cell(self, stack: Stack, fractions: Sequence[float], gap_A: float) -> Structure:
        """Return the crystal with its upper half displaced."""
        cut, slices = self.height_A(stack), slices_of(stack, self.min_height_A)
        shift = np.asarray(fractions) @ stack.matrix[:2]
        return glided(stack, cut, slices, {0: shift}, gap_A)

    def crystal(self, stack: Stack) -> Structure:
        """Return the perfect crystal in the same orientation."""
        return perfect(stack, self.height_A(stack), slices_of(stack, self.min_height_A))


@dataclass
class UnstableFaultMaker(Maker):
    """Highest energy on the straight path of gliding along a plane, and the γ-surface around it.

    1. Relax the host.
    2. Cut the crystal and displace its upper half, rigid, to each point of the path, or to each
       symmetry-distinct point of a grid; at each point try several distances of the halves.
    3. Energy of a point: the minimum of a parabola through its three lowest distances.
    4. The summit of a spline along the path, or of a Fourier surface through the grid.

    Examples
    --------
    >>> from defectflow.engines.registry import engine
    >>> from defectflow.structures import hosts
    >>> plan = GlidePlan((1, 1, 1), (1 / 6, 1 / 6, -1 / 3))
    >>> [job.name for job in UnstableFaultMaker(engine("emt"), plan).make(hosts.load("fcc-Cu"))]
    ['relax host', 'glide']
    """

    engine: Engine
    plan: GlidePlan
    name: str = "unstable stacking fault"
    host_cell: HostCell = "relax"
    relax: dict[str, Any] = field(default_factory=dict)

    def make(self, host: Host | Structure, provenance: Provenance | None = None) -> Flow:
        """Return the flow; its output is an `UnstableFaultDocument`.

        Raises
        ------
        StructureError
            If the displacement does not lie in the plane.
        EngineError
            If the engine cannot do what is needed.
        """
        host = checked_host(self.engine, host)
        self.plan.glides(host.structure)
        self.engine.check_request(self.plan.crystal(self.plan.stack(host.structure)))
        origin = provenance or Provenance.of(
            f"{self._said()} in {host.name}", self.as_dict(), host.structure.as_dict()
        )
        notes = list(cautions(self.engine, host.structure))
        if self.engine.stamp().fidelity != "dft":
            notes.append(CAUTION)
        bulk = relax_host(self.engine, host, self.host_cell, self.relax)
        glide = self.glide(bulk.output, {**about(host), "notes": notes}, origin)
        glide.name = "glide"
        return Flow([bulk, glide], output=glide.output, name=origin.recipe)

    def _said(self) -> str:
        return f"({written(self.plan.miller)})[{fractions_said(self.plan.shift)}]"

    @job
    def glide(
        self, host: RelaxDocument, about: dict[str, Any], provenance: Provenance
    ) -> Response[Any]:
        """Evaluate every point at every distance: step 2."""
        stack = self.plan.stack(host.structure)
        fractions, _ = self.plan.glides(host.structure)
        maker = self.engine.static_maker(**static_settings(self.engine, self.relax))
        crystal = maker.make(magnetised(self.plan.crystal(stack), host.structure))
        crystal.name = "evaluate crystal"
        jobs = []
        for point in fractions:
            for gap in self.plan.gaps_A:
                cell = magnetised(self.plan.cell(stack, point, gap), host.structure)
                jobs.append(maker.make(cell))
                jobs[-1].name = f"glide {fractions_said(point)}, gap {gap:g}"
        outputs = [one.output for one in jobs]
        last = self.conclude(host, crystal.output, outputs, about, provenance)
        last.name = "unstable stacking fault energy"
        return Response(replace=Flow([crystal, *jobs, last], output=last.output))

    @job(output_schema=UnstableFaultDocument, metadata={"defectflow": "result"})
    def conclude(
        self,
        host: RelaxDocument,
        crystal: RelaxDocument,
        steps: Sequence[RelaxDocument],
        about: dict[str, Any],
        provenance: Provenance,
    ) -> UnstableFaultDocument:
        """Find the summit: steps 3 and 4."""
        one_engine(crystal, *steps)
        stack = self.plan.stack(host.structure)
        points = self._points(host.structure, crystal, steps)
        fit, summit, end = self._summit(stack, points)
        settled = host.converged and crystal.converged and all(one.converged for one in steps)
        a, b = (frac_tuple(row) for row in stack.matrix[:2])
        return UnstableFaultDocument(
            **heading(self.engine, provenance),
            **cost(host, crystal, *steps),
            **{**about, "notes": tuple(about["notes"])},
            defect=self._said(),
            species=element_of(host.structure),
            converged=settled,
            value=summit.energy if settled else None,
            host_cell=self.host_cell,
            miller=stack.miller,
            shift=frac_tuple(np.asarray(self.plan.shift)),
            gap=self.plan.gap,
            summit=summit.fraction if settled else None,
            end_J_per_m2=end if settled else None,
            area_A2=stack.area_A2,
            vectors_A=(a, b),
            points=tuple(points),
            fit=fit,
            relaxed_host=host,
            reference=crystal,
        )

    def _points(
        self, host: Structure, crystal: RelaxDocument, steps: Sequence[RelaxDocument]
    ) -> list[GlidePoint]:
        stack, (fractions, weights) = self.plan.stack(host), self.plan.glides(host)
        gaps = self.plan.gaps_A
        unit = MJ_PER_M2_PER_EV_A2 / 1000 / stack.area_A2
        energies = np.array([one.energy_eV - crystal.energy_eV for one in steps]) * unit
        points = []
        for point, weight, row in zip(
            fractions, weights, energies.reshape(-1, len(gaps)), strict=True
        ):
            gap, energy = lowest(gaps, row.tolist())
            points.append(
                GlidePoint(
                    fractions=(float(point[0]), float(point[1])),
                    shift_A=frac_tuple(point @ stack.matrix[:2]),
                    multiplicity=int(weight),
                    gap_A=gap,
                    energy_J_per_m2=energy,
                )
            )
        return points

    def _summit(
        self, stack: Stack, points: Sequence[GlidePoint]
    ) -> tuple[SurfaceFit | None, Summit, float]:
        """Return the fitted surface, the highest point of the path, and the energy at its end."""
        energies = np.array([one.energy_J_per_m2 for one in points])
        if self.plan.grid is None:
            path = np.linspace(0.0, 1.0, len(points))
            return None, line_summit(path, energies), float(energies[-1])
        surface = fitted_surface(
            np.array([one.fractions for one in points]),
            energies,
            plane_symmetry(stack, self.plan.height_A(stack)),
            np.array([one.multiplicity for one in points]),
        )
        fit = SurfaceFit(
            orders=surface.orders.tolist(),
            cosines_J_per_m2=surface.cosines.tolist(),
            sines_J_per_m2=surface.sines.tolist(),
            symmetry=surface.symmetry.tolist(),
            residual_J_per_m2=surface.residual,
        )
        end = self.plan.end(stack)
        return fit, surface.summit((0.0, 0.0), end), float(surface.energies(end)[0])
