"""The files of a site that `defectflow init` writes: no password is in any of them."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import yaml
from pydantic import ValidationError

from defectflow.errors import RecipeError
from defectflow.launch.site import Site, first_mistake
from defectflow.settings import FILE, FOLDER
from defectflow.store.passwords import check_writable
from defectflow.store.urls import DEFAULT_DATABASE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

QUEUE_FILE: Final = "queue.yaml"
_ASK_S: Final = 10.0
_HEAD: Final = {
    QUEUE_FILE: "# What a queue job may use; docs/sites.md explains every line.",
    f"{FOLDER}/{FILE}": "# Defaults of the command line in this folder.",
}


@dataclass(frozen=True)
class Wishes:
    """What a site is to be.

    Attributes
    ----------
    queue
        Fields of the queue file; empty if nothing is to be submitted.
    """

    store: str | None
    to: str | None
    queue: Mapping[str, Any]
    engines: tuple[str, ...] = ()


def site_files(wishes: Wishes, folder: Path) -> dict[Path, str]:
    """Return the text of every file by its path; writes nothing.

    Raises
    ------
    RecipeError
        If the queue's fields are wrong, or something to submit to lacks a queue or a server.
    StoreError
        If the URL of the store holds a password.
    """
    root = folder.absolute()
    if wishes.store is not None and "://" in wishes.store:
        check_writable(wishes.store)
    queue = {name: value for name, value in wishes.queue.items() if value not in (None, (), [], {})}
    texts: dict[str, Any] = {}
    site = None
    if queue:
        site = _site(queue)
        texts[QUEUE_FILE] = queue
    known = {
        "store": wishes.store,
        "to": wishes.to,
        "queue": str(root / QUEUE_FILE) if queue else None,
        "engines": list(wishes.engines) or None,
    }
    texts[f"{FOLDER}/{FILE}"] = {name: value for name, value in known.items() if value}
    if wishes.to is not None:
        texts |= _manager_files(wishes, site, root)
    return {
        root / name: "\n".join([*([_HEAD[name]] if name in _HEAD else []), _yaml(data)])
        for name, data in texts.items()
    }


def _yaml(data: Any) -> str:
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)


def _site(queue: Mapping[str, Any]) -> Site:
    from defectflow.launch import queues

    try:
        site = Site(**queue)
    except ValidationError as error:
        message = f"queue file: {first_mistake(error)}"
        raise RecipeError(message) from error
    for kind in site.kinds:
        queues.adapter(site, kind, "true")
    return site


def _manager_files(wishes: Wishes, site: Site | None, root: Path) -> dict[str, Any]:
    """Return the files with which the managers' own commands work: lpad and qlaunch, or jf."""
    if site is None:
        message = f"--to {wishes.to}: queue jobs need a queue; give --scheduler slurm, for instance"
        raise RecipeError(message)
    url = wishes.store or ""
    if not url.startswith(("mongodb://", "mongodb+srv://")):
        message = (
            f"--to {wishes.to}: queue jobs on other machines need a server; give --store "
            "mongodb://HOST/DATABASE"
        )
        raise RecipeError(message)
    if wishes.to == "jobflow-remote":
        from defectflow.launch.remote_manager import PROJECT, project

        content = project(url, str(root / FOLDER), site)
        return {f"{FOLDER}/remote/projects/{PROJECT}.yaml": content}
    return _fireworks_files(url, site, root)


def _fireworks_files(url: str, site: Site, root: Path) -> dict[str, Any]:
    from pymongo.uri_parser import parse_uri

    from defectflow.launch import queues
    from defectflow.launch.feeding import worker_command

    place = f"{FOLDER}/fireworks"
    command = worker_command(url, str(root / QUEUE_FILE), "default", str(root / FOLDER))
    launchpad = {
        "host": url,
        "name": parse_uri(url)["database"] or DEFAULT_DATABASE,
        "uri_mode": True,
        "strm_lvl": "INFO",
    }
    names = {
        "LAUNCHPAD_LOC": "my_launchpad.yaml",
        "FWORKER_LOC": "my_fworker.yaml",
        "QUEUEADAPTER_LOC": "my_qadapter.yaml",
    }
    return {
        f"{place}/my_launchpad.yaml": launchpad,
        f"{place}/my_fworker.yaml": {"name": "defectflow", "category": "", "query": "{}"},
        f"{place}/my_qadapter.yaml": queues.adapter(site, "default", command).to_dict(),
        f"{place}/FW_config.yaml": {key: str(root / place / name) for key, name in names.items()},
    }


def write_files(files: Mapping[Path, str], *, force: bool) -> None:
    """Write files of a site; none is written if one is there already and `force` is not given.

    Raises
    ------
    RecipeError
        If a file exists, or cannot be written.
    """
    there = [path for path, text in files.items() if path.exists() and path.read_text() != text]
    if there and not force:
        message = f"{there[0]}: exists and differs; --force writes it anew"
        raise RecipeError(message)
    for path, text in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            message = f"{path}: cannot be written ({error.strerror}); name another folder"
            raise RecipeError(message) from error


def offered_limits(scheduler: str, queue: str | None) -> dict[str, Any]:
    """Return what Slurm gives to one job of a partition; empty where it cannot be asked."""
    if scheduler != "slurm" or shutil.which("sinfo") is None:
        return {}
    words = ["sinfo", "-h", "-o", "%P|%l|%c|%m", *(["-p", queue] if queue else [])]
    try:
        done = subprocess.run(  # noqa: S603 - the queue's own command
            words, check=True, capture_output=True, text=True, timeout=_ASK_S
        )
    except (OSError, subprocess.SubprocessError):
        return {}
    lines = [line.split("|") for line in done.stdout.splitlines() if line.count("|") == 3]  # noqa: PLR2004
    chosen = [line for line in lines if queue or line[0].endswith("*")] or lines
    if not chosen:
        return {}
    found: dict[str, Any] = {}
    times = [one[1] for one in chosen]
    if all(one not in {"infinite", "n/a"} for one in times):
        found["wall_time"] = times[0] if times[0].count(":") > 1 else f"00:{times[0]}"
    found["cores_per_node"] = max(int(one[2].rstrip("+")) for one in chosen)
    found["memory_per_node_MB"] = max(int(one[3].rstrip("+")) for one in chosen)
    return found
