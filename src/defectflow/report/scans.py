"""The points of a convergence scan, as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from defectflow.report.tables import Column, duration, table

if TYPE_CHECKING:
    from defectflow.documents import ConvergenceDocument


def scan_table(document: ConvergenceDocument) -> str:
    """Return one line per choice of settings, from coarse to fine; recommended ones are marked."""
    rows = [
        {
            "setting": scan.setting,
            "choice": choice,
            "value": "not converged" if point.value is None else point.value,
            "error": point.error,
            "force_calls": point.force_calls,
            "time": duration(point.wall_time_s),
            "mark": "enough" if choice == scan.recommended else " ",
        }
        for scan in document.scans
        for point in scan.points
        for choice in [point.settings.get(scan.setting, point.level)]
    ]
    of_unit = f"({document.unit})"
    columns = [
        Column("setting"),
        Column("choice", form="g", align="right"),
        Column("value", f"{document.of_quantity} {of_unit}", ".4f", "right"),
        Column("error", f"from the finest {of_unit}", ".4f", "right"),
        Column("force_calls", "force calls", align="right"),
        Column("time", align="right"),
        Column("mark", f"within {document.tolerance:g}"),
    ]
    return table(rows, columns)
