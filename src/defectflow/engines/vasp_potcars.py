"""The PAW potentials of VASP: which one each element gets, where its file is, its electrons.

The files are under VASP's licence. pymatgen finds them below ``PMG_VASP_PSP_DIR`` (environment, or
``~/.config/.pmgrc.yaml``); without it inputs carry a ``POTCAR.spec`` with the names. The choice for
each element is the Materials Project's, as pymatgen has it, unless the option `potentials` says
otherwise.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from defectflow.engines.model import file_sha256
from defectflow.engines.vasp_standin.potcar import nominal_valence
from defectflow.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

#: Sets of potentials by pymatgen's name: its file with the Materials Project's choice, and the
#: folder below PMG_VASP_PSP_DIR. A test compares the folders with pymatgen's.
_SETS: Final[dict[str, tuple[str, str]]] = {
    "PBE_64": ("PBE64Base.yaml", "POT_PAW_PBE_64"),
    "PBE_54": ("PBE54Base.yaml", "POT_GGA_PAW_PBE_54"),
    "PBE_52": ("PBE54Base.yaml", "POT_GGA_PAW_PBE_52"),
    "PBE": ("MPRelaxSet.yaml", "POT_GGA_PAW_PBE"),
}
SETS: Final = tuple(_SETS)
#: Its potentials carry no kinetic energy density of the core.
WITHOUT_META_GGA: Final = frozenset({"PBE"})
VARIABLE: Final = "PMG_VASP_PSP_DIR"
_HEAD_BYTES: Final = 2048
_SUFFIXES: Final = ("", ".gz", ".bz2", ".xz", ".Z")


@dataclass(frozen=True)
class Potcar:
    """The potential of one element.

    Attributes
    ----------
    symbol
        Its name, e.g. ``Ti_pv``.
    valence
        Number of electrons that it treats; the usual one for its name where there is no file.
    path
        Its file; None where that is missing or no licence is configured.
    """

    element: str
    symbol: str
    valence: float
    path: Path | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """Return what the document of a result says of it."""
        digest = file_sha256(self.path) if self.path else None
        return {"symbol": self.symbol, "valence": self.valence, "sha256": digest, **self.facts}


@dataclass(frozen=True)
class PotcarSet:
    """A set of potentials, with some of them chosen by hand.

    Attributes
    ----------
    name
        pymatgen's name of the set, e.g. ``PBE_54``.
    chosen
        Potentials by element that are not the usual ones: ``{"Ti": "Ti_sv"}``.
    """

    name: str
    chosen: dict[str, str] = field(default_factory=dict)

    def symbol(self, element: str) -> str:
        """Return the name of the potential of `element`.

        Raises
        ------
        EngineError
            If the set has none.
        """
        found = self.chosen.get(element) or usual_symbols(self.name).get(element)
        if found is None:
            message = (
                f"the potentials {self.name} have none for {element}; name one in the option "
                "potentials, or use another set (option potcar_functional)"
            )
            raise EngineError(message)
        return found

    def select(self, elements: Iterable[str]) -> dict[str, Potcar]:
        """Return the potential of each element; files are read where they are found."""
        return {element: self._potcar(element) for element in elements}

    def _potcar(self, element: str) -> Potcar:
        symbol = self.symbol(element)
        path = self.file(symbol)
        if path is None:
            return Potcar(element, symbol, nominal_valence(symbol))
        return Potcar(element, symbol, *_read(path, path.stat().st_mtime_ns))

    def file(self, symbol: str) -> Path | None:
        """Return the file of a potential; None if there is none."""
        root = licensed_folder()
        if root is None:
            return None
        folder = root / _subfolder(self.name)
        for stem in (folder / f"POTCAR.{symbol}", folder / symbol / "POTCAR"):
            for suffix in _SUFFIXES:
                path = stem.with_name(stem.name + suffix)
                if path.is_file():
                    return path
        return None

    def check(self, elements: Collection[str] | None) -> None:
        """Raise `EngineError` unless the file of every element is there.

        Without `elements` the folder of the set is enough.
        """
        root = licensed_folder()
        remedy = (
            f"set {VARIABLE} to the folder of VASP's potentials as `pmg config -p` arranges them"
        )
        if root is None:
            message = f"no POTCAR files: {VARIABLE} is not set; with a licence of VASP, {remedy}"
            raise EngineError(message)
        folder = root / _subfolder(self.name)
        if not folder.is_dir():
            message = f"no folder {folder} with the potentials {self.name}; {remedy}"
            raise EngineError(message)
        lacking = [
            symbol for symbol in map(self.symbol, sorted(elements or ())) if not self.file(symbol)
        ]
        if lacking:
            message = (
                f"{folder} has no POTCAR of {', '.join(lacking)}; put it there, or name another in "
                "the option potentials"
            )
            raise EngineError(message)

    def fingerprint(self) -> str | None:
        """Return a digest of which files there are; None without a licence.

        It rests on names, sizes and heads, where TITEL and VASP's own checksum stand, so that it is
        cheap; the documents of results carry the digests of the files that were used.
        """
        root = licensed_folder()
        if root is None:
            return None
        symbols = {**usual_symbols(self.name), **self.chosen}.values()
        heads = []
        for symbol in sorted(set(symbols)):
            path = self.file(symbol)
            if path is not None:
                status = path.stat()
                heads.append(_head(path, status.st_size, status.st_mtime_ns))
        return hashlib.sha256("".join(heads).encode()).hexdigest()


@functools.lru_cache(maxsize=256)
def _head(path: Path, size: int, _modified_ns: int) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256(file.read(_HEAD_BYTES))
    return f"{path.name} {size} {digest.hexdigest()}\n"


def licensed_folder() -> Path | None:
    """Return the folder of the POTCAR files; None if none is configured."""
    text = os.environ.get(VARIABLE) or _pymatgen_settings().get(VARIABLE)
    return Path(str(text)).expanduser() if text else None


def _subfolder(name: str) -> str:
    others = _pymatgen_settings().get("PMG_VASP_PSP_SUB_DIRS") or {}
    return str(others.get(name, _SETS[name][1]))


def _pymatgen_settings() -> dict[str, Any]:
    from pymatgen.core import SETTINGS

    settings: dict[str, Any] = SETTINGS
    return settings


@functools.cache
def usual_symbols(name: str) -> dict[str, str]:
    """Return the Materials Project's choice of potentials for the set `name`, by element.

    Raises
    ------
    EngineError
        If pymatgen's file of them is not found.
    """
    spec = importlib.util.find_spec("pymatgen.io.vasp")
    path = Path(spec.origin or "").parent / _SETS[name][0] if spec else Path(_SETS[name][0])
    if not path.is_file():
        message = f"{path} is missing; install pymatgen again, it carries the choice of potentials"
        raise EngineError(message)
    table: dict[str, str] = yaml.safe_load(path.read_text(encoding="utf-8"))["POTCAR"]
    return table


@functools.lru_cache(maxsize=128)
def _read(path: Path, _modified_ns: int) -> tuple[float, Path, dict[str, Any]]:
    """Return valence, path, and what else identifies a POTCAR."""
    from monty.io import zopen

    with zopen(path, "rt", encoding="utf-8", errors="replace") as file:
        text = str(file.read())
    title = re.search(r"^\s*TITEL\s*=\s*(.*?)\s*$", text, re.MULTILINE)
    valence = re.search(r"\bZVAL\s*=\s*([\d.]+)", text)
    cutoff = re.search(r"\bENMAX\s*=\s*([\d.]+)", text)
    if title is None or valence is None:
        message = f"{path}: no TITEL or ZVAL; this is no POTCAR file, put VASP's there"
        raise EngineError(message)
    facts: dict[str, Any] = {"title": title[1]}
    if cutoff:
        facts["enmax_eV"] = float(cutoff[1])
    return float(valence[1]), path, facts
