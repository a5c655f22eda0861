"""A site set up and looked at: what is written, what is found wrong, and what it says to do."""

from __future__ import annotations

import json
import os
import shutil
import stat
import time

import pytest
import yaml
from click.testing import CliRunner

from defectflow.cli import main
from defectflow.engines.espresso_pseudos import FOLDER_VARIABLE
from defectflow.launch.site import load_site
from defectflow.settings import load_settings

SERVER = "mongodb://ada@127.0.0.1:9/defects"
CLUSTER = ("--scheduler", "slurm", "--wall-time", "12:00:00", "--processes", 8, "--memory", 16000)


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Put programs of a queue on the path: ``programs(squeue="echo 12|RUNNING|None")``."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def write(**scripts):
        for name, script in scripts.items():
            path = folder / name
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(path.stat().st_mode | stat.S_IXUSR)

    return write


SLURM = {
    "sbatch": "exit 0",
    "scancel": "exit 0",
    "squeue": "echo '12|RUNNING|None'",
    "sinfo": "echo 'long*|2-00:00:00|64|192000'",
}


def lines(result, word):
    return [line for line in result.stdout.splitlines() if line.startswith(word)]


def refused(result, *said):
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    for words in said:
        assert words in line


# --- init


def test_a_site_of_this_machine_works_at_once(cli, tmp_path):
    result = cli("init", "--engine", "emt", "--store", "runs/a.sqlite")
    assert result.exit_code == 0, result.output
    assert len(lines(result, "ok ")) >= 5
    assert lines(result, "BAD") == []
    assert load_settings().store == "runs/a.sqlite"
    (tmp_path / "cu.yaml").write_text(
        "quantity: migration_barrier\nhost: {prototype: fcc-Cu}\nspecies: Cu\n"
        "limit: discharged\nengine: emt\nlevel: fast\nmin_image_distance_A: 5\n"
    )
    assert cli("run", "cu.yaml").exit_code == 0
    assert (tmp_path / "runs" / "a.sqlite").is_file()  # what the settings say


def test_files_of_fireworks_are_those_that_fireworks_reads(cli, tmp_path, programs):
    from fireworks import FWorker, LaunchPad
    from fireworks.utilities.fw_serializers import load_object_from_file

    programs(**SLURM)
    words = ("init", *CLUSTER, "--to", "fireworks", "--store", SERVER, "--no-check")
    assert cli(*words, "--setup", "module load qe", "--mpi", "srun -n {n}").exit_code == 0
    place = tmp_path / ".defectflow" / "fireworks"
    config = yaml.safe_load((place / "FW_config.yaml").read_text())
    assert all(os.path.isfile(path) for path in config.values())  # noqa: PTH113 - as FireWorks does
    pad = yaml.safe_load((place / "my_launchpad.yaml").read_text())
    assert pad["host"] == SERVER
    # A password would be needed to make the launchpad; the same file without a user is read.
    (place / "open.yaml").write_text(
        yaml.safe_dump(pad | {"host": "mongodb://127.0.0.1:9/defects"})
    )
    assert LaunchPad.from_file(str(place / "open.yaml")).name == "defects"
    assert FWorker.from_file(str(place / "my_fworker.yaml")).name == "defectflow"
    adapter = load_object_from_file(str(place / "my_qadapter.yaml"))
    script = adapter.get_script_str("/place")
    assert "#SBATCH --time=12:00:00" in script
    assert "#SBATCH --ntasks-per-node=8" in script
    assert "module load qe" in script
    site = load_site(tmp_path / "queue.yaml")
    assert (site.wall_time, site.processes, site.mpi) == ("12:00:00", 8, "srun -n {n}")
    # What Slurm says of its nodes becomes the limit of what may be asked for.
    assert site.limits.model_dump() == {
        "wall_time": "48:00:00",
        "nodes": None,
        "cores_per_node": 64,
        "memory_per_node_MB": 192000,
    }


def test_the_project_file_is_one_that_jobflow_remote_reads(cli, tmp_path):
    config = pytest.importorskip(
        "jobflow_remote.config.base", reason="pip install 'defectflow[queues]'"
    )
    words = ("init", *CLUSTER, "--to", "jobflow-remote", "--store", SERVER, "--no-check")
    assert cli(*words).exit_code == 0
    file = tmp_path / ".defectflow" / "remote" / "projects" / "defectflow.yaml"
    project = config.Project(**yaml.safe_load(file.read_text()))
    assert project.workers["default"].scheduler_type == "slurm"


def test_no_file_holds_a_password(cli, tmp_path, monkeypatch):
    monkeypatch.setenv("DEFECTFLOW_PASSWORD", "tr0mbone")
    for to in ("fireworks", "jobflow-remote"):
        assert (
            cli("init", *CLUSTER, "--to", to, "--store", SERVER, "--no-check", "--force").exit_code
            == 0
        )
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) >= 7
    assert all("tr0mbone" not in path.read_text() for path in files)
    words = ("init", *CLUSTER, "--to", "fireworks", "--store", "mongodb://ada:tr0mbone@host/db")
    result = cli(*words)
    assert result.exit_code == 2
    assert "tr0mbone" not in result.output
    assert "keyring set defectflow ada@host" in result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--to", "fireworks"), "need a queue; give --scheduler"),
        ((*CLUSTER, "--to", "fireworks"), "give --store mongodb://HOST/DATABASE"),
        ((*CLUSTER, "--to", "fireworks", "--store", "a.sqlite"), "need a server"),
        (("--scheduler", "slurm"), "wall_time is missing"),
        (("--scheduler", "slurm", "--wall-time", "soon"), "write hours:minutes:seconds"),
        (
            ("--scheduler", "sge", "--wall-time", "1:00:00", "--processes", 4),
            "parallel_environment",
        ),
        (("--scheduler", "lsf", "--wall-time", "1:00:00", "--store", SERVER, "--to",
          "jobflow-remote"), "submit with --to fireworks"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_and_nothing_written(cli, tmp_path, words, said):
    refused(cli("init", *words), said)
    assert list(tmp_path.iterdir()) == []


def test_files_that_are_there_are_kept(cli, tmp_path):
    (tmp_path / "queue.yaml").write_text("mine\n")
    refused(cli("init", *CLUSTER, "--no-check"), "queue.yaml: exists and differs; --force")
    assert (tmp_path / "queue.yaml").read_text() == "mine\n"
    assert not (tmp_path / ".defectflow").exists()
    assert cli("init", *CLUSTER, "--no-check", "--force").exit_code == 0
    assert cli("init", *CLUSTER, "--no-check").exit_code == 0  # the same once more


# --- init, asked


@pytest.fixture
def answered(monkeypatch):
    """Call the command line as on a terminal, and type `answers`, one a line."""
    runner = CliRunner()

    def call(answers, *words):
        # click puts its own stdin in the place of ours while it runs.
        with monkeypatch.context() as patch:
            patch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda _: True)
            typed = "".join(f"{answer}\n" for answer in answers)
            return runner.invoke(main, [str(word) for word in words], input=typed)

    return call


def questions(result):
    return [line.rpartition(":")[0] for line in result.stdout.splitlines() if ":" in line]


def test_answers_write_the_files_that_options_write(cli, answered, tmp_path, programs, monkeypatch):
    programs(**SLURM)
    answers = [
        SERVER,
        "fireworks",
        "slurm",
        "12:00:00",
        "",
        "8",
        "",
        "16000",
        "",
        "",
        "srun -n {n}",
    ]
    result = answered(answers, "init", "--no-check")
    assert result.exit_code == 0, result.output
    asked = questions(result)
    assert len(asked) == len(answers)
    for question, word in zip(
        asked,
        ("Store", "Submit to", "Queue", "--wall-time", "--nodes", "--processes", "--threads",
         "--memory", "--partition", "--account", "--mpi"),
        strict=True,
    ):  # fmt: skip
        assert word in question
    site = load_site(tmp_path / "queue.yaml")
    assert (site.wall_time, site.processes, site.mpi) == ("12:00:00", 8, "srun -n {n}")
    assert (load_settings().store, load_settings().to) == (SERVER, "fireworks")
    typed = files_of(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.chdir(other)
    words = ("init", *CLUSTER, "--to", "fireworks", "--store", SERVER, "--mpi", "srun -n {n}")
    assert cli(*words, "--no-check").exit_code == 0
    given = files_of(other)
    assert {name: text.replace(str(other), str(tmp_path)) for name, text in given.items()} == typed


def files_of(folder):
    """Return the text of each file that init writes."""
    paths = [folder / "queue.yaml", *(folder / ".defectflow").rglob("*.yaml")]
    return {str(path.relative_to(folder)): path.read_text() for path in paths}


def test_only_what_no_option_says_is_asked(answered, tmp_path):
    words = ("init", "--store", "a.sqlite", "--scheduler", "sge", "--processes", 4, "--no-check")
    answers = ["", "1:00:00", "", "", "", "long", "", "mpi", ""]
    result = answered(answers, *words)
    assert result.exit_code == 0, result.output
    asked = " ".join(questions(result))
    assert "Store" not in asked
    assert "--processes" not in asked
    assert "--parallel-environment" in asked
    site = load_site(tmp_path / "queue.yaml")
    assert (site.processes, site.queue, site.parallel_environment) == (4, "long", "mpi")


def test_empty_answers_set_up_this_machine_alone(answered, tmp_path):
    result = answered(["", "", ""], "init", "--no-check")
    assert result.exit_code == 0, result.output
    assert not (tmp_path / "queue.yaml").exists()
    assert load_settings().to is None


def test_an_answer_that_cannot_be_is_asked_for_again(answered, tmp_path, programs):
    programs(**SLURM)
    answers = ["", "airflow", "", "slrm", "slurm", "12:00:00", "two", "2", *[""] * 6]
    result = answered(answers, "init", "--no-check")
    assert result.exit_code == 0, result.output
    for wrong in ("airflow", "slrm", "two"):
        assert f"Error: '{wrong}' is not" in result.output
    site = load_site(tmp_path / "queue.yaml")
    assert (site.scheduler, site.nodes, load_settings().to) == ("slurm", 2, None)


def test_answers_that_end_early_write_nothing(answered, tmp_path):
    result = answered(["", "", "slurm"], "init", "--no-check")
    assert result.exit_code == 1
    assert "Aborted" in result.output
    assert list(tmp_path.iterdir()) == []


# --- settings


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("stor: a.sqlite\n", "unknown setting 'stor'; did you mean store"),
        ("workers: none\n", "settings.yaml: workers=none"),
        ("to: airflow\n", "settings.yaml: to=airflow"),
        ("- a\n", "lines of `key: value`"),
        ("a: [\n", "cannot be read"),
        ("!!python/object/apply:os.system [true]\n", "cannot be read"),
    ],
)
def test_a_wrong_settings_file_is_named(cli, tmp_path, text, said):
    (tmp_path / ".defectflow").mkdir()
    (tmp_path / ".defectflow" / "settings.yaml").write_text(text)
    refused(cli("status"), said)


def test_the_environment_goes_before_the_file(tmp_path, monkeypatch):
    (tmp_path / ".defectflow").mkdir()
    (tmp_path / ".defectflow" / "settings.yaml").write_text("store: a.sqlite\nworkers: 3\n")
    assert (load_settings().store, load_settings().workers) == ("a.sqlite", 3)
    monkeypatch.setenv("DEFECTFLOW_STORE", "b.sqlite")
    assert (load_settings().store, load_settings().workers) == ("b.sqlite", 3)


def test_submit_without_a_manager_or_a_queue_says_what_is_missing(cli, tmp_path):
    (tmp_path / "cu.yaml").write_text("quantity: migration_barrier\n")
    refused(cli("submit", "cu.yaml"), "--to fireworks", "defectflow init")
    refused(cli("submit", "cu.yaml", "--to", "fireworks"), "--queue FILE", "defectflow init")


# --- doctor


def doctored(cli, *words):
    result = cli("doctor", "--format", "json", *words)
    return {row["finding"]: row for row in json.loads(result.stdout)}, result.exit_code


def bad(found):
    return [text for text, row in found.items() if not row["ok"]]


def test_a_queue_that_answers_and_takes_what_is_asked(cli, programs):
    programs(**SLURM)
    assert cli("init", *CLUSTER, "--no-check").exit_code == 0
    found, status = doctored(cli)
    assert (bad(found), status) == ([], 0)
    assert "slurm answers; 1 jobs of yours in it" in found


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"sbatch": None}, "sbatch of slurm not found; log in where"),
        ({"squeue": "echo 'cannot reach slurmctld' >&2; exit 1"}, "cannot reach slurmctld"),
        ({"sinfo": "true"}, "no partition (default); `sinfo` lists them"),
        ({"sinfo": "echo 'long*|1:00:00|64|192000'"}, "wall_time = 12:00:00: this queue gives"),
        ({"sinfo": "echo 'long*|infinite|4|192000'"}, "processes times threads = 8"),
        ({"sinfo": "echo 'long*|infinite|64|8000'"}, "memory_per_node_MB = 16000"),
    ],
)
def test_what_is_wrong_with_a_queue(cli, tmp_path, programs, changed, said):
    text = "scheduler: slurm\nwall_time: '12:00:00'\nprocesses_per_node: 8\n"
    (tmp_path / "q.yaml").write_text(text + "memory_per_node_MB: 16000\n")
    programs(**{name: one for name, one in {**SLURM, **changed}.items() if one})
    found, status = doctored(cli, "--queue", "q.yaml")
    assert status == 1
    assert len(bad(found)) == 1
    assert said in bad(found)[0]


def test_a_server_that_does_not_answer(cli, monkeypatch):
    monkeypatch.setattr("defectflow.store.server.SERVER_PATIENCE_MS", 200)
    monkeypatch.setattr("defectflow.launch.checkup._PATIENCE_MS", 200)
    found, status = doctored(cli, "--store", "mongodb://127.0.0.1:9/defects")
    assert status == 1
    assert any("check the URL and the server" in text for text in bad(found))


@pytest.mark.parametrize("away_s", [-3600.0, 40.0])
def test_a_clock_that_is_wrong(cli, monkeypatch, away_s):
    now = time.time
    monkeypatch.setattr("defectflow.launch.checkup.time.time", lambda: now() - away_s)
    found, status = doctored(cli)
    assert status == 1
    (words,) = bad(found)
    assert f"{away_s:+.1f} s from ours" in words
    assert "NTP" in words


def test_a_disk_that_is_full(cli, monkeypatch):
    monkeypatch.setattr("defectflow.launch.checkup._FREE_GB", 1e9)
    found, status = doctored(cli)
    assert status == 1
    assert "make room" in bad(found)[0]


def test_passwords_in_files_are_found(cli, tmp_path, monkeypatch):
    monkeypatch.setenv("DEFECTFLOW_PASSWORD", "tr0mbone")
    (tmp_path / ".defectflow").mkdir()
    (tmp_path / ".defectflow" / "my_launchpad.yaml").write_text("password: tr0mbone\n")
    (tmp_path / "queue.yaml").write_text("setup: [export URL=mongodb://ada:secret@host/db]\n")
    found, status = doctored(cli)
    assert status == 1
    assert len(bad(found)) == 2
    assert all("delete it there and change the password" in text for text in bad(found))
    assert not any("tr0mbone" in text or "secret" in text for text in found)


def test_engines_compute_or_say_why_not(cli, monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.delenv("DEFECTFLOW_VASP_STD_COMMAND", raising=False)
    found, status = doctored(cli, "--engine", "emt", "--engine", "vasp", "--engine", "emtt")
    assert status == 1
    assert any(text.startswith("emt: computed Al in ") for text in found)
    assert len(bad(found)) == 2
    assert any("vasp_std is not found" in text for text in bad(found))
    assert any("did you mean emt" in text for text in bad(found))


def test_an_engine_that_starts_and_fails(cli, monkeypatch):
    def broken(self, request):
        message = "no licence"
        raise OSError(message)

    monkeypatch.setattr("defectflow.engines.calculators.CalculatorEngine.part", broken)
    found, status = doctored(cli, "--engine", "emt")
    assert status == 1
    assert "emt: does not compute one atom of Al: no licence" in bad(found)


@pytest.mark.skipif(
    shutil.which("pw.x") is None,
    reason="pw.x is not installed: make espresso-setup",
)
def test_data_for_every_element_of_a_recipe(cli, tmp_path, monkeypatch):
    """The pseudopotential of lithium, which goes in, is missing; those of the host are there."""
    pseudos = tmp_path / "pseudo"
    pseudos.mkdir()
    header = '<UPF version="2.0.1">\n<PP_HEADER element="{0}" pseudo_type="NC" '
    header += 'relativistic="scalar" functional="PBE" z_valence="6"/>\n</UPF>\n'
    for element in ("Ti", "S"):
        (pseudos / f"{element}.UPF").write_text(header.format(element))
    monkeypatch.setenv(FOLDER_VARIABLE, str(pseudos))
    (tmp_path / "li.yaml").write_text(
        "quantity: migration_barrier\nhost: {prototype: 1T-TiS2}\nspecies: Li\nlimit: charged\n"
        "engine: espresso\nlevel: fast\nguide: none\npath: dft\n"
    )
    found, status = doctored(cli, "li.yaml", "--no-start")
    assert status == 1
    (words,) = bad(found)
    assert "pseudopotential of Li" in words
