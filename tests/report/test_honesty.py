"""A number of a potential is never shown without saying what it is worth."""

from __future__ import annotations

import pytest

from defectflow.documents import EngineStamp
from defectflow.report import honest_lines


def stamp(name, fidelity):
    return EngineStamp(name=name, fidelity=fidelity, level="balanced")


def test_a_potential_is_called_too_soft_with_the_command_that_redoes_it():
    stamps = [stamp("sevennet", "potential"), stamp("chgnet", "potential")]
    (line,) = honest_lines([*stamps, stamps[0]], ["a.yaml", "my b.yaml"], ["sevennet", "gpaw"])
    assert line.startswith("sevennet, chgnet: ")
    assert "systematically too soft (barriers come out too low" in line
    assert "trend only" in line
    assert line.endswith("defectflow run a.yaml 'my b.yaml' --engine gpaw")


@pytest.mark.parametrize("fidelity", ["potential", "stand-in"])
def test_an_engine_that_does_not_exist_yet_is_not_promised(fidelity):
    (line,) = honest_lines([stamp("x", fidelity)], ["a.yaml"], ["x"])
    assert line.endswith("--engine gpaw (that engine comes with the DFT release)")


def test_density_functional_theory_needs_no_excuse():
    assert honest_lines([stamp("gpaw", "dft")], ["a.yaml"], ["gpaw"]) == []
    assert honest_lines([], ["a.yaml"], []) == []
