from __future__ import annotations

import math
import re

import pytest

from defectflow.errors import StoreError
from defectflow.store.matching import matches, order_key, project, values_at

CRYSTAL = {
    "host": "1T-TiS2",
    "barrier": 0.82,
    "steps": 3,
    "converged": True,
    "note": None,
    "bad": math.nan,
    "species": ["Mg", "Li"],
    "hops": [{"label": "a", "eV": 0.5}, {"label": "b", "eV": 0.9}],
    "engine": {"name": "chgnet", "options": {"d3": True}},
}


@pytest.mark.parametrize(
    "criteria",
    [
        {},
        {"host": "1T-TiS2"},
        {"engine.name": "chgnet", "engine.options.d3": True},
        {"species": "Li"},
        {"species": ["Mg", "Li"]},
        {"species": {"$all": ["Li", "Mg"]}},
        {"species": {"$size": 2}},
        {"hops.label": "b"},
        {"hops.1.eV": 0.9},
        {"hops": {"$elemMatch": {"label": "a", "eV": {"$lt": 0.6}}}},
        {"species": {"$elemMatch": {"$eq": "Li"}}},
        {"barrier": {"$gt": 0.8, "$lte": 0.82}},
        {"barrier": {"$not": {"$gt": 1}}},
        {"host": {"$in": ["x", "1T-TiS2"]}},
        {"host": {"$nin": ["x"]}},
        {"host": {"$ne": "x"}},
        {"host": {"$regex": "^1t", "$options": "i"}},
        {"host": re.compile("TiS2$")},
        {"absent": {"$exists": False}, "note": {"$exists": True}},
        {"absent": None, "note": None},
        {"bad": math.nan},
        {"$or": [{"host": "x"}, {"steps": 3}]},
        {"$and": [{"host": "1T-TiS2"}, {"steps": 3}]},
        {"$nor": [{"host": "x"}, {"steps": 4}]},
    ],
)
def test_criterion_holds(criteria):
    assert matches(CRYSTAL, criteria)


@pytest.mark.parametrize(
    "criteria",
    [
        {"host": "2H-MoS2"},
        {"engine.nothing": "chgnet"},
        {"species": {"$size": 3}},
        {"species": {"$all": ["Li", "Na"]}},
        {"hops": {"$elemMatch": {"label": "a", "eV": {"$gt": 0.6}}}},
        {"barrier": {"$gt": "a"}},
        {"converged": 1},
        {"steps": True},
        {"host": {"$ne": "1T-TiS2"}},
        {"host": None},
        {"absent": {"$gte": 0}},
        {"$or": [{"host": "x"}, {"steps": 4}]},
    ],
)
def test_criterion_fails(criteria):
    assert not matches(CRYSTAL, criteria)


@pytest.mark.parametrize("criteria", [{"$where": "1"}, {"host": {"$regx": "a"}}])
def test_unknown_operator_is_refused(criteria):
    with pytest.raises(StoreError, match="not supported"):
        matches(CRYSTAL, criteria)


def test_projection_follows_lists_and_exclusion():
    document = {"a": 1, "b": {"c": 2, "d": 3}, "e": [{"f": 4, "g": 5}]}
    assert project(dict(document), ["b.c", "e.f"]) == {"b": {"c": 2}, "e": [{"f": 4}]}
    assert project({"a": 1, "b": {"c": 2, "d": 3}}, {"b.c": 0, "_id": 0}) == {"a": 1, "b": {"d": 3}}
    assert project(dict(document), {"a": 1, "_id": 0}) == {"a": 1}


def test_missing_values_sort_first_and_nan_sorts():
    documents = [{"x": 2}, {"x": math.nan}, {}, {"x": "text"}, {"x": 1.5}]
    ordered = sorted(documents, key=lambda one: order_key(one, "x"))
    assert ordered[0] == {}
    assert math.isnan(ordered[1]["x"])
    assert ordered[2:] == [{"x": 1.5}, {"x": 2}, {"x": "text"}]


def test_values_are_found_through_lists():
    assert values_at(CRYSTAL, "hops.eV") == [0.5, 0.9]
    assert values_at(CRYSTAL, "hops.7.eV") == []
