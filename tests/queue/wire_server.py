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
from secantus.storage import Storage

_TOUCHING_DATA = {
    "aggregate", "bulkwrite", "count", "create", "createindexes", "delete", "distinct", "drop",
    "dropdatabase", "dropindexes", "find", "findandmodify", "insert", "update",
}  # fmt: skip
_lock = threading.RLock()
_stopping = threading.Event()
_dispatch = server.dispatch
_update = Storage.update_matching


def _one_at_a_time(document, context):
    if next(iter(document)).lower() not in _TOUCHING_DATA:
        return _dispatch(document, context)
    with _lock:
        if _stopping.is_set():
            raise ConnectionResetError
        return _dispatch(_by_identifier(document, context), context)


def _by_identifier(document, context):
    """Return a change of one document as one by its identifier: nothing comes between the two."""
    if "findAndModify" not in document or "hint" in document:
        return document
    found = context.storage.find_matching(
        document["$db"],
        document["findAndModify"],
        document.get("query") or {},
        sort=document.get("sort") or None,
        limit=1,
    )
    if not found:
        return document
    rest = {name: value for name, value in document.items() if name != "sort"}
    return {**rest, "query": {"_id": found[0]["_id"]}}


def _update_matching(storage, database, collection, query, *words, **options):
    """Change documents; the server asks for one by its identifier twice, and then looks at all."""
    if query.get("$and") == [{"_id": query.get("_id")}]:
        query = {"_id": query["_id"]}
    return _update(storage, database, collection, query, *words, **options)


def main() -> None:
    port, folder = int(sys.argv[1]), sys.argv[2]
    server.dispatch = _one_at_a_time
    Storage.update_matching = _update_matching
    running = server.SecantusDBServer("127.0.0.1", port, folder, replica_set_name=None)
    running.start()
    print(running.uri, flush=True)  # noqa: T201 - the test that starts this process reads it
    signal.sigwait([signal.SIGTERM, signal.SIGINT])
    with _lock:  # what is under way ends first
        _stopping.set()
    running.stop()


if __name__ == "__main__":
    main()
