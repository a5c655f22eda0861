"""The work of `defectflow run`: check every recipe, then compute their jobs side by side."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from defectflow import recipes
from defectflow.cli.progress import Progress
from defectflow.errors import DefectflowError
from defectflow.launch import Diary, run_flows
from defectflow.store import RunLabel, open_store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobflow.core.flow import Flow

    from defectflow.documents import Level, ResultDocument
    from defectflow.launch import RunSummary
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
    """Compute what the store does not hold yet; a failure does not stop the other tasks.

    Jobs of all tasks run side by side, as many as there are workers; the first tasks go first.

    Raises
    ------
    StoreError
        If the store cannot be used.
    KeyboardInterrupt
        If the run was interrupted.
    """
    with open_store(settings.store) as store, Progress() as progress:
        known = {} if asked.fresh else _known(tasks, store, progress)
        missing = [task for task in tasks if task.key not in known]
        computed = _computed(missing, asked, settings, (store, progress)) if missing else {}
    return [Outcome(task, known.get(task.key) or computed.get(task.key)) for task in tasks]


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


def _known(tasks: Sequence[Task], store: Store, progress: Progress) -> dict[str, ResultDocument]:
    """Return the converged results that the store holds, by key."""
    known = {}
    for task in tasks:
        found = next(iter(store.find(key=task.key)), None)
        if found is not None and found.converged:
            progress.title = task.recipe.name
            progress.say(f"computed already on {found.created}; --fresh computes it again")
            known[task.key] = found
    return known


def _computed(
    tasks: Sequence[Task], asked: Asked, settings: Settings, to: tuple[Store, Progress]
) -> dict[str, ResultDocument]:
    """Run the flows of tasks, each under a record in the store; return the results by key."""
    store, progress = to
    results: dict[str, ResultDocument] = {}

    def ended(task: Task, done: RunSummary) -> None:
        if done.state == "interrupted":
            return
        document = next(iter(store.find(key=task.key)), None) if done.ok else None
        if document is not None:
            results[task.key] = document
        progress.title = task.recipe.name
        _tell_end(done, document, progress)

    with Diary(store) as diary:
        flows = [
            diary.asked(
                task.flow,
                _label(task, asked),
                progress.of(task.recipe.name),
                partial(ended, task),
            )
            for task in tasks
        ]
        done = run_flows(flows, store, workers=settings.workers, fresh=asked.fresh)
    left = [
        str(task.recipe.path)
        for task, one in zip(tasks, done, strict=True)
        if one.state == "interrupted"
    ]
    if left:
        progress.title = ""
        progress.say(f"interrupted; this goes on: {asked.command(left)}")
        raise KeyboardInterrupt
    return results


def _label(task: Task, asked: Asked) -> RunLabel:
    path = task.recipe.path
    return RunLabel(
        recipe=task.recipe.name,
        recipe_path=str(path.absolute()),
        key=task.key,
        command=asked.command([str(path)]),
    )


def _tell_end(done: RunSummary, document: ResultDocument | None, progress: Progress) -> None:
    for failure in done.failures:
        where = f" (files in {failure.folder})" if failure.folder else ""
        progress.say(f"failed: {failure.name}: {failure.error}{where}")
    if done.ok and document is None:
        progress.say("failed: the jobs ran, but left no result")
    elif document is not None and not document.converged:
        progress.say(_no_number(done))


def _no_number(done: RunSummary) -> str:
    """Return why a result has no number, and what would give one."""
    if not done.unconverged:
        return (
            "no number: what stands under the table says why; run again with the same settings, "
            "it ends the same"
        )
    return (
        f"no number: not converged: {'; '.join(done.unconverged)}; with the same settings it ends "
        "the same: raise max_steps in the settings of the engine, and it goes on from where it "
        "stopped, or take another --level"
    )


def _failed(recipe: Recipe) -> dict[str, object]:
    from defectflow.report import failed_row

    host, what = recipe.content.subject()
    return failed_row(recipe.quantity, host, what, recipe.content.engine.name)
