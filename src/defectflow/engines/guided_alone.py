"""A band that the guide could not bring to rest, finished by the dear engine alone.

Where the difference between guide and engine changes within a tenth of an ångström, what has been
learnt at some points says nothing of the next. The barrier then has its full price, from where the
guide has led.
"""

from __future__ import annotations

import contextlib
import logging
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from defectflow.analysis.barriers import evenly_spaced
from defectflow.engines.band_run import relax_band
from defectflow.engines.guided_points import moved_A
from defectflow.engines.guided_surface import Measured
from defectflow.engines.unseen import finer_path

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from defectflow.documents.steps import BandDocument
    from defectflow.engines.band import Band, BandSettings
    from defectflow.engines.calculators import CachingCalculator
    from defectflow.engines.guided_band import GuidedBand

    Array = NDArray[np.float64]

progress = logging.getLogger("defectflow.progress")


def finished_alone(
    hop: GuidedBand, new_calculator: Callable[[Path], CachingCalculator]
) -> BandDocument:
    """Relax the band from where the surface was given up, and describe it.

    Between images that have come to rest the guide is asked once more, with what the engine says of
    these images alone: there it cannot lead far.

    Parameters
    ----------
    hop
        Its points say where the surface was left.
    new_calculator
        Makes the dear calculator of one image, given the folder for its files.
    """
    if hop.points.left_at is None:
        message = "the surface of this hop has not been given up"
        raise ValueError(message)
    asked = len(hop.surface.measured)
    progress.info("no rest on the learnt surface after %d dear points: on without it", asked)
    hop.surface.dear.calculator.close()
    document = _alone(hop, hop.points.left_at, new_calculator)
    hop.band = hop.new_band(document.positions())
    hop.band.refresh()
    if document.converged:
        hop.points.checkpoint.clear()
    return document.model_copy(
        update={
            "candidates": hop.guided.candidates,
            "chosen": hop.guided.chosen,
            "steps": hop.rounds + document.steps,
            "force_calls": asked + document.force_calls,
            "wall_time_s": hop.wall_time_s,
            "repairs": (
                f"no rest on the surface learnt at {asked} points: finished without the guide",
                *document.repairs,
            ),
            "guidance": hop.guidance(),
        }
    )


def _alone(
    hop: GuidedBand, path: Array, new_calculator: Callable[[Path], CachingCalculator]
) -> BandDocument:
    """Relax the band from a path with the dear engine alone, in a folder of its own."""
    folder = hop.folder / "alone"
    folder.mkdir(exist_ok=True)

    def unseen(band: Band) -> Array | None:
        hop.points.begin_again(
            Measured(
                band.path[index].copy(), float(band.energies[index]), band.forces[index].copy()
            )
            for index in band.free
        )
        return finer_path(band, hop.surface)

    task = replace(hop.task, start=_even(path, hop.settings))
    document = relax_band(task, new_calculator, folder, unseen)
    if document.converged:
        with contextlib.suppress(OSError):  # what an engine has left there is its own
            folder.rmdir()
    return document


def _even(path: Array, settings: BandSettings) -> Array:
    """Return the path with images as dense as the settings want them, at equal distances.

    It may be far longer than the straight one, and on the surface images came to rest where they
    could: a band with wide gaps between them has no direction there.
    """
    way_A = sum(moved_A(*pair) for pair in pairwise(path))
    return evenly_spaced(path, max(len(path), settings.inner_images(way_A) + 2))
