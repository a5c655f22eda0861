"""From the ends of a pre-screen to the placements that the dear engine relaxes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from defectflow.flows.evaluation import static_settings
from defectflow.structures.handover import carried_over
from defectflow.structures.poses import placed
from defectflow.structures.symmetry import symmetrized

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobflow.core.job import Job
    from pymatgen.core import Structure

    from defectflow.documents import RelaxDocument
    from defectflow.engines.contract import Engine
    from defectflow.flows.adsorbed import Scene

#: Ends of a screen within this energy (eV) at the same site are one.
_SAME_EV: Final = 0.002


def distinct_ends(
    scene: Scene, screened: Mapping[str, RelaxDocument], *, anywhere: bool
) -> dict[str, float]:
    """Return the energies (eV) of the ends of a screen that are worth more, lowest first.

    Those that left the surface or fell apart are out, as are those that ended as another did. Of
    two that ended alike the one that stayed counts: it has the symmetry of its site, while one that
    came there from elsewhere has less, and costs as much more.

    Parameters
    ----------
    anywhere
        Whether those that moved to another site count.
    """
    fates = {label: scene.fate(label, step) for label, step in screened.items()}
    fine = {"stays", "moved"} if anywhere else {"stays"}
    ranked = sorted(
        (fates[label].outcome != "stays", step.energy_eV, fates[label].where, label)
        for label, step in screened.items()
        if fates[label].outcome in fine
    )
    kept: list[tuple[float, str, str]] = []
    for _, energy, where, label in ranked:
        if not any(abs(energy - e) < _SAME_EV and where == w for e, w, _ in kept):
            kept.append((energy, where, label))
    return {label: energy for energy, _, label in sorted(kept)}


def lowest(energies_eV: Mapping[str, float], count: int, within_eV: float) -> list[str]:
    """Return the labels of the lowest `count`, and of all up to `within_eV` above the lowest.

    Examples
    --------
    >>> lowest({"top": 0.5, "fcc": 0.0, "hcp": 0.02}, 1, 0.05)
    ['fcc', 'hcp']
    """
    ranked = sorted(energies_eV, key=lambda label: energies_eV[label])
    if not ranked:
        return []
    limit = energies_eV[ranked[0]] + within_eV
    near = sum(energies_eV[label] <= limit for label in ranked)
    return ranked[: max(count, near)]


def starts_of(
    scene: Scene,
    clean: RelaxDocument,
    labels: Sequence[str],
    screened: Mapping[str, RelaxDocument],
    bare: RelaxDocument | None,
) -> dict[str, Structure]:
    """Return the structures to begin with, by label: ends of a screen, or all placements.

    Parameters
    ----------
    labels
        Ends that go on; none if there was no screen, or nothing was left of it.
    bare
        The clean slab as the cheap engine has it: what is handed over is how far the adsorbate
        moved the atoms, not where the cheap engine has them.
    """
    starts = {}
    for one in scene.placements:
        if labels and one.label not in labels:
            continue
        start = placed(scene.slab, clean.structure, scene.sites, scene.adsorbate, one)
        if labels:
            end = screened[one.label].structure
            if bare is not None:
                end = carried_over(end, bare.structure, clean.structure, scene.slab.top())
            start = symmetrized(end, start)
        starts[one.label] = start
    return starts


def weighings(
    engine: Engine,
    starts: Mapping[str, Structure],
    frozen: Sequence[int],
    relax: dict[str, Any],
) -> dict[str, Job]:
    """Return a job for each start: one evaluation by the engine that counts.

    `relax` has the numbers of the relaxations that follow; those of an evaluation are used.
    """
    maker = engine.static_maker(**static_settings(engine, relax))
    jobs = {}
    for label, start in starts.items():
        jobs[label] = maker.make(start, frozen=frozen)
        jobs[label].name = f"weigh {label}"
    return jobs
