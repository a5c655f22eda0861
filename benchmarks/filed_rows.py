"""Rows of results/ that stand beside published values."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True)
class FiledRows:
    """A file of rows; one row per value of `keys`."""

    target: Path
    keys: tuple[str, ...]

    def read(self) -> list[dict[str, Any]]:
        """Return what is in the file."""
        text = self.target.read_text(encoding="utf-8") if self.target.is_file() else "[]"
        found: list[dict[str, Any]] = json.loads(text)
        return found

    def file(self, new: dict[str, Any]) -> None:
        """Put a row into the file, in the place of an older one of the same keys."""
        kept = [row for row in self.read() if self._key(row) != self._key(new)]
        ordered = sorted([*kept, new], key=self._key)
        text = json.dumps(ordered, indent=1, ensure_ascii=False) + "\n"
        self.target.write_text(text, encoding="utf-8")

    def _key(self, row: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(row[key] for key in self.keys)

    def print(self, *widths: int) -> None:
        """Print every row: its keys, ours, the published value, and the difference."""
        for row in self.read():
            named = " ".join(
                f"{row[key]:{width}}" for key, width in zip(self.keys, widths, strict=True)
            )
            numbers = [row[key] for key in ("value", "published", "error")]
            shown = "  ".join("   -  " if x is None else f"{x:+8.3f}" for x in numbers)
            print(f"{named} {shown} {row['unit']}")
