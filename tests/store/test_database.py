"""Files that are not stores, cannot be written, or are shared by processes that die."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from defectflow.errors import MissingData, StoreError
from defectflow.store import database, open_store

WRITER = """
import sys
from defectflow.store import open_store
store, name = open_store(sys.argv[1]), sys.argv[2]
for number in range(int(sys.argv[3])):
    store.file({"uuid": f"{name}-{number}", "index": 1, "output": "x" * 5000}, job_key=f"{number}")
    print(number, flush=True)
"""


def one_line(error):
    return len(str(error.value).splitlines()) == 1


def start_writer(path, name, count):
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), name, str(count)],
        stdout=subprocess.PIPE,
        text=True,
    )


def integrity(path):
    with sqlite3.connect(path) as connection:
        return connection.execute("PRAGMA integrity_check").fetchone()[0]


@contextmanager
def as_nobody():
    """Drop root's power to write everywhere; an ordinary user lacks it already."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def public_folder():
    """Give a folder that other users may enter (pytest's own they may not)."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def test_text_file_is_not_a_store_and_stays_as_it_is(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("hello\n" * 500)
    with pytest.raises(StoreError, match=r"notes\.txt: not a store of defectflow") as error:
        open_store(path)
    assert one_line(error)
    assert path.read_text() == "hello\n" * 500
    assert list(tmp_path.iterdir()) == [path]


def test_database_of_another_program_is_not_touched(tmp_path):
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE things (a)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="not a store of defectflow"):
        open_store(path)
    assert path.read_bytes() == before


def test_store_of_a_newer_version_is_refused(tmp_path):
    path = tmp_path / "new.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA application_id = {database.APPLICATION_ID}")
        connection.execute("PRAGMA user_version = 99")
        connection.execute("CREATE TABLE things (a)")
    with pytest.raises(StoreError, match=r"newer defectflow \(layout 99.*upgrade") as error:
        open_store(path)
    assert one_line(error)


def test_damaged_store_is_said_to_be_damaged(tmp_path):
    path = tmp_path / "a.sqlite"
    with open_store(path) as store:
        for number in range(200):
            store.file({"uuid": f"{number}", "index": 1, "output": "x" * 500})
    content = bytearray(path.read_bytes())
    content[4096:-4096] = b"\xff" * (len(content) - 8192)
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"damaged|not a store"), open_store(path) as store:
        list(store.jobs.query({}))


def test_folder_is_not_a_store(tmp_path):
    with pytest.raises(StoreError, match="a folder, not a store"):
        open_store(tmp_path)


def test_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot make its folder"):
        open_store(tmp_path / "file" / "a.sqlite")


def test_missing_store_is_not_created_for_reading(tmp_path):
    with pytest.raises(MissingData, match="run a recipe first"):
        open_store(tmp_path / "a.sqlite", create=False)
    assert not (tmp_path / "a.sqlite").exists()


def test_empty_file_becomes_a_store(tmp_path):
    (tmp_path / "a.sqlite").touch()
    with open_store(tmp_path / "a.sqlite") as store:
        assert store.find() == []


def test_store_in_a_folder_without_permission_is_refused(public_folder):
    with as_nobody(), pytest.raises(StoreError) as error:
        open_store(public_folder / "a.sqlite")
    assert one_line(error)


def test_store_of_another_user_is_read_but_not_written(public_folder):
    path = public_folder / "a.sqlite"
    with open_store(path) as store:
        store.file({"uuid": "u", "index": 1, "output": 7})
    path.chmod(0o444)
    public_folder.chmod(0o555)
    with as_nobody(), open_store(path) as store:
        assert store.jobs.get_output("u") == 7
        assert store.runs.all() == []
        with pytest.raises(StoreError, match="read-only") as error:
            store.file({"uuid": "v", "index": 1, "output": 8})
    assert one_line(error)


def test_store_that_may_not_be_read(public_folder):
    path = public_folder / "a.sqlite"
    open_store(path).close()
    path.chmod(0o000)
    with as_nobody(), pytest.raises(StoreError, match="no permission to read"):
        open_store(path)


def test_full_disk_gives_one_line_and_leaves_the_store_readable(tmp_path):
    with open_store(tmp_path / "a.sqlite") as store:
        store.file({"uuid": "before", "index": 1, "output": 1})
        connection = store.jobs.docs_store._collection.connection
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 5}")
        with pytest.raises(StoreError, match="the disk is full; free some space") as error:
            store.file({"uuid": "big", "index": 1, "output": "x" * 100_000})
        assert one_line(error)
        assert store.jobs.get_output("before") == 1
        assert store.jobs.count() == 1
        connection.execute(f"PRAGMA max_page_count = {pages + 500}")
        store.file({"uuid": "big", "index": 1, "output": "x" * 100_000})
        assert store.jobs.count() == 2


def fill_up(store):
    for number in range(1000):
        store.file({"uuid": f"{number}", "index": 1, "output": "x" * 5000})


def test_really_full_disk(tiny_disk):
    path = tiny_disk / "a.sqlite"
    with open_store(path) as store:
        with pytest.raises(StoreError) as error:
            fill_up(store)
        assert one_line(error)
        filed = store.jobs.count()
        assert filed > 0
    with open_store(path, create=False) as store:
        assert store.jobs.get_output("0") == "x" * 5000
        assert store.jobs.count() == filed
    assert integrity(path) == "ok"


def test_two_processes_create_and_write_one_store_at_once(tmp_path):
    path = tmp_path / "new" / "a.sqlite"
    writers = [start_writer(path, name, 60) for name in "ab"]
    for writer in writers:
        writer.communicate(timeout=60)
        assert writer.returncode == 0
    with open_store(path) as store:
        assert store.jobs.count() == 120
        assert len(store.jobs.distinct("uuid")) == 120
        assert integrity(path) == "ok"


class Overtaken(sqlite3.Connection):
    """A connection before whose second question another process makes the store."""

    def execute(self, statement, *values):
        if statement == "PRAGMA user_version":
            make_store(self.path)
        return super().execute(statement, *values)


def make_store(path):
    with closing(sqlite3.connect(path)) as other:
        other.execute(f"PRAGMA application_id = {database.APPLICATION_ID}")
        other.execute(f"PRAGMA user_version = {database.LAYOUT_VERSION}")
        other.execute("CREATE TABLE IF NOT EXISTS mark (name TEXT)")


def test_store_that_another_process_makes_while_it_is_looked_at(tmp_path, monkeypatch):
    path = tmp_path / "a.sqlite"
    with closing(sqlite3.connect(path)) as empty:
        empty.execute("PRAGMA journal_mode = WAL")

    def connect(name, **_):
        connection = sqlite3.connect(name, isolation_level=None, factory=Overtaken)
        connection.path = name
        return connection

    monkeypatch.setattr(database, "_connect", connect)
    database.open_file(str(path)).close()
    with closing(sqlite3.connect(path)) as made:
        assert made.execute("PRAGMA application_id").fetchone()[0] == database.APPLICATION_ID


def test_killed_writer_loses_nothing_that_it_had_written(tmp_path):
    path = tmp_path / "a.sqlite"
    writer = start_writer(path, "a", 100_000)
    said = [int(writer.stdout.readline()) for _ in range(40)]
    os.kill(writer.pid, signal.SIGKILL)
    said += [int(line) for line in writer.stdout.read().split()]
    writer.wait()
    with open_store(path) as store:
        kept = {one["uuid"] for one in store.jobs.query({}, ["uuid"])}
        assert {f"a-{number}" for number in said} <= kept
        assert len(kept) <= len(said) + 1
        store.file({"uuid": "later", "index": 1, "output": 1})
    assert integrity(path) == "ok"


def test_writer_waits_for_another(tmp_path):
    path = tmp_path / "a.sqlite"
    open_store(path).close()
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    writer = start_writer(path, "a", 1)
    time.sleep(1.0)
    assert writer.poll() is None
    with open_store(path) as store:
        assert store.jobs.count() == 0
    holder.execute("COMMIT")
    writer.communicate(timeout=30)
    assert writer.returncode == 0
    with open_store(path) as store:
        assert store.jobs.count() == 1
