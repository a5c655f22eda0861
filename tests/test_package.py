"""What an installed wheel gives: recipes, templates, tables, entry point, a light import."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parent.parent
#: Packages that take long to import; none may come with ``import defectflow`` or ``--help``.
HEAVY = ("torch", "pymatgen", "ase", "atomate2", "jobflow", "maggma", "scipy", "pandas", "numpy")


def run(*command: str | Path, **options) -> str:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 0, done.stderr or done.stdout
    return done.stdout


def heavy_modules_after(code: str) -> list[str]:
    report = f"import sys, json\n{code}\nprint(json.dumps(sorted(set({HEAVY}) & set(sys.modules))))"
    loaded: list[str] = json.loads(run(sys.executable, "-c", report).splitlines()[-1])
    return loaded


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Build the wheel from a copy of the sources, without network."""
    source = tmp_path_factory.mktemp("checkout")
    for name in ("pyproject.toml", "LICENSE", "README.md"):
        if (CHECKOUT / name).exists():
            shutil.copy(CHECKOUT / name, source)
    for name in ("src", "workflows", "templates"):
        shutil.copytree(
            CHECKOUT / name, source / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", "dist", cwd=source)
    (built,) = (source / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """Install the wheel into a new environment that borrows this one's dependencies."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=False)
    paths = {"base": str(home), "platbase": str(home)}
    own = Path(sysconfig.get_path("purelib", vars=paths))
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    run(*pip, "--python", home, "install", "-q", "--no-deps", "--no-index", wheel)
    # Only the folder of the dependencies is borrowed: a .pth file in it is not followed, so that
    # an editable install of the checkout stays out of sight.
    (own / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return home


def ask(home: Path, code: str) -> str:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return run(home / "bin" / "python", "-c", code, cwd=home, env=environment).strip()


def test_wheel_is_imported_from_the_new_environment(installed):
    assert ask(installed, "import defectflow; print(defectflow.__file__)").startswith(
        str(installed)
    )


def test_version_is_that_of_the_project(installed):
    import tomllib

    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    version = ask(installed, "import defectflow; print(defectflow.__version__)")
    assert version == project["version"]


@pytest.mark.parametrize("kind", ["workflows", "templates"])
def test_installed_wheel_finds_every_recipe_and_template(installed, kind):
    code = (
        "import json; from defectflow import paths; "
        f"print(json.dumps({{n: str(p) for n, p in paths.listing({kind!r}, '**/*.yaml').items()}}))"
    )
    found: dict[str, str] = json.loads(ask(installed, code))
    shipped = {p.relative_to(CHECKOUT / kind).as_posix() for p in (CHECKOUT / kind).rglob("*.yaml")}
    assert shipped
    assert set(found) == shipped
    assert all(path.startswith(str(installed)) for path in found.values())


def test_installed_wheel_reads_its_tables(installed):
    code = "from defectflow.reference import published; print(len(published()))"
    assert int(ask(installed, code)) > 300


def test_installed_wheel_builds_a_prototype(installed):
    code = "from defectflow import hosts; print(hosts.load('1T-TiS2').formula)"
    assert ask(installed, code) == "TiS2"


def test_installed_command_answers(installed):
    assert "run" in run(installed / "bin" / "defectflow", "--help", cwd=installed)


def test_wheel_is_typed_and_carries_its_licence(wheel):
    import zipfile

    names = zipfile.ZipFile(wheel).namelist()
    assert "defectflow/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not any(name.startswith(("tests/", "workflows/")) for name in names)


def test_import_is_light():
    assert heavy_modules_after("import defectflow") == []


def test_help_is_light():
    code = (
        "import contextlib\nfrom defectflow.cli import main\n"
        "with contextlib.suppress(SystemExit): main(['--help'])"
    )
    assert heavy_modules_after(code) == []


def test_public_names_resolve():
    import defectflow

    assert set(defectflow.__all__) <= set(dir(defectflow))
    for name in defectflow.__all__:
        assert getattr(defectflow, name) is not None
    assert defectflow.hosts.load("1T-TiS2").formula == "TiS2"


def test_an_unknown_name_is_an_attribute_error():
    import defectflow

    with pytest.raises(AttributeError, match="no attribute 'potentials'"):
        _ = defectflow.potentials


def test_constraints_pin_every_dependency_once():
    import re
    import tomllib

    lines = (CHECKOUT / "constraints.txt").read_text().splitlines()
    pins = [line.partition("==")[0].lower() for line in lines if line and line[0] != "#"]
    assert len(set(pins)) == len(pins)
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"]]
    for extra in project["optional-dependencies"].values():
        asked += extra
    names = {re.match(r"[A-Za-z0-9-]+", line).group().lower() for line in asked} - {"defectflow"}
    assert {name.replace("_", "-") for name in names} <= {pin.replace("_", "-") for pin in pins}
    assert "torch==2.13.0" in lines
