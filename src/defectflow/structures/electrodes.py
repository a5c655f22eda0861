"""Crystals that differ in the number of ions that one host holds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from defectflow.errors import StructureError, did_you_mean
from defectflow.structures.cells import require_element
from defectflow.structures.hosts import Host
from defectflow.structures.orbits import orbit

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction

    from pymatgen.core.structure import Structure

#: Fewer compositions have no voltage.
_FEWEST = 2
#: Two places of ions nearer to each other are never both filled: shorter than any distance of two
#: cations in a crystal, and than that of neighbouring sites in spinel (8a and 16c, 1.8 Å).
_BOTH_FILLED_A = 1.7


@dataclass(frozen=True)
class Electrode:
    """How full a crystal is.

    Attributes
    ----------
    host_unit
        Formula of the host without ions that is counted by, the same for all crystals.
    units
        Number of those in the crystal.
    ions
        Per unit.
    """

    host_unit: str
    units: float
    ions: float


def electrodes(crystals: Sequence[Structure], ion: str) -> list[Electrode]:
    """Return how full each crystal is with `ion`.

    The unit of the host is what is left of the reduced formula of the fullest crystal: Mn2O4 for
    MnO2 and MgMn2O4.

    Raises
    ------
    StructureError
        If there is one crystal only, the hosts differ, or all are equally full.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> names = ("spinel-Mn2O4", "spinel-LiMn2O4")
    >>> [
    ...     (one.host_unit, one.ions)
    ...     for one in electrodes([hosts.load(n).structure for n in names], "Li")
    ... ]
    [('Mn2O4', 0.0), ('Mn2O4', 1.0)]
    """
    require_element(ion)
    if len(crystals) < _FEWEST:
        message = f"a voltage needs two compositions, not {len(crystals)}; give another crystal"
        raise StructureError(message)
    hosts = [crystal.composition - _ions(crystal, ion) for crystal in crystals]
    formulas = [host.reduced_formula if host else "nothing" for host in hosts]
    other = next((formula for formula in formulas if formula != formulas[0]), None)
    if other is not None or formulas[0] == "nothing":
        message = (
            f"without {ion} the crystals are {formulas[0]} and {other or formulas[0]}; a voltage "
            "is between two compositions of the same host"
        )
        raise StructureError(message)
    ratios = [
        crystal.composition[ion] / host.num_atoms
        for crystal, host in zip(crystals, hosts, strict=True)
    ]
    if max(ratios) - min(ratios) < 1e-9:  # noqa: PLR2004 - rounding
        message = (
            f"all crystals hold {ratios[0]:g} {ion} per atom of {formulas[0]}; give one with more "
            "and one with fewer"
        )
        raise StructureError(message)
    fullest = crystals[ratios.index(max(ratios))].composition.reduced_composition
    unit = fullest - {ion: fullest[ion]}
    name = re.sub(r"(?<=[a-zA-Z])1(?= |$)", "", unit.formula).replace(" ", "")
    counts = [host.num_atoms / unit.num_atoms for host in hosts]
    return [
        Electrode(name, count, float(crystal.composition[ion] / count))
        for crystal, count in zip(crystals, counts, strict=True)
    ]


def series(
    host: Host,
    ion: str,
    fractions: Sequence[Fraction] = (),
    at_most: int | None = None,
    site: str | None = None,
) -> list[Host]:
    """Return a host without ions, full of them, and at `fractions` in between.

    A host that holds the ion is the full one; else every place of one kind of site is filled.

    Parameters
    ----------
    fractions
        Of the sites that keep their ion.
    at_most
        Number of arrangements per fraction; None for all that symmetry does not make equal.
    site
        Label of the site that is filled; the first known one of that ion by default.

    Raises
    ------
    StructureError
        If the host has no such site or its places are too near each other, if a full host is given
        a site, or a fraction needs too large a cell.
    """
    from defectflow.structures.concentrations import Series, concentrations

    require_element(ion)
    if ion in {element.symbol for element in host.structure.elements}:
        _require_no_site(host, ion, site)
        empty = host.structure.copy()
        empty.remove_species([ion])
        ends = [_named(empty, "empty"), host]
    else:
        ends = [host, _named(filled(host, ion, site), "full")]
    if not fractions:
        return ends
    asked = Series(fractions=tuple(1 - one for one in fractions), at_most=at_most)
    cells = concentrations(ends[1].structure, ion, "vacancy", asked)
    return [*ends, *(_named(cell.structure, cell.name) for cell in cells)]


def filled(host: Host, ion: str, site: str | None = None) -> Structure:
    """Return the host with the ion at every place of one kind of site.

    Raises
    ------
    StructureError
        If the host has no such site, or two of its places are too near each other to be filled
        both, as those of the rings in a Chevrel phase.
    """
    from defectflow.structures.sites import insertion_sites

    known = [one for one in host.sites if not one.species or ion in one.species]
    known = known or list(insertion_sites(host.structure, ion))
    chosen = [one for one in known if site in (None, one.label)]
    if not chosen:
        labels = [one.label for one in known]
        hint = did_you_mean(site or "", labels) if labels else "it has none; give crystals"
        message = f"{host.formula} has no site {site or 'for ' + ion}; {hint}"
        raise StructureError(message)
    structure = host.structure.copy()
    places = orbit(host.structure, chosen[0].frac_coords)
    for place in places:
        structure.append(ion, place, validate_proximity=False)
    nearest_A = _nearest_A(structure, len(places))
    if nearest_A < _BOTH_FILLED_A:
        message = (
            f"{host.formula}: places of its site {chosen[0].label} are {nearest_A:.2f} Å apart and "
            f"cannot all be filled with {ion}; give another `site`, or the crystals themselves as "
            "`compositions`"
        )
        raise StructureError(message)
    return structure


def _nearest_A(structure: Structure, last: int) -> float:
    """Return the shortest distance between the last atoms, images included."""
    first, second, _, distances = structure.get_neighbor_list(_BOTH_FILLED_A)
    among = (first >= len(structure) - last) & (second >= len(structure) - last)
    return float(distances[among].min(initial=_BOTH_FILLED_A))


def _require_no_site(host: Host, ion: str, site: str | None) -> None:
    if site is not None:
        message = (
            f"{host.name} holds {ion} and counts as full: `site` ({site}) fills an empty host; "
            "leave it out, or give crystals with more and fewer ions as `compositions`"
        )
        raise StructureError(message)


def _named(structure: Structure, what: str) -> Host:
    formula = structure.composition.reduced_formula
    return Host(f"{formula}, {what}", structure, formula, None, (), "", "series")


def _ions(crystal: Structure, ion: str) -> dict[str, float]:
    return {ion: float(crystal.composition[ion])}
