"""What GPAW is given: its keywords from an `ElectronicInput`, as plain data.

Nothing here needs GPAW, so that built inputs can be shown and compared without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from defectflow.engines.electrons import ElectronicInput

#: Names of the functionals for GPAW. r2SCAN (J. W. Furness et al., J. Phys. Chem. Lett. 11, 8208
#: (2020)) comes from libxc.
_FUNCTIONALS: Final = {
    "PBE": "PBE",
    "RPBE": "RPBE",
    "PBEsol": "PBEsol",
    "r2SCAN": "MGGA_X_R2SCAN+MGGA_C_R2SCAN",
}
#: Functional of the PAW data sets. PBEsol and r2SCAN have none of their own.
DATASETS: Final = {"PBE": "PBE", "RPBE": "RPBE", "PBEsol": "PBE", "r2SCAN": "PBE"}


def gpaw_keywords(
    electrons: ElectronicInput,
    settings: Mapping[str, Any],
    setups: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the keyword arguments of ``gpaw.dft.GPAW`` beside the atoms.

    Parameters
    ----------
    settings
        GPAW's own keys of ``electrons.yaml``.
    setups
        Names of PAW data sets that are not the default ones, by element, e.g. ``{"Mg": "2"}``.

    Notes
    -----
    Charge: GPAW's `charge` is that of the cell, so that +1 removes an electron, as everywhere in
    defectflow. Hubbard U: Dudarev's form, ``:d,U,0``; the occupations are those inside the PAW
    sphere, not scaled up to the whole atomic orbital, as in VASP, for which the usual sets of U
    were fitted. The fourth column of the SCF thresholds is energy for the whole cell.
    """
    keywords: dict[str, Any] = {
        "mode": {"name": "pw", "ecut": electrons.cutoff_eV},
        "xc": _FUNCTIONALS[electrons.functional],
        "kpts": {"size": list(electrons.kpoints), "gamma": True},
        "occupations": occupations(electrons.smearing, electrons.smearing_eV),
        "convergence": {
            "energy": {"name": "energy", "tol": electrons.energy_eV, "relative": False},
            "density": settings["scf_density_per_electron"],
            "eigenstates": settings["scf_eigenstates_eV2_per_electron"],
        },
        "maxiter": electrons.max_scf_steps,
        "spinpol": electrons.spin,
        "symmetry": {"point_group": settings["use_symmetry"]},
        "eigensolver": dict(settings["eigensolver"]),
        "mixer": dict(settings["mixer"]),
    }
    if electrons.dipole_correction:
        keywords["poissonsolver"] = {"dipolelayer": "xy"}
    if electrons.charge:
        keywords["charge"] = float(electrons.charge)
    named = dict(setups or {})
    hubbard = electrons.hubbard_U_eV
    given = {
        symbol: named.get(symbol, "") + (f":d,{hubbard[symbol]:g},0" if symbol in hubbard else "")
        for symbol in sorted({*named, *hubbard})
    }
    if given:
        keywords["setups"] = given
    return keywords


def occupations(smearing: str, width_eV: float) -> dict[str, Any]:
    """Return GPAW's keyword for a smearing; a Gaussian is Methfessel and Paxton's order 0."""
    if smearing == "gaussian":
        return {"name": "methfessel-paxton", "order": 0, "width": width_eV}
    if smearing == "methfessel-paxton":
        return {"name": smearing, "order": 1, "width": width_eV}
    return {"name": smearing, "width": width_eV}
