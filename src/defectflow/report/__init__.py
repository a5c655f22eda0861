"""What is shown: plain aligned tables, JSON and CSV. No numbers are made here."""

from __future__ import annotations

from defectflow.report.comparison import comparison_table, failed_row
from defectflow.report.honesty import honest_lines
from defectflow.report.records import to_csv, to_json
from defectflow.report.tables import Column, duration, table

__all__ = [
    "Column",
    "comparison_table",
    "duration",
    "failed_row",
    "honest_lines",
    "table",
    "to_csv",
    "to_json",
]
