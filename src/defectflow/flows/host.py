"""What every flow does with its host: name it, relax its cell, and say what to be wary of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from defectflow.documents.base import content_key
from defectflow.engines.contract import Capability
from defectflow.engines.electrons import vacuum_axes
from defectflow.errors import EngineError
from defectflow.structures.hosts import Host
from defectflow.structures.layers import is_layered
from defectflow.structures.supercells import nearest_image_distance_A, supercell_matrix
from defectflow.structures.surroundings import has_healed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobflow.core.job import Job
    from pymatgen.core import Structure

    from defectflow.documents import RelaxDocument
    from defectflow.engines.contract import Engine, FreeCell

HostCell = Literal["keep", "relax", "scale"]
_FREE: Final[dict[HostCell, FreeCell]] = {"keep": "fixed", "relax": "relax", "scale": "scale"}


def as_host(host: Host | Structure) -> Host:
    """Return a crystal without a name as a host that is called by its formula."""
    if isinstance(host, Host):
        return host
    formula = host.composition.reduced_formula
    return Host(formula, host, formula, None, (), "", "structure")


def checked_host(engine: Engine, host: Host | Structure) -> Host:
    """Return a crystal as a host of which the engine knows every element.

    Raises
    ------
    EngineError
        If it lacks one.
    """
    host = as_host(host)
    engine.check({element.symbol for element in host.structure.elements})
    return host


def about(host: Host) -> dict[str, Any]:
    """Return the fields of a result that say which host it is of."""
    name = host.name if host.parent else host.prototype or host.formula
    return {"host": name, "host_formula": host.formula, "prototype": host.prototype}


def relax_host(
    engine: Engine, host: Host, host_cell: HostCell, relax: dict[str, Any] | None = None
) -> Job:
    """Return the job that relaxes the host: its atoms, and its cell as far as asked."""
    made = engine.relax_maker(_FREE[host_cell], **(relax or {})).make(host.structure)
    made.name = "relax host"
    return made


def chosen_supercell(
    host: Structure, matrix: Sequence[Sequence[int]] | None, min_image_distance_A: float
) -> list[list[int]]:
    """Return the supercell asked for, or else the smallest symmetric one that is wide enough."""
    if matrix is not None:
        return [list(row) for row in matrix]
    rows: list[list[int]] = supercell_matrix(host, min_image_distance_A).tolist()
    return rows


def supercell(host: Structure, matrix: Sequence[Sequence[int]]) -> Structure:
    """Return a supercell as a new crystal."""
    made: Structure = host.make_supercell(np.array(matrix), in_place=False)
    return made


def cell_fields(host: Structure, matrix: Sequence[Sequence[int]]) -> dict[str, Any]:
    """Return the fields of a result that say which cell it was computed in."""
    lattice = host.lattice.matrix
    return {
        "host_lattice": tuple(map(tuple, lattice.tolist())),
        "supercell_matrix": tuple(map(tuple, matrix)),
        "nearest_image_A": nearest_image_distance_A(np.array(matrix) @ lattice),
    }


def cautions(engine: Engine, host: Structure) -> tuple[str, ...]:
    """Return what a reader has to know about this engine on this host."""
    notes = []
    stacked = is_layered(host) and not vacuum_axes(host)
    if stacked and engine.options.get("dispersion") is None:
        notes.append(
            f"{host.composition.reduced_formula} is layered and was computed without a dispersion "
            "correction: the distance of its layers, and what depends on it, is unreliable"
        )
    return tuple(notes)


def with_defect(host: Host) -> list[Structure]:
    """Return the cell of a generated host and its perfect crystal; nothing for a crystal."""
    return [host.structure, host.parent.structure] if host.parent else []


def healed_note(name: str, generated: Sequence[Structure], relaxed: Structure) -> tuple[str, ...]:
    """Return what to say if the defect of a host is gone after relaxing.

    Parameters
    ----------
    generated
        As `with_defect` returns them.
    """
    if not generated or not has_healed(generated[0], relaxed, generated[1]):
        return ()
    note = (
        f"{name}: relaxing made a perfect crystal of it; nothing is left of its defect, and the "
        "numbers are those of the crystal: take a larger cell or another engine"
    )
    return (note,)


def molecule_cautions(engine: Engine, molecule: str, *, magnetic: bool) -> tuple[str, ...]:
    """Return what a reader has to know about this engine's molecules."""
    fidelity = engine.stamp().fidelity
    notes = []
    if fidelity != "dft":
        notes.append(
            f"the energy of {molecule} is that of {engine.name}, which was made for crystals: "
            "trust differences between results with the same reference only"
        )
    if magnetic and Capability.SPIN not in engine.capabilities():
        notes.append(f"{engine.name} knows no spin; {molecule} is a triplet")
    return tuple(notes)


def moments_for(engine: Engine, moments_muB: Sequence[float]) -> list[float] | None:
    """Return starting moments for an engine that has spin and a molecule that needs it."""
    if Capability.SPIN in engine.capabilities() and any(moments_muB):
        return list(moments_muB)
    return None


def one_engine(*steps: RelaxDocument) -> None:
    """Refuse to subtract energies of different engines, models, functionals or cutoffs.

    Raises
    ------
    EngineError
        Naming two that differ.
    """
    kinds = {_scale(step): _said(step) for step in steps}
    if len(kinds) > 1:
        first, second, *_ = kinds.values()
        message = (
            f"energies of different engines cannot be subtracted: {first} and {second}; compute "
            "all steps with one engine"
        )
        raise EngineError(message)


def _scale(step: RelaxDocument) -> str:
    stamp = step.engine.model_dump(mode="json", exclude={"code_versions"})
    return content_key(stamp, step.inputs.get("cutoff_eV"))


def _said(step: RelaxDocument) -> str:
    stamp, cutoff = step.engine, step.inputs.get("cutoff_eV")
    parts = [stamp.name, stamp.model, stamp.functional, stamp.level]
    return " ".join([part for part in parts if part] + ([f"{cutoff:g} eV"] if cutoff else []))
