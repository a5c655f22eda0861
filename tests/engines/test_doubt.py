"""Images of a refined band that may be more than was seen of them: the dear engine is asked."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk
from pymatgen.io.ase import AseAtomsAdaptor

from defectflow.engines import engine
from defectflow.engines.band import BandSettings
from defectflow.engines.band_task import BandTask
from defectflow.engines.guided import GuidedEngine
from defectflow.engines.relax import relax
from defectflow.engines.request import Request

EMT = engine("emt")
DIPPED = '''
import numpy as np
from ase.calculators.emt import EMT
from ase.geometry import find_mic


class Dipped(EMT):
    """Copper with wells on the way of the last atom."""

    def __init__(self, wells):
        super().__init__()
        self.wells = np.array(wells)

    def calculate(self, *args, **kwargs):
        super().calculate(*args, **kwargs)
        for well in self.wells:
            away = find_mic(self.atoms.positions[-1] - well, self.atoms.cell)[0]
            energy = 0.6 * np.exp(-(away @ away) / (2 * 0.25**2))
            self.results["energy"] -= energy
            self.results["free_energy"] = self.results["energy"]
            self.results["forces"][-1] -= energy * away / 0.25**2
'''


def starts(shares):
    """Return copper with a vacancy and an atom that has come so far on its way into it."""
    crystal = bulk("Cu", cubic=True) * (2, 2, 2)
    along = crystal.get_distance(1, 0, mic=True, vector=True)
    places = [crystal.positions[1] + share * along for share in shares]
    del crystal[[0, 1]]
    for place in places:
        structure = AseAtomsAdaptor.get_structure(crystal)
        structure.append("Cu", place, coords_are_cartesian=True)
        yield structure


def relaxed(dear, structure, folder):
    settings = dear.settings("relax", fmax_eV_per_A=0.01)
    return relax(Request(structure, settings, folder=folder), dear)


@pytest.fixture
def hop(tmp_path, monkeypatch):
    """A vacancy hop with a minimum on either side of its saddle, of which the guide knows nothing.

    Its dear engine, the task, and the energy of the minimum over that of the ends, eV.
    """
    (tmp_path / "dipped_emt.py").write_text(DIPPED, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    initial, final, *wells = starts((0.0, 1.0, 0.34, 0.66))
    places = [one[-1].coords.tolist() for one in wells]
    dear = engine("ase", calculator="dipped_emt:Dipped", kwargs={"wells": places})
    first, last, inside = (relaxed(dear, one, tmp_path) for one in (initial, final, wells[0]))
    settings = BandSettings(fmax_eV_per_A=0.03)
    task = BandTask(first.image(), last.image(), settings=settings, stamp=dear.stamp())
    return dear, task, inside.energy_eV - first.energy_eV


def refined(hop, folder):
    dear, task, _ = hop
    return GuidedEngine.of(dear, EMT, "refined").relax_band(task, dear.settings("neb"), folder)


def test_a_minimum_that_the_guide_does_not_know_is_found(hop, tmp_path):
    band = refined(hop, tmp_path)
    assert band.converged
    energies = np.array(band.energies_eV)
    assert hop[2] < -0.5
    assert energies.min() - energies[0] == pytest.approx(hop[2], abs=0.02)
    assert band.guidance.error_eV < 0.01


def test_unasked_it_is_in_the_error_estimate(hop, tmp_path, monkeypatch):
    monkeypatch.setattr("defectflow.engines.guided_band._DOUBT_EV", 10.0)
    band = refined(hop, tmp_path)
    assert band.converged
    assert np.ptp(band.energies_eV) < 0.5
    assert band.guidance.error_eV > 0.3


def test_a_guide_that_is_right_is_not_doubted(tmp_path):
    ends = [relaxed(EMT, one, tmp_path).image() for one in starts((0.0, 1.0))]
    right = GuidedEngine.of(EMT, engine("ase", calculator="ase.calculators.emt:EMT"), "refined")
    task = BandTask(*ends, settings=BandSettings(), stamp=EMT.stamp())
    band = right.relax_band(task, EMT.settings("neb"), tmp_path)
    assert band.converged
    assert band.force_calls == 1
    assert band.guidance.error_eV < 0.002
