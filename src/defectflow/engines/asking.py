"""What a request to an engine is checked for before anything runs, as far as it is known yet."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from defectflow.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pymatgen.core.structure import Structure


def check_frozen(structure: Structure, frozen: object) -> None:
    """Refuse atoms that the structure has not; what is no list yet is let through."""
    if not isinstance(frozen, (tuple, list)):
        return
    wrong = [index for index in frozen if not (type(index) is int and 0 <= index < len(structure))]
    if wrong:
        message = (
            f"frozen atom {wrong[0]!r}: {structure.composition.reduced_formula} has "
            f"{len(structure)} atoms, give indices from 0 to {len(structure) - 1}"
        )
        raise RecipeError(message)


def check_charge(charge: object) -> None:
    """Refuse a charge that is no whole number; what is no number yet is let through."""
    if isinstance(charge, (float, str, bool)):
        message = f"charge {charge!r}: a cell has a whole number of charges, e.g. 1 or -2"
        raise RecipeError(message)


def check_moments(moments: object) -> None:
    """Refuse moments that are not finite; what is no list yet is let through."""
    if not isinstance(moments, (list, tuple)):
        return
    for number, moment in enumerate(moments):
        if isinstance(moment, (int, float)) and not math.isfinite(moment):
            message = f"magnetic moment {moment} of atom {number}: give a finite number"
            raise RecipeError(message)


def check_input(
    options: dict[str, Any],
    structure: Structure,
    settings: Mapping[str, Any],
    charge: Any,
    magnetic_moments: Any,
) -> None:
    """Refuse what an engine with electrons cannot write its input for."""
    from defectflow.engines.electrons import electronic_input
    from defectflow.engines.request import Request

    moments = None if magnetic_moments is None else tuple(magnetic_moments)
    electronic_input(options, Request(structure, settings, charge, moments))
