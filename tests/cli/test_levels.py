"""`defectflow levels` and the diagram, from a store of a charged defect."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from pymatgen.core import Lattice, Structure

from defectflow.cli import main
from defectflow.documents import (
    DefectDocument,
    DefectFormationEnergyDocument,
    ElectronicHost,
    EngineStamp,
    HostBands,
)
from defectflow.documents.formation import ChemicalPotential

STAMP = EngineStamp(name="gpaw", functional="PBE", fidelity="dft", level="balanced")
CELL = Structure(Lattice.cubic(4.2), ["Mg", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])
GRID = tuple(-1.0 + 0.01 * k for k in range(801))
BANDS = HostBands(
    energies_eV=GRID, density=tuple(float(e <= 0 or e >= 5.0) for e in GRID), volume_A3=20.0
)


def result(step, host="rocksalt-MgO") -> DefectFormationEnergyDocument:
    """V_O with charges 0 and 2, equal in energy 2 eV above the valence band."""
    defects = tuple(
        DefectDocument(
            name="V_O",
            multiplicity=1,
            formation_energy_eV=energy,
            added={"O": -1},
            charge=charge,
            relaxed=step,
        )
        for charge, energy in ((0, 6.0), (2, 2.0))
    )
    return DefectFormationEnergyDocument(
        recipe="mgo",
        host=host,
        host_formula="MgO",
        defect="V_O",
        species="O",
        value=2.0,
        converged=True,
        key="0" * 64,
        created="2026-01-01T00:00:00+00:00",
        engine=STAMP,
        host_cell="keep",
        host_lattice=((4.2, 0, 0), (0, 4.2, 0), (0, 0, 4.2)),
        supercell_matrix=((2, 0, 0), (0, 2, 0), (0, 0, 2)),
        nearest_image_A=8.4,
        relaxed_host=step,
        pristine=step,
        defects=defects,
        chemical_potentials=(ChemicalPotential(element="O", energy_eV=-4.9, source="O2"),),
        electronic=ElectronicHost(valence_band_eV=3.0, gap_eV=5.0, bands=BANDS),
        force_calls=1,
        wall_time_s=1.0,
    )


@pytest.fixture
def stored(monkeypatch, unmoved):
    """Put results where the verbs look for them."""
    kept = SimpleNamespace(step=unmoved(CELL, -1.0, STAMP))
    kept.results = [result(kept.step)]
    for verb in ("levels", "plot"):
        monkeypatch.setattr(f"defectflow.cli.{verb}.found", lambda *_, **__: kept.results)
    return kept


def invoke(*arguments):
    return CliRunner().invoke(main, arguments)


def test_the_table_has_energies_levels_and_concentrations(stored):
    done = invoke("levels", "--temperature", "1000", "--temperature", "1500")
    assert done.exit_code == 0, done.output
    lines = [line.split() for line in done.output.splitlines()]
    assert ["V_O", "+0", "6.000", "0.000"] in lines
    assert ["V_O", "+2/+0", "2.000"] in lines
    assert [line[0] for line in lines[-2:]] == ["1000", "1500"]
    assert "O from O2" in done.output


def test_json_is_one_list_of_records(stored):
    done = invoke("levels", "--temperature", "300", "--frozen-at", "1500", "--format", "json")
    rows = json.loads(done.output)
    assert [row["kind"] for row in rows] == ["energy", "energy", "transition", "equilibrium"]
    assert rows[-1]["frozen_at_K"] == 1500
    assert 0 < rows[-1]["fermi_eV"] < 5
    assert set(rows[-1]["defects_per_cm3"]["V_O"]) == {"0", "2"}


def test_the_diagram_becomes_a_picture(stored, tmp_path):
    picture = tmp_path / "diagram.svg"
    done = invoke("plot", "formation", "--temperature", "1000", "-o", str(picture))
    assert done.exit_code == 0, done.output
    assert "<svg" in picture.read_text()


def test_results_are_chosen_by_level_and_recipe(stored):
    fast = STAMP.model_copy(update={"level": "fast"})
    quick = stored.step.model_copy(update={"engine": fast})
    other = result(quick).model_copy(update={"recipe": "quick", "engine": fast})
    named = tuple(one.model_copy(update={"name": "V_O_2"}) for one in other.defects)
    stored.results.append(other.model_copy(update={"defects": named}))
    done = invoke("levels")
    assert done.exit_code == 2
    assert "mgo" in done.output
    assert "quick" in done.output
    assert "--level or --recipe" in done.output
    for words, said in (
        (("--level", "fast"), "gpaw fast"),
        (("--recipe", "quick"), "gpaw fast"),
        (("--recipe", "mgo"), "gpaw balanced"),
    ):
        for verb in ("levels", "plot"):
            kind = ("formation",) if verb == "plot" else ()
            done = invoke(verb, *kind, *words)
            assert done.exit_code == 0, done.output
            assert verb == "plot" or said in done.output
    assert "did you mean quick?" in invoke("levels", "--recipe", "quik").output


def test_temperatures_that_are_none_are_refused(stored):
    for words, said in (
        (("--temperature", "nan"), "temperature nan K: give one above zero"),
        (("--temperature", "inf"), "temperature inf K: give one above zero"),
        (("--temperature", "300", "--frozen-at", "nan"), "temperature nan K: give one above zero"),
        (("--frozen-at", "1500"), "--frozen-at 1500: needs the temperature now"),
    ):
        done = invoke("levels", *words)
        assert done.exit_code == 2, done.output
        assert said in done.output


def test_mistakes_are_said_in_one_line(stored):
    done = invoke("levels", "--limit", "O-poor")
    assert done.exit_code == 2
    assert "run it with `competing_phases`" in done.output
    stored.results.append(result(stored.step, "other").model_copy(update={"key": "1" * 64}))
    done = invoke("levels")
    assert done.exit_code == 2
    assert "--host other" in done.output
    done = invoke("levels", "--engine", "emt")
    assert done.exit_code == 2
    assert "no converged defect formation energy" in done.output
    stored.results.clear()
    done = invoke("plot", "voltage")
    assert done.exit_code == 2
    assert "no converged voltage" in done.output
