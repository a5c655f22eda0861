"""Whether engines work here: data for every element that is needed, and one small calculation."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from defectflow.errors import DefectflowError
from defectflow.launch.checkup import Finding

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from jobflow.core.flow import Flow

#: Numbers with which a single atom takes a density functional code a second or two.
_COARSE: Final = {"cutoff_eV": 250.0, "kpoint_spacing_per_A": 0.8}
#: Elements to try, where no recipe says which are needed.
_USUAL: Final = ("Al", "Cu", "Si", "O")


def needs_of(flows: Sequence[Flow]) -> dict[str, tuple[Any, set[str]]]:
    """Return the engines that flows ask for, with every element of any of their jobs."""
    from defectflow.launch.input_writing import requests_of
    from defectflow.launch.rehearsal import Rehearsal
    from defectflow.launch.stand_in import engine_of

    found: dict[str, tuple[Any, set[str]]] = {}
    for flow in flows:
        for job in Rehearsal().run(flow):
            if job.kind == "light":
                continue
            guide = getattr(job.job.function.__self__.engine, "guide", None)  # type: ignore[attr-defined]
            for engine in filter(None, (engine_of(job.job), guide)):
                known = found.setdefault(f"{engine.name} {engine.options}", (engine, set()))
                for request in requests_of(job.job, job.kind).values():
                    known[1].update(element.symbol for element in request.structure.elements)
    return found


def engine_findings(engine: Any, elements: Collection[str], *, start: bool) -> Iterator[Finding]:
    """Look for an engine's programs and data, then let it compute a crystal of one atom.

    Parameters
    ----------
    elements
        Elements whose potentials must be there; empty if no recipe says.
    start
        Whether to compute.
    """
    try:
        engine.check(sorted(elements) or None)
    except DefectflowError as error:
        yield Finding("engine", ok=False, words=str(error))
        return
    known = f"data for {', '.join(sorted(elements))} is there" if elements else "installed"
    yield Finding("engine", ok=True, words=f"{engine.name}: {known}")
    if start:
        yield _started(engine, elements)


def _started(engine: Any, elements: Collection[str]) -> Finding:
    from defectflow.launch.execution import perform

    symbol = _one_of(engine, elements)
    if symbol is None:
        words = f"{engine.name}: no element to try; name a recipe that uses it"
        return Finding("engine", ok=False, words=words)
    begun = time.perf_counter()
    try:
        job = engine.static_maker(**_coarse(engine)).make(_crystal(symbol))
    except DefectflowError as error:
        return Finding("engine", ok=False, words=str(error))
    with tempfile.TemporaryDirectory() as folder:
        outcome = perform(job, Path(folder))
    took_s = time.perf_counter() - begun
    if outcome.error:
        said = outcome.error.partition(": ")[2] or outcome.error
        words = f"{engine.name}: does not compute one atom of {symbol}: {said}"
        return Finding("engine", ok=False, words=words)
    return Finding("engine", ok=True, words=f"{engine.name}: computed {symbol} in {took_s:.1f} s")


def _coarse(engine: Any) -> dict[str, float]:
    settings = engine.settings("static")
    return {name: value for name, value in _COARSE.items() if name in settings}


def _one_of(engine: Any, elements: Collection[str]) -> str | None:
    for symbol in [*sorted(elements), *_USUAL]:
        try:
            engine.check([symbol])
        except DefectflowError:
            continue
        return symbol
    return None


def _crystal(symbol: str) -> Any:
    """Return an fcc crystal of one element at about its density: it only has to be computed."""
    from pymatgen.core import Element, Lattice, Structure

    radius_A = float(Element(symbol).atomic_radius or 1.4)
    half_A = 2**0.5 * radius_A
    lattice = Lattice([[0, half_A, half_A], [half_A, 0, half_A], [half_A, half_A, 0]])
    return Structure(lattice, [symbol], [[0, 0, 0]])
