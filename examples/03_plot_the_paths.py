"""Energy along the relaxed paths of every barrier in the store, as a picture.

Run some recipes first (`make demo`). Writes paths.png, or the file named as the first argument; the
second names the store.
"""

from __future__ import annotations

import sys

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from defectflow import Results

words = dict(enumerate(sys.argv))
target, store = words.get(1, "paths.png"), words.get(2, ".defectflow/store.sqlite")
figure, axes = plt.subplots(figsize=(7, 3.6))
for document in Results.open(store).barriers():
    for hop in document.hops:
        band = hop.band
        along = np.array(band.distances_A) / band.distances_A[-1]
        energies = np.array(band.energies_eV) - min(band.energies_eV)
        label = f"{document.species} in {document.host} ({document.engine.name})"
        axes.plot(along, energies, "o-", ms=4, lw=1, label=label)
axes.set_xlabel("fraction of the path")
axes.set_ylabel("energy above the lowest image (eV)")
axes.legend(frameon=False, fontsize=8)
figure.tight_layout()
figure.savefig(target, dpi=110)
print(f"wrote {target}")
