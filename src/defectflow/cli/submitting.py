"""The work of submit, status, cancel and retry over every manager."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from defectflow.errors import MissingData, RecipeError, StoreError
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
#: Letters of a key that are shown.
_KEY_SHOWN = 12


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
    RecipeError
        If one of them may be several that are not completed.
    """
    found = [(manager, manager.submissions()) for manager in managers(_server(url))]
    known = [one for _, submissions in found for one in submissions]
    for recipe in recipes:
        _check_one(recipe, known)
    return [
        (manager, [one for one in each if not recipes or any(_means(one, r) for r in recipes)])
        for manager, each in found
    ]


def _check_one(recipe: str, known: Sequence[Submission]) -> None:
    """Refuse what names nothing, or several: those that are completed do not count."""
    meant = [one for one in known if _means(one, recipe)]
    if not meant:
        names = ", ".join(sorted({one.recipe for one in known})) or "nothing"
        message = f"{recipe}: was not submitted to this store; submitted: {names}"
        raise MissingData(message)
    open_ones = {one.key: one.recipe_path for one in meant if one.state != "completed"}
    if len(open_ones) > 1:
        each = ", ".join(f"{path} (key {_short(key)})" for key, path in open_ones.items())
        message = f"{recipe}: may be {len(open_ones)} submitted recipes: {each}; give the key"
        raise RecipeError(message)


def resume(submission: Submission, url: str, known: Sequence[Submission]) -> str | None:
    """Return the command that goes on with one of `known`; None if nothing is to be done."""
    if submission.state == "cancelled" and submission.to == "fireworks":
        return submission.command
    lost = any(trouble.lost for trouble in submission.troubles)
    # A queue that cannot be asked is no reason to submit anything again.
    stuck = submission.state == "waiting" and any(one.job != "queue" for one in submission.troubles)
    if lost or stuck or submission.state in {"failed", "cancelled"}:
        alone = {one.key for one in known if one.recipe == submission.recipe} == {submission.key}
        word = submission.recipe if alone else _short(submission.key)
        return shlex.join(["defectflow", "retry", word, "--store", url])
    return None


def _short(key: str) -> str:
    return key[:_KEY_SHOWN]


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
    file = Path(queue).expanduser()
    queue = str(file.absolute()) if file.is_file() else queue  # else the name of a shipped one
    words = ["defectflow", "submit", str(path), "--to", to, "--queue", queue, "--store", url]
    for name in ("engine", "level"):
        value = getattr(asked, name)
        words += [f"--{name}", value] if value else []
    return Order(task.recipe.name, str(path), task.key, shlex.join(words), task.flow)
