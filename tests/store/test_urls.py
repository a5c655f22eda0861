from __future__ import annotations

import mongomock_ng
import pytest

from defectflow.errors import StoreError
from defectflow.store import RunLabel, open_store
from defectflow.store.urls import without_password


def test_default_store_lies_below_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with open_store() as store:
        assert store.folder == tmp_path / ".defectflow"
        assert store.url == ".defectflow/store.sqlite"
    assert (tmp_path / ".defectflow" / "store.sqlite").exists()


@pytest.mark.parametrize("url", ["runs/a.sqlite", "sqlite://runs/a.sqlite"])
def test_path_does_not_depend_on_where_the_process_goes(url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with open_store(url) as store:
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        store.jobs.connect(force_reset=True)
        store.file({"uuid": "u", "index": 1, "output": 1})
        assert store.folder == tmp_path / "runs" / ".defectflow"
    assert (tmp_path / "runs" / "a.sqlite").exists()
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_each_memory_store_is_new():
    with open_store("memory://") as one, open_store("memory://") as other:
        one.file({"uuid": "u", "index": 1, "output": 1})
        assert other.jobs.count() == 0


def test_unknown_kind_of_store_is_named_with_the_nearest():
    with pytest.raises(StoreError, match="'mongo'; did you mean mongodb"):
        open_store("mongo://localhost/db")


def test_server_that_does_not_answer_gives_one_line_without_the_password(monkeypatch):
    monkeypatch.setattr("defectflow.store.server.SERVER_PATIENCE_MS", 200)
    with pytest.raises(StoreError, match="check the URL and the server") as error:
        open_store("mongodb://ada:secret@127.0.0.1:1/db")
    assert "secret" not in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_server_is_used_through_its_wire(monkeypatch, make_result):
    """A stand-in for the server: the client of mongomock behind maggma's own store."""
    client = mongomock_ng.MongoClient()
    monkeypatch.setattr("maggma.stores.mongolike.MongoClient", lambda *_, **__: client)
    with open_store("mongodb://ada:secret@localhost/lab") as store:
        store.file(make_result())
        store.file({"uuid": "u", "index": 1, "output": 7, "completed_at": "2026"}, job_key="k")
        run = store.runs.start(RunLabel(recipe="a"))
        assert [one.key for one in store.find(species="Mg")] == ["k1"]
        assert store.finished("k")["output"] == 7
        assert store.runs.get(run.run_id).state == "running"
        assert store.url == "mongodb://ada:***@localhost/lab"
        assert set(client["lab"].list_collection_names()) == {"outputs", "runs", "settings"}
        assert "output.key_1" in client["lab"]["outputs"].index_information()


def test_malformed_server_url_gives_one_line():
    with pytest.raises(StoreError, match="cannot be used"):
        open_store("mongodb://")


def test_password_is_hidden():
    assert without_password("mongodb+srv://a:b@c/d") == "mongodb+srv://a:***@c/d"
    assert without_password("mongodb://c:27017/d") == "mongodb://c:27017/d"
