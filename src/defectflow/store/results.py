"""Results as the user asks for them: filtered step by step, then as documents or as a table."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from defectflow.errors import RecipeError, did_you_mean
from defectflow.store.urls import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pandas as pd

    from defectflow.documents.base import ResultDocument
    from defectflow.store.opened import Store


@dataclass(frozen=True)
class Results:
    """The results in a store; each filter returns a new, narrower `Results`.

    Examples
    --------
    >>> len(Results.open("memory://").barriers(species="Mg"))
    0
    """

    store: Store
    filters: dict[str, str] = field(default_factory=dict)

    @classmethod
    def open(cls, url: str | Path | None = None) -> Results:
        """Open the store at `url` for reading.

        Raises
        ------
        MissingData
            If there is no such store.
        StoreError
            If the store cannot be opened.
        """
        return cls(open_store(url, create=False))

    def quantity(self, name: str) -> Results:
        """Keep results of one quantity, e.g. ``migration_barrier``.

        Raises
        ------
        RecipeError
            If there is no such quantity.
        """
        from defectflow.documents import RESULTS

        if name not in RESULTS:
            message = f"quantity {name!r} is unknown; {did_you_mean(name, RESULTS)}"
            raise RecipeError(message)
        return self._narrow(quantity=name)

    def species(self, symbol: str) -> Results:
        """Keep results on one species."""
        return self._narrow(species=symbol)

    def host(self, name: str) -> Results:
        """Keep results in one host: a prototype by its name, or all of a reduced formula."""
        return self._narrow(host=name)

    def recipe(self, name: str) -> Results:
        """Keep results of one recipe."""
        return self._narrow(recipe=name)

    def barriers(self, species: str | None = None, host: str | None = None) -> Results:
        """Keep migration barriers, of one ion and in one host if these are given."""
        return self._narrow(quantity="migration_barrier", species=species, host=host)

    def documents(self) -> list[ResultDocument]:
        """Return the results, newest first."""
        return self.store.find(**self.filters)

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per result with the columns of the command line's JSON, newest first."""
        import pandas as pd

        from defectflow.documents.base import ResultDocument

        rows = [document.row() for document in self.documents()]
        if rows:
            return pd.DataFrame(rows)
        fields = ResultDocument.model_fields
        columns = [name for name in fields if name not in {"engine", "recipe_input"}]
        return pd.DataFrame(columns=[*columns, "engine", "level"])

    def __iter__(self) -> Iterator[ResultDocument]:
        return iter(self.documents())

    def __len__(self) -> int:
        return len(self.documents())

    def _narrow(self, **filters: Any) -> Results:
        given = {name: value for name, value in filters.items() if value is not None}
        return replace(self, filters={**self.filters, **given})
