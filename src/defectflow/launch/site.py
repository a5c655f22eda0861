"""The queue of a site: one small YAML file that says what a queue job may use.

The same file serves FireWorks and jobflow-remote; `defectflow.launch.queues` turns it into the
directives of Slurm, PBS Pro, SGE or LSF.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from defectflow.errors import MissingData, RecipeError, did_you_mean
from defectflow.paths import find

#: Kinds of steps that can have resources of their own. `light` steps only think about structures.
Kind = Literal["relax", "band", "static", "dos", "charges", "vibrations", "melt", "light"]
KINDS: Final[tuple[str, ...]] = get_args(Kind)
#: The kind of jobs that compute nothing.
LIGHT: Final = "light"
#: The kind of everything that has no resources of its own.
DEFAULT_KIND: Final = "default"
Scheduler = Literal["slurm", "pbs", "sge", "lsf"]
#: Where the shipped queue files are, as it is written in texts.
_SHIPPED: Final = "templates/queue/"
_WALL_TIME: Final = re.compile(r"(?:(\d+)-)?(\d{1,4}):(\d\d):(\d\d)")


def _clock(value: object) -> object:
    """Undo YAML's base 60: 24:00:00 without quotation marks is the number 86400."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value // 3600:02d}:{value // 60 % 60:02d}:{value % 60:02d}"
    return value


def _wall_time(value: str) -> str:
    found = _WALL_TIME.fullmatch(value)
    if found is None:
        message = "write hours:minutes:seconds, e.g. 24:00:00"
        raise ValueError(message)
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    total = 3600 * (24 * days + hours) + 60 * minutes + seconds
    if total < 60:  # noqa: PLR2004 - seconds in a minute
        message = "queues know no wall time below one minute"
        raise ValueError(message)
    return f"{total // 3600:02d}:{total // 60 % 60:02d}:{total % 60:02d}"


def seconds_of(wall_time: str) -> int:
    """Return hours:minutes:seconds in seconds.

    Examples
    --------
    >>> seconds_of("24:00:00")
    86400
    """
    hours, minutes, seconds = map(int, wall_time.split(":"))
    return 3600 * hours + 60 * minutes + seconds


WallTime = Annotated[str, BeforeValidator(_clock), AfterValidator(_wall_time)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Resources(_Part):
    """What one queue job may use."""

    wall_time: WallTime = Field(description="longest time of a queue job, hours:minutes:seconds")
    nodes: int = Field(1, ge=1, description="nodes of a queue job")
    processes_per_node: int = Field(1, ge=1, description="MPI processes on each node")
    threads_per_process: int = Field(1, ge=1, description="threads of each process")
    memory_per_node_MB: int | None = Field(None, ge=1, description="memory on each node, MB")
    queue: str | None = Field(None, description="queue or partition")
    account: str | None = Field(None, description="account or project that pays")
    qos: str | None = Field(None, description="quality of service (Slurm)")
    parallel_environment: str | None = Field(None, description="parallel environment (SGE)")

    @property
    def cores_per_node(self) -> int:
        """Cores of a node that are used: processes times their threads."""
        return self.processes_per_node * self.threads_per_process

    @property
    def processes(self) -> int:
        """MPI processes of one calculation."""
        return self.nodes * self.processes_per_node

    @property
    def wall_time_s(self) -> int:
        """Wall time in seconds."""
        return seconds_of(self.wall_time)


class StepResources(_Part):
    """Differences from the site's resources, for one kind of step."""

    wall_time: WallTime | None = None
    nodes: int | None = Field(None, ge=1)
    processes_per_node: int | None = Field(None, ge=1)
    threads_per_process: int | None = Field(None, ge=1)
    memory_per_node_MB: int | None = Field(None, ge=1)
    queue: str | None = None
    account: str | None = None
    qos: str | None = None
    parallel_environment: str | None = None


class Limits(_Part):
    """The most that a queue gives to one queue job; what asks for more is refused here."""

    wall_time: WallTime | None = Field(None, description="longest wall time")
    nodes: int | None = Field(None, ge=1, description="most nodes")
    cores_per_node: int | None = Field(None, ge=1, description="cores of a node")
    memory_per_node_MB: int | None = Field(None, ge=1, description="memory of a node, MB")


class Site(Resources):
    """A queue, what a queue job gets by default, and what some kinds of steps get instead.

    Examples
    --------
    >>> site = Site(scheduler="slurm", wall_time="24:00:00", steps={"light": {"nodes": 1}})
    >>> site.kind_of("light"), site.kind_of("relax")
    ('light', 'default')
    """

    scheduler: Scheduler = Field(description="slurm, pbs (PBS Pro), sge or lsf")
    jobs: int = Field(4, ge=1, description="queue jobs at a time, of each kind")
    mpi: str | None = Field(None, description="what starts MPI; {n} is the number of processes")
    directives: tuple[str, ...] = Field((), description="further options, e.g. --constraint=milan")
    setup: tuple[str, ...] = Field((), description="shell lines before the work, e.g. module load")
    limits: Limits = Field(default_factory=Limits, description="the most that the queue gives")
    steps: dict[Kind, StepResources] = Field(
        default_factory=dict, description="other resources for some kinds of steps"
    )

    def kind_of(self, step: str) -> str:
        """Return the kind under which a step is queued."""
        return step if step in self.steps else DEFAULT_KIND

    @property
    def kinds(self) -> tuple[str, ...]:
        """All kinds of queue jobs of this site."""
        return (DEFAULT_KIND, *self.steps)

    def resources(self, kind: str) -> Resources:
        """Return what a queue job of one kind gets."""
        own = self.model_dump(include=set(Resources.model_fields))
        changes: dict[str, Any] = {}
        if kind in self.steps:
            changes = self.steps[kind].model_dump(exclude_none=True)
        return Resources(**(own | changes))


def load_site(name: str | Path) -> Site:
    """Read a queue file: a path, or the name of a shipped one such as ``slurm``.

    Raises
    ------
    RecipeError
        If the file is missing, no YAML, or not a valid queue file.
    """
    file = locate(name)
    try:
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        first = str(error).splitlines()[0]
        message = f"queue file {file}: cannot be read: {first}; see {_SHIPPED}slurm.yaml"
        raise RecipeError(message) from error
    if not isinstance(data, dict):
        message = f"queue file {file}: a queue file is lines of `key: value`"
        raise RecipeError(message)
    try:
        return Site(**{str(key): value for key, value in data.items()})
    except ValidationError as error:
        message = f"queue file {file}: {first_mistake(error)}"
        raise RecipeError(message) from error


def locate(name: str | Path) -> Path:
    """Return the file of a queue: a path, or the name of a shipped one.

    What names another folder is a path, and no shipped file takes its place.

    Raises
    ------
    RecipeError
        If there is none.
    """
    path = Path(name).expanduser()
    if path.is_file():
        return path.absolute()
    shipped = str(name).removeprefix(_SHIPPED)
    if Path(shipped).name == shipped:
        file = shipped if path.suffix else f"{shipped}.yaml"
        with contextlib.suppress(MissingData):
            return find("templates", f"queue/{file}")
    message = (
        f"queue file {name}: does not exist; give a path or one of slurm, pbs, sge and lsf, "
        "or write one with `defectflow init`"
    )
    raise RecipeError(message)


def first_mistake(error: ValidationError) -> str:
    """Return the first mistake of a queue file in words, with the remedy."""
    first = error.errors()[0]
    place = [str(one) for one in first["loc"]]
    field = ".".join(place)
    if first["type"] == "extra_forbidden":
        parts = {"steps": StepResources.model_fields, "limits": Limits.model_fields}
        known = parts.get(place[0], {}) if place[:-1] else Site.model_fields
        return f"unknown field {field!r}; {did_you_mean(place[-1], known)}"
    if first["type"] == "missing":
        hints = {"wall_time": "24:00:00", "scheduler": "slurm"}
        return f"{field} is missing; add a line such as `{field}: {hints.get(field, '...')}`"
    said = first["msg"].removeprefix("Value error, ")
    return f"{field} = {first['input']!r}: {said[:1].lower()}{said[1:]}"
