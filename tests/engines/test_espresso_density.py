"""A density carried along with its atoms."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.io import FortranFile

from defectflow.engines.espresso_density import Geometry, carry_density
from defectflow.engines.espresso_pseudos import Pseudopotential

if TYPE_CHECKING:
    from pathlib import Path

RADII = np.linspace(1e-6, 12.0, 1201)
WIDTH = 1.1
CELL = np.diag([4.0, 4.5, 5.0])


@pytest.fixture
def pseudos(tmp_path):
    """One electron in a Gaussian, whose Fourier transform is known."""
    density = np.exp(-((RADII / WIDTH) ** 2)) / (np.pi**1.5 * WIDTH**3)
    columns = {"PP_R": RADII, "PP_RHOATOM": 4 * np.pi * RADII**2 * density}
    lines = [
        f'<{name} type="real">\n{" ".join(map(str, c))}\n</{name}>' for name, c in columns.items()
    ]
    path = tmp_path / "X.upf"
    path.write_text("\n".join(lines))
    one = Pseudopotential(path, "H", "NC", "PBE", "scalar", 1.0)
    return {"H": one}


def gaussians(indices, geometry: Geometry) -> np.ndarray:
    """Return the plane-wave coefficients of one electron on each atom, analytically."""
    axes = 2 * np.pi * np.linalg.inv(geometry.cell / 0.529177210903).T
    squares = ((indices @ axes) ** 2).sum(axis=1)
    phases = np.exp(-2j * np.pi * indices @ geometry.places.T).sum(axis=1)
    return phases * np.exp(-squares * WIDTH**2 / 4) / geometry.volume_bohr3


def write(path: Path, indices, parts) -> None:
    with FortranFile(path, "w") as file:
        file.write_record(np.array([0, len(indices), len(parts)], dtype=np.int32))
        file.write_record(np.eye(3))
        file.write_record(indices.astype(np.int32).ravel())
        for part in parts:
            file.write_record(part)


def read(path: Path) -> list[np.ndarray]:
    with FortranFile(path) as file:
        count = file.read_ints()[2]
        file.read_reals()
        file.read_ints()
        return [file.read_record(np.complex128) for _ in range(count)]


def test_free_atoms_go_where_the_atoms_go(pseudos, tmp_path):
    indices = np.array(
        [[i, j, k] for i in range(-3, 4) for j in range(-3, 4) for k in range(-3, 4)]
    )
    old = Geometry(CELL, np.array([[0.1, 0.2, 0.3], [0.6, 0.5, 0.4]]))
    new = Geometry(CELL * 1.02, old.places + np.array([[0.01, 0.0, -0.02], [0.0, 0.03, 0.0]]))
    extra = np.zeros(len(indices), dtype=complex)
    extra[3] = 1e-3
    magnet = np.random.default_rng(0).normal(size=len(indices)) + 0j
    write(tmp_path / "charge-density.dat", indices, [gaussians(indices, old) + extra, magnet])
    assert carry_density(tmp_path, ["H", "H"], pseudos, old, new)
    total, spin = read(tmp_path / "charge-density.dat")
    assert np.allclose(total, gaussians(indices, new) + extra / 1.02**3, atol=1e-7)
    assert np.array_equal(spin, magnet)
    electrons = total[len(indices) // 2] * new.volume_bohr3
    assert electrons == pytest.approx(2.0, abs=1e-5)


def test_what_cannot_be_carried_is_left_alone(pseudos, tmp_path):
    place = Geometry(CELL, np.zeros((1, 3)))
    assert not carry_density(tmp_path, ["H"], pseudos, place, place)
    path = tmp_path / "charge-density.dat"
    path.write_bytes(b"not a density")
    assert not carry_density(tmp_path, ["H"], pseudos, place, place)
    assert path.read_bytes() == b"not a density"
    augmented = Pseudopotential(pseudos["H"].path, "H", "PAW", "PBE", "scalar", 1.0)
    assert not carry_density(tmp_path, ["H"], {"H": augmented}, place, place)


def test_it_saves_scf_steps_and_changes_no_number(oxide):
    if shutil.which("pw.x") is None:
        pytest.skip("pw.x of Quantum ESPRESSO is not installed")
    from defectflow.engines import engine
    from defectflow.engines.conversion import to_atoms
    from defectflow.engines.request import Request
    from defectflow.errors import DefectflowError

    settings = {"cutoff_eV": 700.0, "kpoint_spacing_per_A": 1.0}
    used = engine("espresso", functional="PBEsol", settings=settings)
    try:
        used.check({"Mg", "O"})
    except DefectflowError as error:
        pytest.skip(str(error))
    atoms = to_atoms(oxide)
    atoms.positions[0] += (0.03, 0.05, -0.02)
    steps, energies = [], []
    for series in (True, False):
        calculator = used.part(Request(oxide, used.settings("static")))
        for move in (0.0, 0.03):
            atoms.positions[0, 0] += move if series else 0.0
            if series or move:
                calculator.calculate(atoms, ["energy", "forces"])
        steps.append(calculator.scf_steps[-1])
        energies.append(calculator.results["energy"])
        calculator.finish()
    assert steps[0] < steps[1]
    assert energies[0] == pytest.approx(energies[1], abs=1e-5)
