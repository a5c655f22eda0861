"""OUTCAR and OSZICAR, piece by piece as the calculation goes on.

Lines have the wording that readers of VASP's files search for; the first line of each file names
the stand-in.
"""

from __future__ import annotations

import resource
from datetime import datetime
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.engines.vasp_standin.marks import NOTICE, PROGRAM, VERSION

if TYPE_CHECKING:
    from defectflow.engines.vasp_standin.inputs import Inputs
    from defectflow.engines.vasp_standin.steps import BandForces, Ending, IonicStep

_RULE: Final = "-" * 104
#: Atoms in one row of the list of potentials.
_PER_ROW: Final = 5


def head(inputs: Inputs, label: str) -> str:
    """Return everything before the first ionic step."""
    incar = inputs.incar
    tags = "".join(f"   {tag} = {value}\n" for tag, value in incar.tags.items())
    said = "".join(f" {PROGRAM}: {sentence}\n" for sentence in inputs.not_given())
    titles = "".join(
        f" POTCAR:    {p.title}\n   TITEL  = {p.title}\n   ZVAL   = {p.valence:8.3f}\n"
        for p in inputs.potentials
    )
    points, spin = len(inputs.kpoints.points), 2 if incar.spin_polarised else 1
    return (
        f" {PROGRAM} {VERSION}: {NOTICE}\n"
        f" computed with {label}\n"
        f" executed on {PROGRAM} date {datetime.now().astimezone():%Y.%m.%d  %H:%M:%S}\n"
        f" running on    1 total cores\n{said}\n INCAR:\n{tags}{titles}\n"
        f"   k-points           NKPTS = {points:6d}   k-points in BZ     NKDIM = {points:6d}"
        f"   number of bands    NBANDS= {inputs.bands:6d}\n"
        f"   number of ions     NIONS = {len(inputs.poscar.symbols):6d}\n"
        "   total plane-waves  NPLWV = ******\n"
        "   dimension x,y,z NGXF=     0 NGYF=    0 NGZF=    0\n"
        f"   ISPIN  = {spin:6d}    spin polarized calculation?\n"
        f"   NELM   = {incar.nelm:6d}    # of ELM steps\n"
        f"   EDIFFG = {incar.ediffg:.2E}   stopping-criterion for IOM\n"
        f"   NSW    = {incar.nsw:6d}    number of steps for IOM\n"
        f"   IBRION = {incar.ibrion:6d}    ionic relax\n"
        f"   ISIF   = {incar.isif:6d}    stress and relaxation\n"
        f"   NELECT = {inputs.electrons:12.4f}    total number of electrons\n\n"
    )


def ionic_step(step: IonicStep, inputs: Inputs) -> str:
    """Return the part of OUTCAR of one ionic step."""
    electronic = "".join(
        f"{'-' * 39} Iteration {step.number:6d}({number:4d})  {'-' * 39}\n\n"
        f"  entropy T*S    EENTRO = {0.0:18.8f}\n  free energy    TOTEN  = {energy:18.8f} eV\n\n"
        for number, energy in enumerate(step.scf_energies_eV, start=1)
    )
    reached = "EDIFF is reached" if step.scf_converged else "EDIFF was not reached (unconverged)"
    pieces = [
        electronic,
        f"{'-' * 24} aborting loop because {reached} {'-' * 40}\n\n",
        _core_potentials(inputs),
        _electrons(inputs),
        _stress(step),
        _forces(step),
        "" if step.band is None else _band(step.band),
        "  FREE ENERGIE OF THE ION-ELECTRON SYSTEM (eV)\n",
        "  ---------------------------------------------------\n",
        f"  free  energy   TOTEN  = {step.energy_eV:18.8f} eV\n\n",
        f"  energy  without entropy= {step.energy_eV:18.8f}",
        f"  energy(sigma->0) = {step.energy_eV:18.8f}\n\n",
        f"     LOOP+:  cpu time {step.seconds:9.4f}: real time {step.seconds:9.4f}\n\n",
    ]
    return "".join(pieces)


def tail(ending: Ending, seconds: float) -> str:
    """Return everything after the last ionic step."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    cpu = usage.ru_utime + usage.ru_stime
    return (
        f"{ending.value}\n\n General timing and accounting informations for this job:\n"
        " ========================================================\n\n"
        f"                  Total CPU time used (sec): {cpu:12.3f}\n"
        f"                            User time (sec): {usage.ru_utime:12.3f}\n"
        f"                          System time (sec): {usage.ru_stime:12.3f}\n"
        f"                         Elapsed time (sec): {seconds:12.3f}\n\n"
        f"                   Maximum memory used (kb): {usage.ru_maxrss:12d}\n"
        "                   Average memory used (kb):          N/A\n"
    )


def oszicar_step(step: IonicStep, last_energy_eV: float, inputs: Inputs) -> str:
    """Return the part of OSZICAR of one ionic step; its header line carries the mark."""
    lines = [f"       N       E                     dE             d eps   ncg   rms   {PROGRAM}"]
    before = 0.0
    for number, energy in enumerate(step.scf_energies_eV, start=1):
        change = energy - before
        lines.append(
            f"SIM: {number:3d} {energy:19.12E} {change:13.5E} {0.0:13.5E} {0:5d} {0.0:9.3E}"
        )
        before = energy
    return "\n".join(lines) + "\n" + summary(step, last_energy_eV, inputs)


def summary(step: IonicStep, last_energy_eV: float, inputs: Inputs) -> str:
    """Return the line of one ionic step that OSZICAR and the standard output share."""
    moment = f"  mag= {sum(inputs.moments):9.4f}" if inputs.moments else ""
    return (
        f"{step.number:4d} F= {step.energy_eV:.8E} E0= {step.energy_eV:.8E}"
        f"  d E ={step.energy_eV - last_energy_eV:.6E}{moment}\n"
    )


def _core_potentials(inputs: Inputs) -> str:
    """Return the potentials at the cores: a placeholder, minus the valence of each atom."""
    charges = [
        potential.valence
        for count, potential in zip(inputs.poscar.counts, inputs.potentials, strict=True)
        for _ in range(count)
    ]
    radii = "".join(f"{1.0:10.4f}" for _ in inputs.potentials)
    entries = [f"{number:8d}{-charge:9.4f}" for number, charge in enumerate(charges, start=1)]
    rows = "".join(
        "".join(entries[first : first + _PER_ROW]) + "\n"
        for first in range(0, len(entries), _PER_ROW)
    )
    return (
        f" {PROGRAM}: a placeholder, there are no electrons\n"
        " average (electrostatic) potential at core\n"
        f"  the test charge radii are{radii}\n"
        f"  (the norm of the test charge is              1.0000)\n{rows}\n\n"
    )


def _electrons(inputs: Inputs) -> str:
    """Return Fermi energy, electrons and moments: a placeholder, and the input given back."""
    total = f"{sum(inputs.moments):14.7f}" if inputs.moments else ""
    text = (
        f" E-fermi :   0.0000     {PROGRAM}: a placeholder, there are no bands\n\n"
        f" number of electron {inputs.electrons:15.7f} magnetization {total}\n\n"
    )
    if not (inputs.moments and inputs.projects):
        return text
    rows = "".join(
        f"{number:5d}    {0.0:8.3f}{0.0:8.3f}{0.0:8.3f}{moment:8.3f}\n"
        for number, moment in enumerate(inputs.moments, start=1)
    )
    total_row = f"tot      {0.0:8.3f}{0.0:8.3f}{0.0:8.3f}{sum(inputs.moments):8.3f}\n"
    return (
        f"{text} {PROGRAM}: the starting moments, not projected onto s, p and d\n\n"
        " magnetization (x)\n\n# of ion       s       p       d       tot\n"
        f"{'-' * 42}\n{rows}{'-' * 50}\n{total_row}\n"
    )


def _stress(step: IonicStep) -> str:
    stress = step.stress_kbar
    if stress is None:
        return ""
    components = [stress[i, j] for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (1, 2), (2, 0))]
    words = "".join(f"{x:12.5f}" for x in components)
    return (
        "  Direction    XX          YY          ZZ          XY          YZ          ZX\n"
        f"  in kB   {words}\n"
        f"  external pressure = {np.trace(stress) / 3:12.2f} kB  Pullay stress =        0.00 kB\n\n"
        f"  volume of cell : {abs(np.linalg.det(step.crystal.cell)):12.4f}\n\n"
    )


def _forces(step: IonicStep) -> str:
    rows = "".join(
        "".join(f"{x:13.5f}" for x in position)
        + "    "
        + "".join(f"{f:14.6f}" for f in force)
        + "\n"
        for position, force in zip(step.result.positions, step.result.forces, strict=True)
    )
    drift = "".join(f"{x:14.6f}" for x in step.result.forces.sum(axis=0))
    return (
        " POSITION                                       TOTAL-FORCE (eV/Angst)\n"
        f" {_RULE[:83]}\n{rows} {_RULE[:83]}\n    total drift:                    {drift}\n\n"
    )


def _band(band: BandForces) -> str:
    largest = float(np.linalg.norm(band.projected, axis=1).max())
    return (
        "  NEB: projections on to tangent (spring, REAL) "
        f"{band.spring_eV_per_A:14.6f} {band.along_eV_per_A:14.6f}\n"
        f"  NEB: largest force that moves the image {largest:14.6f}\n\n"
    )
