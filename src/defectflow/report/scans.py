"""The points of convergence scans and of trends, as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from defectflow.report.tables import Column, duration, table

if TYPE_CHECKING:
    from defectflow.documents import ConvergenceDocument, TrendDocument


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


def trend_table(document: TrendDocument) -> str:
    """Return one line per surface of a family, and below them the line through its points."""
    rows = [
        {
            "surface": point.label,
            "value": "not converged" if point.value is None else point.value,
            "d_band": point.d_band_center_eV,
            "site": point.site,
        }
        for point in document.points
    ]
    columns = [
        Column("surface", document.along),
        Column("value", f"{document.of_quantity} (eV)", ".3f", "right"),
        Column("d_band", "d-band centre (eV)", ".3f", "right"),
        Column("site"),
    ]
    if all(row["d_band"] is None for row in rows):
        del columns[2]
    lines = [table(rows, columns)]
    if document.value is not None and document.correlation is not None:
        lines.append(
            f"line against {document.against}: {document.value:+.4f} {document.unit}, correlation "
            f"{document.correlation:+.3f}"
        )
    return "\n".join(lines)
