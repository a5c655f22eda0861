"""Band gaps and d bands from the densities of states of an engine that makes them up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from defectflow import hosts
from defectflow.documents import AtomDos, DosDocument, VacuumDocument, load_result
from defectflow.engines import engine
from defectflow.engines.contract import Capability
from defectflow.engines.dos import DosMaker
from defectflow.engines.emt import EMT
from defectflow.errors import EngineError, MissingData, RecipeError, StructureError
from defectflow.flows import (
    BandGapMaker,
    CellPlan,
    DBandCenterMaker,
    SlabPlan,
    WorkFunctionMaker,
)
from defectflow.launch import run

GRID = np.linspace(-15, 5, 2001)


@dataclass(frozen=True)
class Invented(EMT):
    """Moves atoms as EMT does; its d bands are semicircles, deeper for fewer neighbours."""

    name: ClassVar[str] = "invented"
    declared: ClassVar[frozenset[Capability]] = EMT.declared | {
        Capability.DOS,
        Capability.VACUUM_LEVEL,
    }
    spins: ClassVar[int] = 1

    def settings(self, step, **overrides):
        return {} if step == "dos" else super().settings(step, **overrides)

    def _dos_maker(self, settings):
        return DosMaker(engine=self, settings=settings)

    def density_of_states(self, request):
        atoms = []
        for site in request.structure:
            neighbours = len(request.structure.get_neighbors(site, 3.0))
            center = -2.0 - neighbours / 12
            band = np.sqrt(np.clip(1 - ((GRID - center) / 2) ** 2, 0, None))
            shifted = [np.roll(band, 50 * spin) / self.spins for spin in range(self.spins)]
            curves = {"s": tuple(map(tuple, shifted))}
            if site.specie.symbol != "O":
                curves["d"] = tuple(map(tuple, shifted))
            atoms.append(AtomDos(symbol=site.specie.symbol, orbitals=curves))
        metal = len(request.structure.elements) == 1
        return DosDocument(
            structure=request.structure,
            energy_eV=-1.0,
            energies_eV=tuple(GRID),
            total=(tuple(np.ones_like(GRID)),) * self.spins,
            atoms=tuple(atoms),
            fermi_eV=4.0,
            width_eV=0.1,
            gap_eV=0.0 if metal else 2.1 - 0.2 * (len(request.structure) % 2),
            direct=None if metal else True,
            vbm_eV=None if metal else -1.0,
            cbm_eV=None if metal else 1.1,
            force_calls=1,
            wall_time_s=0.5,
            vacuum=VacuumDocument(
                top_eV=5.2, bottom_eV=5.0, field_eV_per_A=-0.01, ripple_eV=len(atoms) / 100
            ),
            engine=self.stamp(),
        )


@dataclass(frozen=True)
class InventedSpin(Invented):
    """The same with two spins, half an eV apart."""

    spins: ClassVar[int] = 2


SLAB = CellPlan(slab=SlabPlan((1, 1, 1), layers=3, frozen_layers=1))


@pytest.fixture
def oxide():
    """Rocksalt of copper, which EMT knows."""
    structure = hosts.load("rocksalt-MgO").structure
    structure.replace_species({"Mg": "Cu"})
    return structure


def test_the_surface_atom_is_the_one_that_is_described():
    document = run(DBandCenterMaker(Invented(), SLAB).make(hosts.load("fcc-Cu")))
    bulk = run(DBandCenterMaker(Invented()).make(hosts.load("fcc-Cu")))
    assert document.value == pytest.approx(-2.0 - 9 / 12, abs=2e-3), "nine neighbours"
    assert bulk.value == pytest.approx(-3.0, abs=2e-3), "twelve neighbours"
    assert (document.cell, document.facet, document.atoms) == ("slab", "111", (2,))
    assert (bulk.cell, bulk.facet) == ("bulk", "")
    assert bulk.geometry is None
    assert document.geometry.frozen == (0,)
    assert document.total.width_eV == pytest.approx(1.0, abs=2e-3)
    assert document.window_eV == (-10.0, 2.0)
    assert (document.defect, document.species) == ("(111) surface atom", "Cu")
    assert load_result(document.model_dump(mode="json")).value == document.value


def test_both_spins_count_and_each_is_described():
    document = run(DBandCenterMaker(InventedSpin(), SLAB).make(hosts.load("fcc-Cu")))
    up, down = document.spins
    assert down.center_eV - up.center_eV == pytest.approx(0.5, abs=2e-3)
    assert document.value == pytest.approx((up.center_eV + down.center_eV) / 2, abs=2e-3)


def test_a_window_that_cuts_the_band_is_noted():
    maker = DBandCenterMaker(Invented(), SLAB, window_eV=(-3.0, 2.0))
    document = run(maker.make(hosts.load("fcc-Cu")))
    assert "cuts the d band" in document.notes[-1]


def test_a_window_beyond_the_grid_is_refused():
    maker = DBandCenterMaker(Invented(), SLAB, window_eV=(-10.0, 8.0))
    with pytest.raises(MissingData, match="covers -15 to 5 eV"):
        run(maker.make(hosts.load("fcc-Cu")))


def test_a_gap_with_and_without_a_vacancy(oxide):
    pristine = run(BandGapMaker(Invented(), host_cell="keep").make(oxide))
    plan = CellPlan(vacancy="O", matrix=[[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    defective = run(BandGapMaker(Invented(), plan, host_cell="keep").make(oxide))
    assert (pristine.value, pristine.defect, pristine.species) == (2.1, "", "")
    assert (defective.defect, defective.species) == ("V_O", "O")
    assert defective.value == pytest.approx(1.9)
    assert len(defective.dos.structure) == 7
    assert defective.supercell_matrix == ((1, 0, 0), (0, 1, 0), (0, 0, 1))
    assert defective.force_calls == sum(
        step.force_calls for step in (defective.relaxed_host, defective.geometry, defective.dos)
    )


def test_a_cheap_engine_may_move_the_atoms_and_the_document_says_so():
    maker = DBandCenterMaker(Invented(), SLAB, geometry=engine("emt", level="fast"))
    document = run(maker.make(hosts.load("fcc-Cu")))
    assert document.geometry.engine.name == "emt"
    assert document.engine.name == "invented"
    assert "relaxed with emt (stand-in)" in document.notes[-1]


def test_atoms_of_a_slab_may_stay_as_in_the_bulk():
    maker = DBandCenterMaker(Invented(), SLAB, relax_atoms=False)
    document = run(maker.make(hosts.load("fcc-Cu")))
    assert document.geometry is None


@pytest.mark.parametrize(
    ("changes", "kind", "says"),
    [
        ({"element": "Ag"}, RecipeError, "has no Ag"),
        ({"cell": CellPlan(vacancy="Ag")}, StructureError, "has no Ag"),
        ({"cell": CellPlan(vacancy="Cu", label="V_Cu_2")}, StructureError, "no V_Cu_2"),
        ({"cell": CellPlan(slab=SlabPlan((1, 1, 1)), vacancy="Cu")}, RecipeError, "not built yet"),
    ],
)
def test_mistakes_are_found_before_anything_runs(changes, kind, says):
    with pytest.raises(kind, match=says):
        DBandCenterMaker(Invented(), **changes).make(hosts.load("fcc-Cu"))


def test_several_elements_need_a_choice(oxide):
    with pytest.raises(RecipeError, match="say whose d band"):
        DBandCenterMaker(Invented()).make(oxide)


def test_an_engine_without_electrons_is_refused():
    with pytest.raises(EngineError, match=r"emt cannot do dos; engines that can: .*gpaw"):
        BandGapMaker(engine("emt")).make(hosts.load("fcc-Cu"))


def test_a_work_function_is_that_of_the_upper_side():
    maker = WorkFunctionMaker(Invented(), CellPlan(slab=SlabPlan((1, 1, 1), layers=2)))
    document = run(maker.make(hosts.load("fcc-Cu")))
    assert (document.value, document.bottom_eV, document.unit) == (5.2, 5.0, "eV")
    assert document.defect == "(111) surface"
    assert not any("vacuum" in note for note in document.notes)
    assert document.notes[-1].startswith("the sides of the slab differ by 0.20 eV, and the field")
    assert load_result(document.model_dump(mode="json")).value == 5.2


def test_a_vacuum_that_is_not_empty_is_named():
    maker = WorkFunctionMaker(Invented(), CellPlan(slab=SlabPlan((1, 1, 1), layers=3)))
    document = run(maker.make(hosts.load("fcc-Cu")))
    assert "varies by 0.03 eV beside its tilt: give the slab more `vacuum_A`" in document.notes[-2]


def test_a_code_that_gives_no_potential_has_no_work_function():
    maker = WorkFunctionMaker(engine("emt"), CellPlan(slab=SlabPlan((1, 1, 1))))
    with pytest.raises(EngineError, match=r"emt cannot do dos; engines that can: .*gpaw"):
        maker.make(hosts.load("fcc-Cu"))
