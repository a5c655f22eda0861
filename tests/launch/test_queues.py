"""Queue scripts beside ones that the four schedulers are known to take."""

from __future__ import annotations

import re
import warnings

import pytest

from defectflow.errors import EngineError, RecipeError
from defectflow.launch import queues
from defectflow.launch.site import Site

#: What the manuals of the schedulers ask for: 2 nodes, 8 processes each, 2 threads, 16 GB a node.
#: Slurm: sbatch(1), "Options"; scripts run on a real Slurm in tests/queue.
#: PBS Pro: qsub(1B) of OpenPBS, "Requesting resources and placing jobs" and "Options" (-N -q -A -o
#: -e; relative paths are those of qsub's directory); pbs_resources(7B), "Resources built into PBS".
#: SGE: submit(1), "Options", complex(5), queue_conf(5) for h_rt and h_vmem, which count for each
#: slot; scripts run on a real Grid Engine in tests/queue.
#: LSF: bsub in the command reference of Spectrum LSF 10.1, "Options" (-J -n -W -R -q -P -o -e); the
#: strings span, affinity and rusage under "Specifying resource requirements" there.
DIRECTIVES = {
    "slurm": {
        "#SBATCH --nodes=2",
        "#SBATCH --ntasks-per-node=8",
        "#SBATCH --cpus-per-task=2",
        "#SBATCH --time=12:30:00",
        "#SBATCH --mem=16000M",
        "#SBATCH --partition=long",
        "#SBATCH --account=m1",
        "#SBATCH --job-name=defectflow-default",
        "#SBATCH --output=defectflow-default-%j.out",
        "#SBATCH --error=defectflow-default-%j.error",
        "#SBATCH --special",
    },
    "pbs": {
        "#PBS -N defectflow-default",
        "#PBS -l select=2:ncpus=16:mpiprocs=8:ompthreads=2:mem=16000mb",
        "#PBS -l place=scatter",
        "#PBS -l walltime=12:30:00",
        "#PBS -q long",
        "#PBS -A m1",
        "#PBS -o FW_job.out",
        "#PBS -e FW_job.error",
        "#PBS --special",
    },
    "sge": {
        "#$ -S /bin/bash",
        "#$ -cwd",
        "#$ -N defectflow-default",
        "#$ -pe mpi 32",
        "#$ -l h_rt=12:30:00",
        "#$ -l h_vmem=1000M",
        "#$ -q long",
        "#$ -P m1",
        "#$ -o FW_job.out",
        "#$ -e FW_job.error",
        "#$ --special",
    },
    "lsf": {
        "#BSUB -J defectflow-default",
        "#BSUB -n 16",
        "#BSUB -W 12:30",
        '#BSUB -R "span[ptile=8]"',
        '#BSUB -R "affinity[core(2)]"',
        '#BSUB -R "rusage[mem=16000MB]"',
        "#BSUB -q long",
        "#BSUB -P m1",
        "#BSUB -o defectflow-default-%J.out",
        "#BSUB -e defectflow-default-%J.error",
        "#BSUB --special",
    },
}


def site(scheduler, **changes):
    given = {
        "wall_time": "12:30:00",
        "nodes": 2,
        "processes_per_node": 8,
        "threads_per_process": 2,
        "memory_per_node_MB": 16000,
        "queue": "long",
        "account": "m1",
        "mpi": "srun -n {n}",
        "directives": ["--special"],
        "setup": ["module load espresso"],
    }
    if scheduler == "sge":
        given["parallel_environment"] = "mpi"
    return Site(scheduler=scheduler, **{**given, **changes})


@pytest.mark.parametrize("scheduler", DIRECTIVES)
def test_scripts_of_fireworks(scheduler):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # FireWorks warns of fields that its template lacks
        script = queues.adapter(site(scheduler), "default", "work").get_script_str("/my place")
    lines = script.splitlines()
    mark = queues.directive(site(scheduler))
    assert {line for line in lines if line.startswith(mark)} == DIRECTIVES[scheduler]
    assert lines[0].startswith("#!/bin/bash")
    body = [line for line in lines if line and not line.startswith("#")]
    assert body == [
        "module load espresso",
        "export OMP_NUM_THREADS=2",
        "export DEFECTFLOW_DFT_PROCESSES=16",
        "export DEFECTFLOW_WALL_TIME_S=45000",
        "export DEFECTFLOW_MPI_COMMAND='srun -n {n}'",
        "cd /my place" if scheduler == "slurm" else "cd '/my place'",  # Slurm's is FireWorks' own
        "work",
    ]
    # A directive below the first command would be ignored by the queue.
    assert max(i for i, line in enumerate(lines) if line.startswith(mark)) < lines.index(body[0])


#: pbs_resources(7B): what is requested inside of a chunk, and what of the whole job.
IN_CHUNKS = {"ncpus": r"[1-9]\d*", "mpiprocs": r"[1-9]\d*", "ompthreads": r"[1-9]\d*",
             "mem": r"[1-9]\d*(b|w|kb|kw|mb|mw|gb|gw)"}  # fmt: skip
OF_THE_JOB = {"walltime": r"((\d+:)?\d{1,2}:)?\d{1,2}", "place": "scatter"}


@pytest.mark.parametrize("nodes", [1, 2])
@pytest.mark.parametrize("memory_MB", [None, 16000])
@pytest.mark.parametrize("writer", ["fireworks", "qtoolkit"])
def test_requests_of_pbs_follow_the_grammar_of_its_manual(nodes, memory_MB, writer):
    """-l select=[N:]chunk with chunk = name=value[:name=value ...], or -l name=value; qsub(1B)."""
    given = site("pbs", nodes=nodes, memory_per_node_MB=memory_MB)
    if writer == "fireworks":
        script = queues.adapter(given, "default", "work").get_script_str("/place")
    else:
        pytest.importorskip("qtoolkit", reason="pip install 'defectflow[queues]'")
        fields = queues.resources(given, "default")
        script = queues.scheduler_io(given).generate_header(fields)
    requests = dict(re.findall(r"^#PBS -l (\w+)=(\S+)$", script, re.MULTILINE))
    assert script.count("#PBS -l ") == len(requests)  # nothing else, nothing twice
    count, *parts = requests.pop("select").split(":")
    chunk = dict(part.split("=") for part in parts)
    assert int(count) == nodes
    assert chunk["ncpus"] == "16"
    assert chunk["mpiprocs"] == "8"
    assert ("mem" in chunk) == (memory_MB is not None)
    for found, known in ((chunk, IN_CHUNKS), (requests, OF_THE_JOB)):
        for name, value in found.items():
            assert re.fullmatch(known[name], value), (name, value)
    # Without it both chunks may lie on one node.
    assert nodes == 1 or requests.get("place") == "scatter"


@pytest.mark.parametrize(
    ("scheduler", "wanted"),
    [
        ("slurm", ["--nodes=2", "--ntasks-per-node=8", "--cpus-per-task=2", "--mem=16000M"]),
        ("pbs", ["select=2:ncpus=16:mpiprocs=8:ompthreads=2:mem=16000mb", "walltime=12:30:0"]),
        ("sge", ["-pe mpi 32", "h_rt=12:30:00", "h_vmem=1000M"]),
    ],
)
def test_headers_of_qtoolkit(scheduler, wanted):
    pytest.importorskip("qtoolkit", reason="pip install 'defectflow[queues]'")
    fields = queues.resources(site(scheduler), "default")
    header = queues.scheduler_io(site(scheduler)).generate_header(fields)
    for words in wanted:
        assert words in header


def test_lsf_is_unknown_to_jobflow_remote():
    pytest.importorskip("qtoolkit", reason="pip install 'defectflow[queues]'")
    with pytest.raises(RecipeError, match="--to fireworks"):
        queues.resources(site("lsf"), "default")


@pytest.mark.parametrize(
    ("scheduler", "changes", "said"),
    [
        ("sge", {"parallel_environment": None}, "parallel_environment"),
        ("slurm", {"parallel_environment": "mpi"}, "is of SGE"),
        ("pbs", {"qos": "high"}, "qos is of Slurm"),
    ],
)
def test_fields_of_another_queue_are_refused(scheduler, changes, said):
    with pytest.raises(RecipeError, match=said):
        queues.adapter(site(scheduler, **changes), "default", "work")


def test_kinds_of_steps():
    from defectflow.engines.registry import engine
    from defectflow.flows import MigrationBarrierMaker
    from defectflow.structures import hosts

    flow = MigrationBarrierMaker(engine("emt")).make(hosts.load("fcc-Cu"), species="Cu")
    assert [queues.step_kind(job) for job in flow] == ["relax", "light"]


def test_charges_are_a_kind_of_their_own_and_an_unknown_maker_is_none():
    from defectflow.engines.charges import ChargesMaker
    from defectflow.engines.registry import engine
    from defectflow.structures import hosts

    class SpectrumMaker(ChargesMaker):
        __module__ = ChargesMaker.__module__

    copper = hosts.load("fcc-Cu").structure
    assert queues.step_kind(ChargesMaker(engine("vasp-standin")).make(copper)) == "charges"
    assert "charges" in site("slurm", steps={"charges": {"nodes": 1}}).kinds
    with pytest.raises(EngineError, match=r"SpectrumMaker of .* makes no known kind of step"):
        queues.step_kind(SpectrumMaker(engine("vasp-standin")).make(copper))


@pytest.mark.parametrize(
    ("scheduler", "line", "begun", "stuck"),
    [
        ("slurm", "12|RUNNING|None", True, False),
        ("slurm", "13|PENDING|DependencyNeverSatisfied", False, True),
        ("slurm", "14|PENDING|Priority", False, False),
        ("lsf", "15|RUN", True, False),
        ("lsf", "16|PEND", False, False),
        ("lsf", "17|PSUSP", False, True),
        ("lsf", "18|USUSP", True, False),
        ("pbs", "17.host user long defectfl 1 2 32 -- 12:30 Q --", False, False),
        ("pbs", "18.host user long defectfl 1 2 32 -- 12:30 H --", False, True),
        ("pbs", "19.host user long defectfl 1 2 32 -- 12:30 E --", True, False),
        ("slurm", "20|PENDING|JobHeldUser", False, True),
        ("sge", "18 0.5 defectfl user r 01/01/2026 10:00:00 long@a 16", True, False),
        ("sge", "19 0.5 defectfl user Eqw 01/01/2026 10:00:00 16", False, True),
        ("sge", "20 0.5 defectfl user hqw 01/01/2026 10:00:00 16", False, True),
        ("sge", "21 0.5 defectfl user qw 01/01/2026 10:00:00 16", False, False),
        ("sge", "22 0.5 defectfl user t 01/01/2026 10:00:00 long@a 16", True, False),
    ],
)
def test_what_queues_list(scheduler, line, begun, stuck):
    job = queues._line(site(scheduler), line)
    assert (job.number, job.begun, job.stuck) == (line[:2], begun, stuck)
