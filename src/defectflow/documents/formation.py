"""The result of a defect formation energy recipe."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from defectflow.analysis.stability import Limit, extreme
from defectflow.documents.base import Document, ResultDocument, Row
from defectflow.documents.charged import (
    ChargeCorrectionDocument,
    ElectronicHost,
    EquilibriumDocument,
    TransitionDocument,
)
from defectflow.documents.steps import RelaxDocument
from defectflow.errors import MissingData, did_you_mean


class ChemicalPotential(Document):
    """Energy per atom of the reservoir that an element goes to or comes from.

    Attributes
    ----------
    source
        What was computed: ``host`` (the pristine supercell itself, for elements), the name of a
        prototype, a file or a molecule, or the limit of the host's stability.
    relaxed
        The calculation of the element; None where it is that of the pristine supercell.
    """

    element: str
    energy_eV: float
    source: str
    relaxed: RelaxDocument | None = None


class PotentialLimit(Document):
    """A corner of the region of chemical potentials in which the host is stable.

    Attributes
    ----------
    phases
        Those in equilibrium with the host there.
    chemical_potentials_eV
        Energy per atom by element, on the engine's own scale.
    relative_eV
        The same relative to the element's own phase: zero or negative.
    """

    phases: tuple[str, ...]
    chemical_potentials_eV: dict[str, float]
    relative_eV: dict[str, float] = Field(default_factory=dict)


class CompetingPhase(Document):
    """A phase that the host was held against, with its energy at the settings of the supercells."""

    name: str
    relaxed: RelaxDocument


class StartDocument(Document):
    """One of the structures that the relaxation of a defect started from, and where it ended.

    `above_lowest_eV` is None where it did not converge.
    """

    name: str
    above_lowest_eV: float | None


class DefectDocument(Document):
    """One symmetry-distinct defect of one charge after relaxation.

    Attributes
    ----------
    name
        In the field's notation: ``V_O``, ``V_O_2``; the charge is not part of it.
    multiplicity
        Number of equivalent places per primitive cell of the host.
    formation_energy_eV
        Positive costs energy; None where the relaxation did not converge. Of a charged defect at
        the Fermi level of the result.
    added
        Atoms added to the pristine supercell, by element; negative where taken out.
    charge
        In units of e; removed electrons are positive.
    start
        Name of the start that ended lowest; empty where there was only one.
    """

    name: str
    multiplicity: int
    formation_energy_eV: float | None
    added: dict[str, int]
    charge: int = 0
    correction: ChargeCorrectionDocument | None = None
    start: str = ""
    starts: tuple[StartDocument, ...] = ()
    relaxed: RelaxDocument


class DefectFormationEnergyDocument(ResultDocument):
    """Formation energy of a defect, and everything it was made from.

    E_f = E(defect) - E(pristine) - Σ Δn_i μ_i + q (E_VBM + E_F) + E_corr, in one supercell and with
    one engine; `value` is that of the lowest of the distinct defects and charges asked for, at
    `fermi_eV`.

    Attributes
    ----------
    charge
        Of the defect whose energy is the value.
    fermi_eV
        Fermi level of the value, above the valence band maximum; without meaning for a neutral one.
    chemical_potentials
        Those of the value.
    limits
        All corners of the host's stability; empty without competing phases.
    host_cell, host_lattice, supercell_matrix, nearest_image_A
        As in `MigrationBarrierDocument`.
    force_calls
        Energy-and-force evaluations of the whole recipe.
    """

    quantity: Literal["defect_formation_energy"] = "defect_formation_energy"
    unit: Literal["eV"] = "eV"
    host_formula: str
    prototype: str | None = None
    charge: int = 0
    fermi_eV: float = 0.0
    host_cell: Literal["keep", "relax", "scale"]
    host_lattice: tuple[Row, ...]
    supercell_matrix: tuple[tuple[int, int, int], ...]
    nearest_image_A: float
    relaxed_host: RelaxDocument
    pristine: RelaxDocument
    defects: tuple[DefectDocument, ...]
    chemical_potentials: tuple[ChemicalPotential, ...]
    limits: tuple[PotentialLimit, ...] = ()
    competing_phases: tuple[CompetingPhase, ...] = ()
    electronic: ElectronicHost | None = None
    transitions: tuple[TransitionDocument, ...] = ()
    equilibrium: EquilibriumDocument | None = None
    force_calls: int
    wall_time_s: float
    notes: tuple[str, ...] = ()

    def energies_at_valence_band_eV(
        self, limit: PotentialLimit | None = None
    ) -> dict[str, dict[int, float]]:
        """Return formation energies with the Fermi level at the valence band maximum.

        Parameters
        ----------
        limit
            One of `limits`; that of the value by default.

        Returns
        -------
        dict
            By name of the defect and charge; what did not converge is left out.
        """
        here, there = self.potentials_eV(), self.potentials_eV(limit)
        energies: dict[str, dict[int, float]] = {}
        for one in self.defects:
            if one.formation_energy_eV is None:
                continue
            moved = sum(n * (here[symbol] - there[symbol]) for symbol, n in one.added.items())
            at_edge = one.formation_energy_eV - one.charge * self.fermi_eV + moved
            energies.setdefault(one.name, {})[one.charge] = at_edge
        return energies

    @property
    def defect_said(self) -> str:
        """What tables call the defect: ``V_O``, ``V_O +2``, ``V_O +2, O-poor``."""
        charged = f"{self.defect} {self.charge:+d}" if self.charge else self.defect
        return f"{charged}, {self.at_limit}" if self.at_limit else charged

    @property
    def at_limit(self) -> str:
        """Which limit of the host's stability the value is at, e.g. ``O-poor``; empty for none."""
        if not (self.limits and self.chemical_potentials):
            return ""
        name, found, _ = self.chemical_potentials[0].source.partition(": ")
        return name if found else ""

    def below_standard_eV(self, element: str) -> float | None:
        """Return how far the value's reservoir of an element is below the element's own phase.

        None where the energy of that phase is not known; zero without competing phases.
        """
        if not self.limits:
            return 0.0
        here = self.potentials_eV()
        for one in self.limits:
            relative = one.relative_eV.get(element)
            if relative is not None and here.items() <= one.chemical_potentials_eV.items():
                return -relative
        return None

    def potentials_eV(self, limit: PotentialLimit | None = None) -> dict[str, float]:
        """Return energy per atom of the reservoir by element: at a limit, or that of the value."""
        if limit is not None:
            return limit.chemical_potentials_eV
        return {one.element: one.energy_eV for one in self.chemical_potentials}

    def limit(self, name: str) -> PotentialLimit:
        """Return one of `limits` by what it is rich or poor in.

        Parameters
        ----------
        name
            ``O-rich`` or ``O-poor``, for any element.

        Raises
        ------
        MissingData
            If there is no such limit.
        """
        symbol, _, end = name.rpartition("-")
        elements = {one for limit in self.limits for one in limit.chemical_potentials_eV}
        if symbol not in elements or end not in {"rich", "poor"}:
            known = [f"{one}-{end}" for one in sorted(elements) for end in ("rich", "poor")]
            remedy = did_you_mean(name, known) if known else "run it with `competing_phases`"
            message = f"{self.recipe}: no limit {name!r}; {remedy}"
            raise MissingData(message)
        corners = [Limit(one.phases, one.chemical_potentials_eV) for one in self.limits]
        return self.limits[corners.index(extreme(corners, symbol, rich=end == "rich"))]
