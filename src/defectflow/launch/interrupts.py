"""Ctrl-C and SIGTERM that are not forgotten."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def heeded_interrupts() -> Iterator[Callable[[], None]]:
    """Raise KeyboardInterrupt at Ctrl-C and at SIGTERM (a queue's warning) in this block.

    Compiled code may drop what is raised inside it, or turn it into an error of its own (numpy does
    when it compares): the function that is yielded raises it again.

    A Ctrl-C that this process ignores (in the background of a shell) stays ignored. In a thread
    other than the first, signals are left alone.
    """
    pressed = threading.Event()

    def press(signum: int, frame: Any) -> None:  # noqa: ARG001 - the signature of handlers
        pressed.set()
        raise KeyboardInterrupt

    def check() -> None:
        if pressed.is_set():
            raise KeyboardInterrupt

    before: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        heeded = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        wanted = (signal.SIGINT, signal.SIGTERM) if heeded else (signal.SIGTERM,)
        before = {one: signal.signal(one, press) for one in wanted}
    try:
        yield check
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
