"""Published values, each with its source, and the comparison of results with them."""

from __future__ import annotations

from defectflow.reference.comparison import Comparison, compare
from defectflow.reference.conditions import Conditions
from defectflow.reference.matching import match
from defectflow.reference.values import Citation, PublishedValue, Quantity, published, quantities

__all__ = [
    "Citation",
    "Comparison",
    "Conditions",
    "PublishedValue",
    "Quantity",
    "compare",
    "match",
    "published",
    "quantities",
]
