"""A database server for benchmarks: the one of $MONGODB_URI, else the server of the tests."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVER = Path(__file__).parent.parent / "tests" / "queue" / "wire_server.py"


@contextmanager
def fresh_database() -> Iterator[tuple[str, str]]:
    """Yield the URL of an empty database and the name of its server; drop it in the end."""
    name = f"defectflow_benchmark_{uuid.uuid4().hex[:8]}"
    given = os.environ.get("MONGODB_URI")
    if given:
        from pymongo import MongoClient

        yield f"{given.rstrip('/')}/{name}", "MongoDB"
        MongoClient(given).drop_database(name)
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(SERVER), str(port), folder]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:  # noqa: S603 - our own
            assert process.stdout is not None  # noqa: S101 - a pipe was asked for
            process.stdout.readline()
            try:
                yield f"mongodb://127.0.0.1:{port}/{name}", "SecantusDB, one command at a time"
            finally:
                process.terminate()
