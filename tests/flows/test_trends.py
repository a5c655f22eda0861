"""Families of surfaces: strains and coverages on EMT, d-band centres from made-up results."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from pydantic import ValidationError
from pymatgen.core import Lattice, Structure

from defectflow.documents import TrendDocument, load_result
from defectflow.engines import engine
from defectflow.errors import EngineError
from defectflow.flows import TrendMaker
from defectflow.flows.provenance import Provenance
from defectflow.flows.trends import Member
from defectflow.launch import run
from defectflow.recipes import build, load
from defectflow.recipes.trends import TrendRecipe
from defectflow.store import open_store

OF = """\
quantity: trend
of:
  quantity: adsorption_energy
  host: {prototype: fcc-Cu}
  slab: {miller: [1, 1, 1], layers: 3, frozen_layers: 2}
  adsorbate: H
  site: fcc
engine: emt
level: fast
"""


def computed(folder, text, store="memory://"):
    path = folder / "recipe.yaml"
    path.write_text(OF + text, encoding="utf-8")
    return run(build(load(path)), store)


def test_along_strain_the_slope_is_that_of_the_results_in_the_store(tmp_path):
    with open_store(str(tmp_path / "store.sqlite")) as store:
        found = computed(tmp_path, "strain: [0.03, -0.03, 0]\n", store)
        rows = [one for one in store.find() if one.quantity == "adsorption_energy"]
    assert isinstance(found, TrendDocument)
    assert [point.label for point in found.points] == ["-3%", "0%", "+3%"]
    by_key = {one.key: one for one in rows}
    for point in found.points:
        assert by_key[point.key].value == point.value
        assert by_key[point.key].strain == pytest.approx(point.x / 100)
    x = np.array([point.x for point in found.points])
    y = np.array([point.value for point in found.points])
    normal = np.linalg.lstsq(np.stack([x, np.ones(3)], axis=1), y, rcond=None)[0]
    assert (found.value, found.intercept_eV) == pytest.approx(tuple(normal), abs=1e-9)
    assert (found.unit, found.against) == ("eV/%", "strain")
    assert found.force_calls == sum(one.force_calls for one in rows)
    assert load_result(found.model_dump(mode="json")) == found


def test_along_coverage_each_point_has_its_own_cell(tmp_path):
    with open_store(str(tmp_path / "store.sqlite")) as store:
        found = computed(tmp_path, "coverage: [[1, 1], [2, 2]]\n", store)
        rows = {one.key: one for one in store.find() if one.quantity == "adsorption_energy"}
    assert [point.x for point in found.points] == [1.0, 0.25]
    assert [rows[point.key].coverage_ML for point in found.points] == [1.0, 0.25]
    gap = found.points[0].value - found.points[1].value
    assert found.value == pytest.approx(gap / 0.75)
    assert found.unit == "eV/ML"


def test_coverage_counts_the_atoms_of_the_top_layer(tmp_path):
    """A cell of Cu3Au (111) has four: one adsorbate on it is a quarter of a monolayer."""
    Structure(
        Lattice.cubic(3.75),
        ["Au", "Cu", "Cu", "Cu"],
        [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]],
    ).to(str(tmp_path / "cu3au.cif"))
    text = OF.replace("{prototype: fcc-Cu}", "{file: cu3au.cif}").replace("fcc\n", "top Au\n")
    path = tmp_path / "recipe.yaml"
    path.write_text(text + "coverage: [[1, 1], [2, 1]]\n", encoding="utf-8")
    with open_store(str(tmp_path / "store.sqlite")) as store:
        found = run(build(load(path)), store)
        rows = {one.key: one for one in store.find() if one.quantity == "adsorption_energy"}
    assert [point.label for point in found.points] == ["1/4 ML (1x1)", "1/8 ML (2x1)"]
    for point in found.points:
        assert point.x == rows[point.key].coverage_ML
    gap = found.points[0].value - found.points[1].value
    assert found.value == pytest.approx(gap / 0.125)
    assert {one.recipe for one in rows.values()} == {"recipe (1x1)", "recipe (2x1)"}


def made_up(values, centers):
    members = [Member(f"fcc-{k}", None, f"a{k}", f"d{k}") for k in range(len(values))]
    shared = {"force_calls": 2, "wall_time_s": 1.0}
    results = {}
    for k, (value, center) in enumerate(zip(values, centers, strict=True)):
        results[f"a{k}"] = SimpleNamespace(
            quantity="adsorption_free_energy",
            value=value,
            site="fcc",
            host=f"fcc-{k}",
            species="H",
            facet="111",
            notes=("said of all", f"said of {k}"),
            **shared,
        )
        results[f"d{k}"] = SimpleNamespace(
            quantity="d_band_center", value=center, notes=(), **shared
        )
    maker = TrendMaker(engine("emt"), "adsorption_free_energy", "host")
    conclude = TrendMaker.conclude.original
    return conclude(maker, members, results, Provenance("r", "0" * 64, {}))


def test_a_family_of_metals_is_drawn_against_the_d_band_centre():
    centers = [-1.5, -2.0, -4.0]
    found = made_up([-0.1 - 0.2 * (one + 1.5) for one in centers], centers)
    assert found.value == pytest.approx(-0.2)
    assert found.correlation == pytest.approx(-1.0)
    assert (found.unit, found.against, found.d_band_slope) == ("eV/eV", "d-band centre", None)
    assert found.notes == ("said of all",)
    assert found.converged


def test_a_surface_without_a_value_is_named_and_the_trend_is_not_converged():
    found = made_up([-0.1, None, 0.3], [-1.5, -2.0, -4.0])
    assert not found.converged
    assert found.notes[0] == "without a value: fcc-1"
    assert found.value == pytest.approx(0.4 / -2.5)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ({}, "give one of `strain`, `coverage` and `hosts`"),
        ({"strain": [0.0, 0.02], "coverage": [[1, 1], [2, 2]]}, "give one of"),
        ({"strain": [0.02, 0.02]}, "at least two different values"),
        ({"coverage": [[2, 1], [1, 2]]}, "at least two different values"),
        ({"coverage": [[1, 1], [2, 2]], "d_band": {}}, "the same at every coverage"),
        ({"strain": [2, -2]}, "is a fraction of at most 0.2"),
        ({"hosts": [{"prototype": "fcc-Pt"}]}, "add `d_band"),
        (
            {"strain": [0, 0.1], "d_band": {}, "defect": {"kind": "vacancy"}},
            "a surface without `defect`",
        ),
        ({"strain": [0, 0.1], "level": "fast"}, "`of` holds `level`"),
    ],
)
def test_mistakes_are_named(text, says):
    inner = {
        "quantity": "adsorption_energy",
        "host": {"prototype": "fcc-Cu"},
        "slab": {"miller": [1, 1, 1]},
        "adsorbate": "H",
    }
    inner |= {name: text.pop(name) for name in ("defect", "level") if name in text}
    with pytest.raises(ValidationError, match=says):
        TrendRecipe(quantity="trend", of=inner, **text)


def test_an_engine_without_electrons_has_no_d_band(tmp_path):
    with pytest.raises(EngineError, match="emt"):
        computed(tmp_path, "strain: [0, 0.02]\nd_band: {}\n")


def test_the_d_band_may_come_from_another_engine(tmp_path, monkeypatch):
    from defectflow.engines.gpaw import Gpaw

    monkeypatch.setattr(Gpaw, "check", lambda engine, elements=None: None)
    path = tmp_path / "recipe.yaml"
    path.write_text(OF + "hosts: [{prototype: fcc-Pt}]\nd_band: {engine: gpaw, geometry: emt}\n")
    flow = build(load(path))
    assert [one.name for one in flow][:2] == ["recipe (fcc-Cu)", "recipe (fcc-Cu, d band)"]
