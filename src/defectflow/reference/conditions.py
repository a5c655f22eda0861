"""The conditions of a result, in the words of the tables of published values."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from defectflow.documents import (
    AdsorptionDocument,
    DBandCenterDocument,
    DefectFormationEnergyDocument,
    EquationOfStateDocument,
    IntercalationDocument,
    MigrationBarrierDocument,
    OverpotentialDocument,
    PlanarEnergyDocument,
    SurfaceEnergyDocument,
    UnstableFaultDocument,
)
from defectflow.reference.values import same_formula
from defectflow.structures import hosts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from defectflow.documents import ResultDocument
    from defectflow.reference.values import PublishedValue

#: Structure types that prototypes name differently from the tables: O1 and 1T are both CdI2.
_FAMILY_ALIASES: Final = {"O1": "1T"}
#: A reservoir (eV per atom) this near to the element's own phase counts as that.
_SAME_RESERVOIR_EV: Final = 0.01
#: A vacancy, two of one element, or a complex that begins with a vacancy.
_VACANCY: Final = re.compile(r"(?P<double>2)?V_(?P<element>[A-Z][a-z]?)(?:_\d+)?(?P<others>\+.+)?")
_STANDARD: Final = "published ones are at 298 K and 0 V, without solvation, with O from H2O and H2"


@dataclass(frozen=True)
class Conditions:
    """What a result is matched by.

    Attributes
    ----------
    quantity
        As the tables call it.
    formula
        Of the host: the empty one in the charged limit, the full one in the discharged limit.
    family
        Structure type (``spinel``, ``1T``, ...); None if it is not known.
    ion
        Element that moves, enters or leaves; empty for none.
    limit
        ``charged``, ``discharged``; empty where it has no meaning or was not said.
    cell
        Composition of the whole cell; used instead of `formula` where the two ends of a hop were
        given, as the host is then not known. Empty otherwise.
    facet
        Miller indices of the surface; empty where there is none.
    subject
        What else a value is of: an adsorbate (``H*``), a kind of atom (``surface atom``); empty
        where `ion` says it all.
    defect
        What stands in the tables' column of the same name, or its beginning: ``none``,
        ``Ti vacancy``, or several such; empty where it does not matter.
    functional
        Of the engine; values that state another one come last. Empty if that does not matter.
    coverage_ML
        Of an adsorbate; values of the same coverage come first. None where there is none.
    apart
        Why the tables have no such result, e.g. ``at -1 V, published at 0 V``; it then meets no
        value. Empty if nothing is known against it.

    Examples
    --------
    >>> from defectflow.reference.matching import match
    >>> spinel = Conditions("migration_barrier", "eV", "LiMn2O4", "spinel", "Li", "discharged")
    >>> [value.id for value in match(spinel)]
    ['MIG-001']
    """

    quantity: str
    unit: str
    formula: str
    family: str | None
    ion: str
    limit: str
    cell: str = ""
    facet: str = ""
    subject: str = ""
    functional: str = ""
    defect: str | tuple[str, ...] = ""
    coverage_ML: float | None = None
    apart: str = ""

    @classmethod
    def from_document(cls, document: ResultDocument) -> Conditions:
        """Read the conditions off a result."""
        return conditions_of(document)

    def same_family(self, value: PublishedValue) -> bool:
        """Return whether the structure types are known to be the same."""
        return self.family is not None and value.family.casefold() == self.family.casefold()


def conditions_of(document: ResultDocument) -> Conditions:
    """Read the conditions off a result."""
    read = next((one for kind, one in _READERS.items() if isinstance(document, kind)), _of_any)
    known = read(document)
    reasons = [known.apart, _of_generated(known, document)]
    return replace(known, apart="; ".join(one for one in reasons if one))


def _of_any(document: ResultDocument) -> Conditions:
    prototype = getattr(document, "prototype", None)
    if prototype is None and document.host in hosts.prototypes():
        prototype = document.host
    formula = getattr(document, "host_formula", None)
    if formula is None:
        formula = hosts.prototype(prototype).formula if prototype else document.host
    return Conditions(
        quantity=document.quantity,
        unit=document.unit,
        formula=formula,
        family=structure_type(prototype) if prototype else None,
        ion=document.species,
        limit=getattr(document, "limit", ""),
        functional=document.engine.functional or "",
    )


def _of_barrier(document: MigrationBarrierDocument) -> Conditions:
    """Return those of a barrier; that of a vacancy in an element has a table of its own."""
    known = replace(_of_any(document), cell=_given_cell(document))
    if document.limit == "discharged" and same_formula(known.formula, document.species):
        return replace(known, quantity="vacancy_migration_energy", limit="")
    return known


def _of_generated(known: Conditions, document: ResultDocument) -> str:
    """Return why no value of the crystal is for a cell generated from it; empty if it is none.

    A cell of another composition than its crystal meets the values of that composition alone.
    """
    name, _, cell = document.host.partition(" ")
    if not cell or known.cell or getattr(document, "prototype", None):
        return ""
    if name in hosts.prototypes() and not same_formula(
        hosts.prototype(name).formula, known.formula
    ):
        return ""
    return f"the host is {document.host}, published ones are the perfect crystal"


def _of_formation(document: DefectFormationEnergyDocument) -> Conditions:
    """Return those of a defect; vacancies have a table of their own, of neutral isolated ones."""
    known = replace(_of_any(document), limit="")
    vacancy = _VACANCY.fullmatch(document.defect)
    if vacancy is None or _is_dopant(document):
        return known
    alone = ("vacancy", f"{vacancy['element']} vacancy")
    return replace(
        known,
        quantity="vacancy_formation_energy",
        ion=vacancy["element"],
        defect="double vacancy" if vacancy["double"] else alone,
        apart="; ".join(_unlike_published(document, vacancy)),
    )


def _is_dopant(document: DefectFormationEnergyDocument) -> bool:
    """Return whether an atom was put in: vanadium on a titanium site is V_Ti too."""
    added = next((one.added for one in document.defects if one.name == document.defect), {})
    return any(count > 0 for count in added.values())


def _unlike_published(
    document: DefectFormationEnergyDocument, vacancy: re.Match[str]
) -> Iterator[str]:
    """Yield how a vacancy differs from the published ones."""
    element = vacancy["element"]
    if vacancy["others"]:
        yield f"{document.defect} is a complex, published vacancies are isolated"
    if document.charge:
        yield f"its charge is {document.charge:+d}, published vacancies are neutral"
    below_eV = document.below_standard_eV(element)
    if below_eV is None or below_eV > _SAME_RESERVOIR_EV:
        by = "not at" if below_eV is None else f"{below_eV:.2f} eV below"
        where = f"{by} its standard state ({document.at_limit})"
        yield f"{element} is {where}, where published ones are"


def _of_adsorption(document: AdsorptionDocument) -> Conditions:
    terms = document.free_energy
    other = terms.other_conditions() if terms else ""
    return replace(
        _of_any(document),
        ion="",
        facet=_facet(document),
        subject=f"{document.species}*",
        defect=_on_surface(document),
        coverage_ML=document.coverage_ML,
        apart=f"{other}, {_STANDARD}" if other else "",
    )


def _of_overpotential(document: OverpotentialDocument) -> Conditions:
    other = document.other_conditions()
    return replace(
        _of_any(document),
        ion="",
        facet=_facet(document),
        subject=document.reaction,
        apart=f"{other}, published ones are at 298 K without solvation" if other else "",
    )


def _of_d_band(document: DBandCenterDocument) -> Conditions:
    subject = "surface atom" if document.cell == "slab" else "bulk atom"
    if document.strain:
        subject += " of a strained slab"
    return replace(_of_any(document), ion="", facet=_facet(document), subject=subject)


def _facet(document: AdsorptionDocument | OverpotentialDocument | DBandCenterDocument) -> str:
    """Return the facet; with its defects and strain, which no table has, where it is not clean."""
    clean = document.surface in {"", f"({document.facet})"} and not document.strain
    return document.facet if clean else f"{document.surface} {document.strain:+g}"


def _on_surface(document: AdsorptionDocument) -> str:
    """Return the beginning of what the tables call a defect of the surface: ``CoN4 in``."""
    if _facet(document) == document.facet:
        return "none"
    held = document.surface.partition(" with ")[2] or document.surface
    return f"{held} in" + (" a strained" if document.strain else "")


def _of_ion(document: IntercalationDocument) -> Conditions:
    """Return those of an ion in a host or at a defect: the tables call both intercalation."""
    held = document.defect.partition(" at ")[2]
    missing = re.search(r"\bV_([A-Z][a-z]?)", held)
    defect = f"{missing[1]} vacancy" if missing else held or "none"
    return replace(_of_any(document), quantity="intercalation_energy", defect=defect)


def _of_volume(document: EquationOfStateDocument) -> Conditions:
    return replace(_of_any(document), quantity="equilibrium_volume")


def _of_fault(document: PlanarEnergyDocument) -> Conditions:
    """Return those of a fault, a twin or a boundary, by the names that the tables have for them."""
    if document.quantity == "twin_energy":
        defect = f"coherent twin {{{_family(document.miller)}}}"
    else:
        defect = f"{document.fault} SF" if document.fault else document.defect
    return replace(_of_any(document), defect=defect)


def _of_unstable_fault(document: UnstableFaultDocument) -> Conditions:
    parts = [Fraction(one).limit_denominator(12) for one in document.shift]
    factor = math.lcm(*(one.denominator for one in parts))
    whole = [int(one * factor) for one in parts]
    along = [one // math.gcd(*whole) for one in whole]
    defect = f"GSF {{{_family(document.miller)}}}<{_family(along)}>"
    return replace(_of_any(document), defect=defect)


def _of_surface(document: SurfaceEnergyDocument) -> Conditions:
    """Return those of the lowest surface; no table has unrelaxed ones."""
    from defectflow.structures.planes import standard_cell, written

    lowest = next(one for one in document.surfaces if one.name == document.defect)
    lattice = standard_cell(document.relaxed_host.structure).lattice
    facet = written(lowest.miller)
    if np.allclose([*lattice.abc], lattice.a, rtol=1e-3) and np.allclose(lattice.angles, 90.0):
        facet = _family(lowest.miller)
    if document.atoms == "fixed":
        facet += " unrelaxed"
    return replace(_of_any(document), facet=facet)


def _family(indices: Sequence[int]) -> str:
    """Return what planes or directions equal by cubic symmetry have as a name: 110, 112."""
    sizes = sorted(abs(one) for one in indices)
    return "".join(map(str, sizes if sizes[0] else sizes[::-1]))


#: How the conditions of each kind of result are read; others by their common fields alone.
_READERS: Final[dict[type, Callable[[Any], Conditions]]] = {
    MigrationBarrierDocument: _of_barrier,
    DefectFormationEnergyDocument: _of_formation,
    AdsorptionDocument: _of_adsorption,
    OverpotentialDocument: _of_overpotential,
    DBandCenterDocument: _of_d_band,
    EquationOfStateDocument: _of_volume,
    IntercalationDocument: _of_ion,
    PlanarEnergyDocument: _of_fault,
    UnstableFaultDocument: _of_unstable_fault,
    SurfaceEnergyDocument: _of_surface,
}


def structure_type(prototype: str) -> str:
    """Return the structure type of a prototype by its name, as the tables call it.

    Examples
    --------
    >>> structure_type("1T-TiS2"), structure_type("graphene")
    ('1T', 'graphene')
    """
    family = prototype.partition("-")[0]
    return _FAMILY_ALIASES.get(family, family)


def _given_cell(document: MigrationBarrierDocument) -> str:
    """Return the composition of the cell of a hop whose two ends were given, else nothing."""
    if document.limit != "given" or not document.hops:
        return ""
    formula: str = document.hops[0].band.images[0].structure.formula
    return formula
