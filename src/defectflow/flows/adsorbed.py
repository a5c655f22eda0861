"""What became of an adsorbate in each placement, and which one counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from monty.json import MSONable

from defectflow.analysis.reactions import against_oxygen, equation
from defectflow.documents import AdsorptionSite, RelaxDocument
from defectflow.flows.gas import reference_document
from defectflow.structures.adsorption import SurfaceSite, named_site
from defectflow.structures.whereabouts import Whereabouts, whereabouts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from defectflow.documents import GasReference
    from defectflow.flows.provenance import Provenance
    from defectflow.structures.adsorbates import Adsorbate
    from defectflow.structures.poses import Placement
    from defectflow.structures.surfaces import Slab


@dataclass(frozen=True)
class Scene(MSONable):
    """What the steps after the bulk share.

    Attributes
    ----------
    gas
        Each reference with its outputs, ``relaxed`` and ``vibrations``.
    about
        Fields of the document.
    small
        The relaxed clean slab of one surface cell; None where the slab is of no more.
    """

    host: RelaxDocument
    slab: Slab
    sites: list[SurfaceSite]
    adsorbate: Adsorbate
    placements: list[Placement]
    gas: list[Any]
    about: dict[str, Any]
    provenance: Provenance
    small: RelaxDocument | None = None

    def references(self, temperature_K: float | None) -> list[GasReference]:
        """Return what the adsorbate is counted against; None for no thermal contributions."""
        return [
            reference_document(one, found["relaxed"], found["vibrations"], temperature_K)
            for one, found in self.gas
        ]

    def fate(self, label: str, step: RelaxDocument) -> Whereabouts:
        """Return what became of the adsorbate that was put in a placement."""
        start = self.placement(label).site
        return whereabouts(self.slab, self.sites, start, step.structure, self.adsorbate)

    def worthless(self, label: str, step: RelaxDocument, *, anywhere: bool) -> str:
        """Return in words why a relaxation counts for nothing; empty if it counts.

        Parameters
        ----------
        anywhere
            Whether an adsorbate that moved to another site counts, there.
        """
        found = self.fate(label, step)
        said = _said(found.outcome, found.where, step)
        return "" if anywhere and step.converged and found.outcome == "moved" else said

    def placement(self, label: str) -> Placement:
        """Return the placement of that label."""
        return next(one for one in self.placements if one.label == label)

    def before(self, clean: RelaxDocument) -> dict[str, RelaxDocument]:
        """Return the relaxations that every placement is counted against, by what they are of."""
        gas = {reference.name: found["relaxed"] for reference, found in self.gas}
        return {"bulk": self.host, **gas, "clean slab": clean}

    def reaction(self, *, with_oxygen: bool = False) -> str:
        """Return what the value is of, as an equation: against H2O, or O2 if that is counted."""
        amounts = {
            one.name.partition("-")[2] or one.name: one.count for one, _ in self.gas if one.count
        }
        if with_oxygen:
            amounts = against_oxygen(amounts)
        left = {name: count for name, count in amounts.items() if count > 0} | {"*": 1.0}
        given = {name: -count for name, count in amounts.items() if count < 0}
        return equation(left, {f"{self.adsorbate.name}*": 1.0} | given)

    def remarks(self, sites: Sequence[AdsorptionSite], best: str, problem: str) -> list[str]:
        """Say what became of an adsorbate that gives no value, and what is wrong with its modes.

        One line for each fate, with the placements that share it.
        """
        if problem:
            return [f"{self.adsorbate.name} at {best}: {problem}"]
        if best:
            return []
        said: dict[str, list[str]] = {}
        for one in sites:
            if text := _said(one.outcome, one.where, one.relaxed):
                said.setdefault(text, []).append(one.label)
        name = self.adsorbate.name
        return [f"{name} put at {', '.join(labels)}: {text}" for text, labels in said.items()]


def _said(outcome: str | None, where: str, relaxed: RelaxDocument | None) -> str:
    """Return why a placement counts for nothing; empty if it does not say."""
    if outcome not in {"stays", "moved"}:
        return str(outcome)
    if relaxed is not None and not relaxed.converged:
        return _unconverged(relaxed)
    return f"moved to {where}" if outcome == "moved" else ""


def _unconverged(step: RelaxDocument) -> str:
    return f"not converged, {step.fmax_eV_per_A:.2f} eV/Å are left after {step.steps} steps"


def unsettled(steps: Mapping[str, RelaxDocument]) -> list[str]:
    """Return a note for each named relaxation that did not converge."""
    return [f"{name}: {_unconverged(one)}" for name, one in steps.items() if not one.converged]


def site_documents(
    scene: Scene,
    steps: Mapping[str, Mapping[str, RelaxDocument]],
    reservoir_eV: float,
) -> list[AdsorptionSite]:
    """Return what became of each placement that was relaxed.

    Parameters
    ----------
    steps
        By placement: ``relaxed`` on the engine, ``screened`` and ``weighed`` where they were.
    """
    relaxed, screened, weighed = steps["relaxed"], steps["screened"], steps["weighed"]
    floor, lowest = (
        min((step.energy_eV for step in found.values()), default=0.0)
        for found in (screened, weighed)
    )
    documents = []
    for placement in scene.placements:
        label = placement.label
        step, seen = relaxed.get(label), screened.get(label)
        if step is None and seen is None:
            continue
        found = scene.fate(label, step or seen)  # type: ignore[arg-type] # one of both is there
        energy = _energy_eV(step, reservoir_eV)
        documents.append(
            AdsorptionSite(
                label=label,
                multiplicity=named_site(scene.sites, placement.site).multiplicity,
                outcome=found.outcome,
                where=found.where,
                height_A=found.height_A,
                energy_eV=energy if found.outcome == "stays" else None,
                moved_eV=energy if found.outcome == "moved" else None,
                screened_eV=seen.energy_eV - floor if seen else None,
                weighed_eV=weighed[label].energy_eV - lowest if label in weighed else None,
                relaxed=step,
            )
        )
    return documents


def _energy_eV(step: RelaxDocument | None, reservoir_eV: float) -> float | None:
    """Return the adsorption energy of a relaxation that converged."""
    return None if step is None or not step.converged else step.energy_eV - reservoir_eV


def best_site(sites: Sequence[AdsorptionSite], *, anywhere: bool) -> str:
    """Return the label of the placement that ended lowest.

    Empty if none has a value, or if one that counts did not converge: it may be the lowest.

    Parameters
    ----------
    anywhere
        Whether an adsorbate that moved to another site counts, there.
    """
    counted = {"stays", "moved"} if anywhere else {"stays"}
    left = [one.relaxed for one in sites if one.relaxed and one.outcome in counted]
    if not all(step.converged for step in left):
        return ""
    energies = {
        one.label: energy
        for one in sites
        if (energy := _ended_eV(one, anywhere=anywhere)) is not None
    }
    return min(energies, key=lambda label: energies[label], default="")


def ended(sites: Sequence[AdsorptionSite], label: str) -> tuple[float | None, str]:
    """Return energy and site of the placement that counts."""
    for one in sites:
        if one.label == label:
            moved = one.outcome == "moved"
            return _ended_eV(one, anywhere=True), one.where if moved else label
    return None, ""


def _ended_eV(site: AdsorptionSite, *, anywhere: bool) -> float | None:
    return site.moved_eV if anywhere and site.energy_eV is None else site.energy_eV
