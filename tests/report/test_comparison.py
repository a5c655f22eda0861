"""Ours beside the published value: numbers, signs, sources."""

from __future__ import annotations

import pytest

from defectflow.reference import Citation, published
from defectflow.report import comparison_table, failed_row
from defectflow.report.comparison import short_citation


def cells(line):
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def test_a_row_holds_ours_the_published_value_and_the_signed_difference(comparison):
    lines = comparison_table([comparison()]).splitlines()
    assert cells(lines[0]) == [
        "host",
        "ion",
        "engine",
        "barrier (eV)",
        "published (eV)",
        "difference (eV)",
        "citation",
        "force calls",
        "time",
    ]
    assert cells(lines[2]) == [
        "1T-TiS2",
        "Mg",
        "sevennet (7net-0)",
        "0.900",
        "1.200",
        "-0.300",
        "Lee 2019",
        "1234",
        "1 min 15 s",
    ]
    assert lines[3:] == [
        "source  B. Lee et al., J. Mater. Chem. A 7, 25619 (2019), doi:10.1039/c9ta08362f"
    ]


def test_an_unconverged_result_shows_no_number(comparison):
    text = comparison_table([comparison(value=None, barrier_eV=None, converged=False)])
    row = cells(text.splitlines()[2])
    assert row[3:6] == ["not converged", "1.200", "-"]


def test_a_number_that_slipped_into_an_unconverged_result_is_not_shown(comparison):
    assert "0.900" not in comparison_table([comparison(value=0.9, converged=False)])


def test_a_result_without_a_published_value(comparison):
    text = comparison_table([comparison(published=None, note="no published value for this host")])
    lines = text.splitlines()
    assert cells(lines[2])[3:7] == ["0.900", "-", "-", "-"]
    assert lines[3] == "note  Mg in 1T-TiS2: no published value for this host"
    assert len(lines) == 4


def test_what_failed_has_a_row_too(comparison):
    failed = failed_row("migration_barrier", "spinel-Mn2O4", "Li", "sevennet")
    lines = comparison_table([comparison()], [failed]).splitlines()
    assert cells(lines[3])[:4] == ["spinel-Mn2O4", "Li", "sevennet", "failed"]
    alone = comparison_table([], [failed]).splitlines()
    assert cells(alone[2])[3] == "failed"


def test_each_source_is_given_once(comparison):
    other = Citation(text="T. Chen, W. Huang, Chem. Mater. 30, 153 (2018)", doi=None)
    rows = [comparison(), comparison(species="Li"), comparison(citation=other)]
    sources = [line for line in comparison_table(rows).splitlines() if line.startswith("source")]
    assert len(sources) == 2
    assert sources[1].endswith("(2018)")


def test_the_table_fits_a_terminal_for_every_published_barrier(comparison):
    rows = [
        comparison(citation=value.citation, host=f"{value.family}-{value.host}")
        for value in published("migration_barrier")
    ]
    lines = comparison_table(rows).splitlines()
    table = [line for line in lines if not line.startswith(("source", "note"))]
    assert max(map(len, table)) <= 120


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("B. Lee et al., J. Mater. Chem. A 7, 25619-25627 (2019)", "Lee 2019"),
        ("Z.-Q. Li et al., Chem. Sci. 15, 11302 (2024)", "Li 2024"),
        ("J. H. Xu, W. Lin, A. J. Freeman, Phys. Rev. B 43, 2018 (1991)", "Xu 1991"),
        ("A. Van der Ven, G. Ceder, Solid-State Lett. 7, A30 (2004)", "Van der Ven 2004"),
        ("Falsig et al. (2012) as tabulated in a file", "Falsig 2012"),
        ("R. Devi, arXiv:2508.06459 (2025), dataset (github)", "Devi 2025"),
        ("an arXiv study, arXiv:1407.5706", "an arXiv study, arXiv:1407.5706"),
    ],
)
def test_short_citations(text, short):
    assert short_citation(text) == short
