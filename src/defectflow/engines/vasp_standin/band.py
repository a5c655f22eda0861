"""A nudged elastic band in image folders, as VASP and its transition state tools lay them out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from defectflow.analysis.elastic_band import band_forces, largest_force, tangent
from defectflow.engines.quasi_newton import QuasiNewton
from defectflow.engines.vasp_standin.motion import CURVATURE_EV_PER_A2, MAX_STEP_A
from defectflow.engines.vasp_standin.poscar import Poscar
from defectflow.engines.vasp_standin.steps import BandForces
from defectflow.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from defectflow.engines.vasp_standin.computing import Computer, Evaluation
    from defectflow.engines.vasp_standin.inputs import Inputs

Array = NDArray[np.float64]

#: VASP's SPRING, eV/Å²; the sign chooses nudging, which is all there is here.
_SPRING: Final = -5.0


class Band:
    """Images between two ends that stay where they are.

    Parameters
    ----------
    folders, crystals
        Of all images, ends included.
    inputs
        Of the whole band.
    computer
        Gives the forces.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        crystals: Sequence[Poscar],
        inputs: Inputs,
        computer: Computer,
    ) -> None:
        self.folders = folders
        self.crystals = _unwrapped(crystals)
        self.inputs = inputs
        self.computer = computer
        self.images = [crystal.to_atoms() for crystal in self.crystals]
        for atoms in self.images:
            computer.attach(atoms)
        self.ends = (computer.evaluate(self.images[0]), computer.evaluate(self.images[-1]))
        self.forces = np.zeros((len(self.images), len(self.images[0]), 3))
        self.energies_eV = np.zeros(len(self.images))
        self._last_energies_eV: Array | None = None
        self.minimiser = QuasiNewton(CURVATURE_EV_PER_A2, MAX_STEP_A)

    @classmethod
    def from_folder(cls, folder: Path, inputs: Inputs, computer: Computer) -> Band:
        """Read the images ``00`` to ``NN`` in `folder`.

        Raises
        ------
        EngineError
            If one is missing or has other atoms, or if the cell is to move.
        """
        folders = [folder / f"{number:02d}" for number in range(inputs.images + 2)]
        crystals = [Poscar.from_file(path / "POSCAR") for path in folders]
        for path, crystal in zip(folders, crystals, strict=True):
            same = (crystal.species, crystal.counts) == (crystals[0].species, crystals[0].counts)
            if not same or not np.allclose(crystal.cell, crystals[0].cell):
                message = (
                    f"{path}/POSCAR: other atoms or another cell than 00/POSCAR; write it anew"
                )
                raise EngineError(message)
        return cls(folders, crystals, inputs, computer)

    def inner(self) -> Iterable[tuple[Path, Poscar]]:
        """Return folder and crystal of each image between the ends."""
        return zip(self.folders[1:-1], self.crystals[1:-1], strict=True)

    def evaluate(self) -> list[tuple[Poscar, Evaluation, BandForces]]:
        """Evaluate the images between the ends; the projected forces are kept for `step`."""
        results = [
            self.ends[0],
            *(self.computer.evaluate(atoms) for atoms in self.images[1:-1]),
            self.ends[1],
        ]
        positions = np.array([result.positions for result in results])
        forces = np.array([result.forces for result in results])
        self.energies_eV = np.array([result.energy_eV for result in results])
        highest = 1 + int(np.argmax(self.energies_eV[1:-1]))
        climbing = highest if self.inputs.incar.logical("LCLIMB") else None
        spring = abs(self.inputs.incar.number("SPRING", _SPRING))
        self.forces = band_forces(positions, self.energies_eV, forces, spring, climbing)
        for atoms, projected in zip(self.images, self.forces, strict=True):
            for constraint in atoms.constraints:
                constraint.adjust_forces(atoms, projected)
        told = []
        for index in range(1, len(results) - 1):
            unit = tangent(positions, self.energies_eV, index)
            gaps = np.linalg.norm(np.diff(positions[index - 1 : index + 2], axis=0), axis=(1, 2))
            told.append(
                (
                    self.crystals[index].moved(self.images[index]),
                    results[index],
                    BandForces(
                        spring_eV_per_A=spring * float(gaps[1] - gaps[0]),
                        along_eV_per_A=float(np.vdot(forces[index], unit)),
                        projected=self.forces[index],
                    ),
                )
            )
        return told

    def converged(self, ediffg: float) -> bool:
        """Tell whether forces (negative threshold) or energies (positive) no longer change."""
        last, self._last_energies_eV = self._last_energies_eV, self.energies_eV
        if ediffg > 0:
            return last is not None and float(np.abs(self.energies_eV - last).max()) < ediffg
        return largest_force(self.forces) < -ediffg

    def step(self) -> None:
        """Move the images between the ends."""
        positions = np.concatenate([atoms.positions for atoms in self.images[1:-1]])
        moves = self.minimiser.step(positions, np.concatenate(list(self.forces[1:-1])))
        for atoms, new in zip(
            self.images[1:-1], np.split(positions + moves, len(self.images) - 2), strict=True
        ):
            atoms.set_positions(new)


def _unwrapped(crystals: Sequence[Poscar]) -> list[Poscar]:
    """Return the images with every atom in the cell where the image before has it."""
    continuous = [crystals[0]]
    for crystal in crystals[1:]:
        jump = np.round(crystal.scaled - continuous[-1].scaled)
        continuous.append(replace(crystal, scaled=crystal.scaled - jump))
    return continuous
