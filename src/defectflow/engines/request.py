"""What a calculator is asked to compute, in the words that every engine shares."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from defectflow.structures.moments import moments_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pymatgen.core.structure import Structure

    from defectflow.engines.contract import FreeCell


@dataclass(frozen=True)
class Request:
    """One series of similar evaluations: the steps of a relaxation, or of one image of a band.

    Attributes
    ----------
    structure
        The crystal at the start; composition and cell decide k-points and electrons.
    settings
        The step's numbers. An engine with electrons takes from them what ``electrons.yaml`` names;
        other engines need none.
    charge
        Of the cell, in units of e; removed electrons are positive.
    magnetic_moments
        Starting moments, one per atom, Bohr magnetons; None to take those of the structure.
    stress
        Compute the stress in every evaluation.
    folder
        Where a code keeps its files, and finds those of an interrupted run of the same job.
    """

    structure: Structure
    settings: Mapping[str, Any] = field(default_factory=dict)
    charge: int = 0
    magnetic_moments: tuple[float | None, ...] | None = None
    stress: bool = False
    folder: Path = field(default_factory=Path)

    @property
    def moments(self) -> tuple[float | None, ...] | None:
        """Starting moments: those asked for, else the structure's site property ``magmom``.

        An atom without one (it was added to a crystal whose moments are known) has None.
        """
        if self.magnetic_moments is not None:
            return self.magnetic_moments
        return moments_of(self.structure)


@dataclass(frozen=True)
class InputStep:
    """What the input files of a code are for.

    Attributes
    ----------
    name
        Of the step's numbers in ``templates/input/``; ``vtst`` for a band that VASP relaxes,
        ``charges`` for charges of atoms.
    cell, frozen
        Of a relaxation, for a code that relaxes by itself.
    images
        Of a band that VASP relaxes, both ends included: each has a folder.
    """

    name: str = "static"
    cell: FreeCell = "fixed"
    frozen: tuple[int, ...] = ()
    images: tuple[Structure, ...] = ()


STATIC: Final = InputStep()
