"""What a band of few images, or of few measured ones, may have passed over.

A saddle between two images: where both have come to rest, neither their energies nor their forces
tell of it. A surface that costs next to nothing is therefore asked between them. And a saddle or a
minimum at images that were only predicted, by a surface that may be wrong there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.engines.band import Band
from defectflow.engines.steady_band import settle

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

#: How far between two images the surface is asked, as shares of the straight way.
_SHARES: Final = (0.25, 0.5, 0.75)
#: The straight way is higher than the path: the highest place on it may relax so many steps.
_STEPS: Final = 40
#: What rises no higher above the highest image (eV) changes no barrier that matters.
_HIGHER_EV: Final = 0.01


def beyond_eV(
    band: Band, deviation_eV: Callable[[Array], float], known: Collection[float]
) -> Array:
    """Return how far each image may lie above the highest or below the lowest known energy, eV.

    Parameters
    ----------
    band
        With predicted energies; those of its ends are known.
    deviation_eV
        How wrong the prediction for some positions (Å) may be.
    known
        Energies (eV) of which nothing is in doubt.
    """
    spread = np.array([0.0, *map(deviation_eV, band.path[1:-1]), 0.0])
    over, under = band.energies - max(known), min(known) - band.energies
    return np.asarray(np.maximum(over, under) + spread)


def finer_path(
    band: Band,
    surface: Callable[[Array], tuple[float, Array]],
    segments: Collection[int] | None = None,
) -> Array | None:
    """Return the path with an image more wherever something between two is higher than all images.

    Parameters
    ----------
    band
        At rest; if an operation maps it onto itself, so does the path that is returned.
    surface
        Energy (eV) and forces (eV/Å) at positions (Å).
    segments
        Only between these images and the next; all by default.

    Returns
    -------
    Coordinates of all images, shape (images, atoms, 3), Å; None if no two images hide anything.
    """
    last = len(band.path) - 1
    found: dict[int, Array] = {}
    for segment in range((last + 1) // 2 if band.exchange else last):
        if segments is not None and segment not in segments:
            continue
        place = _higher_place(band, segment, surface)
        if place is None:
            continue
        found[segment] = place
        if band.exchange is not None:
            found.setdefault(last - 1 - segment, band.exchange.positions(place))
    if not found:
        return None
    before = [segment + 1 for segment in sorted(found)]
    path: Array = np.insert(band.path, before, [found[one] for one in sorted(found)], axis=0)
    return path


def _higher_place(
    band: Band, segment: int, surface: Callable[[Array], tuple[float, Array]]
) -> Array | None:
    """Return a place between two images that is still higher than all when it has relaxed."""
    enough_eV = float(band.energies.max()) + _HIGHER_EV
    start, end = band.path[segment : segment + 2]
    places = [start + share * (end - start) for share in _SHARES]
    energies = [surface(place)[0] for place in places]
    if max(energies) <= enough_eV:
        return None
    part = Band(
        path=np.array([start, places[int(np.argmax(energies))], end]),
        energies=np.array([band.energies[segment], 0.0, band.energies[segment + 1]]),
        forces=np.zeros((3, *start.shape)),
        evaluate=lambda _, positions: surface(positions),
        frozen=band.frozen,
        settings=band.settings,
    )
    settle(part, _STEPS)
    part.refresh()
    return part.path[1] if part.energies[1] > enough_eV else None
