"""Which results may stand side by side; a refusal names the recipes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from defectflow.errors import EngineError, RecipeError
from defectflow.flows.host import one_engine
from defectflow.structures.identity import same_crystal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pymatgen.core.structure import Structure

    from defectflow.documents import EngineStamp, RelaxDocument

#: Volumes (relative) and energies (eV) per atom of one crystal by one engine, which only the
#: k-points of different cells move.
_SAME_VOLUME: Final = 0.03
_SAME_EV: Final = 0.01
_CHOOSE: Final = "choose with --recipe"

T = TypeVar("T")


def not_replaced(newest_first: Iterable[T], has: Callable[[T], set[Any]]) -> list[T]:
    """Return the results that have something which no newer one has, newest first."""
    known: set[Any] = set()
    kept = []
    for one in newest_first:
        new = has(one)
        if new - known:
            kept.append(one)
        known |= new
    return kept


def require_one_crystal(crystals: Sequence[tuple[str, Structure]]) -> None:
    """Refuse results of several crystals, which may share a formula.

    Parameters
    ----------
    crystals
        Name of the recipe and relaxed host of each result.

    Raises
    ------
    RecipeError
        Naming the recipes of two that differ.
    """
    for (first, known), (recipe, crystal) in _beside_first(crystals):
        if not same_crystal(known, crystal):
            message = (
                f"{first} and {recipe}: different crystals of {crystal.composition.reduced_formula}"
                f", {_said(known)} and {_said(crystal)}; {_CHOOSE}"
            )
            raise RecipeError(message)


def require_one_state(crystals: Sequence[tuple[str, RelaxDocument]]) -> None:
    """Refuse results of one crystal by one engine whose cells differ, strained ones for example.

    Raises
    ------
    RecipeError
        Naming the recipes of two that differ.
    """
    for (first, known), (recipe, crystal) in _beside_first(crystals):
        (volume, energy), (volume_2, energy_2) = _per_atom(known), _per_atom(crystal)
        if abs(volume_2 / volume - 1) > _SAME_VOLUME or abs(energy_2 - energy) > _SAME_EV:
            message = (
                f"{first} and {recipe}: the pristine crystal has {volume:.2f} and {volume_2:.2f} Å³"
                f", {energy:.3f} and {energy_2:.3f} eV per atom; compute both in the same cell of "
                f"the host, or {_CHOOSE}"
            )
            raise RecipeError(message)


def require_one_scale(crystals: Sequence[tuple[str, RelaxDocument]]) -> None:
    """Refuse results of different engines, models, levels or cutoffs.

    Raises
    ------
    EngineError
        Naming the recipes of two that differ, and in what.
    """
    for (first, known), (recipe, crystal) in _beside_first(crystals):
        try:
            one_engine(known, crystal)
        except EngineError as error:
            message = (
                f"{first} and {recipe}: energies of different engines cannot be subtracted or "
                f"compared, they differ in {_difference(known.engine, crystal.engine)}; compute "
                "both with one engine and level, or choose with --engine, --level or --recipe"
            )
            raise EngineError(message) from error


def _beside_first(named: Sequence[T]) -> Iterator[tuple[T, T]]:
    """Return the first with each of the others."""
    return ((named[0], other) for other in named[1:])


def _difference(one: EngineStamp, other: EngineStamp) -> str:
    named = {"name": "engine", "model_sha256": "weights"}
    pairs = [
        (field, getattr(one, field), getattr(other, field))
        for field in type(one).model_fields
        if field != "code_versions"
    ]
    short = {"name", "model", "functional", "level"}
    words = [
        f"{named.get(field, field)} ({a} and {b})" if field in short else named.get(field, field)
        for field, a, b in pairs
        if a != b
    ]
    return ", ".join(words) or "what they were computed with, the cutoff for example"


def _per_atom(crystal: RelaxDocument) -> tuple[float, float]:
    number = len(crystal.structure)
    return crystal.structure.volume / number, crystal.energy_eV / number


def _said(crystal: Structure) -> str:
    symbol, number = crystal.get_space_group_info(symprec=0.1)
    return f"{symbol} ({number}) with {crystal.volume / len(crystal):.2f} Å³ per atom"
