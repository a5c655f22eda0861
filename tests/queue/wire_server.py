"""A server of MongoDB's protocol for tests, as a process of its own: PORT DIRECTORY.

SecantusDB changes a document and returns it in two steps, so that two processes may be given the
same one. One lock around its commands makes each of them whole, also when the server is told to
stop: a change that is cut between its steps loses the document. Use a real MongoDB for real work.
"""

from __future__ import annotations

import signal
import sys
import threading

from secantus import server

_TOUCHING_DATA = {
    "aggregate", "bulkwrite", "count", "create", "createindexes", "delete", "distinct", "drop",
    "dropdatabase", "dropindexes", "find", "findandmodify", "insert", "update",
}  # fmt: skip
_lock = threading.RLock()
_stopping = threading.Event()
_dispatch = server.dispatch


def _one_at_a_time(document, context):
    if next(iter(document)).lower() not in _TOUCHING_DATA:
        return _dispatch(document, context)
    with _lock:
        if _stopping.is_set():
            raise ConnectionResetError
        return _dispatch(document, context)


def main() -> None:
    port, folder = int(sys.argv[1]), sys.argv[2]
    server.dispatch = _one_at_a_time
    running = server.SecantusDBServer("127.0.0.1", port, folder, replica_set_name=None)
    running.start()
    print(running.uri, flush=True)  # noqa: T201 - the test that starts this process reads it
    signal.sigwait([signal.SIGTERM, signal.SIGINT])
    with _lock:  # what is under way ends first
        _stopping.set()
    running.stop()


if __name__ == "__main__":
    main()
