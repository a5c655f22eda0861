"""The result of a defect formation energy recipe."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from defectflow.documents.base import Document, ResultDocument
from defectflow.documents.steps import RelaxDocument

Row = tuple[float, float, float]


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


class ChargeCorrectionDocument(Document):
    """What was added to the energy of a charged cell for its finite size.

    Attributes
    ----------
    method
        ``efnv``: point charges and alignment of the site potentials; ``point_charge``: the first
        alone; ``none``.
    far_sites, spread_V
        Atoms that the alignment is a mean over, and the standard deviation over them.
    """

    method: Literal["efnv", "point_charge", "none"]
    point_charge_eV: float = 0.0
    alignment_eV: float = 0.0
    far_sites: int = 0
    spread_V: float = 0.0

    @property
    def total_eV(self) -> float:
        """The whole correction."""
        return self.point_charge_eV + self.alignment_eV


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


class TransitionDocument(Document):
    """Fermi level (eV above the valence band maximum) at which two charges are equally stable."""

    defect: str
    upper: int
    lower: int
    level_eV: float
    stable: bool


class EquilibriumDocument(Document):
    """The Fermi level that makes the crystal neutral, and the concentrations there.

    Attributes
    ----------
    fermi_eV
        Above the valence band maximum.
    defects_per_cm3
        By name and charge, e.g. ``{"V_O": {"0": 1e15, "2": 3e17}}``.
    """

    temperature_K: float
    fermi_eV: float
    electrons_per_cm3: float
    holes_per_cm3: float
    defects_per_cm3: dict[str, dict[str, float]]


class ElectronicHost(Document):
    """What charged defects are counted against.

    Attributes
    ----------
    valence_band_eV
        Valence band maximum on the scale of the code's eigenvalues.
    dielectric
        Static dielectric tensor, as given in the recipe.
    """

    valence_band_eV: float
    gap_eV: float
    dielectric: tuple[Row, Row, Row] | None = None


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
        here = {one.element: one.energy_eV for one in self.chemical_potentials}
        there = here if limit is None else limit.chemical_potentials_eV
        energies: dict[str, dict[int, float]] = {}
        for one in self.defects:
            if one.formation_energy_eV is None:
                continue
            moved = sum(n * (here[symbol] - there[symbol]) for symbol, n in one.added.items())
            at_edge = one.formation_energy_eV - one.charge * self.fermi_eV + moved
            energies.setdefault(one.name, {})[one.charge] = at_edge
        return energies
