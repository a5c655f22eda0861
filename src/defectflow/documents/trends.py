"""The result of a trend recipe."""

from __future__ import annotations

from typing import Literal

from defectflow.documents.base import Document, ResultDocument


class TrendPoint(Document):
    """One surface of a family.

    Attributes
    ----------
    label
        What is particular to it, e.g. ``+2%``, ``1/4 ML (2x2)`` or ``fcc-Pt``.
    x
        Strain (%), coverage (adsorbates per atom of the top layer); None along hosts.
    value
        Adsorption energy, or free energy, eV; None where it did not converge.
    site
        Where the adsorbate sits.
    d_band_center_eV
        Of a surface atom of the clean surface; None without `d_band`.
    key, d_band_key
        Content keys of the two results, which stand in the store as well.
    """

    label: str
    x: float | None
    value: float | None
    site: str
    d_band_center_eV: float | None = None
    key: str
    d_band_key: str = ""


class TrendDocument(ResultDocument):
    """How adsorption changes along a family of surfaces: the slope of a straight line.

    Attributes
    ----------
    of_quantity
        ``adsorption_energy`` or ``adsorption_free_energy``.
    along
        What the surfaces differ by.
    against
        What the line is drawn against: the d-band centre where that was asked for, else `along`.
    correlation
        Pearson's coefficient; None if fewer than two points have both numbers.
    d_band_slope
        Of the d-band centre along strain (eV/%) or coverage (eV/ML); None elsewhere.
    """

    quantity: Literal["trend"] = "trend"
    of_quantity: str
    along: Literal["strain", "coverage", "host"]
    against: Literal["strain", "coverage", "d-band centre"]
    points: tuple[TrendPoint, ...]
    intercept_eV: float | None
    correlation: float | None
    d_band_slope: float | None = None
    force_calls: int
    wall_time_s: float
    notes: tuple[str, ...] = ()
