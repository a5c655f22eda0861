from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.optimize import BFGS

from defectflow.engines.quasi_newton import QuasiNewton


def minimise(gradient, start, minimiser, steps=60, threshold=1e-6):
    x = start
    for taken in range(steps):
        forces = -gradient(x)
        if np.abs(forces).max() < threshold:
            return x, taken
        x = x + minimiser.step(x, forces)
    return x, steps


@pytest.mark.parametrize("repeat", [1, 2])
def test_it_steps_as_a_whole_matrix_does(repeat):
    """Four atoms have fewer coordinates than there are directions; thirty-two have more."""
    atoms = bulk("Cu", cubic=True).repeat(repeat)
    atoms.rattle(0.15, seed=5)
    atoms.calc = EMT()
    minimiser, x = QuasiNewton(40.0, 0.2), atoms.positions.copy()
    peer = BFGS(atoms, logfile=None, maxstep=0.2, alpha=40.0)
    ours = []
    for _ in range(30):
        probe = atoms.copy()
        probe.calc, probe.positions = EMT(), x
        x = x + minimiser.step(x, probe.get_forces())
        ours.append(x)
    theirs = [atoms.positions.copy() for _ in peer.irun(fmax=0.0, steps=30)]
    assert np.allclose(ours, theirs[1:], atol=1e-7)


def test_a_stiff_and_a_soft_direction_are_learnt():
    curvature = np.diag([60.0, 20.0, 3.0, 45.0, 10.0, 30.0])

    def gradient(x):
        return (curvature @ x.ravel()).reshape(-1, 3)

    x, steps = minimise(gradient, np.full((2, 3), 0.1), QuasiNewton(40.0, 0.2))
    assert np.abs(x).max() < 1e-6
    assert steps < 20


def test_no_atom_moves_farther_than_the_largest_step():
    minimiser = QuasiNewton(40.0, 0.2)
    forces = np.array([[90.0, 0.0, 0.0], [0.0, 9.0, 0.0]])
    moves = minimiser.step(np.zeros((2, 3)), forces)
    assert np.linalg.norm(moves, axis=1).max() == pytest.approx(0.2)
    assert moves[1, 1] / moves[0, 0] == pytest.approx(0.1), "the direction must not turn"


def test_a_step_goes_downhill_where_the_curvature_is_negative():
    minimiser = QuasiNewton(40.0, 0.2)
    minimiser.learn(np.array([[0.1, 0.0, 0.0]]), np.array([[1.0, 0.0, 0.0]]))
    force = np.array([[1.5, 0.0, 0.0]])
    move = minimiser.step(np.array([[0.15, 0.0, 0.0]]), force)
    assert float((move * force).sum()) > 0


def test_at_rest_nothing_moves():
    assert not QuasiNewton(40.0, 0.2).step(np.zeros((3, 3)), np.zeros((3, 3))).any()


def test_learning_the_history_again_gives_the_same_step():
    rng = np.random.default_rng(3)
    seen = [(rng.normal(size=(4, 3)), rng.normal(size=(4, 3))) for _ in range(6)]
    first, second = QuasiNewton(40.0, 0.2), QuasiNewton(40.0, 0.2)
    for positions, forces in seen[:-1]:
        first.step(positions, forces)
        second.learn(positions, forces)
    assert np.allclose(first.step(*seen[-1]), second.step(*seen[-1]), atol=0, rtol=1e-12)
