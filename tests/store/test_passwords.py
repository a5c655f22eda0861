"""Passwords: where they come from, and that they are written nowhere."""

from __future__ import annotations

import pytest

from defectflow.errors import StoreError
from defectflow.store.passwords import check_writable, with_password
from defectflow.store.server import ServerStore
from defectflow.store.urls import open_store

BARE = "mongodb://ada@db.example:27018/defects?tls=true"


def test_from_the_environment(monkeypatch):
    monkeypatch.setenv("DEFECTFLOW_PASSWORD", "a/b@c")
    assert with_password(BARE) == "mongodb://ada:a%2Fb%40c@db.example:27018/defects?tls=true"


def test_from_the_keyring(monkeypatch):
    keyring = pytest.importorskip("keyring", reason="pip install 'defectflow[queues]'")
    monkeypatch.delenv("DEFECTFLOW_PASSWORD", raising=False)
    kept = {("defectflow", "ada@db.example:27018"): "x"}
    monkeypatch.setattr(keyring, "get_password", lambda *place: kept.get(place))
    assert with_password(BARE).startswith("mongodb://ada:x@db.example")
    assert with_password(BARE.replace("ada", "eve")) == BARE.replace("ada", "eve")


@pytest.mark.parametrize("url", ["mongodb://host/db", "mongodb://ada:own@host/db"])
def test_a_url_that_needs_none_is_left(monkeypatch, url):
    monkeypatch.setenv("DEFECTFLOW_PASSWORD", "other")
    assert with_password(url) == url


def test_one_in_the_url_is_not_written_down():
    with pytest.raises(StoreError, match=r"DEFECTFLOW_PASSWORD") as caught:
        check_writable("mongodb://ada:secret@host/db")
    assert "secret" not in str(caught.value)
    assert check_writable(BARE) == BARE


def test_a_store_shows_none(monkeypatch):
    monkeypatch.setenv("DEFECTFLOW_PASSWORD", "secret")
    store = ServerStore(BARE.partition("?")[0], "outputs")
    assert "secret" in store.uri
    assert "secret" not in f"{store.name}{store.as_dict()}"
    assert ServerStore.from_dict(store.as_dict()).uri == store.uri


def test_an_error_shows_none():
    with pytest.raises(StoreError) as caught:
        open_store("mongodb://ada:secret@127.0.0.1:1/db?serverSelectionTimeoutMS=100")
    assert "secret" not in str(caught.value)
