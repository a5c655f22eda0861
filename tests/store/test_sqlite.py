"""What maggma asks of a store, and what an SQLite store adds."""

from __future__ import annotations

import math
import multiprocessing
import time
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from jsonschema.exceptions import ValidationError
from maggma.core import Sort
from maggma.core import StoreError as MaggmaError
from maggma.validators import JSONSchemaValidator
from monty.json import MontyDecoder

from defectflow.errors import StoreError
from defectflow.store.sqlite import SQLiteStore


@pytest.fixture
def store(tmp_path):
    with SQLiteStore(tmp_path / "a.sqlite", "outputs") as opened:
        yield opened


def fill(store, *documents, key="n"):
    store.update([{"n": number, **document} for number, document in enumerate(documents)], key=key)


def test_query_and_query_one(store):
    fill(store, {"a": 1, "b": 2}, {"a": 1, "b": 3})
    assert store.query_one(properties=["a"]) == {"_id": 1, "a": 1}
    assert store.query_one(properties={"a": 1, "_id": 0}) == {"a": 1}
    assert store.query_one({"b": 3})["n"] == 1
    assert store.query_one({"b": 9}) is None
    assert len(list(store.query({"a": {"$gte": 1}}))) == 2


def test_count(store):
    fill(store, {"a": 1}, {"aa": 1})
    assert store.count() == 2
    assert store.count({"a": 1}) == 1


def test_distinct_follows_subdocuments_and_knows_nothing_of_missing_keys(store):
    fill(store, {"a": 1}, {"a": 4, "g": {"h": 1}}, {"a": 4, "g": {"h": 2}})
    assert set(store.distinct("a")) == {1, 4}
    assert set(store.distinct("g.h")) == {1, 2}
    assert store.distinct("blue") == []


def test_update_replaces_by_one_or_several_keys(store):
    store.update({"e": 6, "d": 4}, key="e")
    assert store.query_one({"d": {"$exists": 1}}, ["d"])["d"] == 4
    store.update([{"e": 7, "d": 8, "f": 9}], key=["d", "f"])
    store.update([{"e": 11, "d": 8, "f": 9}], key=["d", "f"])
    assert store.count() == 2
    assert store.query_one({"d": 8, "f": 9}, ["e"])["e"] == 11


def test_update_keeps_the_place_of_a_document(store):
    fill(store, {"a": 1}, {"a": 2}, {"a": 3})
    store.update({"n": 1, "a": 9}, key="n")
    assert [document["a"] for document in store.query()] == [1, 9, 3]


def test_document_without_its_key_field_is_refused_and_nothing_is_written(store):
    with pytest.raises(StoreError, match="lacks its key field 'n'"):
        store.update([{"n": 1}, {"a": 2}], key="n")
    assert store.count() == 0


def test_validator_keeps_bad_documents_out(store):
    schema = {"type": "object", "properties": {"e": {"type": "integer"}}, "required": ["e"]}
    store.validator = JSONSchemaValidator(schema=schema)
    store.update([{"e": 100}, {"e": "text"}], key="e")
    assert store.distinct("e") == [100]
    store.validator = JSONSchemaValidator(schema=schema, strict=True)
    with pytest.raises(ValidationError, match="integer"):
        store.update({"e": "text"}, key="e")


def test_groupby(store):
    fill(store, {"e": 7, "d": 9}, {"e": 7, "d": 9}, {"e": 8, "d": 9}, {"e": 9, "d": 10})
    groups = {key["d"]: documents for key, documents in store.groupby("d")}
    assert {key: len(found) for key, found in groups.items()} == {9: 3, 10: 1}
    assert len(list(store.groupby(["e", "d"]))) == 3
    fill(store, {"e": {"d": 9}}, {"e": {"d": 9}}, {"e": {"d": 10}})
    nested = {key["e"]["d"]: len(found) for key, found in store.groupby("e.d", properties=["n"])}
    assert nested == {9: 2, 10: 1}


def test_sort_skip_limit(store):
    fill(store, {"a": 2, "b": 1}, {"a": 1, "b": 1}, {"a": 3, "b": 0}, {"b": 5})
    assert [one.get("a") for one in store.query(sort={"a": 1})] == [None, 1, 2, 3]
    assert [one["n"] for one in store.query(sort={"b": Sort.Descending, "a": -1})] == [3, 0, 1, 2]
    assert [one["n"] for one in store.query(sort={"a": -1}, skip=1, limit=2)] == [0, 1]
    assert [one["n"] for one in store.query(skip=3)] == [3]


def test_remove_docs(store):
    fill(store, {"a": 1}, {"a": 2}, {"a": 1})
    store.remove_docs({"a": 1})
    assert [one["a"] for one in store.query()] == [2]
    store.remove_docs({})
    assert store.count() == 0


def test_last_updated(store):
    assert store.last_updated == datetime.min  # noqa: DTZ901 - maggma says so
    store.update({store.key: 1, "a": 1})
    with pytest.raises(MaggmaError):
        _ = store.last_updated
    moment = datetime(2026, 7, 1, 12, 30, 0, 123456, tzinfo=UTC)
    store.update([{store.key: 1, "a": 1, store.last_updated_field: moment}])
    assert store.last_updated == moment


def test_newer_in(tmp_path):
    moment = datetime(2026, 7, 1, tzinfo=UTC)
    with (
        SQLiteStore(tmp_path / "a.sqlite", "old", ("task_id",)) as old,
        SQLiteStore(tmp_path / "a.sqlite", "new", ("task_id",)) as new,
    ):
        for store, age in ((old, 0), (new, 1)):
            store.update(
                [{"task_id": n, "last_updated": moment + timedelta(hours=age)} for n in range(5)]
            )
        assert sorted(old.newer_in(new)) == list(range(5))
        assert old.newer_in(new, exhaustive=True) == old.newer_in(new)
        assert new.newer_in(old) == []


def test_ensure_index_fills_the_column_and_refuses_a_false_unique(store):
    fill(store, {"a": "x"}, {"a": "x"}, {"b": 1})
    assert store.ensure_index("a")
    assert store.ensure_index("a")
    assert store.count({"a": "x"}) == 2
    assert not store.ensure_index("a", unique=True)
    assert store.ensure_index("n", unique=True)
    assert store.count() == 3


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        None,
        [1, 2],
        {"b": 1},
        True,
        2**70,
        "ß∞'\"",
        datetime(2026, 1, 1, tzinfo=UTC),
        1.5,
    ],
)
def test_values_survive_and_are_found_through_an_indexed_column(store, value):
    store.ensure_index("a")
    store.update([{"n": 1, "a": value}, {"n": 2, "a": "other"}], key="n")
    assert repr(store.query_one({"n": 1})["a"]) == repr(value)
    assert store.query_one({"a": value})["n"] == 1
    assert store.count({"a": {"$exists": True}}) == 2


def test_column_never_hides_what_a_full_scan_finds(store):
    fill(store, {"a": 1}, {"a": [1, 2]}, {"a": True}, {"a": None}, {"a": 1.0}, {}, {"a": "1"})
    queries = [{"a": 1}, {"a": None}, {"a": {"$in": [1, None]}}, {"a": {"$exists": True}}]
    queries += [{"a": {"$eq": "1"}}, {"a": {"$exists": False}}, {"a": True}, {"a": {"$gt": 0}}]
    before = [[one["n"] for one in store.query(query)] for query in queries]
    store.ensure_index("a")
    assert [[one["n"] for one in store.query(query)] for query in queries] == before


def test_numpy_values_are_stored_as_numbers(store):
    store.update({"n": np.int64(3), "a": np.array([1.5, 2.0]), "b": np.float64(0.1)}, key="n")
    assert store.query_one({"n": 3}) == {"_id": 1, "n": 3, "a": [1.5, 2.0], "b": 0.1}


def test_copy_into_another_store_takes_no_row_numbers_along(store, tmp_path):
    fill(store, {"a": 1}, {"a": 2})
    with SQLiteStore(tmp_path / "b.sqlite", "outputs") as other:
        other.update(list(store.query(sort={"n": -1})), key="n")
        assert [(one["_id"], one["a"]) for one in other.query()] == [(1, 2), (2, 1)]


def test_store_is_rebuilt_from_its_dictionary(store):
    fill(store, {"a": 1})
    again = MontyDecoder().process_decoded(store.as_dict())
    assert again == store
    assert again.count() == 1
    again.close()


def test_close_and_connect_again(store):
    fill(store, {"a": 1})
    store.close()
    store.connect(force_reset=True)
    assert store.query_one()["a"] == 1


def test_collection_name_must_be_a_name(tmp_path):
    with pytest.raises(StoreError, match="letters"):
        SQLiteStore(tmp_path / "a.sqlite", 'x"; DROP TABLE y')


def test_columns_added_by_another_connection_are_filled(store):
    with SQLiteStore(store.path, "outputs") as other:
        fill(store, {"a": "x"})
        other.ensure_index("a")
        store.update({"n": 7, "a": "y"}, key="n")
        assert other.query_one({"a": "y"})["n"] == 7


def test_connection_is_opened_anew_after_a_fork(store):
    fill(store, {"a": 1})
    process = multiprocessing.get_context("fork").Process(
        target=store.update, args=({"n": 5, "a": 5},), kwargs={"key": "n"}
    )
    process.start()
    process.join()
    assert process.exitcode == 0
    assert store.query_one({"n": 5})["a"] == 5


def test_cost_of_an_operation_does_not_grow(store):
    def seconds_per_operation(start):
        began = time.perf_counter()
        for number in range(start, start + 200):
            store.update({"uuid": f"u{number}", "index": 1}, key=["uuid", "index"])
            store.query_one({"uuid": f"u{number}"}, sort={"index": -1})
        return (time.perf_counter() - began) / 200

    first = seconds_per_operation(0)
    store.update([{"uuid": f"v{n}", "index": 1} for n in range(5000)], key=["uuid", "index"])
    assert seconds_per_operation(200) < 3 * first + 0.0005
