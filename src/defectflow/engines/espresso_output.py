"""What pw.x and projwfc.x wrote: results from the XML file, the cause of a failure from the text.

The XML file holds Hartree atomic units in full precision; the text is read only for the moments on
atoms (which the XML file of older versions lacks) and for errors.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal
from xml.etree import ElementTree as ET  # the file is our own program's, not a stranger's

import numpy as np

from defectflow.errors import EngineError
from defectflow.units import BOHR_A, HARTREE_EV

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

#: Why a run of pw.x gave no result.
Failure = Literal["scf", "diagonalization", "restart", "time", "start", "other"]

_MOMENT: Final = re.compile(r"^\s*atom:?\s+\d+.*?magn[:=]\s*(\S+)", re.MULTILINE)
_SITES: Final = "Magnetic moment per site"
_ERROR: Final = re.compile(r"Error in routine\s+(\S+)\s*\(\S+\):?\s*\n\s*(.+)")
#: In the output of pw.x.
_ENDS: Final[tuple[tuple[Failure, str], ...]] = (
    ("time", r"Maximum CPU time exceeded|Program stopped by user request"),
    ("scf", r"convergence NOT achieved"),
)
#: In the name of the routine that failed, and in its message.
_ERRORS: Final[tuple[tuple[Failure, str], ...]] = (
    (
        "diagonalization",
        r"[cr]diagh|[cr]egterg|problems computing cholesky|S matrix not positive|too many bands",
    ),
    ("restart", r"read_|pw_restart|potinit|wfcinit|davcio|diropn|cannot open|error reading"),
)
#: Part of -TS that the energy keeps when the width goes to zero, by smearing: the order of the
#: first term of the entropy in the width decides.
_TO_ZERO_WIDTH: Final = {
    "fermi-dirac": 1 / 2,
    "gaussian": 1 / 2,
    "methfessel-paxton": 1 / 3,
    "marzari-vanderbilt": 0.0,
}


@dataclass(frozen=True)
class PwResult:
    """Results of a converged run of pw.x, in eV and Å.

    Attributes
    ----------
    energy_eV
        Extrapolated to zero smearing width: F + TS/2 for Fermi-Dirac and Gaussian smearing,
        F + TS/3 for Methfessel-Paxton of first order, F for Marzari-Vanderbilt.
    free_energy_eV
        F = E - TS; the forces are its derivatives.
    forces_eV_per_A
        One row per atom; None after ``nscf``.
    stress_eV_per_A3
        Cauchy stress, positive where the crystal wants to shrink (pw.x prints the opposite sign);
        None if it was not asked for.
    electrons
        Number of electrons that were computed.
    levels_eV, weights
        Eigenvalues (spins, k-points, bands), and weights of the k-points, which add up to 1.
    total_moment
        Of the cell, Bohr magnetons.
    """

    version: str
    energy_eV: float
    free_energy_eV: float
    forces_eV_per_A: Array | None
    stress_eV_per_A3: Array | None
    electrons: float
    fermi_eV: float
    levels_eV: Array
    weights: Array
    scf_steps: int
    scf_converged: bool
    total_moment: float
    kpoints: int


def read_result(path: Path, smearing: str) -> PwResult:
    """Return what an XML file of pw.x (6.4 or newer) says.

    Raises
    ------
    EngineError
        If the file is missing or lacks a result.
    """
    try:
        root = ET.parse(path).getroot()  # noqa: S314 - written by our own program
        return _result(root, smearing)
    except (OSError, ET.ParseError, KeyError, ValueError) as error:
        message = f"pw.x: {path} cannot be read ({error}); look at pw.out beside it"
        raise EngineError(message) from error


def _result(root: ET.Element, smearing: str) -> PwResult:
    bands = _child(root, "output/band_structure")
    free_eV = _number(root, "output/total_energy/etot") * HARTREE_EV
    entropy_eV = _number(root, "output/total_energy/demet", 0.0) * HARTREE_EV
    levels, weights = _levels(bands)
    forces = root.find("output/forces")
    stress = root.find("output/stress")
    creator = _child(root, "general_info/creator")
    return PwResult(
        version=creator.attrib["VERSION"],
        energy_eV=free_eV - _TO_ZERO_WIDTH[smearing] * entropy_eV,
        free_energy_eV=free_eV,
        forces_eV_per_A=None if forces is None else _table(forces) * (HARTREE_EV / BOHR_A),
        stress_eV_per_A3=None if stress is None else -_table(stress) * (HARTREE_EV / BOHR_A**3),
        electrons=_number(bands, "nelec"),
        fermi_eV=_number(bands, "fermi_energy") * HARTREE_EV,
        levels_eV=levels,
        weights=weights,
        scf_steps=int(_number(root, "output/convergence_info/scf_conv/n_scf_steps", 0)),
        scf_converged=_truth(root, "output/convergence_info/scf_conv/convergence_achieved"),
        total_moment=_number(root, "output/magnetization/total", 0.0),
        kpoints=len(weights),
    )


def _levels(bands: ET.Element) -> tuple[Array, Array]:
    """Return eigenvalues (spins, k-points, bands) in eV and weights that add up to 1."""
    points = bands.findall("ks_energies")
    spin = (bands.findtext("lsda") or "").strip().lower() == "true"
    rows = np.array([_table(_child(point, "eigenvalues")).ravel() for point in points])
    weights = np.array([float(_child(point, "k_point").attrib["weight"]) for point in points])
    spins = np.split(rows, 2, axis=1) if spin else [rows]
    return np.array(spins) * HARTREE_EV, weights / weights.sum()


def _child(element: ET.Element, path: str) -> ET.Element:
    found = element.find(path)
    if found is None:
        raise KeyError(path)
    return found


def _number(element: ET.Element, path: str, default: float | None = None) -> float:
    text = element.findtext(path)
    if text is None:
        if default is None:
            raise KeyError(path)
        return default
    return float(text)


def _truth(element: ET.Element, path: str) -> bool:
    return (element.findtext(path) or "").strip().lower() == "true"


def _table(element: ET.Element) -> Array:
    """Return a table of three columns, or a flat list, of numbers."""
    values = np.array((element.text or "").split(), dtype=float)
    return values.reshape(-1, 3) if element.get("rank") == "2" else values


def moments_of_atoms(text: str) -> tuple[float, ...] | None:
    """Return the moments (Bohr magnetons) inside spheres around the atoms; None without spin.

    pw.x chooses the spheres so that they do not overlap: the moments are smaller than those of
    codes with larger spheres, and only their sizes relative to each other should be compared.
    """
    place = text.rfind(_SITES)
    if place < 0:
        return None
    found = []
    for line in text[place:].splitlines()[1:]:
        match = _MOMENT.match(line)
        if match is None:
            break
        found.append(float(match[1]))
    return tuple(found) or None


def failure(text: str, words: str) -> tuple[Failure, str]:
    """Return why a run gave no result, and pw.x's own words about it.

    Parameters
    ----------
    text
        Output of pw.x.
    words
        What it wrote to the error stream.
    """
    error = _ERROR.search(text)
    told = f"{error[1]}: {error[2].strip()}" if error else ""
    for causes, where in ((_ENDS, text), (_ERRORS, told)):
        for kind, pattern in causes:
            found = re.search(pattern, where)
            if found:
                return kind, told or found[0]
    lines = [line.strip() for line in words.splitlines() if line.strip(" -*=%")]
    if "Program PWSCF" not in text:
        return "start", lines[0] if lines else "no output"
    return "other", told or (lines[0] if lines else "it ended without a message")


@dataclass(frozen=True)
class Projection:
    """Projection of every level on one atomic orbital.

    Attributes
    ----------
    atom
        Index from zero.
    l
        Angular momentum.
    shares
        Square of the projection of each level, shape (k-points, bands).
    """

    atom: int
    l: int  # noqa: E741 - the name of this quantum number
    shares: Array


def read_projections(path: Path) -> list[Projection]:
    """Return the projections in a file of projwfc.x (its ``filproj``) for one spin.

    Raises
    ------
    EngineError
        If the file is missing or in an unknown format.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        start = next(
            number
            for number, line in enumerate(lines)
            if re.fullmatch(r"\s*[TF]\s+[TF]\s*", line.rstrip())
        )
        count, points, bands = (int(word) for word in lines[start - 1].split())
        found = []
        place = start + 1
        for _ in range(count):
            head = lines[place].split()
            block = lines[place + 1 : place + 1 + points * bands]
            shares = np.array([float(line.split()[2]) for line in block]).reshape(points, bands)
            found.append(Projection(atom=int(head[1]) - 1, l=int(head[-2]), shares=shares))
            place += 1 + points * bands
    except (OSError, StopIteration, ValueError, IndexError) as error:
        message = f"projwfc.x: {path} cannot be read ({error!r}); look at projwfc.out beside it"
        raise EngineError(message) from error
    return found
