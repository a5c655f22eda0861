"""Formation energies of defects from total energies and chemical potentials."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def formation_energy_eV(
    defective_eV: float,
    pristine_eV: float,
    added: Mapping[str, int],
    chemical_potentials_eV: Mapping[str, float],
) -> float:
    """Return the formation energy of a neutral defect; positive costs energy.

    E_f = E(defective) - E(pristine) - Σ Δn_i μ_i

    S. B. Zhang, J. E. Northrup, Phys. Rev. Lett. 67, 2339 (1991).

    Parameters
    ----------
    defective_eV, pristine_eV
        Energies of the same supercell with and without the defect.
    added
        Δn by element: atoms added to the pristine cell; negative where they are taken out.
    chemical_potentials_eV
        μ by element: energy per atom of the reservoir, computed with the same engine.

    Examples
    --------
    >>> round(formation_energy_eV(-30.4, -32.0, {"Al": -1}, {"Al": -1.0}), 6)
    0.6
    """
    exchanged = sum(count * chemical_potentials_eV[symbol] for symbol, count in added.items())
    return defective_eV - pristine_eV - exchanged


def charging_energy_eV(
    charge: int, valence_band_eV: float, fermi_eV: float = 0.0, correction_eV: float = 0.0
) -> float:
    """Return what a charge adds to the formation energy of a defect.

    q (E_VBM + E_F) + E_corr: the electrons taken out go to the Fermi level.

    C. Freysoldt et al., Rev. Mod. Phys. 86, 253 (2014), eq. 3.

    Parameters
    ----------
    charge
        In units of e; removed electrons are positive.
    valence_band_eV
        Valence band maximum of the pristine crystal on the scale of the code's eigenvalues.
    fermi_eV
        Fermi level above the valence band maximum.
    correction_eV
        For the finite cell; see `defectflow.analysis.charge_correction`.

    Examples
    --------
    >>> charging_energy_eV(2, 3.0, fermi_eV=0.5, correction_eV=0.25)
    7.25
    """
    return charge * (valence_band_eV + fermi_eV) + correction_eV
