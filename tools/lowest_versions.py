"""Print the lowest versions that pyproject.toml allows, as constraints for pip."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"


def lowest(requirements: list[str]) -> list[str]:
    """Return ``name==bound`` of each requirement ``name>=bound``."""
    bounds = (re.fullmatch(r"([\w.-]+)>=([\w.]+)", one) for one in requirements)
    return [f"{bound[1]}=={bound[2]}" for bound in bounds if bound is not None]


if __name__ == "__main__":
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    print("\n".join(lowest(project["dependencies"])))
