"""What is shown: plain aligned tables, JSON and CSV. No numbers are made here."""

from __future__ import annotations

from defectflow.report.comparison import comparison_table, failed_row
from defectflow.report.honesty import honest_lines
from defectflow.report.records import csv_lines, json_lines, to_csv, to_json
from defectflow.report.tables import Column, duration, table, table_lines

__all__ = [
    "Column",
    "comparison_table",
    "csv_lines",
    "duration",
    "failed_row",
    "honest_lines",
    "json_lines",
    "table",
    "table_lines",
    "to_csv",
    "to_json",
]
