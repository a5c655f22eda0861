"""The input files of VASP as text, as atomate2 writes them; runs nothing."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from defectflow.engines.held_vacuum import holds_vacuum
from defectflow.engines.vacuum import has_vacuum
from defectflow.engines.vasp_input import band_tags, charge_tags, dos_tags, relax_tags, static_tags
from defectflow.engines.vasp_run import generator, to_poscar
from defectflow.errors import RecipeError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pymatgen.core import Structure

    from defectflow.engines.contract import FreeCell
    from defectflow.engines.vasp_run import VaspTask


def driven(task: VaspTask, cell: FreeCell) -> bool:
    """Tell whether defectflow's own minimiser relaxes, with single points of VASP.

    VASP before 6.4.1 cannot scale the cell and move the atoms at a time, and none keeps a vacuum,
    or the plane of two vectors, while the rest of the cell moves. Where no VASP is and none is
    named, a new one is meant.
    """
    facts = task.program.facts
    known = facts.version is not None or bool(task.program.standard)
    too_old = known and not facts.scales
    own = holds_vacuum(task.structure, cell) or (cell == "scale" and too_old)
    return cell == "height" or own


def step_tags(
    task: VaspTask, settings: Mapping[str, Any], step: str, cell: FreeCell = "fixed"
) -> dict[str, Any]:
    """Return the tags that a step adds to those of the electrons.

    Parameters
    ----------
    step
        Name of the step's file in ``templates/input/vasp``. An image of a band (``neb``) and a
        displaced geometry (``vibrations``) are evaluations; a band by VTST is ``vtst``, densities
        for charges of atoms are ``charges``.

    Raises
    ------
    RecipeError
        If there is no such step.
    """
    electrons = task.inputs["neutral_valence_electrons"] - task.electrons.charge
    atoms = len(task.structure)
    known: dict[str, Any] = {
        "static": static_tags,
        "neb": static_tags,
        "vibrations": static_tags,
        "relax": lambda: (
            static_tags() if driven(task, cell) else relax_tags(settings, cell, task.structure)
        ),
        "dos": lambda: (
            static_tags()
            | dos_tags(settings, electrons, atoms, spin=task.electrons.spin)
            | ({"LVHAR": True} if has_vacuum(task.structure) else {})
        ),
        "charges": lambda: static_tags() | charge_tags(task.structure),
        "vtst": lambda: band_tags(settings, max(1, settings["images"]), climb=True),
    }
    if step not in known:
        message = f"VASP: no step {step!r}; {did_you_mean(step, known)}"
        raise RecipeError(message)
    tags: dict[str, Any] = known[step]()
    return tags


def input_files(
    task: VaspTask, settings: Mapping[str, Any], step: str, cell: FreeCell = "fixed"
) -> dict[str, str]:
    """Return the text of each input file by its name; potentials by name only."""
    tags = task.tags | step_tags(task, settings, step, cell)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        built = generator(task, tags).get_input_set(
            to_poscar(task, task.structure), potcar_spec=True
        )
    return {
        "INCAR": str(built["INCAR"]),
        "KPOINTS": str(built["KPOINTS"]),
        "POSCAR": _poscar(task, task.structure),
        "POTCAR.spec": str(built["POTCAR.spec"]),
    }


def poscars(task: VaspTask, images: Sequence[Structure]) -> dict[str, str]:
    """Return the POSCAR of each image of a band by its name in the folder of that image."""
    return {f"{number:02d}/POSCAR": _poscar(task, one) for number, one in enumerate(images)}


def _poscar(task: VaspTask, structure: Structure) -> str:
    from pymatgen.io.vasp.inputs import Poscar

    return Poscar(to_poscar(task, structure)).get_str(significant_figures=10)
