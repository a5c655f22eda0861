"""One setting corrects the dipole of slabs with every code, and is refused where there is none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.io.vasp.inputs import Incar

from defectflow.analysis.work_functions import stepped_vacuum_levels, vacuum_levels
from defectflow.engines import engine
from defectflow.engines.conversion import to_atoms
from defectflow.engines.electrons import electronic_input
from defectflow.engines.espresso import own_numbers
from defectflow.engines.espresso_input import pw_input
from defectflow.engines.espresso_pseudos import Pseudopotential
from defectflow.engines.gpaw import Gpaw
from defectflow.engines.request import Request
from defectflow.engines.vacuum import vacuum_document
from defectflow.errors import RecipeError, StructureError
from defectflow.flows import AdsorptionMaker, SlabPlan
from defectflow.recipes import build, load
from defectflow.structures import hosts
from defectflow.structures.adsorbates import adsorbate
from defectflow.structures.surfaces import slab_of

ON = {"dipole_correction": True}
COPPER = Pseudopotential(Path("/pseudo/Cu.upf"), "Cu", "NC", "PBE", "scalar", 19.0)
SLAB = slab_of(hosts.load("fcc-Cu").structure, (1, 1, 1), 3, vacuum_A=16.0).structure


def request(name, structure=SLAB, charge=0, settings=ON):
    used = engine(name, settings=settings)
    return used, Request(structure, used.settings("relax"), charge)


def electrons(name, structure=SLAB, **changes):
    used, asked = request(name, structure, **changes)
    return electronic_input(used.options, asked)


@pytest.mark.parametrize("name", ["gpaw", "espresso", "vasp"])
def test_a_slab_is_corrected_where_it_is_asked_for(name):
    assert electrons(name).dipole_correction
    assert electrons(name).record()["dipole_correction"] is True
    assert not electrons(name, settings={}).dipole_correction
    assert "dipole_correction" not in engine(name).settings("relax")
    assert engine(name, settings=ON).stamp().settings == ON


def test_what_gpaw_is_given():
    used, asked = request("gpaw")
    built = json.loads(used.input_files(asked)["gpaw.json"])["gpaw"]
    assert built["poissonsolver"] == {"dipolelayer": "xy"}
    assert used.task(asked).periodic([True, True, True]) == [True, True, False]
    plain, without = request("gpaw", settings={})
    assert "poissonsolver" not in plain.task(without).keywords
    assert plain.task(without).periodic([True, True, True]) == [True, True, True]


def test_what_pw_is_given():
    _, asked = request("espresso")
    given = pw_input(
        to_atoms(SLAB),
        electrons("espresso"),
        {"Cu": COPPER},
        own_numbers(asked),
        version=(7, 1),
    )
    assert given.namelists["CONTROL"]["tefield"] is True
    assert given.namelists["CONTROL"]["dipfield"] is True
    system = given.namelists["SYSTEM"]
    assert (system["edir"], system["eamp"]) == (3, 0.0)
    width = system["eopreg"]
    assert width * SLAB.lattice.c == pytest.approx(1.0)
    assert system["emaxpos"] + width / 2 == pytest.approx(1.0)  # the middle is the cell's end


def test_what_vasp_is_given(monkeypatch):
    monkeypatch.delenv("PMG_VASP_PSP_DIR", raising=False)
    used, asked = request("vasp")
    incar = dict(Incar.from_str(used.input_files(asked)["INCAR"]))
    assert (incar["LDIPOL"], incar["IDIPOL"], incar["DIPOL"]) == (True, 3, [0.5, 0.5, 0.5])
    plain, without = request("vasp", settings={})
    assert "IDIPOL" not in plain.task(without).tags


def moved(slab: Structure, by_A: float) -> Structure:
    places = slab.cart_coords + np.array([0.0, 0.0, by_A])
    return Structure(slab.lattice, slab.species, places, coords_are_cartesian=True)


@pytest.mark.parametrize(
    ("structure", "charge", "says"),
    [
        (hosts.load("fcc-Cu").structure, 0, "the vacuum is not along the third vector alone"),
        (
            Structure(Lattice.cubic(12.0), ["O", "H"], [[0.5, 0.5, 0.5], [0.5, 0.5, 0.58]]),
            0,
            "the vacuum is not along the third vector alone",
        ),
        (SLAB, 1, "it is charged"),
        (moved(SLAB, -6.5), 0, r"an atom is 1\.5 Å from an end of the cell"),
    ],
)
def test_other_cells_are_refused(structure, charge, says):
    with pytest.raises(StructureError, match=says):
        electrons("gpaw", structure, charge=charge)


def test_levels_on_both_sides_of_the_step():
    """A slab whose dipole lifts the potential by 0.8 eV."""
    height_A, low_A, high_A = 24.0, 9.0, 15.0
    heights = np.arange(240) * height_A / 240
    corrected = np.where(heights < low_A, 4.0, np.where(heights > high_A, 4.8, -9.0))
    edge = np.minimum(heights, height_A - heights)
    across = np.where(edge < 0.5, 0.4 - 0.8 * edge, 0.0)  # half of the step lies at each end
    corrected = corrected + np.where(heights < height_A / 2, across, -across)
    found = stepped_vacuum_levels(corrected, height_A, [low_A, high_A], 1.0)
    assert (found.top_eV, found.bottom_eV) == (pytest.approx(4.8), pytest.approx(4.0))
    assert found.ripple_eV == pytest.approx(0.0, abs=1e-9)
    assert vacuum_levels(corrected, height_A, [low_A, high_A]).ripple_eV > 0.1  # read as a tilt
    slab = Structure(
        Lattice.tetragonal(3.0, height_A),
        ["Cu", "Cu"],
        [[0, 0, low_A / height_A], [0, 0, high_A / height_A]],
    )
    document = vacuum_document(corrected, slab, 1.0, corrected=True)
    assert (document.top_eV, document.bottom_eV) == (pytest.approx(3.8), pytest.approx(3.0))


def on(jobs) -> dict[str, bool]:
    return {job.name: job.maker.settings.get("dipole_correction", False) for job in jobs}


def test_in_an_adsorption_the_slabs_are_corrected_and_nothing_else(monkeypatch):
    monkeypatch.setattr(Gpaw, "check", lambda engine, elements=None: None)
    plan = SlabPlan((1, 1, 1), layers=3, vacuum_A=16.0)
    maker = AdsorptionMaker(engine("gpaw", settings=ON), plan)
    jobs = maker.make(hosts.load("fcc-Cu"), "OH").jobs
    assert on(jobs[:3]) == {"relax host": False, "relax H2": False, "relax H2O": False}
    cut = plan.cut(hosts.load("fcc-Cu").structure)
    clean = maker._relaxation(cut, adsorbate("OH"), cut.structure, maker.engine)
    assert on([clean]) == {clean.name: True}
    with pytest.raises(StructureError, match="larger `vacuum_A`"):
        replace(maker, slab=replace(plan, vacuum_A=10.5)).make(hosts.load("fcc-Cu"), "OH")


def test_recipes_without_a_slab_are_refused(tmp_path):
    path = tmp_path / "one.yaml"
    path.write_text(
        "quantity: d_band_center\nhost: {prototype: fcc-Cu}\n"
        "engine: {name: gpaw, settings: {dipole_correction: true}}\n",
        encoding="utf-8",
    )
    with pytest.raises(RecipeError, match=r"quantity d_band_center has no `slab`"):
        build(load(path))
