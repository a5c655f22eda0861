"""The PAW data sets of GPAW: which files there are, without importing GPAW.

They come from the Python package ``gpaw-data``; folders in ``GPAW_SETUP_PATH`` come first, as for
GPAW itself.
"""

from __future__ import annotations

import functools
import gzip
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from defectflow.engines.gpaw_input import DATASETS
from defectflow.engines.model import file_sha256, package_folder
from defectflow.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

#: The number of valence electrons is in the first lines of a file.
_HEAD_BYTES: Final = 2000
_REMEDY: Final = "make dft-setup, or pip install gpaw-data"


def folders() -> tuple[Path, ...]:
    """Return the folders in which data sets are looked for."""
    given = [Path(part) for part in os.environ.get("GPAW_SETUP_PATH", "").split(os.pathsep) if part]
    try:
        packaged = [package_folder("gpaw_data") / "setups"]
    except EngineError:
        packaged = []
    return tuple(folder for folder in (*given, *packaged) if folder.is_dir())


def dataset(symbol: str, functional: str, setup: str = "") -> Path | None:
    """Return the file of one data set; None if there is none.

    Parameters
    ----------
    functional
        As the options call it; PBEsol and r2SCAN use the data sets of PBE.
    setup
        Name of a data set that is not the default one, e.g. ``"2"`` of ``Mg.2.PBE``.
    """
    name = ".".join(part for part in (symbol, setup, DATASETS[functional]) if part)
    for folder in folders():
        for file in (folder / name, folder / f"{name}.gz"):
            if file.is_file():
                return file
    return None


def elements(functional: str) -> frozenset[str]:
    """Return the symbols of all elements with a default data set."""
    return _elements(folders(), DATASETS[functional])


@functools.lru_cache(maxsize=16)
def _elements(places: tuple[Path, ...], kind: str) -> frozenset[str]:
    names = [file.name.removesuffix(".gz") for place in places for file in place.iterdir()]
    suffix = f".{kind}"
    stems = {name.removesuffix(suffix) for name in names if name.endswith(suffix)}
    return frozenset(stem for stem in stems if "." not in stem)


def check(symbols: Collection[str], functional: str, setups: Mapping[str, str]) -> None:
    """Raise `EngineError` if a data set is missing, naming it, the folders and the remedy."""
    places = folders()
    if not places:
        message = f"engine gpaw: no PAW data sets are found; {_REMEDY}"
        raise EngineError(message)
    missing = [s for s in sorted(symbols) if dataset(s, functional, setups.get(s, "")) is None]
    if not missing:
        return
    kind = DATASETS[functional]
    names = ", ".join(".".join(p for p in (s, setups.get(s, ""), kind) if p) for s in missing)
    others = [
        name
        for name in DATASETS
        if name != functional and all(dataset(s, name, setups.get(s, "")) for s in missing)
    ]
    remedy = f"use functional {' or '.join(others)}, or " if others else ""
    message = (
        f"engine gpaw: no PAW data set {names} (functional {functional}) in "
        f"{', '.join(map(str, places))}; {remedy}put the file into a folder of GPAW_SETUP_PATH"
    )
    raise EngineError(message)


@functools.lru_cache(maxsize=256)
def valence(file: Path) -> int:
    """Return the number of valence electrons that a data set treats.

    Raises
    ------
    EngineError
        If the file does not say so.
    """
    opener = gzip.open if file.suffix == ".gz" else open
    with opener(file, "rb") as lines:
        head = lines.read(_HEAD_BYTES).decode(errors="replace")
    found = re.search(r'<atom [^>]*valence="([\d.]+)"', head)
    if found is None:
        message = f"PAW data set {file}: it does not name its valence electrons; get it again"
        raise EngineError(message)
    return round(float(found.group(1)))


@dataclass(frozen=True)
class DataSet:
    """One PAW data set in use: its file, the file's digest, its valence electrons."""

    file: str
    sha256: str
    valence: int


def used(
    symbols: Collection[str], functional: str, setups: Mapping[str, str]
) -> dict[str, DataSet]:
    """Return the data set of each element; elements that have none are left out."""
    found = {s: dataset(s, functional, setups.get(s, "")) for s in sorted(set(symbols))}
    return {
        symbol: DataSet(file.name, file_sha256(file), valence(file))
        for symbol, file in found.items()
        if file
    }
