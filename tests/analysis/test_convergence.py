"""What counts as converged."""

from __future__ import annotations

import pytest

from defectflow.analysis.convergence import coarsest_within, deviations


@pytest.mark.parametrize(
    ("values", "chosen"),
    [
        ([0.60, 0.61, 0.60], 0),
        ([0.80, 0.61, 0.60], 1),
        ([0.60, 0.80, 0.60], None),
        ([0.80, 0.70, 0.60], None),
        ([None, 0.61, 0.60], 1),
        ([0.60, None, 0.60], None),
        ([0.60, 0.60, None], None),
    ],
)
def test_the_coarsest_choice_that_stays_within_the_tolerance(values, chosen):
    assert coarsest_within(values, 0.02) == chosen


def test_deviations_are_from_the_finest():
    assert deviations([0.7, None, 0.5]) == [pytest.approx(0.2), None, 0.0]
