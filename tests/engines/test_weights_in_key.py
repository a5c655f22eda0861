"""Other weights under the same name are another calculation."""

from __future__ import annotations

import pytest
from monty.json import MontyDecoder, MontyEncoder

from defectflow.documents import content_key
from defectflow.engines import calculators
from defectflow.engines.registry import engine

pytest.importorskip("sevenn", reason="the extra `potentials` is not installed")


def test_key_of_an_engine_follows_its_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    before = content_key(engine("sevennet"))
    assert content_key(engine("sevennet")) == before
    monkeypatch.setattr(calculators, "file_sha256", lambda _: "0" * 64)
    assert content_key(engine("sevennet")) != before


def test_round_trip_with_the_mark() -> None:
    first = engine("sevennet", level="fast", model="7net-l3i5")
    again = MontyDecoder().decode(MontyEncoder().encode(first))
    assert again == first
