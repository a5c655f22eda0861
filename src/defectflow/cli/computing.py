"""The work of `defectflow run`: check every recipe, then compute one after the other."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from defectflow import recipes
from defectflow.cli.interrupts import remembered_interrupt
from defectflow.cli.progress import Progress
from defectflow.errors import DefectflowError
from defectflow.launch import run_flow, tracked
from defectflow.store import RunLabel, open_store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobflow.core.flow import Flow

    from defectflow.documents import Level, ResultDocument
    from defectflow.launch import JobEvent, RunSummary
    from defectflow.recipes import Recipe
    from defectflow.settings import Settings
    from defectflow.store import Store


@dataclass(frozen=True)
class Asked:
    """The options as they were given; None where one was not."""

    engine: str | None = None
    level: Level | None = None
    store: str | None = None
    workers: int | None = None
    fresh: bool = False

    def command(self, paths: Sequence[str]) -> str:
        """Return the command line that asks for the same, fit to be shown."""
        from defectflow.store.urls import without_password

        words = ["defectflow", "run", *paths]
        for name in ("engine", "level", "store", "workers"):
            value = getattr(self, name)
            if value is not None:
                words += [f"--{name}", without_password(str(value))]
        return shlex.join([*words, "--fresh"] if self.fresh else words)


@dataclass(frozen=True)
class Task:
    """A recipe that is known to be right, the key of its result, and its flow."""

    recipe: Recipe
    key: str
    flow: Flow


@dataclass(frozen=True)
class Outcome:
    """What came of a task: a result, or none if something failed."""

    task: Task
    document: ResultDocument | None

    @property
    def ok(self) -> bool:
        """Whether there is a converged result."""
        return self.document is not None and self.document.converged


def prepare(paths: Sequence[str], asked: Asked) -> list[Task]:
    """Read all recipes and build their flows; recipes that ask for the same are taken once.

    Raises
    ------
    DefectflowError
        At the first mistake; the message names the recipe.
    """
    tasks: dict[str, Task] = {}
    for path in paths:
        recipe = recipes.load(path).changed(asked.engine, asked.level)
        try:
            key = recipes.result_key(recipe)
            tasks.setdefault(key, Task(recipe, key, recipes.build(recipe)))
        except DefectflowError as error:
            message = f"{recipe.path}: {error}"
            raise type(error)(message) from error
    return list(tasks.values())


def compute(tasks: Sequence[Task], asked: Asked, settings: Settings) -> list[Outcome]:
    """Compute what the store does not hold yet; a failure does not stop the tasks after it.

    Raises
    ------
    StoreError
        If the store cannot be used.
    KeyboardInterrupt
        If the run was interrupted.
    """
    with open_store(settings.store) as store, Progress() as progress:
        return [_obtained(task, asked, settings, (store, progress)) for task in tasks]


def summary(outcomes: Sequence[Outcome]) -> str:
    """Return the table of all outcomes and what has to be said with it."""
    from defectflow.engines import engine_names
    from defectflow.reference import compare
    from defectflow.report import comparison_table, honest_lines

    documents = [one.document for one in outcomes if one.document is not None]
    failed = [_failed(one.task.recipe) for one in outcomes if one.document is None]
    paths = [str(one.task.recipe.path) for one in outcomes]
    lines = honest_lines([one.engine for one in documents], paths, engine_names())
    return "\n".join([comparison_table(compare(documents), failed), *lines])


def _obtained(task: Task, asked: Asked, settings: Settings, to: tuple[Store, Progress]) -> Outcome:
    """Take the result of a task from the store, or compute it."""
    store, progress = to
    progress.title = task.recipe.name
    for found in store.find(key=task.key):
        if found.converged and not asked.fresh:
            progress.say(f"computed already on {found.created}; --fresh computes it again")
            return Outcome(task, found)
    return Outcome(task, _run(task, asked, settings, to))


def _run(
    task: Task, asked: Asked, settings: Settings, to: tuple[Store, Progress]
) -> ResultDocument | None:
    """Run the flow of a task under a record in the store; return its result if it has one."""
    store, progress = to
    path = task.recipe.path
    label = RunLabel(
        recipe=task.recipe.name,
        recipe_path=str(path.absolute()),
        key=task.key,
        command=asked.command([str(path)]),
    )
    with remembered_interrupt() as check, tracked(store, label, progress) as tracker:

        def heed(event: JobEvent) -> None:
            tracker(event)
            check()

        done = run_flow(
            task.flow, store, workers=settings.workers, fresh=asked.fresh, on_event=heed
        )
        tracker.end(done)
    if done.state == "interrupted":
        progress.say(f"interrupted; this goes on: {label.command}")
        raise KeyboardInterrupt
    document = next(iter(store.find(key=task.key)), None) if done.ok else None
    _tell_end(done, document, progress)
    return document


def _tell_end(done: RunSummary, document: ResultDocument | None, progress: Progress) -> None:
    for failure in done.failures:
        where = f" (files in {failure.folder})" if failure.folder else ""
        progress.say(f"failed: {failure.name}: {failure.error}{where}")
    if done.ok and document is None:
        progress.say("failed: the jobs ran, but left no result")
    elif document is not None and not document.converged:
        progress.say("not converged: no number; run it again to go on, or with another --level")


def _failed(recipe: Recipe) -> dict[str, object]:
    from defectflow.report import failed_row

    host, what = recipe.content.subject()
    return failed_row(recipe.quantity, host, what, recipe.content.engine.name)
