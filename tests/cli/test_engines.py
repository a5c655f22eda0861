"""`defectflow engines`."""

from __future__ import annotations

import json

from defectflow.engines.contract import Capability, EngineInfo


def test_the_engines_as_json(cli):
    result = cli("engines", "--format", "json")
    assert result.exit_code == 0
    records = {record["name"]: record for record in json.loads(result.stdout)}
    assert set(records) >= {"emt", "chgnet", "sevennet", "ase"}
    assert records["emt"]["available"] is True
    assert "forces" in records["emt"]["capabilities"]
    assert records["emt"]["problem"] is None


def test_the_engines_as_a_table_that_fits(cli):
    lines = cli("engines").stdout.splitlines()
    assert lines[0].split()[:2] == ["name", "available"]
    assert any(line.startswith("emt ") and " yes " in line for line in lines)
    assert max(map(len, lines)) <= 120


def test_a_missing_engine_is_shown_with_the_remedy(cli, monkeypatch):
    missing = EngineInfo(
        name="chgnet",
        available=False,
        capabilities=(Capability.ENERGY,),
        problem="package chgnet is not installed; pip install defectflow[potentials]",
    )
    monkeypatch.setattr("defectflow.engines.inventory", lambda: [missing])
    text = cli("engines").stdout
    assert "no" in text.splitlines()[2].split()
    assert "pip install defectflow[potentials]" in text
