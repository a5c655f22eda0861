"""Engines of other packages: that of docs/extending.md, installed, and packages that are broken."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from defectflow import recipes, run
from defectflow.engines import engine, engines_with, inventory, registry
from defectflow.engines.contract import Capability
from defectflow.errors import EngineError

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"
CRYSTAL = """\
Ar4
1.0
5.3 0 0
0 5.3 0
0 0 5.3
Ar
4
direct
0 0 0
0.5 0.5 0
0.5 0 0.5
0 0.5 0.5
"""
RECIPE = """\
quantity: equation_of_state
host: {file: argon.vasp}
engine: argon
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a package of one module that declares engines."""

    def installed(module, text, **engines):
        (tmp_path / f"{module}.py").write_text(text)
        about = tmp_path / f"{module}-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        lines = [f"{name} = {module}:{place}" for name, place in engines.items()]
        (about / "entry_points.txt").write_text("\n".join([f"[{registry.GROUP}]", *lines]))
        registry._places.cache_clear()

    monkeypatch.syspath_prepend(tmp_path)
    yield installed
    registry._places.cache_clear()


@pytest.fixture
def argon(install):
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    install("argon_of_the_page", code, argon="Argon", emt="Argon")


def test_the_engine_of_the_page_computes(argon, tmp_path):
    (tmp_path / "argon.vasp").write_text(CRYSTAL)
    (tmp_path / "argon.yaml").write_text(RECIPE)
    flow = recipes.build(recipes.load(tmp_path / "argon.yaml"))
    result = run(flow, tmp_path / "store.sqlite")
    assert result.engine.name == "argon"
    assert result.engine.model == "Rahman 1964"
    # The sums over fcc: a = 2^(2/3) (A12 / A6)^(1/6) sigma = 1.5424 sigma, cut off here.
    assert result.value == pytest.approx((1.5424 * 3.4) ** 3 / 4, rel=0.03)


def test_it_is_an_engine_like_all_others(argon):
    lines = {line.name: line for line in inventory()}
    assert lines["argon"].available
    assert "argon" in engines_with(Capability.STRESS)
    assert "argon" not in engines_with(Capability.DOS)
    assert engine("emt").model().name is None  # nobody takes the name of one of ours


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("import no_such_module", "Argon", "cannot be imported: ModuleNotFoundError: .*no_such"),
        ("Argon = dict", "Argon", "is no subclass of defectflow.engines.contract.Engine"),
        ("", "Argon", "cannot be imported: AttributeError"),
    ],
    ids=["import", "class", "name"],
)
def test_a_broken_package_disturbs_nobody(install, text, place, said, request):
    install(f"broken_{request.node.callspec.id}", text, broken=place)
    with pytest.raises(EngineError, match=f"engine broken: .*{said}.*remove that package"):
        engine("broken")
    lines = {line.name: line for line in inventory()}
    assert not lines["broken"].available
    assert "declares" in lines["broken"].problem
    assert lines["emt"].available
    assert "broken" not in engines_with(Capability.ENERGY)
