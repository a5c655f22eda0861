"""What turns an adsorption energy into a free energy: named, and never added silently."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from defectflow.documents import FreeEnergyCorrection
from defectflow.errors import RecipeError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Fixed corrections by name and adsorbate.
_FIXED: Final[Mapping[str, Mapping[str, FreeEnergyCorrection]]] = {
    "norskov_2005": {
        "H": FreeEnergyCorrection(
            name="norskov_2005",
            value_eV=0.24,
            source=(
                "zero-point energy and entropy of adsorbed H against 1/2 H2 at 300 K: J. K. "
                "Nørskov et al., J. Electrochem. Soc. 152, J23 (2005), doi:10.1149/1.1856988"
            ),
        )
    }
}


def correction(name: str, adsorbate: str, others: Sequence[str] = ()) -> FreeEnergyCorrection:
    """Return the fixed correction of that name.

    Parameters
    ----------
    others
        Names of corrections that are not fixed, for the hint.

    Raises
    ------
    RecipeError
        If there is none of that name, or none for the adsorbate.
    """
    if name not in _FIXED:
        message = f"correction {name!r} does not exist; {did_you_mean(name, [*_FIXED, *others])}"
        raise RecipeError(message)
    if adsorbate not in _FIXED[name]:
        known = ", ".join(_FIXED[name])
        message = (
            f"correction {name} is for {known}, not for {adsorbate}; "
            f"{f'use {others[0]}' if others else 'leave the correction out'}"
        )
        raise RecipeError(message)
    return _FIXED[name][adsorbate]
