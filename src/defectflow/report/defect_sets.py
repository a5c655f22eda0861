"""The defects of one host from several results, at one limit: what plots and tables are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from defectflow.documents import (
    DefectFormationEnergyDocument,
    ElectronicHost,
    EquilibriumDocument,
    TransitionDocument,
)
from defectflow.errors import MissingData, RecipeError
from defectflow.report.together import (
    not_replaced,
    require_one_crystal,
    require_one_scale,
    require_one_state,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from defectflow.documents import ResultDocument

#: Chemical potentials and band edges of two results that agree within this (eV) are the same.
_SAME_EV = 5e-3


@dataclass(frozen=True)
class DefectSet:
    """Defects of one host that are counted against the same reservoirs by the same engine.

    Attributes
    ----------
    energies_eV
        Formation energies by name and charge, with the Fermi level at the valence band maximum.
    corrections_eV
        What is in them for the finite cell, by name and charge.
    multiplicities
        Places per primitive cell, by name.
    reservoirs
        What each element is counted against, in words.
    electronic
        Bands of the host; None where no result has them.
    """

    host: str
    engine: str
    limit: str
    energies_eV: dict[str, dict[int, float]]
    corrections_eV: dict[str, dict[int, float]]
    multiplicities: dict[str, int]
    reservoirs: dict[str, str]
    electronic: ElectronicHost | None

    @classmethod
    def from_results(cls, results: Iterable[ResultDocument], limit: str = "") -> DefectSet:
        """Join the formation energies among `results`; of the same defect the newest counts.

        A result of which newer ones have everything is left out.

        Parameters
        ----------
        results
            Newest first, as a store returns them: the order decides between those of one second.
        limit
            ``O-rich`` or ``O-poor``, for results with competing phases; that of each by default.

        Raises
        ------
        MissingData
            If there is no converged formation energy among them, or no such limit.
        RecipeError
            If they are of several hosts or crystals, or are counted against different reservoirs.
        EngineError
            If they are of several engines, levels or cutoffs.
        """
        chosen = [
            one
            for one in results
            if isinstance(one, DefectFormationEnergyDocument) and one.converged
        ]
        if not chosen:
            message = "no converged defect formation energy is there; `defectflow run` a recipe"
            raise MissingData(message)
        _require_one_host(chosen)
        chosen.sort(key=lambda one: one.created, reverse=True)
        chosen = _current(chosen, limit)
        pristine = [(one.recipe, one.pristine) for one in chosen]
        require_one_scale(pristine)
        require_one_state(pristine)
        _require_one_edge(chosen)
        corrections = {
            (one.name, one.charge): one.correction.total_eV
            for document in chosen
            for one in document.defects
            if one.correction is not None
        }
        energies = _joined(chosen, limit)
        stamp = chosen[-1].engine
        return cls(
            host=chosen[-1].host,
            engine=f"{stamp.name} {stamp.level}",
            limit=limit,
            energies_eV=energies,
            corrections_eV={
                name: {charge: corrections.get((name, charge), 0.0) for charge in by_charge}
                for name, by_charge in energies.items()
            },
            multiplicities={d.name: d.multiplicity for one in chosen for d in one.defects},
            reservoirs=_reservoirs(chosen, limit),
            electronic=_electronic(chosen),
        )

    def transitions(self) -> tuple[TransitionDocument, ...]:
        """Return the levels at which the stable charge of a defect changes, lowest first."""
        levels = TransitionDocument.from_energies(self.energies_eV)
        return tuple(one for one in levels if one.stable)

    def equilibrium(
        self, temperature_K: float, frozen_at_K: float | None = None
    ) -> EquilibriumDocument:
        """Return the Fermi level at which all of these defects and the carriers are neutral.

        Parameters
        ----------
        frozen_at_K
            Temperature at which the numbers of defects stopped to change on cooling.

        Raises
        ------
        MissingData
            If no result has the bands of the host.
        """
        if self.electronic is None or self.electronic.bands is None:
            message = (
                f"{self.host}: no result has the bands of the host, which the Fermi level needs; "
                "run a recipe with `charges`, or with `temperature_K`"
            )
            raise MissingData(message)
        return EquilibriumDocument.from_energies(
            self.electronic, self.energies_eV, self.multiplicities, temperature_K, frozen_at_K
        )


def _require_one_host(chosen: Sequence[DefectFormationEnergyDocument]) -> None:
    names = sorted({one.host for one in chosen})
    if len(names) > 1:
        message = (
            f"formation energies of {len(names)} hosts: {', '.join(names)}; choose one, e.g. "
            f"--host {names[0]}"
        )
        raise RecipeError(message)
    require_one_crystal([(one.recipe, one.relaxed_host.structure) for one in chosen])


def _current(
    chosen: Sequence[DefectFormationEnergyDocument], limit: str
) -> list[DefectFormationEnergyDocument]:
    """Return those that have what no newer one has; `chosen` are newest first, these oldest first.

    That is a charge of a defect, against the same reservoirs in words, or the host's bands.
    """

    def parts(document: DefectFormationEnergyDocument) -> set[object]:
        sources = {} if limit else {one.element: one.source for one in document.chemical_potentials}
        new: set[object] = {
            (one.name, one.charge, frozenset((s, sources.get(s)) for s in one.added))
            for one in document.defects
            if one.formation_energy_eV is not None
        }
        if document.electronic is not None and document.electronic.bands is not None:
            new.add("bands")
        return new

    return not_replaced(chosen, parts)[::-1]


def _require_one_edge(chosen: Sequence[DefectFormationEnergyDocument]) -> None:
    edges = {one.recipe: one.electronic.valence_band_eV for one in chosen if one.electronic}
    if edges and max(edges.values()) - min(edges.values()) > _SAME_EV:
        low, high = (pick(edges, key=lambda name: edges[name]) for pick in (min, max))
        message = (
            f"{low} and {high} have the valence band of the host at {edges[low]:.3f} and "
            f"{edges[high]:.3f} eV; compute both in the same cell of the host"
        )
        raise RecipeError(message)


def _electronic(chosen: Sequence[DefectFormationEnergyDocument]) -> ElectronicHost | None:
    """Return the newest bands; from older versions, which kept none, at least the edges."""
    known = [one.electronic for one in reversed(chosen) if one.electronic]
    return next((one for one in known if one.bands), known[0] if known else None)


def _joined(
    chosen: Sequence[DefectFormationEnergyDocument], limit: str
) -> dict[str, dict[int, float]]:
    """Return the energies of all results, newer over older, at one set of reservoirs."""
    energies: dict[str, dict[int, float]] = {}
    known: dict[str, tuple[float, str]] = {}
    for document in chosen:
        there = document.limit(limit) if limit else None
        for element, energy_eV in document.potentials_eV(there).items():
            other_eV, recipe = known.setdefault(element, (energy_eV, document.recipe))
            if abs(other_eV - energy_eV) > _SAME_EV:
                message = (
                    f"{recipe} and {document.recipe} count {element} at {other_eV:.3f} and "
                    f"{energy_eV:.3f} eV per atom: energies against different reservoirs cannot "
                    "stand side by side; choose one limit or with --recipe, or run both with the "
                    "same references"
                )
                raise RecipeError(message)
        for name, by_charge in document.energies_at_valence_band_eV(there).items():
            energies.setdefault(name, {}).update(by_charge)
    return {name: dict(sorted(by_charge.items())) for name, by_charge in energies.items()}


def _reservoirs(chosen: Sequence[DefectFormationEnergyDocument], limit: str) -> dict[str, str]:
    sources: dict[str, str] = {}
    for document in chosen:
        if limit:
            phases = ", ".join(document.limit(limit).phases)
            there = document.potentials_eV(document.limit(limit))
            sources.update(dict.fromkeys(there, f"{limit}: with {phases}"))
        else:
            sources.update({one.element: one.source for one in document.chemical_potentials})
    return sources


def records(defects: DefectSet) -> list[dict[str, Any]]:
    """Return one flat record per defect and charge, and one per stable transition level."""
    about = {"host": defects.host, "engine": defects.engine, "limit": defects.limit}
    rows: list[dict[str, Any]] = [
        {
            **about,
            "kind": "energy",
            "defect": name,
            "charge": charge,
            "energy_eV": energy_eV,
            "correction_eV": defects.corrections_eV[name][charge],
        }
        for name, by_charge in defects.energies_eV.items()
        for charge, energy_eV in by_charge.items()
    ]
    rows += [
        {**about, "kind": "transition", **one.model_dump(exclude={"stable"})}
        for one in defects.transitions()
    ]
    return rows
