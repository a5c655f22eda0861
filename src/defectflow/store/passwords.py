"""Passwords of databases: from the environment or the keyring, never in a file of ours.

A URL that is written down (into a firework, a project file, a queue script) has at most a user's
name. Whoever opens it adds the password: from ``DEFECTFLOW_PASSWORD``, else from the keyring, where
``keyring set defectflow USER@HOST`` puts it.
"""

from __future__ import annotations

import os
from typing import Final
from urllib.parse import quote

from defectflow.errors import StoreError

VARIABLE: Final = "DEFECTFLOW_PASSWORD"
SERVICE: Final = "defectflow"


def with_password(url: str) -> str:
    """Return `url` with the password of its user; unchanged if it names none or has one.

    Examples
    --------
    >>> with_password("mongodb://localhost/defects")
    'mongodb://localhost/defects'
    """
    scheme, separator, rest = url.partition("://")
    address, slash, tail = rest.partition("/")
    user, at, host = address.rpartition("@")
    if not (separator and at) or ":" in user:
        return url
    password = os.environ.get(VARIABLE) or _kept(f"{user}@{host}")
    if not password:
        return url
    return f"{scheme}://{user}:{quote(password, safe='')}@{host}{slash}{tail}"


def has_password(url: str) -> bool:
    """Tell whether `url` itself holds a password.

    Examples
    --------
    >>> has_password("mongodb://ada:secret@host/db")
    True
    """
    user, at, _ = url.partition("://")[2].partition("/")[0].rpartition("@")
    return bool(at) and ":" in user


def check_writable(url: str) -> str:
    """Return `url` if it may be written into files that others can read.

    Raises
    ------
    StoreError
        If it holds a password.
    """
    if has_password(url):
        from defectflow.store.urls import without_password

        shown = without_password(url)
        bare = shown.replace(":***@", "@")
        message = (
            f"{shown}: a password in the URL would be written into jobs and scripts; give {bare} "
            f"and put the password into ${VARIABLE}, or run: keyring set {SERVICE} "
            f"{bare.partition('://')[2].partition('/')[0]}"
        )
        raise StoreError(message)
    return url


def _kept(name: str) -> str | None:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        return None
    try:
        found: str | None = keyring.get_password(SERVICE, name)
    except KeyringError:  # no keyring on this machine
        return None
    return found
