"""Defects in battery and catalyst materials, from a recipe to a number beside the published one.

The names below are resolved on first use, so that ``import defectflow`` (and the command line)
starts without pymatgen or torch.

Examples
--------
>>> import defectflow
>>> defectflow.__version__.count(".") >= 1
True
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from defectflow.engines import engine
    from defectflow.launch import run
    from defectflow.store import Results
    from defectflow.structures import hosts

    __version__: str

__all__ = ["Results", "__version__", "engine", "hosts", "run"]

#: Public name: module that holds it, and its name there (None: the module itself).
_LAZY: Final[dict[str, tuple[str, str | None]]] = {
    "Results": ("defectflow.store", "Results"),
    "engine": ("defectflow.engines", "engine"),
    "hosts": ("defectflow.structures.hosts", None),
    "run": ("defectflow.launch", "run"),
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("defectflow")
    elif name in _LAZY:
        module_name, attribute = _LAZY[name]
        module = importlib.import_module(module_name)
        value = module if attribute is None else getattr(module, attribute)
    else:
        message = f"module 'defectflow' has no attribute {name!r}"
        raise AttributeError(message)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
