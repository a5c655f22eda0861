"""Model electrons: levels, projections and a potential that have the shape of VASP's, no more.

One orbital of each atom is one band, which disperses as a cosine; the potential is a well at each
atom. Nothing of it is a solution of anything: it lets the road through vasprun.xml and LOCPOT be
walked to its end without VASP, and every file says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from defectflow.engines.vasp_standin.inputs import Inputs
    from defectflow.engines.vasp_standin.poscar import Poscar

Array = NDArray[np.float64]

#: Shells: letter, first column and number of columns of VASP's projections, energy and width, eV.
_SHELLS: Final = {
    "s": (0, 1, -5.0, 6.0),
    "p": (1, 3, 2.0, 6.0),
    "d": (4, 5, -3.0, 2.5),
}
COLUMNS: Final = ("s", "py", "pz", "px", "dxy", "dyz", "dz2", "dxz", "x2-y2")
#: A shell below the valence, for each that the electrons of the potential ask for.
_SEMICORE_EV: Final = -40.0
#: Elements of the d block, first and last of each row.
_D_BLOCK: Final = ((21, 30), (39, 48), (57, 80))
#: Splitting of the d states per Bohr magneton, and what tells bands apart, eV.
_EXCHANGE_EV: Final = 0.5
_APART_EV: Final = 0.01
#: Depth (eV) and radius (Å) of the well at an atom, points per Å of the potential.
_WELL: Final = (20.0, 1.0)
_POINTS_PER_A: Final = 6.0
#: Radii of the model's densities, Å.
_VALENCE_A: Final = 0.4
_CORE_A: Final = 0.2
#: Potential energy of an electron far from all atoms, eV: above the Fermi level of any model.
_OUTSIDE_EV: Final = 8.0


@dataclass(frozen=True)
class Electrons:
    """Levels of the model.

    Attributes
    ----------
    levels_eV
        Shape (spins, k-points, bands), ascending at each point.
    shares
        Projections, shape (spins, k-points, bands, atoms, 9).
    occupations
        0 or 1, as `levels_eV`.
    fermi_eV
        Midway between the highest occupied and the lowest empty level.
    """

    levels_eV: Array
    shares: Array
    occupations: Array
    fermi_eV: float


def electrons(inputs: Inputs) -> Electrons:
    """Return the model electrons of the crystal of a folder."""
    symbols = inputs.poscar.symbols
    moments = inputs.moments or (0.0,) * len(symbols)
    rows = _orbitals(symbols, inputs.electrons)
    cosines = np.cos(2 * np.pi * inputs.kpoints.points).sum(axis=1) / 3
    signs = (1, -1) if inputs.moments else (1,)
    levels, shares = [], []
    for sign in signs:
        bands, parts = [], []
        for number, (atom, column, energy_eV, width_eV) in enumerate(rows):
            split = -sign * _EXCHANGE_EV * moments[atom] if column >= _SHELLS["d"][0] else 0.0
            bands.append(energy_eV + split + _APART_EV * number - width_eV / 2 * cosines)
            part = np.zeros((len(symbols), len(COLUMNS)))
            part[atom, column] = 1.0
            parts.append(part)
        by_point = np.array(bands).T
        order = np.argsort(by_point, axis=1, kind="stable")
        levels.append(np.take_along_axis(by_point, order, axis=1))
        shares.append(np.array(parts)[order])
    stacked = np.array(levels)
    fermi_eV = _fermi_eV(stacked, inputs.kpoints.weights, inputs.electrons)
    filled = (stacked <= fermi_eV).astype(float)
    return Electrons(stacked, np.array(shares), filled, fermi_eV)


def _orbitals(symbols: list[str], count: float) -> list[tuple[int, int, float, float]]:
    """Return atom, column, energy and width of each band; more than the electrons fill."""
    from ase.data import atomic_numbers

    rows: list[tuple[int, int, float, float]] = []
    for atom, symbol in enumerate(symbols):
        number = atomic_numbers[symbol]
        for letter, (first, columns, energy_eV, width_eV) in _SHELLS.items():
            if letter != "d" or any(low <= number <= high for low, high in _D_BLOCK):
                rows += [(atom, first + k, energy_eV, width_eV) for k in range(columns)]
    first, columns, _, _ = _SHELLS["p"]
    deep_eV = _SEMICORE_EV
    while 2 * len(rows) < count + 2:
        rows += [(a, first + k, deep_eV, 0.5) for a in range(len(symbols)) for k in range(columns)]
        deep_eV -= 20.0
    return rows


def _fermi_eV(levels_eV: Array, weights: Array, count: float) -> float:
    """Return where so many electrons of the cell find room."""
    per_level = np.broadcast_to(2.0 / len(levels_eV) * weights[None, :, None], levels_eV.shape)
    order = np.argsort(levels_eV, axis=None)
    room = np.cumsum(per_level.ravel()[order])
    last = min(int(np.searchsorted(room, count - 1e-6)), len(order) - 2)
    ranked = levels_eV.ravel()[order]
    return float(ranked[last] + ranked[last + 1]) / 2


def levels_xml(found: Electrons) -> str:
    """Return the eigenvalues of vasprun.xml."""
    spins = ""
    for spin, (by_point, filled) in enumerate(
        zip(found.levels_eV, found.occupations, strict=True), start=1
    ):
        points = ""
        for number, (bands, full) in enumerate(zip(by_point, filled, strict=True), start=1):
            rows = "".join(f"<r>{e:.6f} {f:.4f}</r>" for e, f in zip(bands, full, strict=True))
            points += f'<set comment="kpoint {number}">{rows}</set>\n'
        spins += f'<set comment="spin {spin}">\n{points}</set>\n'
    return (
        "<eigenvalues>\n<array>\n<field>eigene</field>\n<field>occ</field>\n"
        f"<set>\n{spins}</set>\n</array>\n</eigenvalues>\n"
    )


def fermi_xml(found: Electrons) -> str:
    """Return the element of the Fermi level; the density of states in it has one point."""
    spins = "".join(
        f'<set comment="spin {spin}"><r>{found.fermi_eV:.6f} 0.0 0.0</r></set>\n'
        for spin in range(1, len(found.levels_eV) + 1)
    )
    return (
        f'<dos>\n<i name="efermi">{found.fermi_eV:.8f}</i>\n<total>\n<array>\n'
        "<field>energy</field>\n<field>total</field>\n<field>integrated</field>\n"
        f"<set>\n{spins}</set>\n</array>\n</total>\n</dos>\n"
    )


def projections_xml(found: Electrons) -> str:
    """Return the projections of vasprun.xml."""
    fields = "".join(f"<field>{name}</field>\n" for name in COLUMNS)
    spins = ""
    for spin, by_point in enumerate(found.shares, start=1):
        points = ""
        for number, bands in enumerate(by_point, start=1):
            sets = "".join(
                f'<set comment="band {k}">'
                + "".join(f"<r>{' '.join(f'{x:.4f}' for x in row)}</r>" for row in atoms)
                + "</set>\n"
                for k, atoms in enumerate(bands, start=1)
            )
            points += f'<set comment="kpoint {number}">\n{sets}</set>\n'
        spins += f'<set comment="spin{spin}">\n{points}</set>\n'
    return (
        f"<projected>\n{levels_xml(found)}<array>\n"
        '<dimension dim="1">ion</dimension>\n<dimension dim="2">band</dimension>\n'
        '<dimension dim="3">kpoint</dimension>\n<dimension dim="4">spin</dimension>\n'
        f"{fields}<set>\n{spins}</set>\n</array>\n</projected>\n"
    )


def potential_text(crystal: Poscar) -> str:
    """Return LOCPOT: a Gaussian well at each atom, 8 eV far from all."""
    lengths = np.linalg.norm(crystal.cell, axis=1)
    grid = np.maximum(2 * np.round(lengths * _POINTS_PER_A / 2).astype(int), 4)
    depth_eV, radius_A = _WELL
    heights = [-depth_eV] * len(crystal.scaled)
    return _grid_text(crystal, _gaussians(crystal, grid, heights, radius_A) + _OUTSIDE_EV)


def density_texts(inputs: Inputs, crystal: Poscar) -> dict[str, str]:
    """Return densities by file: Gaussians of the valence at the atoms, narrow ones for cores."""
    grid = np.array([inputs.incar.integer(f"NG{axis}F", 48) for axis in "XYZ"])
    electrons = [
        potential.valence
        for count, potential in zip(crystal.counts, inputs.potentials, strict=True)
        for _ in range(count)
    ]
    electrons = [one * inputs.electrons / sum(electrons) for one in electrons]
    volume_A3 = abs(float(np.linalg.det(crystal.cell)))
    texts: dict[str, str] = {}
    for names, radius_A in ((("AECCAR2", "CHGCAR"), _VALENCE_A), (("AECCAR0",), _CORE_A)):
        heights = [one / (np.pi**1.5 * radius_A**3) * volume_A3 for one in electrons]
        text = _grid_text(crystal, _gaussians(crystal, grid, heights, radius_A))
        texts |= dict.fromkeys(names, text)
    return texts


def _gaussians(
    crystal: Poscar, grid: NDArray[np.int_], heights: list[float], radius_A: float
) -> Array:
    """Return a sum of periodic Gaussians at the atoms."""
    steps = [np.arange(n) / n for n in grid]
    points = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1)
    values = np.zeros(tuple(grid))
    for place, height in zip(crystal.scaled, heights, strict=True):
        away = points - place
        squares = (((away - np.round(away)) @ crystal.cell) ** 2).sum(axis=-1)
        values += height * np.exp(-squares / radius_A**2)
    return values


def _grid_text(crystal: Poscar, values: Array) -> str:
    """Return a file of the kind of CHGCAR and LOCPOT."""
    flat = values.ravel(order="F")
    lines = [" ".join(f"{x:.10E}" for x in flat[k : k + 5]) for k in range(0, len(flat), 5)]
    head = "\n".join([crystal.text().rstrip("\n"), "", " ".join(map(str, values.shape))])
    return head + "\n" + "\n".join(lines) + "\n"
