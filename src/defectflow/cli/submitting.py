"""The work of submit, status, cancel and retry over every manager."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from defectflow.errors import MissingData, StoreError
from defectflow.launch.backends import manager_to_submit, managers
from defectflow.launch.submissions import Order
from defectflow.store import open_store
from defectflow.store.passwords import check_writable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from defectflow.cli.computing import Asked, Task
    from defectflow.launch.submissions import Manager, Submission
    from defectflow.settings import Settings

#: Files of jobs and queue jobs, below the folder where the recipe was submitted.
FOLDER = ".defectflow"
#: Letters of a key that are enough to name a submission.
_KEY_START = 7


def submit(
    tasks: Sequence[Task], to: str, queue: str, settings: Settings, asked: Asked
) -> Iterator[str]:
    """Submit what is neither computed nor submitted yet; yield one line for each recipe.

    Raises
    ------
    DefectflowError
        If the store is no server, or the queue refuses.
    """
    url = check_writable(_server(settings.store))
    folder = str((Path.cwd() / FOLDER).absolute())
    with open_store(url) as store:
        done = {
            task.key for task in tasks if any(one.converged for one in store.find(key=task.key))
        }
    manager = manager_to_submit(to, url, queue, folder)
    for task in tasks:
        name = task.recipe.name
        if task.key in done:
            yield f"{name}: computed already; defectflow results --store {url} shows it"
        elif manager.submit(_order(task, to, queue, url, asked)):
            yield f"{name}: submitted"
        else:
            yield f"{name}: was submitted before; defectflow status --store {url} says how it is"
    yield from manager.start()


def chosen(url: str | None, recipes: Sequence[str]) -> list[tuple[Manager, list[Submission]]]:
    """Return the managers that hold something in a store, each with what was asked for.

    Parameters
    ----------
    recipes
        Names or paths of recipes, or starts of keys; empty for all.

    Raises
    ------
    MissingData
        If one of them was never submitted.
    """
    found = [(manager, manager.submissions()) for manager in managers(_server(url))]
    known = [one for _, submissions in found for one in submissions]
    for recipe in recipes:
        if not any(_means(one, recipe) for one in known):
            names = ", ".join(sorted({one.recipe for one in known})) or "nothing"
            message = f"{recipe}: was not submitted to this store; submitted: {names}"
            raise MissingData(message)
    return [
        (manager, [one for one in each if not recipes or any(_means(one, r) for r in recipes)])
        for manager, each in found
    ]


def resume(submission: Submission, url: str) -> str | None:
    """Return the command that goes on with a submission; None if nothing is to be done."""
    if submission.state == "cancelled" and submission.to == "fireworks":
        return submission.command
    lost = any(trouble.lost for trouble in submission.troubles)
    # A queue that cannot be asked is no reason to submit anything again.
    stuck = submission.state == "waiting" and any(one.job != "queue" for one in submission.troubles)
    if lost or stuck or submission.state in {"failed", "cancelled"}:
        return shlex.join(["defectflow", "retry", submission.recipe, "--store", url])
    return None


def _means(submission: Submission, recipe: str) -> bool:
    path = str(Path(recipe).absolute())
    known = {submission.recipe, submission.recipe_path}
    start = len(recipe) >= _KEY_START and submission.key.startswith(recipe)
    return recipe in known or path in known or start


def _server(url: str | None) -> str:
    if url is None or not url.startswith(("mongodb://", "mongodb+srv://")):
        message = (
            f"store {url or '.defectflow/store.sqlite'}: queue jobs on other machines need a "
            "server; give --store mongodb://HOST/DATABASE or set $DEFECTFLOW_STORE"
        )
        raise StoreError(message)
    return url


def _order(task: Task, to: str, queue: str, url: str, asked: Asked) -> Order:
    path = task.recipe.path.absolute()
    words = ["defectflow", "submit", str(path), "--to", to, "--queue", queue, "--store", url]
    for name in ("engine", "level"):
        value = getattr(asked, name)
        words += [f"--{name}", value] if value else []
    return Order(task.recipe.name, str(path), task.key, shlex.join(words), task.flow)
