"""Vibrations of an adsorbate where it is lowest; a saddle is left along its imaginary mode."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from jobflow import Flow, Response, job
from monty.json import MSONable

from defectflow.analysis.thermochemistry import imaginary_modes_eV, in_words
from defectflow.analysis.vibrations import SOFTEST_EV, modes
from defectflow.flows.alike import one_spacing_on
from defectflow.structures.following import led_along

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobflow.core.job import Job
    from pymatgen.core import Structure

    from defectflow.documents import RelaxDocument
    from defectflow.documents.vibrations import VibrationsDocument
    from defectflow.flows.adsorbed import Scene
    from defectflow.flows.adsorption import AdsorptionMaker

#: So far (Å) the atom that goes farthest is led along an imaginary mode.
_AWAY_A: Final = 0.5
#: So many saddles are left, one after the other, before there is no value.
_MOST: Final = 2


@dataclass(frozen=True)
class Saddle(MSONable):
    """Where an adsorbate came to rest without being at a minimum.

    Attributes
    ----------
    weighed
        Beside it, both ways.
    dropped, why_dropped
        What came of leaving it, if that counts for nothing.
    flat
        Whether what came of it is higher, and the imaginary modes are soft: it is a minimum.
    """

    label: str
    relaxed: RelaxDocument
    vibrations: VibrationsDocument
    weighed: list[RelaxDocument]
    dropped: list[RelaxDocument] = field(default_factory=list)
    why_dropped: str = ""
    flat: bool = False

    def in_words(self) -> str:
        """Return its imaginary modes."""
        return in_words(imaginary_modes_eV(np.array(self.vibrations.energies_eV)))


@dataclass
class ModesMaker(MSONable):
    """The modes of an adsorbate at the placement that ended lowest.

    1. Displace the atoms of the adsorbate there.
    2. An imaginary mode: the adsorbate rests at a saddle, as one that was put down symmetrically
       does. Lead it along the mode both ways, weigh both with one evaluation each, relax the lower,
       and go to 1. One that then leaves the surface, falls apart, moves to a site that does not
       count or ends higher is dropped, and the saddle stands. A single atom at a site that was
       named has nowhere to go without leaving it.
    3. Soft imaginary modes (softer than `SOFTEST_EV`) are told from noise by that: over 0.05 Å
       forces of a self-consistent field cannot, over 0.5 Å energies can. Where it ended higher, the
       saddle was a flat minimum, and counts as one.

    Attributes
    ----------
    adsorption
        Says what is relaxed how, and concludes.
    """

    adsorption: AdsorptionMaker

    @job
    def vibrate(self, scene: Scene, steps: dict[str, Any]) -> Response[Any]:
        """Shake the atoms of the adsorbate where it is lowest."""
        saddle = dropped(self.adsorption, scene, steps)
        if saddle is not None:
            return _ended(self.adsorption.last(scene, *saddle))
        _, label = self.adsorption.best(scene, steps)
        if not label:
            return _ended(self.adsorption.last(scene, steps))
        maker = self.adsorption
        relaxed: RelaxDocument = steps["relaxed"][label]
        settings = one_spacing_on(scene.slab, scene.adsorbate, maker.engine, "vibrations")
        displaced = _own_atoms(scene, relaxed.structure)
        shaken = maker.engine.vibrations_maker(**settings).make(
            relaxed.structure, displaced=displaced
        )
        shaken.name = f"vibrations of {scene.adsorbate.name} at {label}"
        after: Job = self.look(scene, steps, label, shaken.output)
        after.name = "look at modes"
        return Response(replace=Flow([shaken, after], output=after.output))

    @job
    def look(
        self, scene: Scene, steps: dict[str, Any], label: str, vibrations: VibrationsDocument
    ) -> Response[Any]:
        """Conclude from a minimum; weigh what lies on both sides of a saddle."""
        wrong = imaginary_modes_eV(np.array(vibrations.energies_eV))
        maker = self.adsorption
        held = maker.site != "lowest" and len(vibrations.atoms) == 1
        if not wrong or held or len(steps["saddles"]) == _MOST:
            return _ended(maker.last(scene, steps, vibrations))
        starts = dict(zip(("one way", "other way"), _both_ways(vibrations), strict=True))
        asked = maker.weighings(scene, starts)
        found = {name: one.output for name, one in asked.items()}
        after: Job = self.leave(scene, steps, label, vibrations, found)
        after.name = "leave saddle"
        return Response(replace=Flow([*asked.values(), after], output=after.output))

    @job
    def leave(
        self,
        scene: Scene,
        steps: dict[str, Any],
        label: str,
        vibrations: VibrationsDocument,
        weighed: dict[str, RelaxDocument],
    ) -> Response[Any]:
        """Relax from the lower side of a saddle."""
        lower = min(weighed, key=lambda name: weighed[name].energy_eV)
        start = {label: weighed[lower].structure}
        engine = self.adsorption.engine_after(scene, steps["screened"])
        again = self.adsorption.relaxations(engine, scene, start, "relax beside the saddle at")
        saddle = Saddle(label, steps["relaxed"][label], vibrations, list(weighed.values()))
        steps = {
            **steps,
            "relaxed": {**steps["relaxed"], label: again[label].output},
            "saddles": [*steps["saddles"], saddle],
        }
        after: Job = self.vibrate(scene, steps)
        after.name = "vibrations"
        return Response(replace=Flow([*again.values(), after], output=after.output))


def left(saddles: Sequence[Saddle]) -> list[Any]:
    """Return the documents of what was left or dropped, for what they cost."""
    steps: list[Any] = []
    for one in saddles:
        # A saddle from which nothing came stands, and counts as what it is.
        steps += one.weighed
        steps += one.dropped or (one.relaxed, one.vibrations)
    return steps


def remarks_on_saddles(scene: Scene, steps: dict[str, Any]) -> list[str]:
    """Return a note for each saddle, and what came of leaving it."""
    saddles: list[Saddle] = steps["saddles"]
    notes = []
    for number, one in enumerate(saddles):
        later = [two.relaxed for two in saddles[number + 1 :] if two.label == one.label]
        after: RelaxDocument = [*later, steps["relaxed"][one.label]][0]
        came = one.why_dropped or _higher(after.energy_eV - one.relaxed.energy_eV)
        looks, thus = (
            ("what looks like ", ", so that it is a flat minimum") if one.flat else ("", "")
        )
        notes.append(
            f"{scene.adsorbate.name} at {one.label} relaxed to {looks}a saddle ({one.in_words()}); "
            f"led {_AWAY_A:g} Å along the mode and relaxed again: {came}{thus}"
        )
    return notes


def at_minimum(saddles: Sequence[Saddle]) -> bool:
    """Tell whether soft imaginary modes of what is left at last are those of a flat minimum."""
    return bool(saddles) and saddles[-1].flat


def _higher(energy_eV: float) -> str:
    return f"{abs(energy_eV):.3f} eV {'higher' if energy_eV > 0 else 'lower'}"


def _ended(last: Job) -> Response[Any]:
    return Response(replace=Flow([last], output=last.output))


def _own_atoms(scene: Scene, structure: Structure) -> list[int]:
    size = len(structure)
    return list(range(size - len(scene.adsorbate.species), size))


def _both_ways(vibrations: VibrationsDocument) -> tuple[Structure, Structure]:
    """Return the adsorbate on both sides of a saddle."""
    structure, atoms = vibrations.structure, vibrations.atoms
    masses = np.array([float(structure[n].specie.atomic_mass) for n in atoms])
    way = modes(np.array(vibrations.hessian_eV_per_A2), masses).moves[0]
    return led_along(structure, atoms, way, _AWAY_A), led_along(structure, atoms, -way, _AWAY_A)


def dropped(
    maker: AdsorptionMaker, scene: Scene, steps: dict[str, Any]
) -> tuple[dict[str, Any], VibrationsDocument] | None:
    """Return the saddle that was left last, if nothing better came of it; None if it did."""
    if not steps["saddles"]:
        return None
    *earlier, saddle = steps["saddles"]
    new: RelaxDocument = steps["relaxed"][saddle.label]
    why = scene.worthless(saddle.label, new, anywhere=maker.site == "lowest")
    higher_eV = new.energy_eV - saddle.relaxed.energy_eV
    if not why and higher_eV <= 0:
        return None
    flat = not why and min(saddle.vibrations.energies_eV) > -SOFTEST_EV
    stays = replace(saddle, dropped=[new], why_dropped=why or _higher(higher_eV), flat=flat)
    relaxed = {**steps["relaxed"], saddle.label: saddle.relaxed}
    return {**steps, "relaxed": relaxed, "saddles": [*earlier, stays]}, saddle.vibrations
