"""Whether a site works: what `defectflow doctor` looks at, one finding for each thing."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from defectflow.errors import DefectflowError, StoreError
from defectflow.store.passwords import VARIABLE, has_password, with_password
from defectflow.store.urls import DEFAULT_PATH, open_store, without_password

if TYPE_CHECKING:
    from collections.abc import Iterator

    from defectflow.launch.site import Site

#: Clocks that differ by more make lost jobs look alive, and fresh ones old.
_CLOCK_S: Final = 5.0
_PATIENCE_MS: Final = 5000
_FREE_GB: Final = 1.0
_LIST_COMMANDS: Final = {
    "slurm": ("squeue", "scancel"),
    "pbs": ("qstat", "qdel"),
    "sge": ("qstat", "qdel"),
    "lsf": ("bjobs", "bkill"),
}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes
    ----------
    about
        What was looked at: store, clock, queue, manager, engine, passwords.
    words
        What was found; for what is wrong also the remedy.
    """

    about: str
    ok: bool
    words: str


def _is_server(url: str | None) -> bool:
    return url is not None and url.startswith(("mongodb://", "mongodb+srv://"))


def store_findings(url: str | None) -> Iterator[Finding]:
    """Look whether the store can be opened, and whether its disk has room."""
    shown = without_password(url or DEFAULT_PATH)
    begun = time.perf_counter()
    try:
        with open_store(url, create=False) as store:
            store.runs.all()
    except DefectflowError as error:
        missing = url is None or "://" not in url
        if missing and not Path(url or DEFAULT_PATH).expanduser().exists():
            yield from _folder_findings(Path(url or DEFAULT_PATH).expanduser())
            return
        yield Finding("store", ok=False, words=str(error))
        return
    took_ms = 1000 * (time.perf_counter() - begun)
    yield Finding("store", ok=True, words=f"{shown} answers in {took_ms:.0f} ms")
    if not _is_server(url):
        yield from _room(Path(url or DEFAULT_PATH).expanduser().parent)


def _folder_findings(path: Path) -> Iterator[Finding]:
    """Look whether a store that does not exist yet can be made."""
    folder = next(one for one in path.absolute().parents if one.exists())
    if not os.access(folder, os.W_OK):
        words = f"{path}: {folder} cannot be written; name another place with --store"
        yield Finding("store", ok=False, words=words)
        return
    yield Finding("store", ok=True, words=f"{path} does not exist yet; the first run makes it")
    yield from _room(folder)


def _room(folder: Path) -> Iterator[Finding]:
    free_GB = shutil.disk_usage(folder).free / 1e9
    words = f"{free_GB:.1f} GB free in {folder}"
    if free_GB < _FREE_GB:
        words += "; make room, or name another place with --store"
    yield Finding("disk", ok=free_GB >= _FREE_GB, words=words)


def clock_findings(url: str | None, folder: Path) -> Iterator[Finding]:
    """Compare this machine's clock with those of the database and of the file system."""
    if _is_server(url):
        try:
            away_s = server_clock_s(url or "")
        except StoreError as error:
            yield Finding("clock", ok=False, words=str(error))
        else:
            yield clock_finding("the database", away_s)
    place = folder if folder.is_dir() else folder.absolute().parent
    try:
        with tempfile.NamedTemporaryFile(dir=place) as file:
            before = time.time()
            file.write(b"now")
            file.flush()
            away_s = Path(file.name).stat().st_mtime - before
    except OSError as error:
        words = f"{place}: {error.strerror}; run this in a folder that can be written"
        yield Finding("clock", ok=False, words=words)
        return
    yield clock_finding(f"the disk of {place}", away_s)


def clock_finding(whose: str, away_s: float) -> Finding:
    """Judge how far a clock is ahead of ours, seconds."""
    ok = abs(away_s) <= _CLOCK_S
    words = f"that of {whose} is {away_s:+.1f} s from ours"
    return Finding("clock", ok, words if ok else f"{words}; set both by NTP (chronyc, timedatectl)")


def server_clock_s(url: str) -> float:
    """Return how far the clock of a database is ahead, seconds."""
    from pymongo import MongoClient
    from pymongo.errors import PyMongoError

    try:
        client: MongoClient[dict[str, object]] = MongoClient(
            with_password(url), serverSelectionTimeoutMS=_PATIENCE_MS
        )
        before = datetime.now(UTC)
        said = client.admin.command("hello").get("localTime")
        after = datetime.now(UTC)
        client.close()
    except PyMongoError as error:
        reason = str(error).split(",")[0][:200]
        message = f"{without_password(url)}: does not tell the time ({reason}); check the server"
        raise StoreError(message) from error
    if not isinstance(said, datetime):
        message = f"{without_password(url)}: does not tell the time; compare `date` on both"
        raise StoreError(message)
    middle = before + (after - before) / 2
    return (said.replace(tzinfo=UTC) - middle).total_seconds()


def queue_findings(site: Site) -> Iterator[Finding]:
    """Look whether the queue's commands are there, the queue answers, and takes what is asked."""
    from defectflow.launch import queues

    commands = (queues.SUBMIT_COMMANDS[site.scheduler], *_LIST_COMMANDS[site.scheduler])
    missing = [one for one in commands if shutil.which(one) is None]
    if missing:
        words = (
            f"{', '.join(missing)} of {site.scheduler} not found; log in where jobs are submitted, "
            "or load the queue's module"
        )
        yield Finding("queue", ok=False, words=words)
        return
    try:
        count = len(queues.listed(site))
        for kind in site.kinds:
            queues.adapter(site, kind, "true")
    except DefectflowError as error:
        yield Finding("queue", ok=False, words=str(error))
        return
    yield Finding("queue", ok=True, words=f"{site.scheduler} answers; {count} jobs of yours in it")
    yield from _offer_findings(site)


def _offer_findings(site: Site) -> Iterator[Finding]:
    """Compare what is asked for with what Slurm says that it gives."""
    from defectflow.launch import queues
    from defectflow.launch.site import Limits
    from defectflow.launch.site_files import offered_limits

    for kind in site.kinds:
        name = site.resources(kind).queue
        offered = offered_limits(site.scheduler, name)
        if not offered and site.scheduler == "slurm":
            words = f"no partition {name or '(default)'}; `sinfo` lists them, queue: names one"
            yield Finding("queue", ok=False, words=words)
            continue
        known = site.limits.model_dump(exclude_none=True)
        stricter = site.model_copy(update={"limits": Limits(**(offered | known))})
        try:
            queues.adapter(stricter, kind, "true")
        except DefectflowError as error:
            yield Finding("queue", ok=False, words=str(error))


def manager_findings(to: str, url: str | None, folder: Path) -> Iterator[Finding]:
    """Look at the manager: installed, its files there, its part of the database ours or empty."""
    try:
        if to == "fireworks":
            yield from _fireworks_findings(url or "", folder)
        else:
            yield from _remote_findings(folder)
    except DefectflowError as error:
        yield Finding(to, ok=False, words=str(error))
    except ImportError as error:
        words = f"{error.name} is not installed; run: pip install 'defectflow[queues]'"
        yield Finding(to, ok=False, words=words)


def _fireworks_findings(url: str, folder: Path) -> Iterator[Finding]:
    from defectflow.launch.launchpad_contents import foreign
    from defectflow.launch.launchpads import open_launchpad

    pad = open_launchpad(url, create=False)
    if pad is None:
        others = foreign(url)
        words = "no launchpad yet; the first `defectflow submit` makes it"
        if others:
            words = f"launchpad of others ({', '.join(others)}); name another database in the URL"
        yield Finding("fireworks", ok=not others, words=words)
    else:
        ready = pad.fireworks.count_documents({"state": "READY"})
        yield Finding("fireworks", ok=True, words=f"launchpad is ours, {ready} jobs ready")
    if not (folder / "fireworks" / "my_launchpad.yaml").is_file():
        words = f"no {folder}/fireworks/my_launchpad.yaml for lpad; `defectflow init` writes it"
        yield Finding("fireworks", ok=False, words=words)


def _remote_findings(folder: Path) -> Iterator[Finding]:
    import yaml
    from jobflow_remote.config.base import Project
    from pydantic import ValidationError

    file = folder / "remote" / "projects" / "defectflow.yaml"
    if not file.is_file():
        words = f"no project file {file}; `defectflow init --to jobflow-remote` writes it"
        yield Finding("jobflow-remote", ok=False, words=words)
        return
    try:
        project = Project(**yaml.safe_load(file.read_text(encoding="utf-8")))
    except (ValidationError, yaml.YAMLError, TypeError) as error:
        first = str(error).splitlines()[0]
        words = f"{file}: {first}; `defectflow init --force` writes it anew"
        yield Finding("jobflow-remote", ok=False, words=words)
        return
    names = ", ".join(project.workers)
    yield Finding("jobflow-remote", ok=True, words=f"project file with workers {names}")


def password_findings(url: str | None, folder: Path) -> Iterator[Finding]:
    """Look whether a password is needed, known, and in no file that we wrote."""
    if url is not None and has_password(url):
        words = f"in the URL of the store; take it out and put it into ${VARIABLE} or the keyring"
        yield Finding("passwords", ok=False, words=words)
    elif url is not None and _is_server(url) and "@" in url:
        user = url.partition("://")[2].partition("/")[0]
        known = with_password(url) != url
        words = f"that of {user} is known"
        if not known:
            words = f"none for {user}; set ${VARIABLE}, or run: keyring set defectflow {user}"
        yield Finding("passwords", known, words)
    secret = os.environ.get(VARIABLE)
    for file in _own_files(folder):
        text = file.read_text(encoding="utf-8", errors="replace")
        if (secret and secret in text) or any(has_password(word) for word in text.split()):
            who = "readable by all" if file.stat().st_mode & stat.S_IROTH else "on disk"
            words = f"one is in {file}, {who}; delete it there and change the password"
            yield Finding("passwords", ok=False, words=words)


def _own_files(folder: Path) -> Iterator[Path]:
    for file in sorted([*folder.parent.glob("queue*.yaml"), *folder.rglob("*.yaml")]):
        if file.is_file() and "jobs" not in file.relative_to(folder.parent).parts:
            yield file
