"""What an engine computes with: the packages, the files, and what must be said of both."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from defectflow.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from defectflow.documents.base import Fidelity


@dataclass(frozen=True)
class Model:
    """What a calculator engine computes with.

    Attributes
    ----------
    elements
        Symbols that the model was made for; None if that is not known.
    packages
        Python packages that it needs, the one that carries the model first.
    weights
        File of the weights below the first package; None if there is none.
    d3_method
        Name of the functional in the D3 parameter tables; None if it has no parameters.
    notes
        Facts about the numbers that a reader must know; they go into the stamp's options.
    """

    name: str | None
    functional: str | None
    fidelity: Fidelity
    elements: frozenset[str] | None
    packages: tuple[str, ...]
    weights: str | None = None
    d3_method: str | None = None
    notes: dict[str, str] = field(default_factory=dict)

    def weights_file(self) -> Path | None:
        """Return the file of the weights without importing its package.

        Raises
        ------
        EngineError
            If the package or the file is missing.
        """
        if self.weights is None:
            return None
        path = package_folder(self.packages[0]) / self.weights
        if not path.is_file():
            message = (
                f"model {self.name}: {path} is missing; install {self.packages[0]} again, its "
                "wheel carries the file"
            )
            raise EngineError(message)
        return path


def package_folder(package: str) -> Path:
    """Return the folder of an installed package without importing it.

    Raises
    ------
    EngineError
        If it is not installed.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        message = f"Python package {package} is not installed; {_remedy(package)}"
        raise EngineError(message)
    return Path(spec.origin).parent


def _remedy(package: str) -> str:
    wanted = "defectflow[potentials]" if package in {"chgnet", "sevenn", "torch"} else package
    return f"pip install {wanted!r}"


def file_sha256(path: Path) -> str:
    """Return the SHA-256 digest (hex) of a file; remembered until the file changes."""
    return _sha256(path, file_state(path))


@functools.lru_cache(maxsize=512)
def _sha256(path: Path, _state: tuple[int, int]) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def file_state(path: Path) -> tuple[int, int]:
    """Return what changes when a file is edited: time (ns) and size."""
    status = path.stat()
    return status.st_mtime_ns, status.st_size


def code_versions(packages: Sequence[str]) -> dict[str, str]:
    """Return the version of each of `packages` that is installed."""
    versions = {}
    for package in packages:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions
