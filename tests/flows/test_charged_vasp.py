"""Charged defects through VASP's input and output, with the stand-in and made-up bands.

The stand-in has no electrons: it lists minus the valence of each atom as the potential at its core.
So the shifts of the potentials are known, and with them every part of the correction.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from defectflow.analysis.charge_correction import lattice_potential_V, point_charge_correction_eV
from defectflow.documents import AtomDos, DosDocument
from defectflow.engines.contract import Capability
from defectflow.engines.dos import DosMaker
from defectflow.engines.registry import engine
from defectflow.flows import ChargePlan, DefectFormationEnergyMaker
from defectflow.launch import run
from defectflow.structures import vacancies
from defectflow.structures.charges import charged

STANDIN = engine("vasp-standin", potential="emt")
GAP_EV, VBM_EV, EPSILON = 3.0, 4.25, 9.0
GRID = tuple(np.linspace(-6, 6, 241).tolist())


@dataclass(frozen=True)
class WithBands(type(STANDIN)):
    """The stand-in with two bands that VASP would have computed."""

    declared: ClassVar[frozenset[Capability]] = type(STANDIN).declared | {Capability.DOS}

    def settings(self, step, **overrides):
        return super().settings("static" if step == "dos" else step, **overrides)

    def _dos_maker(self, settings):
        return DosMaker(engine=self, settings=settings)

    def density_of_states(self, request):
        return DosDocument(
            structure=request.structure,
            energy_eV=-1.0,
            energies_eV=GRID,
            total=(tuple(float(abs(e - GAP_EV / 2) > GAP_EV / 2) for e in GRID),),
            atoms=tuple(AtomDos(symbol=s.specie.symbol, orbitals={}) for s in request.structure),
            fermi_eV=VBM_EV,
            width_eV=0.1,
            gap_eV=GAP_EV,
            direct=True,
            vbm_eV=0.0,
            cbm_eV=GAP_EV,
            force_calls=1,
            wall_time_s=0.5,
            engine=self.stamp(),
        )


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    """Copper, out of the order of POSCAR, and oxygen; the vacancy is the oxygen at the origin."""
    oxide = Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(4.2), ["O", "Cu"], [[0, 0, 0], [0.5, 0.5, 0.5]]
    )
    order = [0, 4, 1, 5, 2, 6, 3, 7]
    mixed = Structure.from_sites([oxide[index] for index in order])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("charged"))
        maker = DefectFormationEnergyMaker(
            WithBands(**{one.name: getattr(STANDIN, one.name) for one in fields(STANDIN)}),
            host_cell="keep",
            supercell=[[1, 0, 0], [0, 1, 0], [0, 0, 1]],
            charges=ChargePlan(dielectric=EPSILON, temperature_K=1000.0),
            relax={"fmax_eV_per_A": 0.5},
        )
        return run(maker.make(mixed, "O", defects=lambda s: charged(vacancies(s, "O"), (0, 1, 2))))


def test_the_charge_is_electrons_taken_out_of_the_cell(document):
    neutral, single, double = (one.relaxed.inputs for one in document.defects)
    assert single["incar"]["NELECT"] == double["incar"]["NELECT"] + 1
    assert "NELECT" not in neutral["incar"]
    # Three oxygen atoms of 6 and four copper atoms of 11 or 17 electrons, without two.
    pristine = 4 * sum(-v for v in document.pristine.site_potentials_V[:2]) * -1
    assert double["incar"]["NELECT"] == pytest.approx(pristine - 6 - 2)


def test_an_odd_electron_has_a_spin(document):
    neutral, single, double = (one.relaxed.inputs["incar"] for one in document.defects)
    assert sum(single["MAGMOM"]) == pytest.approx(1)
    assert [one["ISPIN"] for one in (neutral, single, double)] == [1, 2, 1]


def test_the_potentials_are_paired_with_their_own_atoms(document):
    """The potentials of the atoms do not change: all of the alignment is that of the image."""
    double = next(one for one in document.defects if one.charge == 2)
    lattice = document.pristine.structure.lattice.matrix
    correction = double.correction
    assert correction.method == "efnv"
    assert correction.point_charge_eV == pytest.approx(
        point_charge_correction_eV(lattice, EPSILON, 2)
    )
    places = double.relaxed.structure.cart_coords
    periodic = places - np.round(places / 4.2) * 4.2
    far = np.linalg.norm(periodic, axis=1) > 2.1
    assert correction.far_sites == far.sum()
    expected = 2 * np.mean(2 * lattice_potential_V(lattice, EPSILON, places[far]))
    assert correction.alignment_eV == pytest.approx(expected, abs=1e-6)


def test_the_formation_energy_has_every_part(document):
    neutral, _, double = document.defects
    added = 2 * VBM_EV + double.correction.total_eV
    expected = neutral.formation_energy_eV + added
    # The stand-in's energy knows no charge.
    assert double.relaxed.energy_eV == pytest.approx(neutral.relaxed.energy_eV, abs=1e-6)
    assert double.formation_energy_eV == pytest.approx(expected, abs=1e-6)
    levels = {(one.upper, one.lower): one.level_eV for one in document.transitions}
    assert levels[2, 0] == pytest.approx(-added / 2, abs=1e-6)
    assert document.equilibrium is not None
