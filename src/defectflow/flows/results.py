"""The fields that every result has, whatever its quantity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from defectflow.documents.base import now

if TYPE_CHECKING:
    from defectflow.documents.electronic import ChargesDocument, DosDocument
    from defectflow.documents.steps import BandDocument, RelaxDocument
    from defectflow.documents.vibrations import VibrationsDocument
    from defectflow.engines.contract import Engine
    from defectflow.flows.provenance import Provenance


def heading(engine: Engine, provenance: Provenance) -> dict[str, Any]:
    """Return the fields of a result that say what was asked, of whom, and when."""
    return {
        "recipe": provenance.recipe,
        "key": provenance.key,
        "recipe_input": provenance.recipe_input,
        "engine": engine.stamp(),
        "created": now(),
    }


def cost(
    *steps: RelaxDocument | BandDocument | ChargesDocument | DosDocument | VibrationsDocument,
) -> dict[str, Any]:
    """Return what steps cost together, as fields of the result."""
    return {
        "force_calls": sum(step.force_calls for step in steps),
        "wall_time_s": sum(step.wall_time_s for step in steps),
    }
