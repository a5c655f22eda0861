"""What is changed when GPAW's self-consistent cycle does not converge, rung by rung."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

progress = logging.getLogger("defectflow.progress")


class ScfLadder:
    """The rungs of ``scf_ladder`` in ``electrons.yaml``, taken one after the other.

    A rung may change the `mixer` and the `eigensolver` for good, allow `steps_factor` times as many
    steps, and find a density with a smearing `smearing_factor` times as wide first. The smearing
    asked for is always the last, so that no rung changes the number.

    Parameters
    ----------
    keywords
        Of GPAW, as asked for.

    Attributes
    ----------
    repairs
        What was done, in words, in the order in which it was tried.
    """

    def __init__(self, keywords: Mapping[str, Any], rungs: Sequence[Mapping[str, Any]]) -> None:
        self.keywords = keywords
        self.rungs = list(rungs)
        self.current = {key: keywords[key] for key in ("mixer", "eigensolver")}
        self.repairs: list[str] = []

    def climb(self, *, diverged: bool = False) -> list[tuple[dict[str, Any], int]]:
        """Take the next rung: return the changes of keywords and the steps of each SCF it needs.

        The list is empty if there is no other rung. After a density that `diverged` GPAW begins
        again from the atoms' densities.
        """
        if not self.rungs:
            return []
        rung = self.rungs.pop(0)
        self._note(rung, diverged=diverged)
        steps = round(self.keywords["maxiter"] * rung.get("steps_factor", 1.0))
        changes = {key: rung[key] for key in self.current if key in rung}
        self.current |= changes
        factor = rung.get("smearing_factor", 1.0)
        if factor == 1.0:
            return [(changes, steps)]
        asked = self.keywords["occupations"]
        wide = asked | {"width": factor * asked["width"]}
        return [(changes | {"occupations": wide}, steps), ({"occupations": asked}, steps)]

    def _note(self, rung: Mapping[str, Any], *, diverged: bool) -> None:
        parts = []
        if rung.get("smearing_factor", 1.0) != 1.0:
            parts.append(f"smearing times {rung['smearing_factor']:g} first, then as asked for")
        for key, before in self.current.items():
            if key in rung:
                parts.append(f"{key} {_words(before)} -> {_words(rung[key])}")
        if rung.get("steps_factor", 1.0) != 1.0:
            parts.append(f"steps times {rung['steps_factor']:g}")
        steps = self.keywords["maxiter"]
        what = "diverged" if diverged else f"did not converge in {steps} steps"
        text = f"SCF {what}: {', '.join(parts)}"
        self.repairs.append(text)
        progress.info("GPAW: %s", text)


def _words(values: Mapping[str, Any]) -> str:
    """Return a keyword in words; a mixer may consist of others.

    Examples
    --------
    >>> _words({"name": "multi", "method": "dif", "mixer_a": {"name": "pulay", "beta": 0.05}})
    'multi method dif mixer_a pulay beta 0.05'
    """
    rest = (f"{key} {_word(value)}" for key, value in values.items() if key != "name")
    return " ".join((values.get("name", "default"), *rest))


def _word(value: Any) -> str:
    if isinstance(value, dict):
        return _words(value)
    return value if isinstance(value, str) else f"{value:g}"
