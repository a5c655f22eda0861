"""How many equivalents a set of changes has in a crystal, counted from the changes alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from defectflow.structures.symmetry import SAME_PLACE_A, SYMPREC_A, clusters, symmetry_maps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymatgen.core.structure import Structure

    from defectflow.structures.cells import Change


def equivalent_images(
    pristine: Structure, changed: Sequence[Change], symprec: float = SYMPREC_A
) -> int:
    """Return how many equivalent defects the cell `pristine` has, the given one among them.

    These are the distinct sets that the operations of the cell make of the set of changed atoms
    and inserted places. Divided by the number of primitive cells in `pristine` it is the
    multiplicity of a single defect.

    Examples
    --------
    >>> from defectflow.structures import hosts, primitive_cells, vacancies
    >>> host = hosts.load("rutile-TiO2").structure * (2, 2, 2)
    >>> cell = next(vacancies(host, "O"))
    >>> equivalent_images(host, cell.changed), primitive_cells(host)
    (32, 8)
    """
    maps = symmetry_maps(pristine, symprec)
    atoms = [change for change in changed if change.before is not None]
    inserted = [change for change in changed if change.before is None]
    columns = [np.array([item.permutation[change.index] for item in maps]) for change in atoms]
    if inserted:
        places = np.array([change.frac_coords for change in inserted])
        moved = np.array([places @ item.rotation.T + item.translation for item in maps])
        labels = clusters(moved.reshape(-1, 3), pristine.lattice.matrix, SAME_PLACE_A)
        columns += list(labels.reshape(len(maps), -1).T)
    species = [f"{change.before}>{change.after}" for change in (*atoms, *inserted)]
    return len(
        {frozenset(zip(species, row, strict=True)) for row in np.transpose(columns).tolist()}
    )
