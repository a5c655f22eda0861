"""Perfect crystals: read from a file, or built from published data by name."""

from __future__ import annotations

import functools
import warnings
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from defectflow.errors import Remark, StructureError, did_you_mean
from defectflow.structures.broken_supercells import nearly_repeats
from defectflow.structures.cells import frac_tuple
from defectflow.structures.charges import refuse_charge
from defectflow.structures.orbits import orbit
from defectflow.structures.sites import InsertionSite
from defectflow.structures.standard_cells import symmetric_primitive
from defectflow.structures.symmetry import primitive_cells

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pymatgen.core.structure import Structure
    from pymatgen.symmetry.groups import SpaceGroup

    from defectflow.structures.cells import Cell

#: What pymatgen says of a POSCAR without symbols, which it then takes for H, He and so on.
_NO_SYMBOLS: Final = "Defaulting to false names"
_PREFIX: Final = "Issues encountered while parsing CIF:"
#: What it says of files that are in order.
_HARMLESS: Final = ("rounded to ideal values", "Pauling electronegativity")


@dataclass(frozen=True)
class Host:
    """A perfect crystal and what is known about it.

    Attributes
    ----------
    name
        Name of the prototype, or the file's name without its suffix.
    structure
        The conventional cell of a prototype; the cell as given of a file.
    formula
        Reduced formula.
    prototype
        Name of the prototype; None for a file.
    sites
        Known insertion sites, most stable first; empty where none are known.
    citation
        Where the lattice constants of a prototype come from; empty for a file.
    note
        What of a prototype does not come from there; may be empty.
    parent
        The perfect crystal, where `structure` is a cell generated from it; else None.
    source
        ``prototypes.yaml`` or the path of the file.
    generated
        With `parent`: what was generated.

    Examples
    --------
    >>> host = load("1T-TiS2")
    >>> host.formula, [site.label for site in host.sites]
    ('TiS2', ['1b octahedral', '2d tetrahedral'])
    """

    name: str
    structure: Structure
    formula: str
    prototype: str | None
    sites: tuple[InsertionSite, ...]
    citation: str
    source: str
    note: str = ""
    parent: Host | None = None
    generated: Cell | None = None

    def with_cell(self, cell: Cell) -> Host:
        """Return a cell generated from this crystal as a host of its own.

        Raises
        ------
        RecipeError
            If the cell is charged: no quantity is computed in a charged host.

        Examples
        --------
        >>> from defectflow.structures import substitutions
        >>> host = load("fcc-Cu")
        >>> host.with_cell(next(substitutions(host.structure, {"Cu": "Ag"}))).name
        'fcc-Cu Ag_Cu'
        """
        name = f"{self.name} {cell.name}"
        refuse_charge(f"host {name}", cell.charge, "the cell of a host")
        return Host(
            name=name,
            structure=cell.structure,
            formula=cell.structure.reduced_formula,
            prototype=None,
            sites=(),
            citation=self.citation,
            source=self.source,
            note=self.note,
            parent=self,
            generated=cell,
        )

    def in_primitive_cell(self) -> Host:
        """Return the same crystal in its primitive cell, with its sites; cheaper to relax.

        Examples
        --------
        >>> spinel = load("spinel-Ti2S4")
        >>> len(spinel.structure), len(spinel.in_primitive_cell().structure)
        (48, 12)
        """
        cell, lattice = symmetric_primitive(self.structure), self.structure.lattice
        sites = []
        for site in self.sites:
            place = cell.lattice.get_fractional_coords(
                lattice.get_cartesian_coords(site.frac_coords)
            )
            x, y, z = (float(one) for one in place % 1.0)
            sites.append(replace(site, frac_coords=(x, y, z)))
        return replace(self, structure=cell, sites=tuple(sites))


def load(source: str | Path, *, perfect: bool = True) -> Host:
    """Return the prototype of that name, or else the host in that file.

    Any file that pymatgen reads will do (CIF, POSCAR, ...). Cell, atoms and moments are taken from
    it. The flags of ``Selective dynamics`` in a POSCAR are not: all atoms are free.

    Parameters
    ----------
    perfect
        Whether a file with a defect in it already is remarked on; it is meant in an end of a hop.

    Raises
    ------
    StructureError
        If there is neither such a prototype nor such a file, if the file cannot be read or names no
        elements, or if its sites are partially occupied.

    Warns
    -----
    Remark
        Of what the reader of a file had to say of it.
    """
    if isinstance(source, str) and source in _data():
        return prototype(source)
    path = Path(source)
    if path.is_file():
        host = _from_file(path)
        if perfect:
            _remark_on_a_defect(host.structure, path)
        return host
    if path.is_dir():
        message = f"host {source}: a folder; give one file in it, a CIF, POSCAR or the like"
        raise StructureError(message)
    if path.suffix or len(path.parts) > 1:
        message = f"host {source}: no such file; check the path (relative to {Path.cwd()})"
        raise StructureError(message)
    message = f"host {source}: neither a file nor a prototype; {did_you_mean(str(source), _data())}"
    raise StructureError(message)


def prototypes() -> tuple[str, ...]:
    """Return the names of all prototypes."""
    return tuple(_data())


def named(name: str) -> tuple[str, ...]:
    """Return all names of hosts that are meant: the name itself, and prototypes of that formula.

    Examples
    --------
    >>> named("TiS2"), named("1T-TiS2")
    (('TiS2', '1T-TiS2'), ('1T-TiS2',))
    """
    return (name, *(one for one in prototypes() if one.partition("-")[2] == name))


def prototype(name: str) -> Host:
    """Return the host of that name, built from its published space group and coordinates."""
    if name not in _data():
        message = f"prototype {name}: unknown; {did_you_mean(name, _data())}"
        raise StructureError(message)
    entry = _data()[name]
    structure = _build(entry)
    return Host(
        name=name,
        structure=structure,
        formula=structure.reduced_formula,
        prototype=name,
        sites=tuple(_site(structure, site) for site in entry.get("insertion", ())),
        citation=entry["citation"],
        source="prototypes.yaml",
        note=entry.get("note", ""),
    )


def _build(entry: dict[str, Any]) -> Structure:
    from pymatgen.core.lattice import Lattice
    from pymatgen.core.structure import Structure

    atoms = entry["atoms"]
    _space_group(entry["spacegroup"])
    return Structure.from_spacegroup(
        entry["spacegroup"],
        Lattice.from_parameters(*entry["lattice"]),
        [atom["element"] for atom in atoms],
        [atom["coords"] for atom in atoms],
    )


@functools.cache
def _space_group(symbol: str) -> SpaceGroup:
    """Keep a space group alive: pymatgen takes half a second to build a cubic one anew."""
    from pymatgen.symmetry.groups import SpaceGroup

    return SpaceGroup(symbol)


def _site(structure: Structure, entry: dict[str, Any]) -> InsertionSite:
    places = len(orbit(structure, entry["coords"]))
    return InsertionSite(
        label=entry["label"],
        frac_coords=frac_tuple(entry["coords"]),
        species=tuple(entry.get("species", ())),
        coordination=entry["coordination"],
        multiplicity=places // primitive_cells(structure),
    )


def _from_file(path: Path) -> Host:
    from pymatgen.core.structure import Structure

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            structure = Structure.from_file(path)
        except Exception as error:  # any parser of pymatgen may fail in its own way
            first = " ".join(str(error).split()) or type(error).__name__
            reason = "; ".join([first, *_said(caught)])
            message = (
                f"host {path}: cannot be read ({reason[:300]}); give a CIF, POSCAR or the like"
            )
            raise StructureError(message) from error
    said = _said(caught)
    if any(_NO_SYMBOLS in text for text in said):
        message = (
            f"host {path}: names no elements; write their symbols in a line above the counts of "
            "atoms, e.g. Mg O"
        )
        raise StructureError(message)
    _require_elements(structure, path)
    if "selective_dynamics" in structure.site_properties:
        structure.remove_site_property("selective_dynamics")
        said.append("the flags of Selective dynamics are not used; all atoms are free")
    for text in said:
        warnings.warn(f"host {path}: {text}", Remark, stacklevel=3)
    structure.remove_oxidation_states()
    return Host(path.stem, structure, structure.reduced_formula, None, (), "", str(path))


def _remark_on_a_defect(structure: Structure, path: Path) -> None:
    """Say so where a host is a supercell with a defect in it already."""
    share = nearly_repeats(structure)
    if share is None:
        return
    text = (
        f"host {path}: a supercell with a defect in it already, as it seems: {share:.0%} of its "
        f"{len(structure)} atoms repeat within it, the others do not, so that hardly two sites "
        "are alike; give the perfect crystal and put the defect into the recipe, unless this "
        "cell is meant"
    )
    warnings.warn(text, Remark, stacklevel=3)


def _said(caught: Iterable[warnings.WarningMessage]) -> list[str]:
    """Return what a reader of pymatgen had to say of a file, each line once."""
    lines = [
        line.strip()
        for warning in caught
        if issubclass(warning.category, UserWarning)
        for line in str(warning.message).removeprefix(_PREFIX).splitlines()
    ]
    worth = [line for line in lines if line and not any(one in line for one in _HARMLESS)]
    return list(dict.fromkeys(worth))


def _require_elements(structure: Structure, path: Path) -> None:
    """Refuse sites that are partially occupied, or hold no atom."""
    from pymatgen.core.periodic_table import DummySpecies

    for site in structure:
        if any(isinstance(one, DummySpecies) for one in site.species):
            message = (
                f"host {path}: site {site.label} ({site.species_string}) is no chemical element; "
                "take it out of the file, or give an element's symbol"
            )
            raise StructureError(message)
        if not site.is_ordered:
            message = (
                f"host {path}: site {site.species_string} is partially occupied; "
                "give an ordered structure"
            )
            raise StructureError(message)


@functools.cache
def _data() -> dict[str, Any]:
    import yaml

    text = (resources.files("defectflow.structures") / "prototypes.yaml").read_text("utf-8")
    data: dict[str, Any] = yaml.safe_load(text)
    return data
