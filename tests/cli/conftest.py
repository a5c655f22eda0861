"""The command line in this process, and one store that is computed once."""

from __future__ import annotations

import sqlite3

import pytest
from click.testing import CliRunner

from defectflow.cli import main

#: A vacancy hop in copper with effective medium theory: a second of computing.
RECIPE = """\
quantity: migration_barrier
host: {prototype: fcc-Cu}
species: Cu
limit: discharged
engine: emt
level: fast
min_image_distance_A: 5
"""


@pytest.fixture(scope="session")
def cli():
    """Call the command line; the result has stdout, stderr and exit_code."""

    def call(*words):
        return CliRunner().invoke(main, [str(word) for word in words])

    return call


@pytest.fixture(scope="session")
def computed(tmp_path_factory, cli):
    """A folder with `cu.yaml`, its computed store `a.sqlite`, and what the run said."""
    folder = tmp_path_factory.mktemp("computed")
    (folder / "cu.yaml").write_text(RECIPE)
    result = cli("run", folder / "cu.yaml", "--store", folder / "a.sqlite")
    assert result.exit_code == 0, result.output
    return folder, result


@pytest.fixture
def filled(computed, tmp_path):
    """A copy of the computed store, free to be changed, beside its recipe."""
    folder, _ = computed
    (tmp_path / "cu.yaml").write_text(RECIPE)
    with (
        sqlite3.connect(folder / "a.sqlite") as source,
        sqlite3.connect(tmp_path / "a.sqlite") as target,
    ):
        source.backup(target)
    source.close()
    target.close()
    return tmp_path
