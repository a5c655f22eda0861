"""JSON and CSV that other programs read back."""

from __future__ import annotations

import csv
import io
import json
import math

import pytest

from defectflow.report import to_csv, to_json


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None])
def test_what_is_no_number_is_null(value):
    assert json.loads(to_json([{"value": value, "more": [value, {"deep": value}]}])) == [
        {"value": None, "more": [None, {"deep": None}]}
    ]


def test_json_is_one_list_of_objects_in_plain_ascii():
    rows = [{"defect": "Σ5(310)[001]", "value": 0.1 + 0.2, "converged": True}, {"value": 1}]
    text = to_json(rows)
    assert text.isascii()
    assert json.loads(text) == rows
    assert json.loads(to_json([])) == []


def test_csv_keeps_texts_and_digits():
    rows = [{"citation": 'Lee, "Title"\nline', "value": 0.1 + 0.2, "extra": 1}, {"value": None}]
    text = to_csv(rows, ["citation", "value"])
    first, second = csv.DictReader(io.StringIO(text))
    assert first == {"citation": 'Lee, "Title"\nline', "value": repr(0.1 + 0.2)}
    assert second == {"citation": "", "value": ""}
    assert to_csv([], ["a", "b"]) == "a,b"
