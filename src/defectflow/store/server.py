"""A collection on a MongoDB server, known by a URL that holds no password."""

from __future__ import annotations

from typing import Any, Final

from maggma.stores import MongoStore
from pymongo.uri_parser import parse_uri

from defectflow.store.passwords import with_password
from defectflow.store.urls import DEFAULT_DATABASE, without_password

#: How long a server is waited for before an error, ms.
SERVER_PATIENCE_MS: Final = 5000
#: What the server has confirmed is on its disk: a crash of the server does not take it back.
SAFELY: Final = {"journal": True}


class ServerStore(MongoStore):
    """A maggma store whose password comes from the environment or the keyring.

    Its serialised form and its name show no password, whatever URL it was made with.

    Examples
    --------
    >>> store = ServerStore("mongodb://ada:secret@localhost/defects", "outputs")
    >>> store.name, store.database
    ('mongodb://ada:***@localhost/defects/outputs', 'defects')
    >>> "secret" in str(store.as_dict())
    False
    """

    def __init__(self, url: str, collection_name: str, key: str = "uuid") -> None:
        full = with_password(url)
        database = parse_uri(full)["database"] or DEFAULT_DATABASE
        super().__init__(
            database,
            collection_name,
            uri=full,
            mongoclient_kwargs={"serverSelectionTimeoutMS": SERVER_PATIENCE_MS, **SAFELY},
            key=key,
        )
        self.url = url

    @property
    def name(self) -> str:
        """URL and collection, without a password."""
        return f"{without_password(self.url)}/{self.collection_name}"

    @property
    def server_database(self) -> Any:
        """The database that the collection lies in."""
        return self._collection.database

    def index(self, *fields: str) -> None:
        """Make the indexes that are missing; to ask is one round trip, to make one is many."""
        known = {
            field
            for one in self._collection.index_information().values()
            for field, _ in one["key"]
        }
        for field in fields:
            if field not in known:
                self._collection.create_index(field, background=True)

    def as_dict(self) -> dict[str, Any]:
        """Return what makes this store again, without the password."""
        return {
            "@module": type(self).__module__,
            "@class": type(self).__name__,
            "url": without_password(self.url).replace(":***@", "@"),
            "collection_name": self.collection_name,
            "key": self.key,
        }

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> ServerStore:
        """Make the store that `as_dict` described."""
        return cls(**{name: d[name] for name in ("url", "collection_name", "key")})
