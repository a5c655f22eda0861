"""Slabs cut from a generated cell, e.g. one with a fault or a grain boundary, or taken as they are.

Which atoms belong to which layer is decided once, on the cell as it was built; the places are then
those of the relaxed cell. Indices of the surface are in the vectors of that very cell: a cell with
a defect has no conventional one, and looking for it, or for equal slabs, takes minutes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from monty.json import MSONable

from defectflow.errors import StructureError
from defectflow.structures.cell_ends import Stacked, chosen_end, defective_atoms, ends, parallel
from defectflow.structures.planes import frame_of, reduced_miller, stack_of, written
from defectflow.structures.stacking_faults import perfect
from defectflow.structures.surfaces import DEFECT_MARK, Slab

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymatgen.core.structure import Structure

    from defectflow.structures.cells import Cell

#: A cell whose widest gap (Å) is less has no vacuum.
_LEAST_VACUUM_A: Final = 5.0
_TOP_LAYERS: Final = 2


@dataclass(frozen=True)
class CellCut(MSONable):
    """How a slab is cut out of a generated cell.

    Attributes
    ----------
    built
        The cell as it was generated.
    rows
        (3, 3) Integers: two vectors of the surface and one to the next period below the surface,
        in vectors of the cell.
    atoms
        Index in the cell of each atom of the slab, from the bottom to the top.
    images
        Periodic image of each, in vectors of the cell.
    layer
        Of each atom, counted from the bottom.
    miller
        Indices of the surface, in vectors of the cell.
    facet
        Indices of the surface: of the crystal where it is parallel to a planar defect.
    surface
        What the surface is called, e.g. ``(111), 2 layers above the defect``.
    defective
        Atoms of the cell whose surroundings are not those of the perfect crystal.
    crystal_volume_A3
        Of the perfect crystal, per atom, for a cell that is a slab by itself; else 0.
    """

    built: Structure
    rows: Sequence[Sequence[int]]
    atoms: Sequence[int]
    images: Sequence[Sequence[int]]
    layer: Sequence[int]
    miller: Sequence[int]
    facet: str
    surface: str
    defective: Sequence[int] = ()
    crystal_volume_A3: float = 0.0

    def slab(self, host: Structure, vacuum_A: float, repeat: Sequence[int]) -> Slab:
        """Return the slab of the relaxed host: the cell, or the crystal of a slab taken as it is.

        Raises
        ------
        StructureError
            If the host has not the atoms of the cell.
        """
        from pymatgen.core.structure import Structure

        cell = self._relaxed(host)
        vectors = np.array(self.rows) @ cell.lattice.matrix
        frame = frame_of(vectors)
        coords = cell.frac_coords[list(self.atoms)] + np.array(self.images)
        places = coords @ cell.lattice.matrix @ frame.T
        places[:, 2] += vacuum_A / 2 - places[:, 2].min()
        matrix = np.vstack([vectors[:2] @ frame.T, [0.0, 0.0, np.ptp(places[:, 2]) + vacuum_A]])
        matrix[np.abs(matrix) < 1e-12] = 0.0  # noqa: PLR2004 - rounding
        species = [cell[int(k)].specie for k in self.atoms]
        known = set(self.defective)
        slab = Structure(
            matrix,
            species,
            places,
            coords_are_cartesian=True,
            site_properties={
                "layer": list(self.layer),
                "defective": [k in known for k in self.atoms],
                **self._moments(cell),
            },
        )
        return _repeated(slab, self.miller, vacuum_A, repeat)

    def _relaxed(self, host: Structure) -> Structure:
        """Return the cell as relaxed, its atoms in the images in which they were built."""
        if self.crystal_volume_A3:
            scaled: Structure = self.built.copy()
            ratio = host.volume / len(host) / self.crystal_volume_A3
            return scaled.scale_lattice(self.built.volume * ratio)
        if [site.specie for site in host] != [site.specie for site in self.built]:
            message = (
                f"{host.reduced_formula}: {len(host)} atoms are not those of the generated cell "
                f"({len(self.built)}); relax the cell that the slab was planned from"
            )
            raise StructureError(message)
        cell = host.copy()
        away = host.frac_coords - self.built.frac_coords
        for index, step in enumerate(-np.round(away)):
            cell.translate_sites([index], step, to_unit_cell=False)
        return cell

    def _moments(self, cell: Structure) -> dict[str, list[float]]:
        moments = cell.site_properties.get("magmom")
        return {} if moments is None else {"magmom": [moments[int(k)] for k in self.atoms]}


def cut_of(
    cell: Cell,
    miller: Sequence[int],
    layers: int,
    termination: str | None = None,
    above: int | None = None,
) -> CellCut:
    """Return how a slab of some layers is cut out of a generated cell.

    Parameters
    ----------
    miller
        In the vectors of the cell: (0, 0, 1) is parallel to a planar defect, (1, 0, 0) and
        (0, 1, 0) cross it.
    termination, above
        Which end of the cell is meant, by its name or by what is above the defect.

    Raises
    ------
    StructureError
        If there is no such end, or several and it is not said which.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> from defectflow.structures.planar import planar_cells
    >>> silver = hosts.load("fcc-Ag").structure
    >>> cell = next(planar_cells("stacking_fault", silver, fault="intrinsic"))
    >>> cut = cut_of(cell, (0, 0, 1), layers=5, above=2)
    >>> cut.surface, len(cut.atoms)
    ('(111), 2 layers above the defect', 5)
    """
    index = reduced_miller(miller)
    stacked = Stacked.along(cell, index)
    defective = defective_atoms(cell)
    flat = parallel(cell, index)
    found = ends(stacked, defective if flat else [])
    end = chosen_end(cell, index, found, termination, above)
    atoms, images, numbers = stacked.below(end.number, layers)
    known = cell.planar or cell.line
    facet = written(known.miller if flat and known else index)
    surface = f"({facet})" if flat else f"({facet}) of the cell"
    if end.above is not None:
        surface += f", {end.above} layers above the defect"
    if len(cell.structure.elements) > 1 and len({one.composition for one in found}) > 1:
        surface += f", {end.name} on top"
    return CellCut(
        built=cell.structure,
        rows=stacked.rows.tolist(),
        atoms=atoms,
        images=images,
        layer=numbers,
        miller=index,
        facet=facet,
        surface=surface,
        defective=defective,
    )


def taken(cell: Cell, crystal: Structure | None = None) -> CellCut:
    """Return a generated cell that is a slab already, to be taken as it is.

    Parameters
    ----------
    crystal
        The perfect crystal: by how much its volume changes when it is relaxed, the slab is scaled.
        None: the slab is relaxed itself.

    Raises
    ------
    StructureError
        If there is no vacuum along the third vector.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> from defectflow.structures.terminations import surfaces
    >>> rutile = hosts.load("rutile-TiO2").structure
    >>> cells = {cell.name: cell for cell in surfaces(rutile, [(1, 1, 0)])}
    >>> cut = taken(cells["(110)_1"], rutile)
    >>> len(cut.atoms) == len(cells["(110)_1"].structure), max(cut.layer) > 2
    (True, True)
    """
    stacked = Stacked.of(cell.structure, np.eye(3, dtype=int))
    gaps = stacked.gaps_A()
    widest = int(np.argmax(gaps))
    if gaps[widest] < _LEAST_VACUUM_A:
        message = (
            f"{cell.name}: the widest gap along the third vector is {gaps[widest]:.1f} Å, no "
            "vacuum; leave out `as_it_is` and give `miller` in the vectors of the cell"
        )
        raise StructureError(message)
    atoms, images, numbers = stacked.below(widest, len(stacked.layers))
    miller = cell.planar.miller if cell.planar else (0, 0, 1)
    return CellCut(
        built=cell.structure,
        rows=np.eye(3, dtype=int).tolist(),
        atoms=atoms,
        images=images,
        layer=numbers,
        miller=miller,
        facet=written(miller),
        surface=f"slab {cell.name}",
        defective=[],
        crystal_volume_A3=crystal.volume / len(crystal) if crystal else 0.0,
    )


def ended_slab(
    host: Structure,
    plane: Sequence[int],
    termination: str,
    size: tuple[int, float],
    repeat: Sequence[int] = (1, 1),
) -> Slab:
    """Return the slab of a perfect crystal with a termination that is named.

    Parameters
    ----------
    plane
        Miller indices in the standard conventional cell.
    termination
        Composition of the uppermost layer, with a number where several have it: one of `end_names`.
    size
        Atomic layers, and height of the vacuum, Å.

    Raises
    ------
    StructureError
        If there is no such termination.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> rutile = hosts.load("rutile-TiO2").structure
    >>> slab = ended_slab(rutile, (1, 1, 0), "O 2", (6, 12.0))
    >>> slab.layers, slab.structure.formula
    (6, 'Ti4 O8')
    """
    from defectflow.structures.cells import Cell

    block = _block(host, plane)
    cell = Cell(block, block, host.reduced_formula, "surface", (), 1)
    cut = cut_of(cell, (0, 0, 1), size[0], termination)
    slab = cut.slab(block, size[1], repeat)
    h, k, l = reduced_miller(plane)  # noqa: E741 - Miller indices
    return replace(slab, miller=(h, k, l))


def end_names(host: Structure, plane: Sequence[int]) -> list[str]:
    """Return the names of the terminations of a perfect crystal, the widest gap first.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> end_names(hosts.load("rutile-TiO2").structure, (1, 1, 0))
    ['O2Ti2', 'O 1', 'O 2']
    """
    stacked = Stacked.of(_block(host, plane), np.eye(3, dtype=int))
    return [one.name for one in ends(stacked, [])]


def _block(host: Structure, plane: Sequence[int]) -> Structure:
    stack = stack_of(host, plane)
    return perfect(stack, stack.cuts_A()[0], 1)


def _repeated(
    slab: Structure, miller: Sequence[int], vacuum_A: float, repeat: Sequence[int]
) -> Slab:
    """Return surface cells side by side, atoms from the bottom to the top."""
    from pymatgen.core.structure import Structure

    slab.make_supercell([int(repeat[0]), int(repeat[1]), 1])
    layer = [int(one) for one in slab.site_properties["layer"]]
    flags = slab.site_properties["defective"]
    order = sorted(range(len(slab)), key=lambda k: (layer[k], k))
    top = max(layer) + 1 - _TOP_LAYERS
    marks = tuple(
        (DEFECT_MARK, float(slab[k].coords[0]), float(slab[k].coords[1]))
        for k in order
        if flags[k] and layer[k] >= top
    )
    for name in ("layer", "defective"):
        slab.remove_site_property(name)
    h, k, l = (int(one) for one in miller)  # noqa: E741 - Miller indices
    return Slab(
        structure=Structure.from_sites([slab[one] for one in order]),
        miller=(h, k, l),
        layer=tuple(sorted(layer)),
        cells=int(repeat[0]) * int(repeat[1]),
        vacuum_A=float(vacuum_A),
        marks=marks,
    )
