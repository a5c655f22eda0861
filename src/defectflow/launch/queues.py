"""From a site's queue file to what FireWorks and jobflow-remote take.

FireWorks' own adapter writes and submits the scripts of its queue jobs (from its own template for
Slurm, from ours where its own lacks wall time, memory or PBS Pro's chunks); jobflow-remote asks
qtoolkit. What becomes of queue jobs is asked of the queue's own commands through qtoolkit.
"""

from __future__ import annotations

import getpass
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from defectflow.errors import EngineError, RecipeError
from defectflow.launch.site import KINDS, LIGHT, seconds_of
from defectflow.paths import find

if TYPE_CHECKING:
    from jobflow.core.job import Job

    from defectflow.launch.site import Resources, Site

_TYPES: Final = {"slurm": "SLURM", "pbs": "PBS", "sge": "SGE", "lsf": "LoadSharingFacility"}
_MARKS: Final = {"slurm": "#SBATCH", "pbs": "#PBS", "sge": "#$", "lsf": "#BSUB"}
#: The commands without which nothing can be submitted.
SUBMIT_COMMANDS: Final = {"slurm": "sbatch", "pbs": "qsub", "sge": "qsub", "lsf": "bsub"}
#: Variables that hold the number of a queue job inside of it.
_NUMBERS: Final = {
    "slurm": "SLURM_JOB_ID",
    "pbs": "PBS_JOBID",
    "sge": "JOB_ID",
    "lsf": "LSB_JOBID",
}
#: Slurm; LSF; PBS: queued, held, until a time.
_WAITING: Final = {"PENDING", "PEND", "PSUSP", "Q", "H", "W"}
_ASK_S: Final = 30.0


@dataclass(frozen=True)
class QueueJob:
    """A job as the queue sees it: its number, the state in the queue's words, and why."""

    number: str
    state: str
    reason: str = ""

    @property
    def begun(self) -> bool:
        """Whether it runs, is ending or was suspended: SGE alone marks what waits with a w."""
        return self.state not in _WAITING and "w" not in self.state

    @property
    def stuck(self) -> bool:
        """Whether the queue will never start it."""
        held = self.state in {"H", "PSUSP"} or self.reason.startswith("JobHeld")
        wrong = "w" in self.state and self.state.startswith(("E", "h"))  # SGE: Eqw, hqw
        return "NeverSatisfied" in self.reason or held or wrong


def step_kind(job: Job) -> str:
    """Return which of `site.KINDS` a job is; jobs that are none of an engine's are light.

    Raises
    ------
    EngineError
        If an engine has a maker of no known kind.
    """
    owner = type(getattr(job.function, "__self__", None))
    return maker_kind(owner.__module__, owner.__name__)


def maker_kind(module: str, name: str) -> str:
    """Return which of `site.KINDS` the jobs of a maker are, by its class; see `step_kind`."""
    if not module.startswith("defectflow.engines."):
        return LIGHT
    computing = [kind for kind in KINDS if kind != LIGHT]
    for kind in computing:
        if kind in name.lower():
            return kind
    message = (
        f"{name} of {module} makes no known kind of step ({', '.join(computing)}); "
        "please report this"
    )
    raise EngineError(message)


def number_variable(site: Site) -> str:
    """Return the environment variable that names a queue job from inside."""
    return _NUMBERS[site.scheduler]


def directive(site: Site) -> str:
    """Return what a line for the queue begins with."""
    return _MARKS[site.scheduler]


def preamble(site: Site, kind: str) -> list[str]:
    """Return the shell lines between the directives and the work of a queue job."""
    given = site.resources(kind)
    lines = [*site.setup]
    lines.append(f"export OMP_NUM_THREADS={given.threads_per_process}")
    lines.append(f"export DEFECTFLOW_DFT_PROCESSES={given.processes}")
    lines.append(f"export DEFECTFLOW_WALL_TIME_S={given.wall_time_s}")
    if site.mpi:
        lines.append(f"export DEFECTFLOW_MPI_COMMAND={shlex.quote(site.mpi)}")
    return lines


def adapter(site: Site, kind: str, command: str) -> Any:
    """Return FireWorks' adapter for queue jobs of one kind that run `command`."""
    from fireworks.user_objects.queue_adapters.common_adapter import CommonAdapter

    _check(site, kind)
    given = site.resources(kind)
    marks = [f"{_MARKS[site.scheduler]} {line}" for line in site.directives]
    fields = {
        "slurm": _slurm_fields,
        "pbs": _pbs_fields,
        "sge": _sge_fields,
        "lsf": _lsf_fields,
    }[site.scheduler](given)
    template = None
    if site.scheduler != "slurm":
        template = str(find("templates", f"queue/fireworks/{site.scheduler}.txt"))
    return CommonAdapter(
        q_type=_TYPES[site.scheduler],
        q_name=f"defectflow-{kind}",
        template_file=template,
        timeout=int(_ASK_S),
        rocket_launch=command,
        job_name=f"defectflow-{kind}",
        pre_rocket="\n".join([*marks, *preamble(site, kind)]),
        queue=given.queue,
        account=given.account,
        **fields,
    )


def _slurm_fields(given: Resources) -> dict[str, Any]:
    return {
        "nodes": given.nodes,
        "ntasks_per_node": given.processes_per_node,
        "cpus_per_task": given.threads_per_process,
        "walltime": given.wall_time,
        "mem": f"{given.memory_per_node_MB}M" if given.memory_per_node_MB else None,
        "qos": given.qos,
    }


def _pbs_fields(given: Resources) -> dict[str, Any]:
    cores = given.processes_per_node * given.threads_per_process
    chunk = f"{given.nodes}:ncpus={cores}:mpiprocs={given.processes_per_node}"
    chunk += f":ompthreads={given.threads_per_process}"
    if given.memory_per_node_MB:
        chunk += f":mem={given.memory_per_node_MB}mb"
    place = "scatter" if given.nodes > 1 else None  # else chunks may share a node
    return {"select": chunk, "place": place, "walltime": given.wall_time}


def _sge_fields(given: Resources) -> dict[str, Any]:
    slots = given.processes * given.threads_per_process
    memory = None
    if given.memory_per_node_MB:
        memory = f"{given.memory_per_node_MB * given.nodes // slots}M"
    slotted = f"{given.parallel_environment} {slots}" if given.parallel_environment else None
    return {"pe": slotted, "walltime": given.wall_time, "h_vmem": memory}


def _lsf_fields(given: Resources) -> dict[str, Any]:
    hours, minutes, seconds = map(int, given.wall_time.split(":"))
    minutes += seconds > 0
    memory = given.memory_per_node_MB
    return {
        "ntasks": given.processes,
        "walltime": f"{hours + minutes // 60}:{minutes % 60:02d}",
        "span": f"span[ptile={given.processes_per_node}]",
        "affinity": f"affinity[core({given.threads_per_process})]",
        "rusage": f"rusage[mem={memory}MB]" if memory else None,
    }


def resources(site: Site, kind: str) -> dict[str, Any]:
    """Return the fields of qtoolkit's header for queue jobs of one kind.

    Raises
    ------
    RecipeError
        If qtoolkit does not know the queue.
    """
    from qtoolkit.core.data_objects import ProcessPlacement, QResources

    _check(site, kind)
    given = site.resources(kind)
    if site.scheduler == "lsf":
        message = "scheduler lsf: jobflow-remote does not know it; submit with --to fireworks"
        raise RecipeError(message)
    if site.scheduler == "sge":  # qtoolkit places no processes there
        fields = _sge_fields(given)
        named = {"model": fields["pe"], "walltime": given.wall_time, "queue": given.queue}
        # Its template calls the project a device, and would give -cwd a value that SGE refuses.
        named |= {"device": given.account, "qverbatim": "#$ -cwd"}
        memory = {"select": f"h_vmem={fields['h_vmem']}"} if fields["h_vmem"] else {}
        kept = {name: value for name, value in named.items() if value}
        return {"job_name": f"defectflow-{kind}", **kept, **memory}
    own: dict[str, Any] = {}
    if site.scheduler == "slurm":
        memory_MB = given.memory_per_node_MB
        wanted = {"mem": f"{memory_MB}M" if memory_MB else None, "qos": given.qos}
        own = {name: value for name, value in wanted.items() if value}
    cores = given.processes_per_node * given.threads_per_process
    share = given.memory_per_node_MB // cores if given.memory_per_node_MB else None
    asked = QResources(
        queue_name=given.queue,
        job_name=f"defectflow-{kind}",
        nodes=given.nodes,
        processes_per_node=given.processes_per_node,
        threads_per_process=given.threads_per_process,
        memory_per_thread=share if site.scheduler == "pbs" else None,
        time_limit=given.wall_time_s,
        account=given.account,
        process_placement=ProcessPlacement("EVENLY_DISTRIBUTED"),
        scheduler_kwargs=own,
    )
    header: dict[str, Any] = scheduler_io(site).check_convert_qresources(asked)
    return header


def scheduler_io(site: Site) -> Any:
    """Return qtoolkit's reader and writer of the site's scheduler."""
    from qtoolkit.io import PBSIO, SGEIO, SlurmIO

    return {"slurm": SlurmIO, "pbs": PBSIO, "sge": SGEIO}[site.scheduler]()


def _check(site: Site, kind: str) -> None:
    given = site.resources(kind)
    _check_limits(site, kind)
    if site.scheduler == "sge" and given.processes * given.threads_per_process > 1:
        if given.parallel_environment is None:
            message = (
                f"queue file, {kind}: {given.processes} processes with SGE need a "
                "parallel_environment; `qconf -spl` lists them"
            )
            raise RecipeError(message)
    elif given.parallel_environment is not None and site.scheduler != "sge":
        message = f"queue file: parallel_environment is of SGE, not of {site.scheduler}; remove it"
        raise RecipeError(message)
    if given.qos is not None and site.scheduler != "slurm":
        message = f"queue file: qos is of Slurm, not of {site.scheduler}; use directives"
        raise RecipeError(message)


def _check_limits(site: Site, kind: str) -> None:
    given, limits = site.resources(kind), site.limits
    asked: dict[str, tuple[Any, Any]] = {
        "wall_time": (given.wall_time, limits.wall_time),
        "nodes": (given.nodes, limits.nodes),
        "cores_per_node": (given.cores_per_node, limits.cores_per_node),
        "memory_per_node_MB": (given.memory_per_node_MB, limits.memory_per_node_MB),
    }
    for name, (wanted, most) in asked.items():
        if wanted is None or most is None:
            continue
        timed = name == "wall_time"
        too_much = seconds_of(wanted) > seconds_of(most) if timed else wanted > most
        if too_much:
            words = "processes times threads" if name == "cores_per_node" else name
            message = (
                f"queue file, {kind}: {words} = {wanted}: this queue gives at most {most} "
                f"(limits: {name}); ask for less"
            )
            raise RecipeError(message)


def submit_missing(site: Site) -> str | None:
    """Return the submit command of the queue if it is not on this machine."""
    command = SUBMIT_COMMANDS[site.scheduler]
    return None if shutil.which(command) else command


def listed(site: Site) -> dict[str, QueueJob]:
    """Return the waiting and running queue jobs of this user, by number.

    Raises
    ------
    EngineError
        If the queue does not answer.
    """
    user = getpass.getuser()
    ask = {
        "slurm": ["squeue", "-h", "-u", user, "-o", "%i|%T|%r"],
        "pbs": ["qstat", "-u", user],
        "sge": ["qstat", "-u", user],
        "lsf": ["bjobs", "-noheader", "-u", user, "-o", "jobid stat delimiter='|'"],
    }[site.scheduler]
    output = _asked(ask)
    found = {}
    for line in output.splitlines():
        one = _line(site, line)
        if one is not None:
            found[one.number] = one
    return found


def _line(site: Site, line: str) -> QueueJob | None:
    if site.scheduler in {"slurm", "lsf"}:
        words = [word.strip() for word in line.split("|")]
        return QueueJob(*words[:3]) if words[0][:1].isdigit() else None
    words = line.split()
    if not words or not words[0][:1].isdigit():
        return None
    number = words[0].partition(".")[0]
    state = words[9 if site.scheduler == "pbs" else 4]
    return QueueJob(number, state)


def fate(site: Site, number: str) -> str:
    """Return in words what became of a queue job that is no longer listed."""
    if site.scheduler == "sge":
        return _sge_fate(number)
    if site.scheduler != "slurm":
        return f"queue job {number} is gone"
    try:
        said = dict(
            word.split("=", 1)
            for word in _asked(["scontrol", "-o", "show", "job", number]).split()
            if "=" in word
        )
    except EngineError:
        return f"queue job {number} is gone"
    state = said.get("JobState", "?")
    words = {
        "TIMEOUT": f"queue job {number} reached its wall time ({said.get('TimeLimit', '?')})",
        "CANCELLED": f"queue job {number} was cancelled",
        "OUT_OF_MEMORY": f"queue job {number} ran out of memory; raise memory_per_node_MB",
        "NODE_FAIL": f"the node of queue job {number} failed",
        "FAILED": f"queue job {number} failed with status {said.get('ExitCode', '?')}",
        "COMPLETED": f"queue job {number} ended while the job was under way",
    }
    return words.get(state, f"queue job {number} is {state}")


def _sge_fate(number: str) -> str:
    """Return what SGE's accounts say; they are written some seconds after the end of a job."""
    try:
        lines = _asked(["qacct", "-j", number]).splitlines()
    except EngineError:
        return f"queue job {number} is gone"
    said = {name: rest[0].strip() for name, *rest in (one.split(None, 1) for one in lines) if rest}
    failed, status = said.get("failed", "0"), said.get("exit_status", "0")
    if failed.startswith("37"):  # qmaster enforced h_rt limit
        return f"queue job {number} reached its wall time"
    if failed != "0":
        return f"queue job {number} was killed ({failed.partition(':')[2].strip() or failed})"
    if status != "0":
        return f"queue job {number} failed with status {status}"
    return f"queue job {number} ended while the job was under way"


def cancel(site: Site, numbers: list[str]) -> None:
    """Take queue jobs out of the queue; those that have ended are passed over."""
    command = {"slurm": "scancel", "pbs": "qdel", "sge": "qdel", "lsf": "bkill"}[site.scheduler]
    if numbers:
        subprocess.run(  # noqa: S603 - the queue's own command and numbers that it gave
            [command, *numbers], check=False, capture_output=True, timeout=_ASK_S
        )


def _asked(words: list[str]) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - the queue's own command
            words, check=True, capture_output=True, text=True, timeout=_ASK_S
        )
    except FileNotFoundError as error:
        message = f"{words[0]} is not found; run this where the queue's commands are"
        raise EngineError(message) from error
    except subprocess.TimeoutExpired as error:
        message = f"{words[0]}: no answer from the queue in {_ASK_S:.0f} s; try again later"
        raise EngineError(message) from error
    except subprocess.CalledProcessError as error:
        first = (error.stderr or "no message").strip().splitlines()[0]
        message = f"{words[0]}: {first}; ask the queue yourself with {shlex.join(words)}"
        raise EngineError(message) from error
    return done.stdout
