"""The result of a migration barrier recipe."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from defectflow.documents.base import Document, Matrix, ResultDocument
from defectflow.documents.steps import BandDocument, RelaxDocument

Limit = Literal["charged", "discharged", "given"]


class Diffusion(Document):
    """Diffusion of one ion or vacancy over the network of its sites and hops.

    Exact for rates ν* exp(-E/kT) in the dilute limit; see `defectflow.analysis.diffusion`. Where
    one kind of hop among equal sites makes D = ρ λ² ν* exp(-E/kT), ρ and λ are stated.

    Attributes
    ----------
    geometric_factor, jump_length_A
        ρ = z/2d and λ; None where D is that of a network, or of jumps along a zigzag.
    attempt_frequency_Hz
        ν*; 1e13 Hz is the field's convention, not a computed value.
    barrier_eV
        The bottleneck.
    """

    geometric_factor: float | None
    jump_length_A: float | None
    attempt_frequency_Hz: float
    barrier_eV: float
    coefficient_cm2_per_s: dict[str, float] = Field(
        description="mean over the directions that are open at the bottleneck, by temperature in K"
    )
    tensor_cm2_per_s: dict[str, Matrix] = Field(
        default_factory=dict,
        description="Cartesian, in the frame of `host_lattice`, by temperature in K",
    )


class HopDocument(Document):
    """One symmetry-distinct hop: where it leads and what it costs.

    Attributes
    ----------
    label
        Sites and length in the field's manner, e.g. ``8a-8a 3.57 Å``.
    start, end
        Labels of the sites.
    multiplicity
        Number of equivalent hops per cell of the host, each counted once.
    forward_eV, reverse_eV
        Highest image minus the first (last) image.
    spline_forward_eV, spline_reverse_eV
        The same from the piecewise cubic through energies and forces, inside the path only.
    span_eV
        Highest minus lowest image: the barrier seen from the stable site, if that is on the path.
    """

    label: str
    start: str
    end: str
    distance_A: float
    multiplicity: int
    forward_eV: float
    reverse_eV: float
    spline_forward_eV: float
    spline_reverse_eV: float
    span_eV: float
    path_length_A: float
    converged: bool
    band: BandDocument


class SiteDocument(Document):
    """An insertion (or vacancy) site after relaxation, with its energy above the lowest, eV."""

    label: str
    multiplicity: int
    energy_above_lowest_eV: float
    relaxed: RelaxDocument
    stays: bool = Field(description="the ion is still at this site after relaxation")


class MigrationBarrierDocument(ResultDocument):
    """Barrier of an ion in a host, in the dilute limit, with all that it was made from.

    `barrier_eV` (the same as `value`) is what has to be climbed on the easiest way across the
    crystal: the bottleneck's highest image above the lowest site on that way, from the images
    themselves. The value from the fitted curve stands beside it as `spline_barrier_eV`.

    Attributes
    ----------
    limit
        ``charged``: one ion in the empty host; ``discharged``: one vacancy in the full host;
        ``given``: between two structures of the user's.
    host_formula
        Reduced formula of the host that was put in: empty if charged, full if discharged.
    host_cell
        What was done to the cell of the host: ``keep``, ``relax``, ``scale`` or ``given``.
    host_lattice
        Lattice vectors (rows, Å) of the host's cell that was used.
    supercell_matrix
        Rows give the supercell's vectors in those of the host; None for given end points.
    path
        How much the engine has seen: ``potential``: everything, and it is a potential; ``refined``:
        ends, saddles and lower minima; ``dft``: every image.
    guide
        Engine that said where to look; None if there was none. No energy is its.
    error_eV
        Estimate of what remaining forces and places not looked at may change, where guided.
    strain
        Largest strain needed to bring two given end points into one cell.
    force_calls
        Energy-and-force evaluations of the whole recipe; reused steps count as they once cost.
    """

    quantity: Literal["migration_barrier"] = "migration_barrier"
    unit: Literal["eV"] = "eV"
    limit: Limit
    host_formula: str
    prototype: str | None = None
    barrier_eV: float | None
    spline_barrier_eV: float | None
    dimensions: int | None = Field(description="directions open at this barrier; None if given")
    host_cell: Literal["keep", "relax", "scale", "given"]
    host_lattice: tuple[tuple[float, float, float], ...]
    supercell_matrix: tuple[tuple[int, int, int], ...] | None = None
    nearest_image_A: float
    strain: float = 0.0
    sites: tuple[SiteDocument, ...] = ()
    hops: tuple[HopDocument, ...]
    diffusion: Diffusion | None
    path: Literal["potential", "refined", "dft"] = "potential"
    guide: str | None = None
    error_eV: float | None = None
    force_calls: int
    wall_time_s: float
    notes: tuple[str, ...] = ()
