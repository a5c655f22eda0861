"""Words that recipes, flows and documents share; nothing is imported here."""

from __future__ import annotations

from typing import Literal

#: What of a host's cell is relaxed: nothing, all of it, or its volume.
HostCell = Literal["keep", "relax", "scale"]
