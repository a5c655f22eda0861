"""What custodian did to a run of VASP: in words, for the next run, and where it went too far."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from defectflow.engines.vasp_input import DECISIVE
from defectflow.errors import EngineError, NotConverged, OutOfTime

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

#: Tags that help an SCF to converge and change nothing else.
SCF_TAGS: Final = frozenset(
    {"ALGO", "AMIX", "BMIX", "AMIX_MAG", "BMIX_MAG", "AMIN", "ISEARCH", "NELMDL", "TIME", "ISYM"}
)
_REASON_LENGTH: Final = 300
_WALL_TIME: Final = "Walltime reached"


def explained(error: Exception, folder: Path) -> Exception:
    """Return our error for what went wrong in a run."""
    from custodian.custodian import CustodianError, MaxCorrectionsError, MaxCorrectionsPerJobError

    from defectflow.engines.vasp_handlers import OF_ELECTRONS

    if stopped_for_time(folder):
        return out_of_time(folder)
    if not isinstance(error, CustodianError):
        message = f"VASP in {folder}: {' '.join(str(error).split()) or type(error).__name__}"
        return EngineError(f"{message}; {said(folder) or 'it left no message'}")
    tried = "; ".join(dict.fromkeys(in_words(corrections(folder)))) or "nothing helped"
    electrons = isinstance(getattr(error, "handler", None), OF_ELECTRONS)
    if isinstance(error, (MaxCorrectionsError, MaxCorrectionsPerJobError)):
        electrons = any("converg" in one["errors"][0].lower() for one in corrections(folder))
    if electrons:
        message = (
            f"VASP in {folder}: the SCF did not converge, nor after what custodian tried: {tried}; "
            "give better starting moments, raise smearing_eV or max_scf_steps"
        )
        return NotConverged(message)
    reason = said(folder) or " ".join(str(error).split())
    return EngineError(f"VASP in {folder} failed: {reason} (tried: {tried})")


def said(folder: Path) -> str:
    """Return the last lines that VASP wrote to its error stream, or else to its output."""
    for name in ("std_err.txt", "vasp.out"):
        path = folder / name
        if path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            lines = [line.strip(" |-\n") for line in text.splitlines()]
            words = " ".join(line for line in lines if line)
            if words:
                return words[-_REASON_LENGTH:]
    return ""


def out_of_time(folder: Path) -> OutOfTime:
    """Return the error of a run that was stopped."""
    message = (
        f"VASP in {folder}: stopped before the end of the wall time, the state is kept; run the "
        "same recipe with the same store again and it goes on"
    )
    return OutOfTime(message)


def stopped_for_time(folder: Path) -> bool:
    """Tell whether custodian asked VASP to stop."""
    return any(_WALL_TIME in one["errors"] for one in corrections(folder))


def corrections(folder: Path) -> list[dict[str, Any]]:
    """Return custodian's corrections of the last run in `folder`, in their order."""
    path = folder / "custodian.json"
    if not path.is_file():
        return []
    try:
        log = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return []
    return [one for job in log for one in job.get("corrections", [])]


def in_words(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return corrections as sentences: what was wrong, and what was changed.

    Examples
    --------
    >>> change = {"dict": "INCAR", "action": {"_set": {"ALGO": "All"}}}
    >>> in_words([{"errors": ["Unconverged"], "actions": [change]}])
    ['custodian: Unconverged: INCAR ALGO = All']
    """
    sentences = []
    for one in found:
        if _WALL_TIME in one["errors"]:
            continue
        changes = []
        for action in one.get("actions") or []:
            where = action.get("dict") or action.get("file")
            for verb, content in action["action"].items():
                pairs = content.items() if isinstance(content, dict) else [(verb, content)]
                sign = "=" if verb == "_set" else verb.strip("_").replace("_", " ")
                changes += [f"{where} {key} {sign} {value}" for key, value in pairs]
        what = ", ".join(changes) or "no remedy"
        sentences.append(f"custodian: {', '.join(one['errors'])}: {what}")
    return sentences


def check_decisive(folder: Path, tags: Mapping[str, Any], mesh: Sequence[int]) -> None:
    """Refuse a result whose input custodian has changed where it decides the energy.

    Parameters
    ----------
    mesh
        Divisions of the Gamma-centred k-points that were asked for. For a failing mixer custodian
        moves them off Gamma, or adds one along each axis.

    Raises
    ------
    NotConverged
        Naming the tag or the mesh, its value before and after.
    """
    from pymatgen.io.vasp.inputs import Incar, Kpoints

    final = Incar.from_file(folder / "INCAR")
    for tag in DECISIVE:
        before, after = tags.get(tag), final.get(tag)
        if not _same(before, after):
            message = (
                f"VASP in {folder} ran only after custodian changed {tag} from {before} to "
                f"{after}; energies with different {tag} cannot be compared: choose settings that "
                "run for all steps"
            )
            raise NotConverged(message)
    points = Kpoints.from_file(folder / "KPOINTS")
    asked, ran = f"Gamma {_written(mesh)}", f"{points.style.name} {_written(points.kpts[0])}"
    if ran != asked:
        message = (
            f"VASP in {folder} ran only after custodian changed KPOINTS from {asked} to {ran}; "
            "energies with different k-points cannot be compared: choose settings that run for "
            "all steps, e.g. better starting moments or a larger smearing_eV"
        )
        raise NotConverged(message)


def _written(mesh: Sequence[float]) -> str:
    return "x".join(f"{division:g}" for division in mesh)


def _same(before: Any, after: Any) -> bool:
    if before is None or after is None:
        return before is after
    if isinstance(before, (list, tuple)):
        return bool(np.allclose(before, after))
    if isinstance(before, str):
        return before.lower() == str(after).lower()
    return bool(np.isclose(float(before), float(after)))


def learned_tags(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what custodian's repairs say about the way to converge an SCF.

    Examples
    --------
    >>> change = {"dict": "INCAR", "action": {"_set": {"ALGO": "All", "ISTART": 1}}}
    >>> learned_tags([{"errors": ["Unconverged"], "actions": [change]}])
    {'ALGO': 'All'}
    """
    tags: dict[str, Any] = {}
    for one in found:
        for action in one.get("actions") or []:
            if action.get("dict") == "INCAR":
                changes = action["action"].get("_set", {})
                tags |= {key: value for key, value in changes.items() if key in SCF_TAGS}
    return tags
