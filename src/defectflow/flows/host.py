"""What every flow does with its host: name it, relax its cell, and say what to be wary of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from jobflow import Flow, job

from defectflow.documents import RelaxDocument
from defectflow.documents.base import content_key
from defectflow.engines import levels
from defectflow.engines.contract import Capability
from defectflow.engines.vacuum import vacuum_axes
from defectflow.errors import EngineError, RecipeError, StructureError, did_you_mean
from defectflow.flows.alike import without_dipole_correction
from defectflow.structures.hosts import Host
from defectflow.structures.layers import is_layered
from defectflow.structures.supercells import nearest_image_distance_A, supercell_matrix
from defectflow.structures.surroundings import BECAME, left_of_defect

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from jobflow import Job
    from pymatgen.core import Structure

    from defectflow.engines.contract import Engine, FreeCell
    from defectflow.words import HostCell

#: Kinds of generated cells that are defined by their lattice alone.
_STRAINED: Final = {"strain", "dislocation_strain"}
#: Marks jobs that hand on what others have computed: their cost is not one more.
_AGAIN: Final = {"defectflow": "again"}
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


def require_one_of(name: str, given: str, known: Collection[str]) -> None:
    """Refuse a word that an argument does not take; recipes look at theirs before.

    Raises
    ------
    RecipeError
        Naming the nearest one.
    """
    if given not in known:
        message = f"{name} {given!r} does not exist; {did_you_mean(given, known)}"
        raise RecipeError(message)


def about(host: Host) -> dict[str, Any]:
    """Return the fields of a result that say which host it is of."""
    name = host.name if host.parent else host.prototype or host.formula
    return {"host": name, "host_formula": host.formula, "prototype": host.prototype}


def relax_host(
    engine: Engine, host: Host, host_cell: HostCell, relax: dict[str, Any] | None = None
) -> Job | Flow:
    """Return what relaxes the host: its atoms, and its cell as far as asked.

    Of a host that was generated with a defect the output is there only if that has outlived it.

    Raises
    ------
    RecipeError
        If there is no such `host_cell`, or the host is strained and its cell free.
    """
    require_one_of("host_cell", host_cell, _FREE)
    if host_cell != "keep" and host.generated and host.generated.kind in _STRAINED:
        message = (
            f"host {host.name}: is strained, and a free cell (`host_cell: {host_cell}`) would not "
            "stay so; give `host_cell: keep`"
        )
        raise RecipeError(message)
    settings = without_dipole_correction(engine, relax or {}, host.structure)
    made = engine.relax_maker(_FREE[host_cell], **settings).make(host.structure)
    made.name = "relax host"
    if host.parent is None:
        return made
    kept = still_defective(made.output, host.name, host.structure, host.parent.structure)
    kept.name = "look for the host's defect"
    return Flow([made, kept], output=kept.output, name=made.name)


def relax_crystal(
    engine: Engine,
    crystal: Host,
    name: str,
    host_cell: HostCell = "relax",
    relax: dict[str, Any] | None = None,
) -> list[Job | Flow]:
    """Return the jobs that relax a crystal whose energy counts; the last one has the cell fixed.

    A cell is relaxed with more plane waves than supercells are: an energy at those must not be
    mixed with theirs. The document of the last counts the first one too: what it cost, and whether
    it converged.
    """
    cell = relax_host(engine, crystal, host_cell, relax)
    cell.name = f"relax cell of {name}"
    relaxed: Any = cell.output
    settings = without_dipole_correction(engine, relax or {}, crystal.structure)
    settled = engine.relax_maker("fixed", **settings).make(relaxed.structure)
    settled.name = f"relax {name}"
    both = after_cell(cell.output, settled.output)
    both.name = f"look at the cell of {name}"
    return [cell, Flow([settled, both], output=both.output, name=settled.name)]


@job(output_schema=RelaxDocument, metadata=_AGAIN)
def after_cell(cell: RelaxDocument, settled: RelaxDocument) -> RelaxDocument:
    """Return a crystal settled in its relaxed cell; converged if both are."""
    return settled.model_copy(
        update={
            "converged": cell.converged and settled.converged,
            "force_calls": cell.force_calls + settled.force_calls,
            "wall_time_s": cell.wall_time_s + settled.wall_time_s,
        }
    )


@job(output_schema=RelaxDocument, metadata=_AGAIN)
def still_defective(
    relaxed: RelaxDocument, name: str, generated: Structure, crystal: Structure
) -> RelaxDocument:
    """Return the relaxed host.

    Raises
    ------
    StructureError
        If its defect is gone: all that follows would be of the crystal.
    """
    left = left_of_defect(generated, relaxed.structure, crystal)
    if left == "defect":
        return relaxed
    shape = (
        "keep the shape of its cell (`host_cell: scale`), or " if relaxed.cell == "relax" else ""
    )
    message = (
        f"{name}: relaxing made {BECAME[left]} of it; {shape}take a larger cell or another engine"
    )
    raise StructureError(message)


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
    if not lacks_dispersion(engine, host):
        return ()
    note = (
        f"{host.composition.reduced_formula} is layered and was computed without a dispersion "
        "correction: the distance of its layers, and what depends on it, is unreliable"
    )
    return (note,)


def lacks_dispersion(engine: Engine, crystal: Structure) -> bool:
    """Tell whether an engine does not correct for what holds the layers of a crystal together."""
    corrected = engine.options.get("dispersion") is not None
    return not corrected and not vacuum_axes(crystal) and is_layered(crystal)


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
    electrons = levels.electron_settings()
    kinds = {_scale(step, electrons): _said(step) for step in steps}
    if len(kinds) > 1:
        first, second, *_ = kinds.values()
        message = (
            f"energies of different engines cannot be subtracted: {first} and {second}; compute "
            "all steps with one engine"
        )
        raise EngineError(message)


def _scale(step: RelaxDocument, electrons: Collection[str]) -> str:
    settings = {key: value for key, value in step.engine.settings.items() if key in electrons}
    alike = step.engine.model_copy(update={"settings": settings})
    return content_key(alike.scale_key(), step.inputs.get("cutoff_eV"))


def _said(step: RelaxDocument) -> str:
    stamp, cutoff = step.engine, step.inputs.get("cutoff_eV")
    parts = [stamp.name, stamp.model, stamp.functional, stamp.level]
    return " ".join([part for part in parts if part] + ([f"{cutoff:g} eV"] if cutoff else []))
