"""What has to be said beside a number that does not come from density functional theory."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from defectflow.documents import EngineStamp

#: The open-source engine that a result is best redone with.
_DFT_ENGINE: Final = "gpaw"
_SAYS: Final = {
    "potential": (
        "{names}: machine-learned potentials are systematically too soft (barriers come out too "
        "low more often than not); read these numbers as a trend only."
    ),
    "stand-in": "{names}: a stand-in for trying things out; its numbers predict nothing.",
}


def honest_lines(
    stamps: Iterable[EngineStamp], recipes: Sequence[str], known_engines: Collection[str]
) -> list[str]:
    """Return one line per kind of engine that is not DFT: what its numbers are worth.

    Parameters
    ----------
    stamps
        The engines of the results that are shown.
    recipes
        Recipes as the user named them, for the command that redoes them with DFT.
    known_engines
        Engines of this version; the line says so if the one for DFT is not among them.
    """
    named: dict[str, list[str]] = {}
    for stamp in stamps:
        if stamp.fidelity in _SAYS:
            named.setdefault(stamp.fidelity, []).append(stamp.name)
    command = shlex.join(["defectflow", "run", *recipes, "--engine", _DFT_ENGINE])
    later = "" if _DFT_ENGINE in known_engines else " (that engine comes with the DFT release)"
    return [
        f"{_SAYS[kind].format(names=', '.join(dict.fromkeys(names)))} With DFT: {command}{later}"
        for kind, names in named.items()
    ]
