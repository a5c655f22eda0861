"""Single evaluations whose energies are subtracted from those of relaxations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from defectflow.engines.contract import Engine


def static_settings(engine: Engine, relax: dict[str, Any]) -> dict[str, Any]:
    """Return those numbers of a flow's relaxations that a single evaluation has too.

    Energies are subtracted from each other only where cutoff, k-points and smearing are one.

    Raises
    ------
    RecipeError
        If one is not a setting of a relaxation.

    Examples
    --------
    >>> from defectflow.engines.registry import engine
    >>> static_settings(engine("gpaw"), {"cutoff_eV": 600.0, "fmax_eV_per_A": 0.01})
    {'cutoff_eV': 600.0}
    """
    engine.settings("relax", **relax)
    known = engine.settings("static")
    return {name: value for name, value in relax.items() if name in known}
