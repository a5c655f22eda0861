"""vasprun.xml, piece by piece as the calculation goes on.

The elements follow what VASP writes (https://www.vasp.at/wiki/index.php/Vasprun.xml); generator
and comments name the stand-in.
"""

from __future__ import annotations

import re
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from defectflow.engines.vasp_standin.marks import NOTICE, PROGRAM, VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from defectflow.engines.vasp_standin.inputs import Inputs
    from defectflow.engines.vasp_standin.kpoints import Kpoints
    from defectflow.engines.vasp_standin.poscar import Poscar
    from defectflow.engines.vasp_standin.steps import IonicStep

#: Tags with one value per atom or species.
_LISTS: Final = {"MAGMOM": float, "LDAUL": int, "LDAUU": float, "LDAUJ": float, "SAXIS": float}
_WORDS: Final = {"ALGO", "GGA", "METAGGA", "PREC", "SYSTEM", "LREAL"}
#: Eigenvalues (eV) of one filled and one empty band at every point. atomate2 reads a gap from any
#: previous calculation; a gap of 2000 eV is nobody's result.
_PLACEHOLDER_EV: Final = 1000.0


def head(inputs: Inputs, label: str) -> str:
    """Return everything before the first ionic step."""
    return "".join(
        [
            '<?xml version="1.0" encoding="UTF-8"?>\n',
            f"<!-- {PROGRAM} computed with {escape(label)}; {NOTICE} -->\n<modeling>\n",
            _generator(label),
            _section("incar", _tags(inputs)),
            _kpoints(inputs.kpoints),
            _section("parameters", _parameters(inputs)),
            _atominfo(inputs),
            _structure(inputs.poscar, "initialpos"),
        ]
    )


def calculation(step: IonicStep) -> str:
    """Return the element of one ionic step."""
    electronic = "".join(
        f"<scstep>\n{_energies(energy_eV)}</scstep>\n" for energy_eV in step.scf_energies_eV
    )
    stress = step.stress_kbar
    return (
        "<calculation>\n"
        + electronic
        + _structure(step.crystal)
        + _varray("forces", step.result.forces)
        + ("" if stress is None else _varray("stress", stress))
        + _energies(step.energy_eV)
        + "</calculation>\n"
    )


def tail(inputs: Inputs, final: Poscar) -> str:
    """Return everything after the last ionic step."""
    bands = _model_bands(inputs) if inputs.has_levels else _no_bands(inputs)
    return bands + _structure(final, "finalpos") + "</modeling>\n"


def dynamical_matrix(hessian: Any, eigenvalues: Any, modes: Any) -> str:
    """Return the element of the force constants.

    Parameters
    ----------
    hessian
        Minus the force constants divided by the roots of the masses, eV/Å²/u.
    eigenvalues, modes
        Of that matrix; negative eigenvalues belong to stable modes. Modes in rows.
    """
    values = " ".join(f"{value:.8f}" for value in eigenvalues)
    return (
        "<dynmat>\n"
        + _varray("hessian", hessian)
        + f'<v name="eigenvalues">{values}</v>\n'
        + _varray("eigenvectors", modes)
        + "</dynmat>\n"
    )


def _generator(label: str) -> str:
    now = datetime.now().astimezone()
    entries = {
        "program": PROGRAM,
        "version": VERSION,
        "subversion": f"computed with {label}; {NOTICE}",
        "platform": PROGRAM,
        "date": f"{now:%Y %m %d}",
        "time": f"{now:%H:%M:%S}",
    }
    return _section("generator", entries)


def _section(name: str, entries: dict[str, Any]) -> str:
    lines = [_entry(tag, value) for tag, value in entries.items()]
    return f"<{name}>\n" + "".join(lines) + f"</{name}>\n"


def _entry(tag: str, value: Any) -> str:
    name = quoteattr(tag)
    if isinstance(value, bool):
        return f'<i type="logical" name={name}>{"T" if value else "F"}</i>\n'
    if isinstance(value, str):
        return f'<i name={name} type="string">{escape(value)}</i>\n'
    if isinstance(value, int):
        return f'<i type="int" name={name}>{value}</i>\n'
    if isinstance(value, float):
        return f"<i name={name}>{value:.8G}</i>\n"
    whole = all(isinstance(item, int) for item in value)
    words = " ".join(str(item) if whole else f"{item:.8f}" for item in value)
    kind = 'type="int" ' if whole else ""
    return f"<v {kind}name={name}>{words}</v>\n"


def _tags(inputs: Inputs) -> dict[str, Any]:
    """Return the tags of INCAR with their values by type, and IBRION, which readers look up."""
    incar = inputs.incar
    values: dict[str, Any] = {}
    for tag, text in incar.tags.items():
        if tag in _LISTS:
            values[tag] = [_LISTS[tag](number) for number in incar.numbers(tag)]
        elif tag.startswith("L") and re.fullmatch(r"\.?(T|TRUE|F|FALSE)\.?", text.upper()):
            values[tag] = incar.logical(tag)
        elif tag in _WORDS or not re.fullmatch(r"[-+]?[\d.]+([EeDd][-+]?\d+)?", text):
            values[tag] = text
        else:
            whole = re.fullmatch(r"[-+]?\d+", text) is not None
            values[tag] = incar.integer(tag, 0) if whole else incar.number(tag, 0.0)
    return {"IBRION": incar.ibrion, **values}


def _parameters(inputs: Inputs) -> dict[str, Any]:
    """Return what VASP would have used: the tags of INCAR, and defaults for those readers want."""
    incar = inputs.incar
    hybrid = incar.logical("LHFCALC")
    given = _tags(inputs)
    parameters = {
        "SYSTEM": "unknown system",
        "PREC": "Normal",
        "NELM": incar.nelm,
        "EDIFF": 1e-4,
        "EDIFFG": incar.ediffg,
        "NSW": incar.nsw,
        "IBRION": incar.ibrion,
        "ISIF": incar.isif,
        "ISPIN": 2 if incar.spin_polarised else 1,
        "ISMEAR": 1,
        "SIGMA": 0.2,
        "ISYM": 2,
        "LORBIT": 0,
        "POTIM": 0.5,
        "LHFCALC": hybrid,
        "AEXX": 0.25 if hybrid else 0.0,
        "HFSCREEN": 0.0,
        "LUSE_VDW": False,
        "LDAU": False,
        "NBANDS": inputs.bands,
    }
    exact = {"NELECT": inputs.electrons}
    if "ENCUT" in given:
        exact["ENMAX"] = incar.number("ENCUT", 0.0)
    if inputs.moments:
        parameters["MAGMOM"] = list(inputs.moments)
    return parameters | given | exact


def _kpoints(kpoints: Kpoints) -> str:
    generation = ""
    if kpoints.scheme is not None:
        divisions = " ".join(str(n) for n in kpoints.divisions)
        shift = " ".join(f"{x:.8f}" for x in kpoints.shift)
        generation = (
            f'<generation param="{kpoints.scheme}">\n<v type="int" name="divisions">{divisions}'
            f'</v>\n<v name="usershift">{shift}</v>\n</generation>\n'
        )
    points = _varray("kpointlist", kpoints.points)
    weights = _varray("weights", kpoints.weights[:, None])
    return f"<kpoints>\n{generation}{points}{weights}</kpoints>\n"


def _atominfo(inputs: Inputs) -> str:
    groups = [list(group) for _, group in groupby(_kinds(inputs.poscar), key=lambda pair: pair[1])]
    atoms = "".join(
        f"<rc><c>{element:<2}</c><c>{kind}</c></rc>\n"
        for group in groups
        for element, kind in group
    )
    types = "".join(
        f"<rc><c>{len(group)}</c><c>{potential.element:<2}</c><c>0.0</c>"
        f"<c>{potential.valence:.4f}</c><c>{escape(potential.title)}</c></rc>\n"
        for group, potential in zip(groups, inputs.potentials, strict=True)
    )
    count = len(inputs.poscar.symbols)
    return (
        f"<atominfo>\n<atoms>{count}</atoms>\n<types>{len(groups)}</types>\n"
        '<array name="atoms">\n<field type="string">element</field>\n'
        f'<field type="int">atomtype</field>\n<set>\n{atoms}</set>\n</array>\n'
        '<array name="atomtypes">\n<field type="int">atomspertype</field>\n'
        '<field type="string">element</field>\n<field>mass</field>\n<field>valence</field>\n'
        f'<field type="string">pseudopotential</field>\n<set>\n{types}</set>\n</array>\n'
        "</atominfo>\n"
    )


def _kinds(poscar: Poscar) -> Iterable[tuple[str, int]]:
    """Return element and number of the group of each atom."""
    groups = zip(poscar.species, poscar.counts, strict=True)
    for number, (element, count) in enumerate(groups, start=1):
        yield from [(element, number)] * count


def _structure(poscar: Poscar, name: str = "") -> str:
    cell = poscar.cell
    label = f' name="{name}"' if name else ""
    selective = ""
    if poscar.free is not None:
        rows = "".join(
            f'<v type="logical">{" ".join("T" if flag else "F" for flag in row)}</v>\n'
            for row in poscar.free
        )
        selective = f'<varray type="logical" name="selective">\n{rows}</varray>\n'
    return (
        f"<structure{label}>\n<crystal>\n"
        + _varray("basis", cell)
        + f'<i name="volume">{abs(np.linalg.det(cell)):.8f}</i>\n'
        + _varray("rec_basis", np.linalg.inv(cell).T)
        + "</crystal>\n"
        + _varray("positions", poscar.scaled)
        + selective
        + "</structure>\n"
    )


def _energies(energy_eV: float) -> str:
    names = ("e_fr_energy", "e_wo_entrp", "e_0_energy")
    return (
        "<energy>\n"
        + "".join(f'<i name="{name}">{energy_eV:.8f}</i>\n' for name in names)
        + "</energy>\n"
    )


def _model_bands(inputs: Inputs) -> str:
    """Return the levels of model electrons, and their projections where they are asked for."""
    from defectflow.engines.vasp_standin import electrons

    found = electrons.electrons(inputs)
    parts = electrons.projections_xml(found) if inputs.projects else ""
    return (
        f"<!-- {PROGRAM}: levels of a model without any physics -->\n"
        + electrons.levels_xml(found)
        + electrons.fermi_xml(found)
        + parts
    )


def _no_bands(inputs: Inputs) -> str:
    """Return eigenvalues that hold the place of the bands that do not exist."""
    rows = f"<r>{-_PLACEHOLDER_EV} 1.0</r><r>{_PLACEHOLDER_EV} 0.0</r>"
    points = "".join(
        f'<set comment="kpoint {number}">{rows}</set>\n'
        for number in range(1, len(inputs.kpoints.points) + 1)
    )
    spins = "".join(
        f'<set comment="spin {spin}">\n{points}</set>\n'
        for spin in range(1, 2 + inputs.incar.spin_polarised)
    )
    return (
        f"<!-- {PROGRAM}: placeholders, there are no bands -->\n"
        "<eigenvalues>\n<array>\n<field>eigene</field>\n<field>occ</field>\n"
        f"<set>\n{spins}</set>\n</array>\n</eigenvalues>\n"
    )


def _varray(name: str, rows: Sequence[Sequence[float]] | Any) -> str:
    lines = "".join(f"<v>{' '.join(f'{x:.10f}' for x in row)}</v>\n" for row in rows)
    return f'<varray name="{name}">\n{lines}</varray>\n'
