"""Waiting for a database that is gone for a while."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final, TypeVar

from defectflow.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
#: How long a worker waits for its database before it gives up, seconds.
VARIABLE: Final = "DEFECTFLOW_DATABASE_PATIENCE_S"
_PATIENCE_S: Final = 600.0
_FIRST_S: Final = 0.5
_LONGEST_S: Final = 15.0
#: What pymongo says of a server that does not answer, also inside an error of ours.
_GONE: Final = ("AutoReconnect", "NetworkTimeout", "NotPrimaryError", "ServerSelectionTimeoutError")


def patiently(ask: Callable[[], T]) -> T:
    """Return what `ask` returns; asked again while the database does not answer.

    Raises
    ------
    StoreError
        If the database is gone for longer than ``DEFECTFLOW_DATABASE_PATIENCE_S`` (600 s).

    Examples
    --------
    >>> patiently(lambda: 2)
    2
    """
    from pymongo.errors import PyMongoError

    limit = float(os.environ.get(VARIABLE) or _PATIENCE_S)
    started, pause = time.monotonic(), _FIRST_S
    while True:
        try:
            return ask()
        except (StoreError, PyMongoError) as error:
            if not _gone(error):
                raise
            waited = time.monotonic() - started
            if waited > limit:
                message = (
                    f"the database has not answered for {waited:.0f} s ({error}); start it again, "
                    "then `defectflow retry`: what was computed is in the job's folder"
                )
                raise StoreError(message) from error
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_S)


def _gone(error: BaseException | None) -> bool:
    while error is not None:
        if any(kind.__name__ in _GONE for kind in type(error).__mro__):
            return True
        error = error.__cause__
    return False
