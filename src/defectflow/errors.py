"""One tree of errors, split by whose turn it is to act.

Every message names the object, the offending value and the remedy. Anything that escapes and is
not a `DefectflowError` is a bug of ours.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class DefectflowError(Exception):
    """Base of all errors that defectflow raises on purpose."""


class RecipeError(DefectflowError):
    """The recipe or the command line is wrong: the user edits it."""


class StructureError(DefectflowError):
    """A crystal or a band of images cannot be used as given."""


class EngineError(DefectflowError):
    """A program, licence, model file or pseudopotential is missing or cannot serve the request."""


class NotConverged(DefectflowError):
    """A calculation ended without reaching its threshold; its number is not a result."""


class OutOfTime(NotConverged):
    """A job stopped before its wall time ended; its state is kept and the same job goes on."""


class MissingData(DefectflowError):
    """Something that was looked up (a result, a published value) does not exist."""


class StoreError(DefectflowError):
    """A store cannot be opened, read or written."""


class Remark(UserWarning):
    """What the user should know of what was given, though it can be used; a note on stderr."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint naming the entries of `known` nearest to `name`, or all of them if few.

    Examples
    --------
    >>> did_you_mean("sevenet", ["chgnet", "sevennet", "emt"])
    'did you mean sevennet?'
    """
    choices = sorted(known)
    near = difflib.get_close_matches(name, choices, n=3, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"known: {', '.join(choices)}"
