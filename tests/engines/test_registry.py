from __future__ import annotations

import subprocess
import sys

import pytest

from defectflow.engines import engine, engine_names, engines_with, inventory
from defectflow.engines.contract import Capability
from defectflow.errors import RecipeError


def test_a_misspelt_engine_is_corrected():
    with pytest.raises(RecipeError, match="engine 'sevenet' does not exist; did you mean sevennet"):
        engine("sevenet")


def test_engines_are_equal_however_their_defaults_are_written():
    assert engine("chgnet") == engine("chgnet", model="0.3.0", device="cpu")
    assert engine("chgnet") != engine("chgnet", level="fast")


def test_an_engine_keeps_its_own_copy_of_its_options():
    kwargs = {"sigma": 2.5}
    made = engine("ase", calculator="ase.calculators.lj:LennardJones", kwargs=kwargs)
    kwargs["sigma"] = 9.0
    assert made.options["kwargs"] == {"sigma": 2.5}


def test_the_inventory_tells_of_every_engine():
    lines = {line.name: line for line in inventory()}
    assert set(lines) == set(engine_names())
    assert all(line.available or line.problem for line in lines.values())
    assert lines["chgnet"].models == ("0.3.0", "0.2.0", "r2scan")
    assert Capability.DISPERSION not in lines["emt"].capabilities
    assert lines["emt"].problem is None


def test_engines_are_found_by_what_they_can_do():
    assert set(engines_with(Capability.BAND)) == set(engine_names())
    assert "emt" not in engines_with(Capability.DISPERSION)


def test_listing_engines_loads_no_model():
    code = (
        "import sys; from defectflow.engines import inventory, engine; inventory();"
        "engine('chgnet').stamp(); engine('sevennet').relax_maker();"
        "print([m for m in ('torch', 'chgnet', 'sevenn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_naming_engines_is_light():
    code = (
        "import sys; from defectflow.engines import engine_names; engine_names();"
        "print([m for m in ('ase', 'pymatgen', 'jobflow', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
