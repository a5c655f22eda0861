"""Kinds of defects as data: one model for recipes and for the command line."""

from __future__ import annotations

import json
import typing

import pytest
from pydantic import TypeAdapter, ValidationError

from defectflow.recipes.defects import KINDS, Defect, spelled_out
from defectflow.structures import hosts

ADAPTER = TypeAdapter(Defect)


def test_every_kind_is_found_by_its_word():
    union = typing.get_args(typing.get_args(Defect)[0])
    assert set(union) == set(KINDS.values())
    for kind, model in KINDS.items():
        assert model.model_fields["kind"].default == kind
        assert typing.get_args(model.model_fields["kind"].annotation) == (kind,)


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_and_kind_is_described(kind):
    assert KINDS[kind].__doc__
    for name, field in KINDS[kind].model_fields.items():
        assert field.description, f"{kind}.{name}"
        assert not field.description.endswith(".")


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_is_an_option(cli_words, kind):
    for name, field in KINDS[kind].model_fields.items():
        if name != "kind":
            option, required = cli_words(kind)[name]
            assert option.startswith("--")
            assert required == field.is_required()


@pytest.fixture
def cli_words():
    from defectflow.cli.model_options import options_of

    return lambda kind: {
        str(option.name): (option.opts[0], option.required) for option in options_of(KINDS[kind])
    }


def test_a_mapping_makes_cells():
    choice = ADAPTER.validate_python({"kind": "substitution", "replace": {"Mg": ["Zn", "Ca"]}})
    cells = list(choice.cells(hosts.load("rocksalt-MgO").structure))
    assert [cell.name for cell in cells] == ["Zn_Mg", "Ca_Mg"]


def test_a_choice_survives_json():
    for data in (
        {"kind": "vacancy", "species": "O"},
        {"kind": "substitution", "replace": {"Mg": "Zn"}},
        {"kind": "antisite", "between": ["Mg", "O"]},
        {"kind": "interstitial", "species": "Li", "charges": [0, 1]},
        {"kind": "dumbbell", "host": "Mg", "families": ["110"]},
        {"kind": "complex", "members": ["V_Mg", "V_O"], "charges": "guess"},
        {"kind": "frenkel", "species": "Mg", "shell": 2},
        {"kind": "schottky", "species": ["Mg", "O"], "within": True},
        {"kind": "compensated", "replace": {"Mg": "Al"}, "oxidation_states": {"Al": 3}},
        {"kind": "single_atom", "metal": "Fe", "ligand": "O"},
    ):
        choice = ADAPTER.validate_python(data)
        again = ADAPTER.validate_python(json.loads(choice.model_dump_json()))
        assert again == choice


def test_defaults_are_those_of_the_generators():
    from defectflow.recipes.kinds.complexes import _WIDTH_A
    from defectflow.recipes.kinds.points import _CONTACT
    from defectflow.structures.clusters import SHELL_WIDTH_A
    from defectflow.structures.points import MIN_CONTACT

    assert _WIDTH_A == SHELL_WIDTH_A
    assert _CONTACT == MIN_CONTACT


@pytest.mark.parametrize(
    ("written", "charges"),
    [(2, (2,)), ("0,+1", (0, 1)), ([0, -1], (0, -1)), ("guess", "guess"), ("-2", (-2,))],
)
def test_charges_may_be_written_in_several_ways(written, charges):
    choice = ADAPTER.validate_python({"kind": "vacancy", "charges": written})
    assert choice.charges == charges


@pytest.mark.parametrize(
    ("recipe", "defect"),
    [
        ({"species": "O"}, {"kind": "vacancy", "species": "O"}),
        ({"defect": "vacancy", "species": "O"}, {"kind": "vacancy", "species": "O"}),
        ({"defect": "antisite"}, {"kind": "antisite"}),
        ({"defect": {"kind": "vacancy"}, "species": "O"}, {"kind": "vacancy"}),
    ],
)
def test_the_short_form_is_spelled_out(recipe, defect):
    assert spelled_out(recipe) == {**recipe, "defect": defect}


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"kind": "vacncy"}, "vacncy"),
        ({"kind": "vacancy", "element": "O"}, "element"),
        ({"kind": "substitution"}, "replace"),
        ({"kind": "substitution", "replace": {}}, "at least 1"),
        ({"kind": "interstitial", "every_vertex": 2}, "every_vertex"),
        ({"kind": "vacancy", "charges": "many"}, "charges"),
        ({"kind": "complex"}, "members"),
        ({"kind": "compensated", "replace": {"O": "F", "Ti": "Nb"}}, "at most 1"),
        ({"kind": "single_atom", "metal": "Fe", "nitrogen": 5}, "less than or equal to 4"),
    ],
)
def test_what_no_kind_has_is_refused(data, says):
    with pytest.raises(ValidationError, match=says):
        ADAPTER.validate_python(data)
