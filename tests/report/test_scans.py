"""The table of a convergence scan."""

from __future__ import annotations

from defectflow.documents import (
    ConvergenceDocument,
    ConvergencePoint,
    ConvergenceScan,
    EngineStamp,
    TrendDocument,
    TrendPoint,
)
from defectflow.reference import compare
from defectflow.report import comparison_table


def document():
    points = tuple(
        ConvergencePoint(
            level="balanced",
            settings={"cutoff_eV": cutoff},
            value=value,
            error=None if value is None else abs(value - 0.61),
            force_calls=7,
            wall_time_s=61.0,
            key=str(cutoff),
        )
        for cutoff, value in ((300.0, None), (400.0, 0.62), (500.0, 0.61))
    )
    scan = ConvergenceScan(setting="cutoff_eV", points=points, recommended=400.0)
    return ConvergenceDocument(
        recipe="r",
        value=0.61,
        unit="eV",
        host="fcc-Al",
        defect="V_Al",
        species="Al",
        converged=True,
        key="0" * 64,
        created="2025-01-01T00:00:00+00:00",
        engine=EngineStamp(name="gpaw", fidelity="dft", level="balanced"),
        of_quantity="defect_formation_energy",
        tolerance=0.02,
        scans=(scan,),
        force_calls=21,
        wall_time_s=183.0,
    )


def test_every_point_has_a_line_and_the_recommended_one_is_marked():
    lines = comparison_table(compare([document()])).splitlines()
    head = next(k for k, line in enumerate(lines) if line.startswith("setting"))
    assert "defect_formation_energy (eV)" in lines[head]
    rows = [line.split() for line in lines[head + 2 : head + 5]]
    assert [row[1] for row in rows] == ["300", "400", "500"]
    assert "not converged" in lines[head + 2]
    assert ["enough" in row for row in rows] == [False, True, False]
    assert rows[1][2:4] == ["0.6200", "0.0100"]
    assert max(map(len, lines)) <= 120


def trend(*points, **changes):
    fields = {
        "recipe": "r",
        "value": -0.2,
        "unit": "eV/eV",
        "host": "fcc-Pt fcc-Cu",
        "defect": "H on (111), along host",
        "species": "H",
        "converged": True,
        "key": "0" * 64,
        "created": "2025-01-01T00:00:00+00:00",
        "engine": EngineStamp(name="gpaw", fidelity="dft", level="balanced"),
        "of_quantity": "adsorption_free_energy",
        "along": "host",
        "against": "d-band centre",
        "points": points,
        "intercept_eV": 0.1,
        "correlation": -0.98,
        "force_calls": 21,
        "wall_time_s": 183.0,
    }
    return TrendDocument(**fields | changes)


def test_every_surface_of_a_trend_has_a_line_and_the_fit_follows():
    points = [
        TrendPoint(label="fcc-Pt", x=None, value=-0.1, site="fcc", d_band_center_eV=-2.3, key="a"),
        TrendPoint(label="fcc-Cu", x=None, value=None, site="hcp", d_band_center_eV=-2.5, key="b"),
    ]
    lines = comparison_table(compare([trend(*points)])).splitlines()
    head = next(k for k, line in enumerate(lines) if line.startswith("host    adsorption"))
    assert lines[head + 2].split() == ["fcc-Pt", "-0.100", "-2.300", "fcc"]
    assert lines[head + 3].split() == ["fcc-Cu", "not", "converged", "-2.500", "hcp"]
    assert lines[head + 4] == "line against d-band centre: -0.2000 eV/eV, correlation -0.980"


def test_a_trend_without_d_bands_has_no_column_for_them():
    points = [
        TrendPoint(label=f"{x:+g}%", x=x, value=0.1 * x, site="fcc", key=str(x)) for x in (-2, 2)
    ]
    text = comparison_table(
        compare([trend(*points, along="strain", against="strain", unit="eV/%")])
    )
    assert "d-band" not in text
    assert "line against strain: -0.2000 eV/%" in text
