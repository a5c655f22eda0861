"""A migration barrier from Python: a vacancy hop in copper, in seconds.

The engine here is effective medium theory, a stand-in for trying things out. For a real material
take another engine and host, e.g. ``engine("sevennet")`` and ``hosts.load("TiS2.cif")``.
"""

from __future__ import annotations

from defectflow import engine, hosts, run
from defectflow.flows import MigrationBarrierMaker

maker = MigrationBarrierMaker(engine=engine("emt", level="fast"), limit="discharged")
flow = maker.make(hosts.load("fcc-Cu"), species="Cu")

# Any manager that runs jobflow can run the flow; `run` does it here, and files every step in
# .defectflow/store.sqlite. Run this script again: nothing is computed twice.
document = run(flow)

print(f"{document.defect} in {document.host}, engine {document.engine.name}")
print(f"converged      {document.converged}")
print(f"barrier        {document.barrier_eV:.3f} eV")
print(f"from the curve {document.spline_barrier_eV:.3f} eV")
for hop in document.hops:
    energies = " ".join(f"{energy:.3f}" for energy in hop.band.energies_eV)
    print(f"hop            {hop.label}, images at {energies} eV")
print(f"force calls    {document.force_calls}")
