"""Computed barriers as a pandas table, and the diffusion coefficient of each at any temperature.

Where several kinds of hops or sites make up the way, the document holds coefficients and tensors at
the temperatures that the recipe asks for.

Run 01_run_a_barrier.py first, in the same folder.
"""

from __future__ import annotations

import numpy as np

from defectflow import Results
from defectflow.units import BOLTZMANN_EV_PER_K, CM2_PER_A2

results = Results.open(".defectflow/store.sqlite").barriers(species="Cu")
table = results.to_dataframe()
print(table[["host", "defect", "engine", "value", "unit", "converged"]].to_string(index=False))

# D(T) = rho * lambda^2 * nu * exp(-E / kT): every factor stands in the document.
temperatures_K = np.array([600.0, 800.0, 1000.0, 1200.0])
for document in results:
    walk = document.diffusion
    if walk is None:  # not converged: no number
        continue
    if walk.jump_length_A is None:  # a network of unlike hops
        print(f"\n{document.defect} in {document.host}: {walk.coefficient_cm2_per_s} cm2/s")
        continue
    area_cm2 = walk.jump_length_A**2 * CM2_PER_A2
    prefactor = walk.geometric_factor * area_cm2 * walk.attempt_frequency_Hz
    coefficients = prefactor * np.exp(-walk.barrier_eV / (BOLTZMANN_EV_PER_K * temperatures_K))
    print(f"\n{document.defect} in {document.host}: D0 = {prefactor:.2e} cm2/s")
    for kelvin, coefficient in zip(temperatures_K, coefficients, strict=True):
        print(f"D({kelvin:.0f} K) = {coefficient:.2e} cm2/s")
