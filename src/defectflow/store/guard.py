"""What may be rebuilt from a stored output, and a jobflow store that enforces it.

Jobflow rebuilds objects from the class names that an output carries, which imports the modules
they name. Outputs come from a file or a database that others may write, so only names from known
packages (and from the packages whose jobs are being run) are let through.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from jobflow.core.store import JobStore
from monty.json import jsanitize

from defectflow.errors import StoreError
from defectflow.store.large import MOVED, parted, whole

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from maggma.core import Sort

    from defectflow.store.blobs import Blobs

#: Packages whose classes and functions outputs may name.
_PACKAGES: Final = frozenset(
    {"ase", "atomate2", "defectflow", "emmet", "jobflow", "monty", "pymatgen"}
)
#: Modules whose objects are plain data: their classes may be named, their functions may not.
#: pandas is not among them: its tables are stored as text, in which any class could be named.
_DATA: Final = frozenset({"bson", "builtins", "datetime", "numpy", "pathlib", "uuid"})


def untrusted_names(value: Any, packages: Collection[str] = ()) -> set[str]:
    """Return the module and class names in `value` that must not be imported.

    Parameters
    ----------
    value
        A stored output: dictionaries, lists and scalars.
    packages
        Top-level packages to trust besides the known ones.

    Examples
    --------
    >>> untrusted_names([{"@module": "subprocess", "@class": "Popen"}])
    {'subprocess.Popen'}
    >>> untrusted_names({"@module": "pymatgen.core", "@class": "Lattice"})
    set()
    """
    refused: set[str] = set()
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if "@module" in one:
                refused.update(_refused(one, packages))
            waiting.extend(child for child in one.values() if isinstance(child, (dict, list)))
        elif isinstance(one, list):
            waiting.extend(child for child in one if isinstance(child, (dict, list)))
    return refused


def _refused(named: Mapping[str, Any], packages: Collection[str]) -> Iterator[str]:
    root = str(named["@module"]).partition(".")[0]
    if root in _PACKAGES or root in packages:
        return
    if root in _DATA and "@callable" not in named:
        return
    if "@class" in named or "@callable" in named:
        yield f"{named['@module']}.{named.get('@class', named.get('@callable'))}"


class GuardedJobStore(JobStore):
    """A jobflow store that gives out only outputs whose classes are trusted.

    Data that a job wants in an additional store which does not exist stays in its document.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._trusted: set[str] = set()
        self._extra: set[str] = set(vars(self)["additional_stores"])
        #: Where large parts of outputs go; None for a store that takes documents of any size.
        self.blobs: Blobs | None = None

    def trust(self, packages: Iterable[str]) -> None:
        """Let through objects of these top-level packages too; never all of Python's own."""
        self._trusted.update(set(packages) - sys.stdlib_module_names)

    def query(
        self,
        criteria: Any = None,
        properties: Any = None,
        sort: dict[str, Sort | int] | Any = None,
        skip: int = 0,
        limit: int = 0,
        load: Any = None,
    ) -> Iterator[dict[str, Any]]:
        """Yield documents as jobflow does.

        Raises
        ------
        StoreError
            If a document names a class from an unknown package.
        """
        if self.blobs is not None and isinstance(properties, list):
            properties = [*properties, MOVED]
        with _explained():
            for found in super().query(criteria, properties, sort, skip, limit, load):
                document = self.whole(found)
                refused = untrusted_names(document, self._trusted)
                if refused:
                    message = (
                        f"output {document.get('uuid')} in {self.docs_store.name} names"
                        f" {', '.join(sorted(refused))}, which is not imported from a store;"
                        " if the package is yours, call store.jobs.trust(['package'])"
                    )
                    raise StoreError(message)
                yield document

    def update(self, docs: Any, key: Any = None, save: Any = None) -> None:
        """Write documents as jobflow does."""
        stores = self._extra
        wanted: Any = self.save if save in (None, True) else save or {}
        known = {name: what for name, what in wanted.items() if name in stores}
        with _explained():
            if self.blobs is not None:
                given = docs if isinstance(docs, list) else [docs]
                docs = [parted(_plain(one), self.blobs) for one in given]
            super().update(docs, key=key, save=known or False)

    def whole(self, document: dict[str, Any]) -> dict[str, Any]:
        """Return a document with the large parts of its output, wherever they lie."""
        return whole(document, self.blobs)


def _plain(document: Any) -> dict[str, Any]:
    """Return a document as jobflow would write it."""
    plain: dict[str, Any] = jsanitize(document, strict=True, allow_bson=True)
    return plain


@contextmanager
def _explained() -> Iterator[None]:
    """Turn the errors of a MongoDB server into one line."""
    from pymongo.errors import PyMongoError

    try:
        yield
    except PyMongoError as error:
        message = f"the database refused: {str(error).splitlines()[0][:200]}"
        raise StoreError(message) from error
