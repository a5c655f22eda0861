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

from defectflow.documents.base import content_key
from defectflow.engines.gpaw_input import DATASETS
from defectflow.engines.model import file_sha256, file_state, package_folder
from defectflow.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

#: The number of valence electrons is in the first lines of a file.
_HEAD_BYTES: Final = 2000
_REMEDY: Final = "make dft-setup, or pip install gpaw-data"


def folders() -> tuple[Path, ...]:
    """Return the folders in which data sets are looked for."""
    return (*_given(), *_packaged())


def _given() -> tuple[Path, ...]:
    given = [Path(part) for part in os.environ.get("GPAW_SETUP_PATH", "").split(os.pathsep) if part]
    return tuple(folder for folder in given if folder.is_dir())


def _packaged() -> tuple[Path, ...]:
    try:
        folder = package_folder("gpaw_data") / "setups"
    except EngineError:
        return ()
    return (folder,) if folder.is_dir() else ()


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
    return _first(folders(), name)


def _first(places: tuple[Path, ...], name: str) -> Path | None:
    for folder in places:
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


def fingerprint(functional: str, setups: Mapping[str, str]) -> str | None:
    """Return a digest of the data sets that are not those of ``gpaw-data``; None if all are.

    Of the contents of the files that `functional` and `setups` choose.
    """
    suffix = f".{DATASETS[functional]}"
    names = {file.name.removesuffix(".gz") for place in _given() for file in place.iterdir()}
    others = {}
    for name in names:
        symbol, _, setup = name.removesuffix(suffix).partition(".")
        if not name.endswith(suffix) or setup != setups.get(symbol, ""):
            continue
        file, usual = _first(folders(), name), _first(_packaged(), name)
        if file and (usual is None or file_sha256(file) != file_sha256(usual)):
            others[name] = file_sha256(file)
    return content_key(others) if others else None


def valence(file: Path) -> int:
    """Return the number of valence electrons that a data set treats.

    Raises
    ------
    EngineError
        If the file does not say so.
    """
    return _valence(file, file_state(file))


@functools.lru_cache(maxsize=256)
def _valence(file: Path, _state: tuple[int, int]) -> int:
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
