"""The tables that all density functional codes share: sets of U, and starting moments."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import yaml

from defectflow import paths
from defectflow.documents.base import content_key
from defectflow.engines.model import file_state

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def table_digests(options: Mapping[str, Any]) -> dict[str, str]:
    """Return the digests of the tables of U and of moments that `options` use.

    Only of those that the user's folder has replaced by others: they change numbers, and nothing
    that was computed with other tables is to be taken over.
    """
    found = {}
    chosen = options["hubbard_U_eV"]
    if options["functional"].endswith("+U") and isinstance(chosen, str):
        used, shipped = (one.get(chosen) for one in (hubbard_sets(), hubbard_sets(shipped=True)))
        if used != shipped:
            found["hubbard_sha256"] = content_key(used)
    if options["spin"] != "off" and starting_moments() != starting_moments(shipped=True):
        found["starting_moments_sha256"] = content_key(starting_moments())
    return found


def hubbard_sets(*, shipped: bool = False) -> dict[str, Any]:
    """Return the sets of U by name."""
    return _table("hubbard", shipped=shipped)


def starting_moments(*, shipped: bool = False) -> dict[str, Any]:
    """Return starting moments by element, and those of elements that are not listed."""
    return _table("starting_moments", shipped=shipped)


def _table(name: str, *, shipped: bool) -> dict[str, Any]:
    path = paths.find("templates", f"input/dft/{name}.yaml", shipped=shipped)
    return _read(path, file_state(path))


@functools.lru_cache(maxsize=8)
def _read(path: Path, _state: tuple[int, int]) -> dict[str, Any]:
    table: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return table
