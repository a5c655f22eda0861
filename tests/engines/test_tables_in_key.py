"""Other tables of U and of starting moments under the same name are another calculation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml
from monty.json import MontyDecoder, MontyEncoder

from defectflow import paths
from defectflow.documents import content_key
from defectflow.engines.registry import engine

if TYPE_CHECKING:
    from collections.abc import Callable

    from defectflow.engines.calculators import CalculatorEngine

CODES = ("gpaw", "espresso", "vasp")


@pytest.fixture
def replace_table(tmp_path, monkeypatch) -> Callable[..., None]:
    """Put a table into the user's folder: the shipped one, with some values of a group changed."""
    monkeypatch.setenv("DEFECTFLOW_HOME", str(tmp_path))

    def replace_table(name: str, *groups: str, **changes: float) -> None:
        relative = f"input/dft/{name}.yaml"
        table = yaml.safe_load(paths.find("templates", relative, shipped=True).read_text("utf-8"))
        values = table
        for group in groups:
            values = values[group]
        values.update(changes)
        own = tmp_path / "templates" / relative
        own.parent.mkdir(parents=True, exist_ok=True)
        own.write_text(yaml.safe_dump(table), encoding="utf-8")

    return replace_table


def identity(code: CalculatorEngine) -> tuple[str, str]:
    return content_key(code), content_key(code.stamp())


@pytest.mark.parametrize("name", CODES)
def test_other_tables_are_another_calculation(name, replace_table):
    with_u, plain = engine(name, functional="PBE+U"), engine(name)
    before = identity(with_u), identity(plain)
    replace_table("hubbard")
    replace_table("starting_moments")
    assert (identity(with_u), identity(plain)) == before  # a copy of the shipped ones
    replace_table("hubbard", "materials_project", "U_eV", Ni=3.0)
    other_u = identity(with_u)
    assert not set(other_u) & set(before[0])
    assert identity(plain) == before[1]  # it has no U
    replace_table("hubbard", "materials_project", "U_eV", Ni=3.25)
    assert not set(identity(with_u)) & set(other_u)  # edited while the process runs
    replace_table("starting_moments", "moments_muB", Ni=4.5)
    assert not set(identity(plain)) & set(before[1])
    without_spin = engine(name, spin="off")
    assert "starting_moments_sha256" not in without_spin.as_dict()
    assert MontyDecoder().decode(MontyEncoder().encode(with_u)) == with_u


def test_u_by_element_needs_no_table(replace_table):
    given = engine("gpaw", functional="PBE+U", hubbard_U_eV={"Ni": 4.0})
    before = identity(given)
    replace_table("hubbard", "materials_project", "U_eV", Ni=3.0)
    assert identity(given) == before
