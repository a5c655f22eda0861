"""Where the large parts of outputs lie when documents go to a server: GridFS, a folder, or S3.

MongoDB takes documents of 16 MB at most, and is slow long before. Parts are JSON, compressed, named
by the digest of their content: to write one twice changes nothing.
"""

from __future__ import annotations

import gzip
import hashlib
import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from defectflow.errors import StoreError
from defectflow.store.rows import decode, encode

if TYPE_CHECKING:
    from pymongo.database import Database

#: Says where parts go in a database that does not know yet; from then on the database says so.
VARIABLE: Final = "DEFECTFLOW_BLOBS"
_GRIDFS: Final = "gridfs"
_SETTINGS: Final = "settings"
_LEVEL: Final = 5


class Blobs(Protocol):
    """A place for bytes that have a name."""

    def put(self, name: str, content: bytes) -> None:
        """Write `content`, whole or not at all; nothing happens if it is there."""

    def get(self, name: str) -> bytes | None:
        """Return what was written under `name`; None if there is nothing."""


def put_value(blobs: Blobs, value: Any) -> str:
    """Write JSON data; return its name."""
    text = encode({"value": value}).encode()
    name = hashlib.sha256(text).hexdigest()
    blobs.put(name, gzip.compress(text, _LEVEL, mtime=0))
    return name


def get_value(blobs: Blobs, name: str) -> Any:
    """Return the JSON data of that name; nothing that it names is imported.

    Raises
    ------
    StoreError
        If it is missing or damaged.
    """
    content = blobs.get(name)
    try:
        text = gzip.decompress(content) if content is not None else b""
    except (OSError, EOFError) as error:
        message = f"part {name[:16]} of an output is damaged; compute it again with --fresh"
        raise StoreError(message) from error
    if hashlib.sha256(text).hexdigest() != name:
        what = "missing" if content is None else "damaged"
        message = f"part {name[:16]} of an output is {what}; compute it again with --fresh"
        raise StoreError(message)
    return decode(text.decode())["value"]


def blobs_of(database: Database[Any]) -> Blobs:
    """Return where the large parts of a database's outputs lie.

    The database remembers it from the first time on, so that every worker and reader agrees: it is
    what ``DEFECTFLOW_BLOBS`` said then, ``gridfs`` (in the database itself, in pieces) without it.

    Raises
    ------
    StoreError
        If the variable says something else than the database, or nothing that is known.
    """
    asked = os.environ.get(VARIABLE)
    known = database[_SETTINGS].find_one({"_id": "blobs"})
    if known is None:
        first = asked or _GRIDFS
        _made(first, database)  # nothing unusable is remembered
        database[_SETTINGS].update_one(
            {"_id": "blobs"}, {"$setOnInsert": {"url": first}}, upsert=True
        )
        known = database[_SETTINGS].find_one({"_id": "blobs"}) or {"url": first}
    url = known["url"]
    if asked and asked != url:
        message = (
            f"{VARIABLE}={asked}: the large parts of this store lie in {url}; unset the variable, "
            "or name another database in the URL of the store"
        )
        raise StoreError(message)
    return _made(url, database)


def _made(url: str, database: Database[Any]) -> Blobs:
    if url == _GRIDFS:
        return GridBlobs(database)
    if url.startswith("s3://"):
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        if bucket:
            return S3Blobs(bucket, prefix.strip("/"))
    elif "://" not in url and Path(url).is_absolute():
        return FolderBlobs(Path(url))
    message = f"{VARIABLE}={url}: give gridfs, s3://BUCKET/PREFIX, or a folder by its full path"
    raise StoreError(message)


class FolderBlobs:
    """Parts as files in a folder that all machines see.

    Examples
    --------
    >>> import tempfile
    >>> blobs = FolderBlobs(Path(tempfile.mkdtemp()))
    >>> get_value(blobs, put_value(blobs, [1, 2, 3]))
    [1, 2, 3]
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, name: str, content: bytes) -> None:
        """Write a file under another name, then rename it.

        Raises
        ------
        StoreError
            If it cannot be written.
        """
        path = self._path(name)
        if path.exists():
            return
        half = path.with_name(f".{name}.{os.getpid()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            half.write_bytes(content)
            half.replace(path)
        except OSError as error:
            half.unlink(missing_ok=True)
            message = f"{path}: {error.strerror}; make room or allow writing, then run again"
            raise StoreError(message) from error

    def get(self, name: str) -> bytes | None:
        """Return what a file holds."""
        path = self._path(name)
        return path.read_bytes() if path.exists() else None

    def _path(self, name: str) -> Path:
        return self._folder / name[:2] / f"{name}.json.gz"


class S3Blobs:
    """Parts as objects of an S3 bucket; address and credentials come from AWS's own variables."""

    def __init__(self, bucket: str, prefix: str) -> None:
        self._bucket, self._prefix = bucket, prefix

    def put(self, name: str, content: bytes) -> None:
        """Write an object; S3 shows it when it is whole.

        Raises
        ------
        StoreError
            If S3 refuses.
        """
        self._asked("put_object", Key=self._key(name), Body=content)

    def get(self, name: str) -> bytes | None:
        """Return what an object holds."""
        answer = self._asked("get_object", Key=self._key(name))
        return None if answer is None else bytes(answer["Body"].read())

    def _key(self, name: str) -> str:
        return "/".join(part for part in (self._prefix, name[:2], f"{name}.json.gz") if part)

    def _asked(self, verb: str, **options: Any) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return getattr(self._client, verb)(Bucket=self._bucket, **options)
        except (BotoCoreError, ClientError) as error:
            code = getattr(error, "response", {}).get("Error", {}).get("Code")
            if code == "NoSuchKey":
                return None
            message = (
                f"s3://{self._bucket}: {error}; check the bucket, AWS_ENDPOINT_URL and credentials"
            )
            raise StoreError(message) from error

    @cached_property
    def _client(self) -> Any:
        import boto3

        return boto3.client("s3")


class GridBlobs:
    """Parts in the database itself, in pieces of 255 kB: MongoDB's own way with large files."""

    def __init__(self, database: Database[Any]) -> None:
        self._database = database

    def put(self, name: str, content: bytes) -> None:
        """Write the pieces, then the record that makes a file of them."""
        from gridfs.errors import FileExists
        from pymongo.errors import DuplicateKeyError

        if self._grid.exists(name):
            return
        self._grid.delete(name)  # the pieces of someone who died before the record
        try:
            self._grid.put(content, _id=name)
        except (FileExists, DuplicateKeyError) as error:
            if not self._grid.exists(name):  # another process is at it
                message = f"part {name[:16]}: another process writes it; run again"
                raise StoreError(message) from error

    def get(self, name: str) -> bytes | None:
        """Return the pieces together."""
        from gridfs.errors import CorruptGridFile, NoFile

        try:
            return bytes(self._grid.get(name).read())
        except (NoFile, CorruptGridFile):
            return None

    @cached_property
    def _grid(self) -> Any:
        from gridfs import GridFS

        return GridFS(self._database, "blobs")
