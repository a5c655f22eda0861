"""Tables keep their columns straight, whatever is in them."""

from __future__ import annotations

import pytest

from defectflow.report import Column, duration, table
from defectflow.report.tables import display_width

CITATION = "A. First, B. Second, C. Third, Journal of Long Names 12, 3456-3478 (2025)"


def test_columns_are_aligned():
    rows = [{"ion": "Mg", "barrier": 0.81649}, {"ion": "Li", "barrier": 12.0}]
    lines = table(rows, ["ion", Column("barrier", form=".3f", align="right")]).splitlines()
    assert lines == [
        "ion  barrier",
        "---  -------",
        "Mg     0.816",
        "Li    12.000",
    ]


@pytest.mark.parametrize("value", [None, "", float("nan")])
def test_what_is_missing_is_a_dash(value):
    line = table([{"value": value}], [Column("value", form=".3f")]).splitlines()[-1]
    assert line == "-"
    assert table([{}], ["value"]).splitlines()[-1] == "-"


def test_truth_and_text_in_a_column_of_numbers():
    rows = [{"x": True}, {"x": False}, {"x": "not converged"}]
    lines = table(rows, [Column("x", form=".3f")]).splitlines()
    assert lines[2:] == ["yes", "no", "not converged"]


def test_wide_and_combining_characters_keep_the_columns_straight():
    rows = [{"host": "漢字", "n": 1}, {"host": "A\u030a", "n": 2}, {"host": "Σ5(310)", "n": 3}]
    lines = table(rows, ["host", "n"]).splitlines()
    assert {display_width(line) for line in lines} == {display_width(lines[0])}


def test_long_texts_are_wrapped_and_lose_nothing():
    rows = [{"ion": "Mg", "citation": CITATION, "value": 1.5}]
    columns = ["ion", Column("citation", wrap=True), Column("value", align="right")]
    lines = table(rows, columns, width=50).splitlines()
    assert max(map(display_width, lines)) <= 50
    words = " ".join(line[5:43] for line in lines[2:]).split()
    assert words == CITATION.split()
    assert lines[2].startswith("Mg ")
    assert lines[2].endswith("1.5")
    assert lines[3].startswith("   ")


def test_a_word_that_is_too_long_is_cut():
    lines = table([{"x": "a" * 30}], [Column("x", wrap=True)], width=12).splitlines()
    assert lines[2:] == ["a" * 12, "a" * 12, "a" * 6]


def test_a_long_name_is_cut_at_its_joints():
    name = "migration_barrier-mg-mn2o4-spinel"
    lines = table([{"x": name}], [Column("x", wrap=True)], width=20).splitlines()
    assert lines[2:] == ["migration_barrier-", "mg-mn2o4-spinel"]


def test_columns_that_must_not_be_wrapped_stay():
    key = "0123456789" * 7
    lines = table([{"key": key, "x": "b " * 30}], ["key", Column("x", wrap=True)], 80).splitlines()
    assert lines[2].startswith(key)


def test_line_breaks_and_control_characters_do_not_reach_the_terminal():
    text = table([{"x": "one\ntwo\x1b[31m\tthree"}], ["x"])
    assert text.splitlines()[-1] == "one two [31m three"


def test_a_table_without_rows_has_its_heading():
    assert table([], ["ion", "host"]).splitlines() == ["ion  host", "---  ----"]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.04, "0.0 s"), (59.94, "59.9 s"), (59.97, "1 min 0 s"), (119.7, "2 min 0 s"),
     (3599.6, "1 h 0 min"), (86400.0, "24 h 0 min"), (None, "-")],
)  # fmt: skip
def test_times_never_show_sixty(seconds, said):
    assert duration(seconds) == said
