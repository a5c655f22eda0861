"""Numbers of a recipe that replace those of the level: in every step, in the stamp, in the key."""

from __future__ import annotations

import json

import pytest
from monty.json import MontyDecoder, MontyEncoder

from defectflow.documents import content_key
from defectflow.engines import engine
from defectflow.engines.guided import GuidedEngine
from defectflow.errors import RecipeError


def test_an_override_reaches_every_step_that_has_it_and_no_other():
    changed = engine("emt", settings={"fmax_eV_per_A": 0.02})
    assert changed.settings("relax")["fmax_eV_per_A"] == 0.02
    assert changed.settings("neb")["fmax_eV_per_A"] == 0.02
    assert changed.settings("static") == engine("emt").settings("static")
    assert changed.relax_maker().settings["fmax_eV_per_A"] == 0.02


def test_a_step_of_a_flow_has_the_last_word():
    changed = engine("emt", settings={"fmax_eV_per_A": 0.02})
    assert changed.relax_maker(fmax_eV_per_A=0.04).settings["fmax_eV_per_A"] == 0.04


def test_it_is_part_of_stamp_key_and_json():
    plain, changed = engine("emt"), engine("emt", settings={"max_steps": 7})
    assert changed.stamp().settings == {"max_steps": 7}
    assert plain.stamp().settings == {}
    assert content_key(plain.as_dict()) != content_key(changed.as_dict())
    again = json.loads(json.dumps(changed, cls=MontyEncoder), cls=MontyDecoder)
    assert again == changed
    assert again.settings("relax")["max_steps"] == 7


@pytest.mark.parametrize("name", ["emt", "gpaw", "espresso", "vasp-standin"])
def test_a_step_is_the_same_step_whatever_override_it_does_not_heed(name):
    plain, changed = engine(name), engine(name, settings={"images": 5})
    assert changed.relax_maker().as_dict() == plain.relax_maker().as_dict()
    assert changed.band_maker().as_dict() != plain.band_maker().as_dict()
    assert changed.stamp().settings == {"images": 5}


def test_a_guided_step_heeds_what_its_dear_engine_heeds():
    guided = GuidedEngine.of(engine("chgnet", settings={"images": 5}), engine("emt"))
    plain = GuidedEngine.of(engine("chgnet"), engine("emt"))
    assert guided.relax_maker() == plain.relax_maker()
    assert guided.band_maker() != plain.band_maker()


def test_whole_numbers_become_floats_where_floats_belong():
    assert engine("emt", settings={"fmax_eV_per_A": 1}).overrides == {"fmax_eV_per_A": 1.0}


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"fmax": 0.1}, "no setting .fmax.; known: "),
        ({"cutoff_eV": 500.0}, "no setting 'cutoff_eV'"),
        ({"max_steps": "many"}, "'many' is not of type int"),
        ({"fmax_eV_per_A": "1e-6"}, "YAML takes it for text, write 1.0e-06"),
        ({"fmax_eV_per_A": "2.5e-3"}, "YAML takes it for text, write 0.0025"),
    ],
)
def test_what_no_step_has_is_refused_at_once(settings, says):
    with pytest.raises(RecipeError, match=says):
        engine("emt", settings=settings)


def test_a_free_cell_is_relaxed_with_more_plane_waves():
    """With GPAW at 400 eV the cell of copper shrinks by 1.4 %."""
    gpaw = engine("gpaw")
    cutoff = gpaw.settings("relax")["cutoff_eV"]
    factor = gpaw.settings("relax")["cell_cutoff_factor"]
    assert factor > 1
    assert gpaw.relax_maker("fixed").settings["cutoff_eV"] == cutoff
    for cell in ("relax", "scale"):
        assert gpaw.relax_maker(cell).settings["cutoff_eV"] == cutoff * factor
    assert gpaw.relax_maker("relax", cutoff_eV=500.0).settings["cutoff_eV"] == 500.0
    assert gpaw.static_maker().settings["cutoff_eV"] == cutoff
