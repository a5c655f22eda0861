"""Charged defects with an engine that makes up their energies, so that every part is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from defectflow.analysis.charge_correction import lattice_potential_V, point_charge_correction_eV
from defectflow.documents import AtomDos, DosDocument, load_result
from defectflow.engines import engine
from defectflow.engines.contract import Capability
from defectflow.engines.dos import DosMaker
from defectflow.engines.emt import EMT
from defectflow.engines.request import Request
from defectflow.errors import EngineError, RecipeError, StructureError
from defectflow.flows import ChargePlan, DefectFormationEnergyMaker
from defectflow.flows.charged_defects import electronic_host
from defectflow.launch import run, run_flow
from defectflow.store import open_store
from defectflow.structures import vacancies
from defectflow.structures.charges import charged
from defectflow.structures.surfaces import slab_of

GRID = np.linspace(-6, 6, 1201)
GAP_EV, VBM_EV, SHIFT_V, EPSILON = 3.0, 4.25, 0.2, 9.0
#: What the made-up electrons cost, by charge, on the scale of the eigenvalues.
ELECTRONS_EV = {0: 0.0, 1: -2.5 - VBM_EV, 2: -4.0 - 2 * VBM_EV}
#: What any cell with an odd number of atoms costs: EMT would gain by losing oxygen.
MISSING_EV = 4.0
TWO = [[2, 0, 0], [0, 2, 0], [0, 0, 2]]


@dataclass(frozen=True)
class Charging(EMT):
    """EMT, with a charge that feels its images in a medium, and bands with a gap."""

    name: ClassVar[str] = "charging"
    metal: ClassVar[bool] = False
    declared: ClassVar[frozenset[Capability]] = EMT.declared | {
        Capability.DOS,
        Capability.CHARGE,
        Capability.SITE_POTENTIALS,
    }

    def settings(self, step, **overrides):
        return {} if step == "dos" else super().settings(step, **overrides)

    def _dos_maker(self, settings):
        return DosMaker(engine=self, settings=settings)

    def density_of_states(self, request):
        band = np.sqrt(np.clip(np.abs(GRID - GAP_EV / 2) - GAP_EV / 2, 0, None))
        return DosDocument(
            structure=request.structure,
            energy_eV=-1.0,
            energies_eV=tuple(GRID),
            total=(tuple(band),),
            atoms=tuple(AtomDos(symbol=s.specie.symbol, orbitals={}) for s in request.structure),
            fermi_eV=VBM_EV,
            width_eV=0.1,
            gap_eV=0.0 if self.metal else GAP_EV,
            direct=None if self.metal else True,
            vbm_eV=None if self.metal else 0.0,
            cbm_eV=None if self.metal else GAP_EV,
            force_calls=1,
            wall_time_s=0.5,
            engine=self.stamp(),
        )

    def caching_calculator(self, request):
        made = super().caching_calculator(request)
        lattice, charge = request.structure.lattice.matrix, request.charge
        vacancy = np.array([0.0, 0.0, 0.0])
        plain = made.calculate

        def calculate(*args, **kwargs):
            plain(*args, **kwargs)
            extra = ELECTRONS_EV[charge] + charge * SHIFT_V
            extra -= point_charge_correction_eV(lattice, EPSILON, charge)
            made.results["energy"] += extra + MISSING_EV * (len(made.atoms) % 2)

        def potentials():
            places = made.atoms.positions - vacancy
            own = charge * lattice_potential_V(lattice, EPSILON, places)
            return tuple((10.0 + own + SHIFT_V * bool(charge)).tolist())

        made.calculate = calculate
        made.site_potentials_V = potentials
        return made


@dataclass(frozen=True)
class Metal(Charging):
    """The same without a gap."""

    metal: ClassVar[bool] = True


@pytest.fixture
def oxide() -> Structure:
    """Rocksalt of copper, which EMT knows; oxygen is at the origin."""
    return Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(4.2), ["O", "Cu"], [[0, 0, 0], [0.5, 0.5, 0.5]]
    )


def computed(oxide, used=None, supercell=TWO, charges=(0, 1, 2), **wishes):
    plan = ChargePlan(**{"dielectric": EPSILON, **wishes})

    def defects(structure):
        return charged(vacancies(structure, "O"), charges)

    maker = DefectFormationEnergyMaker(
        used or Charging(), host_cell="keep", supercell=supercell, charges=plan
    )
    # The vacancy is that of the first oxygen, at the origin, wherever the others are.
    return run(maker.make(oxide, "O", "O2", defects=defects))


def test_every_part_of_a_charged_formation_energy_is_found_again(oxide):
    document = computed(oxide)
    by_charge = {one.charge: one for one in document.defects}
    assert set(by_charge) == {0, 1, 2}
    neutral = by_charge[0].formation_energy_eV
    assert by_charge[0].correction is None
    # The made-up electrons cost 2.5 and 4.0 eV less than those at the valence band.
    assert by_charge[1].formation_energy_eV == pytest.approx(neutral - 2.5, abs=1e-6)
    assert by_charge[2].formation_energy_eV == pytest.approx(neutral - 4.0, abs=1e-6)
    correction = by_charge[2].correction
    lattice = document.pristine.structure.lattice.matrix
    assert correction.point_charge_eV == pytest.approx(
        point_charge_correction_eV(lattice, EPSILON, 2), abs=1e-9
    )
    assert correction.alignment_eV == pytest.approx(-2 * SHIFT_V, abs=1e-6)
    assert correction.spread_V < 1e-6
    assert document.value == by_charge[2].formation_energy_eV
    assert (document.charge, document.defect) == (2, "V_O")
    assert document.electronic.valence_band_eV == VBM_EV
    assert load_result(document.model_dump(mode="json")) == document


def test_the_value_is_that_at_the_fermi_level_asked_for(oxide):
    at_edge, higher = computed(oxide), computed(oxide, fermi_eV=2.75)
    assert (at_edge.charge, higher.charge) == (2, 0)
    assert (at_edge.row()["defect"], higher.row()["defect"]) == ("V_O +2", "V_O")
    assert "V_O +2: with the Fermi level 0 eV above the valence band maximum" in at_edge.notes
    assert not any("Fermi level" in note for note in higher.notes)
    neutral = next(one for one in at_edge.defects if one.charge == 0)
    assert higher.value == pytest.approx(neutral.formation_energy_eV, abs=1e-9)
    energies = higher.energies_at_valence_band_eV()["V_O"]
    assert energies == pytest.approx(at_edge.energies_at_valence_band_eV()["V_O"], abs=1e-9)


def test_transition_levels_are_where_the_electrons_are(oxide):
    document = computed(oxide)
    levels = {(one.upper, one.lower): one for one in document.transitions}
    assert levels[1, 0].level_eV == pytest.approx(2.5, abs=1e-6)
    assert levels[2, 1].level_eV == pytest.approx(1.5, abs=1e-6)
    assert levels[2, 1].stable
    assert levels[1, 0].stable
    assert not levels[2, 0].stable


def test_the_corrected_energy_does_not_depend_on_the_supercell(oxide):
    small = computed(oxide, supercell=[[1, 0, 0], [0, 1, 0], [0, 0, 2]], charges=(0, 2))
    large = computed(oxide, supercell=TWO, charges=(0, 2))
    plain = [one.correction.total_eV for d in (small, large) for one in d.defects if one.charge]
    assert abs(plain[0] - plain[1]) > 0.1
    differences = [
        d.defects[1].formation_energy_eV - d.defects[0].formation_energy_eV for d in (small, large)
    ]
    assert differences[0] == pytest.approx(differences[1], abs=1e-6)


def test_other_corrections_leave_out_what_they_say(oxide):
    full, first, none = (
        computed(oxide, charges=(2,), correction=c).defects[0]
        for c in ("efnv", "point_charge", "none")
    )
    assert first.correction.method == "point_charge"
    assert none.correction.total_eV == 0
    assert first.formation_energy_eV - full.formation_energy_eV == pytest.approx(
        -full.correction.alignment_eV, abs=1e-9
    )
    assert none.formation_energy_eV == pytest.approx(
        full.formation_energy_eV - full.correction.total_eV, abs=1e-9
    )


def test_the_neutral_crystal_has_a_fermi_level_and_concentrations(oxide):
    found = computed(oxide, temperature_K=1000.0).equilibrium
    assert 0 < found.fermi_eV < GAP_EV
    charged = sum(int(q) * n for q, n in found.defects_per_cm3["V_O"].items())
    total = charged + found.holes_per_cm3 - found.electrons_per_cm3
    assert abs(total) < 1e-5 * found.electrons_per_cm3


def test_a_potential_refuses_a_charge_before_anything_runs(oxide):
    with pytest.raises(EngineError, match="engine emt cannot do charge"):
        computed(oxide, used=engine("emt"))


def test_a_missing_dielectric_constant_is_asked_for(oxide):
    with pytest.raises(RecipeError, match=r"dielectric: 9\.8"):
        computed(oxide, dielectric=None)


def test_a_metal_holds_no_charge(oxide):
    dos = Metal().density_of_states(Request(oxide))
    with pytest.raises(StructureError, match="no band gap"):
        electronic_host(dos, ChargePlan(EPSILON))


def test_a_metal_is_refused_before_its_charged_cells_are_computed(oxide, tmp_path):
    flow = DefectFormationEnergyMaker(
        Metal(), host_cell="keep", supercell=TWO, charges=ChargePlan(EPSILON)
    ).make(oxide, "O", "O2", defects=lambda whole: charged(vacancies(whole, "O"), (0, 1)))
    with open_store(tmp_path / "metal.sqlite") as store:
        summary = run_flow(flow, store, root=tmp_path)
        names = [one["name"] for one in store.jobs.docs_store.query({}, ["name"])]
    assert "no band gap" in summary.failures[0].error
    assert "bands of the host" in names
    assert "relax pristine supercell" not in names


def test_a_charge_in_a_slab_has_no_correction(oxide):
    slab = slab_of(oxide, (0, 0, 1), 4, 12.0, (1, 1)).structure
    with pytest.raises(StructureError, match="this host has a vacuum; take the crystal"):
        computed(slab, supercell=[[1, 0, 0], [0, 1, 0], [0, 0, 1]])
