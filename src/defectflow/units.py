"""Physical constants and the only unit conversions of the package.

Inside defectflow lengths are in Å, energies in eV, forces in eV/Å, stresses in eV/Å³, times in s
and temperatures in K. Conversion happens at the edge of an engine and nowhere else.
"""

from __future__ import annotations

from typing import Final

#: Boltzmann constant (CODATA 2018, exact).
BOLTZMANN_EV_PER_K: Final = 8.617333262e-5
#: 1 eV/Å³ in GPa (e x 1e30 / 1e9, exact e).
GPA_PER_EV_A3: Final = 160.2176634
#: 1 eV/Å² in mJ/m² (e x 1e23, exact e).
MJ_PER_M2_PER_EV_A2: Final = 16021.76634
#: 1 Å² in cm².
CM2_PER_A2: Final = 1.0e-16
#: Hartree energy in eV and Bohr radius in Å (CODATA 2018).
HARTREE_EV: Final = 27.211386245988
RYDBERG_EV: Final = HARTREE_EV / 2
BOHR_A: Final = 0.529177210903
