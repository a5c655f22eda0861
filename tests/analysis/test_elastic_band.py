"""The band's forces against ASE's implementation of the same papers."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.mep.neb import NEB

from defectflow.analysis.elastic_band import band_forces, tangent

ENERGIES = {
    "one hill": [0.0, 0.3, 0.7, 0.2, 0.1],
    "valley between hills": [0.0, 0.5, 0.1, 0.6, 0.0],
    "uphill": [0.0, 0.1, 0.2, 0.3, 0.4],
    "symmetric": [0.0, 0.3, 0.7, 0.3, 0.0],
}


@pytest.mark.parametrize("climb", [False, True])
@pytest.mark.parametrize("energies", ENERGIES.values(), ids=ENERGIES.keys())
def test_same_forces_as_ase(energies: list[float], *, climb: bool) -> None:
    generator = np.random.default_rng(7)
    path = np.cumsum(generator.normal(size=(5, 3, 3)), axis=0)
    forces = generator.normal(size=(5, 3, 3))
    images = [Atoms("Cu3", positions) for positions in path]
    for image, energy, force in zip(images, energies, forces, strict=True):
        image.calc = SinglePointCalculator(image, energy=energy, forces=force)
    neb = NEB(images, k=2.0, climb=climb, method="improvedtangent")
    expected = neb.get_forces().reshape(3, 3, 3)
    highest = int(np.argmax(energies[1:-1])) + 1
    ours = band_forces(path, np.array(energies), forces, 2.0, highest if climb else None)
    assert ours[1:-1] == pytest.approx(expected, abs=1e-10)
    assert not ours[[0, -1]].any()


def test_flat_band_has_a_tangent() -> None:
    path = np.zeros((3, 1, 3))
    path[:, 0, 0] = [0.0, 1.0, 2.0]
    assert tangent(path, np.zeros(3), 1)[0] == pytest.approx([1.0, 0.0, 0.0])
