"""Results beside published numbers: sign of the error, what is missing, what differs."""

from __future__ import annotations

import json

import pytest

from defectflow.reference import compare


def test_error_is_ours_minus_published(barrier):
    (comparison,) = compare([barrier(value=0.9, functional="PBE")])
    assert comparison.published.id == "MIG-111"
    assert comparison.error == pytest.approx(0.9 - 1.14, abs=1e-12)
    assert [value.id for value in comparison.others] == ["MIG-169"]
    assert comparison.note == ""


def test_one_comparison_per_result_in_the_same_order(barrier):
    documents = [barrier(species="Xe"), barrier(), barrier(species="Ca")]
    comparisons = compare(documents)
    assert [c.document for c in comparisons] == documents
    assert [c.published and c.published.value for c in comparisons] == [None, 1.14, 0.72]


def test_nothing_published(barrier):
    (comparison,) = compare([barrier(species="Xe")])
    assert (comparison.published, comparison.error, comparison.others) == (None, None, ())
    assert "no published value" in comparison.note


def test_an_unconverged_result_has_no_error(barrier):
    (comparison,) = compare([barrier(value=None, barrier_eV=None, converged=False)])
    assert comparison.error is None
    assert comparison.published.value == 1.14
    assert comparison.note.startswith("not converged")


def test_differing_functionals_are_named(barrier):
    (comparison,) = compare([barrier(functional="r2SCAN")])
    assert comparison.note == "functional: ours r2SCAN, published GGA"


def test_unknown_structure_type_is_named(barrier):
    (comparison,) = compare([barrier(prototype=None, host="TiS2")])
    assert "structure type: ours not known, published 1T" in comparison.note


def test_an_unstated_limit_is_named(barrier):
    document = barrier(
        host="x", prototype=None, host_formula="Li4Ti5O12", limit="charged", value=0.6
    )
    (comparison,) = compare([document])
    assert comparison.published.id == "REV-001"
    assert "does not state the limit" in comparison.note


def test_given_end_points_say_how_they_were_matched(barrier, hop):
    changes = {"limit": "given", "prototype": None, "host": "TiS2", "host_cell": "given"}
    (comparison,) = compare([barrier(hops=(hop("Mg1 Ti16 S32"),), **changes)])
    assert comparison.published.id in {"MIG-043", "MIG-111"}
    assert "composition of the whole cell; several structure types" in comparison.note


def test_row_extends_the_record_of_the_result(barrier):
    document = barrier()
    (comparison,) = compare([document])
    row = comparison.row()
    assert document.row().items() <= row.items()
    assert row["published"] == 1.14
    assert row["error"] == pytest.approx(-0.24, abs=1e-9)
    assert row["citation"].startswith("R. Devi")
    assert row["doi"] == "10.48550/arXiv.2508.06459"
    assert json.loads(json.dumps(row)) == row


def test_row_without_a_published_value(barrier):
    (comparison,) = compare([barrier(species="Xe")])
    row = comparison.row()
    assert (row["published"], row["error"], row["citation"]) == (None, None, None)


def test_no_results_no_comparisons():
    assert compare([]) == ()
