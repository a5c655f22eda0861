"""Pseudopotentials by name only: nothing of them is used but the number of electrons."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pymatgen.core.periodic_table import Element

from defectflow.errors import EngineError

if TYPE_CHECKING:
    from pathlib import Path

_F_BLOCK_TRIVALENT: Final = 9.0
_F_BLOCK_DIVALENT: Final = 8.0
#: Ce to Sm: their trivalent potentials treat the 5s shell too.
_LIGHT_LANTHANOIDS: Final = range(58, 63)


@dataclass(frozen=True)
class Pseudopotential:
    """What a calculation says about one of its pseudopotentials.

    Attributes
    ----------
    title
        The TITEL of the POTCAR. Without a POTCAR a title whose first word is ``NONE``.
    symbol
        Name of the potential, e.g. ``Ti_pv``.
    valence
        Number of electrons that it treats; a nominal one without a POTCAR.
    """

    title: str
    symbol: str
    valence: float

    @property
    def element(self) -> str:
        """Symbol of the element."""
        return self.symbol.split("_")[0]


def nominal_valence(symbol: str) -> float:
    """Return the number of electrons that a potential called `symbol` commonly treats.

    Outer s, p and d electrons; ``_pv`` adds 6 and ``_sv`` 8 semicore electrons (2 for Li and Be),
    ``_d`` 10 d electrons; ``_2`` and ``_3`` keep the f electrons in the core. This is how the PBE
    potentials of VASP are named (https://www.vasp.at/wiki/index.php/Available_pseudopotentials).

    Examples
    --------
    >>> [nominal_valence(symbol) for symbol in ("Cu", "Ti_pv", "Li_sv", "O", "Bi_d", "Gd_3")]
    [11.0, 10.0, 3.0, 6.0, 15.0, 9.0]
    """
    name, *kinds = symbol.split("_")
    element = Element(name)
    if element.is_lanthanoid or element.is_actinoid:
        shell = 2 if element.Z in _LIGHT_LANTHANOIDS else 0
        held = {"2": _F_BLOCK_DIVALENT, "3": _F_BLOCK_TRIVALENT + shell}
        core = 46 if element.is_lanthanoid else 78
        return next((held[kind] for kind in kinds if kind in held), float(element.Z - core))
    light = element.symbol in {"Li", "Be"}
    extra = {"pv": 6, "sv": 2 if light else 8, "d": 10}
    outer = element.group - 10 if element.block == "p" else element.group
    if element.symbol == "He":
        outer = 2
    return float(outer + sum(extra.get(kind, 0) for kind in kinds))


def read_pseudopotentials(folder: Path) -> tuple[Pseudopotential, ...]:
    """Return the pseudopotentials named in ``POTCAR`` or, without one, in ``POTCAR.spec``.

    Raises
    ------
    EngineError
        If both are missing or name nothing.
    """
    potcar, spec = folder / "POTCAR", folder / "POTCAR.spec"
    if potcar.is_file():
        text = potcar.read_text("utf-8", errors="replace")
        titles = re.findall(r"^\s*TITEL\s*=\s*(.*?)\s*$", text, re.MULTILINE)
        valences = re.findall(r"\bZVAL\s*=\s*([\d.]+)", text)
        if titles and len(titles) == len(valences):
            pairs = zip(titles, valences, strict=True)
            return tuple(Pseudopotential(t, t.split()[1], float(v)) for t, v in pairs)
        message = f"{potcar}: {len(titles)} lines TITEL and {len(valences)} ZVAL; write it again"
        raise EngineError(message)
    symbols = _symbols(spec.read_text("utf-8")) if spec.is_file() else []
    if not symbols:
        message = (
            f"{folder} has neither POTCAR nor POTCAR.spec; without a licence write the names of "
            "the potentials to POTCAR.spec, one a line (potcar_spec=True in pymatgen and atomate2)"
        )
        raise EngineError(message)
    return tuple(
        Pseudopotential(f"NONE {symbol} no-pseudopotential", symbol, nominal_valence(symbol))
        for symbol in symbols
    )


def _symbols(spec: str) -> list[str]:
    """Return the names in a POTCAR.spec: one a line, or a list of records with their titles."""
    if not spec.lstrip().startswith("["):
        return spec.split()
    titles = [str(record["titel"]).split() for record in json.loads(spec)]
    return [title[1] if len(title) > 1 else title[0] for title in titles]
