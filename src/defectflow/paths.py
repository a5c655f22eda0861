"""Where recipes and templates are found.

Three places are looked at, in this order: the user's folder (``$DEFECTFLOW_HOME``, by default
``~/.config/defectflow``), the copy packed into an installed wheel (``defectflow/_data``), and the
checkout that this file lies in. A file in the user's folder therefore replaces a shipped one.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from defectflow.errors import MissingData, did_you_mean

#: What is shipped beside the code.
Kind = Literal["workflows", "templates"]


def user_folder() -> Path:
    """Return the folder of the user's own recipes and templates; it need not exist."""
    home = os.environ.get("DEFECTFLOW_HOME")
    return Path(home).expanduser() if home else Path.home() / ".config" / "defectflow"


def roots(kind: Kind, *, shipped: bool = False) -> tuple[Path, ...]:
    """Return the existing folders of `kind`, the one that wins first.

    With `shipped` only those that come with the package.
    """
    package = Path(__file__).resolve().parent
    candidates = [] if shipped else [user_folder() / kind]
    candidates.append(package / "_data" / kind)
    checkout = package.parent.parent
    if package.parent.name == "src":
        candidates.append(checkout / kind)
    return tuple(folder for folder in candidates if folder.is_dir())


def find(kind: Kind, relative: str | Path, *, shipped: bool = False) -> Path:
    """Return the file `relative` of the first root of `kind` that has it.

    Parameters
    ----------
    shipped
        Pass over the user's folder.

    Raises
    ------
    MissingData
        If no root has it; near matches are named.
    """
    for root in roots(kind, shipped=shipped):
        path = root / relative
        if path.is_file():
            return path
    known = listing(kind, "**/*")
    hint = did_you_mean(str(relative), known) if known else f"no folder {kind} was found"
    message = f"{kind}: no file {str(relative)!r}; {hint}"
    raise MissingData(message)


def listing(kind: Kind, pattern: str = "**/*") -> dict[str, Path]:
    """Return every file of `kind` that matches the glob `pattern`, by its relative name."""
    files: dict[str, Path] = {}
    for root in roots(kind):
        for path in sorted(root.glob(pattern)):
            if path.is_file():
                files.setdefault(path.relative_to(root).as_posix(), path)
    return dict(sorted(files.items()))
