"""How output of the stand-in says what it is, and how it is recognised."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import Final

from defectflow.errors import MissingData

#: The generator in vasprun.xml, the first word of OUTCAR, the last word of headers in OSZICAR.
PROGRAM: Final = "defectflow-vasp-standin"
#: The version in vasprun.xml. Parsers compare its first number; 0 is below every VASP.
VERSION: Final = "0.0-defectflow-standin"
NOTICE: Final = "not VASP: no density functional was evaluated, no electrons were treated"

#: Where each file shows the mark. Comments of structures are left out: VASP itself copies them.
_MARKED: Final = {
    "vasprun.xml": re.compile(rf'<i name="program" type="string">\s*{PROGRAM}\b'.encode()),
    "OUTCAR": re.compile(rf"\A\s*{PROGRAM}\b".encode()),
    "OSZICAR": re.compile(rf"\A[^\n]*\b{PROGRAM}\s*\n".encode()),
}
#: The marks lie within so many bytes of the beginning.
_HEAD: Final = 4096


def is_standin(folder: Path | str) -> bool:
    """Tell whether a calculation's output was written by the stand-in, as a whole or in part.

    Looks at ``vasprun.xml``, ``OUTCAR`` and ``OSZICAR`` in `folder` and in its image folders
    (``00``, ``01``, ...), with suffixes such as ``.relax1`` and compressed or not.

    Raises
    ------
    MissingData
        If there is no such file.
    """
    files = [
        (file, mark)
        for place in (Path(folder), *sorted(Path(folder).glob("[0-9][0-9]")))
        for name, mark in _MARKED.items()
        for file in sorted(place.glob(f"{name}*"))
        if not file.name.endswith((".orig", ".orig.gz"))
    ]
    if not files:
        message = (
            f"{folder}: no vasprun.xml, OUTCAR or OSZICAR; give the folder of a calculation that "
            "has run"
        )
        raise MissingData(message)
    return any(mark.search(_head(file)) for file, mark in files)


def _head(file: Path) -> bytes:
    if file.suffix == ".gz":
        with gzip.open(file) as stream:
            return stream.read(_HEAD)
    with file.open("rb") as stream:
        return stream.read(_HEAD)
