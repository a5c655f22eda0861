"""A Slurm of this machine's own and a server of MongoDB's protocol, both started in seconds."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from pymongo import MongoClient

from defectflow import recipes, run
from defectflow.cli import main
from defectflow.launch.remote_manager import PROJECT, RemoteManager
from defectflow.launch.site import load_site

HERE = Path(__file__).parent
BARRIER = """\
quantity: migration_barrier
host: {prototype: fcc-Cu}
species: Cu
limit: discharged
engine: emt
level: fast
min_image_distance_A: 5
"""
ADSORPTION = """\
quantity: adsorption_free_energy
host: {prototype: fcc-Pt}
slab: {miller: [1, 1, 1], layers: 3, frozen_layers: 2, repeat: [1, 1], vacuum_A: 10}
adsorbate: H
correction: norskov_2005
keep: 1
engine: emt
level: fast
"""
QUEUE = """\
scheduler: slurm
wall_time: "00:02:00"
memory_per_node_MB: 500
jobs: 2
"""


def free_port(count=1):
    """Return the first of `count` neighbouring ports that nobody listens on.

    They lie below those that the system gives to whoever asks for any, which may go to another
    program before ours has begun to listen.
    """
    for _ in range(200):
        first = 20000 + secrets.randbelow(10000)
        with contextlib.ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return first
    pytest.fail(f"no {count} free ports between 20000 and 30000")


class Server:
    """A database server that can be stopped and started again with what it holds."""

    def __init__(self, folder):
        self.folder = folder
        self.port = free_port()
        self.process = None

    @property
    def address(self):
        return f"mongodb://127.0.0.1:{self.port}"

    def start(self):
        log = (self.folder / "server.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, HERE / "wire_server.py", str(self.port), self.folder / "data"],
            stdout=subprocess.PIPE,
            stderr=log,
        )
        assert self.process.stdout.readline().startswith(b"mongodb"), log.name

    def stop(self):
        self.process.terminate()
        self.process.wait(20)

    def killed(self):
        """Wait until something has killed it."""
        assert self.process.wait(400) == -signal.SIGKILL


@pytest.fixture(scope="session")
def own_server(tmp_path_factory):
    """Return a server that tests may stop."""
    pytest.importorskip("secantus", reason="no server: pip install 'defectflow[test]'")
    folder = tmp_path_factory.mktemp("server")
    (folder / "data").mkdir()
    server = Server(folder)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def url(request):
    """Return the URL of an empty database: on $MONGODB_URI if that is set, else on our server."""
    given = os.environ.get("MONGODB_URI")
    address = given or request.getfixturevalue("own_server").address
    name = f"defectflow_test_{uuid.uuid4().hex[:12]}"
    yield f"{address.rstrip('/')}/{name}"
    client = MongoClient(address)
    client.drop_database(name)
    client.close()


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    """Start Slurm; return a function that calls its script with another verb."""
    if os.geteuid() != 0:
        pytest.skip("a Slurm of our own needs root")
    if shutil.which("slurmctld", path=f"{os.environ['PATH']}:/usr/sbin") is None:
        pytest.skip("no Slurm on this machine; tools/install-slurm.sh brings it")
    folder = tmp_path_factory.mktemp("slurm")
    port = free_port(2)

    def call(verb):
        subprocess.run(
            [HERE / "slurm.sh", verb, folder],
            check=True,
            env={**os.environ, "SLURM_TEST_PORT": str(port)},
            timeout=60,
        )

    for parent in folder.parents[:3]:  # munge looks at who may enter
        parent.chmod(0o755)
    call("start")
    os.environ["SLURM_CONF"] = str(folder / "slurm.conf")
    yield call
    call("stop")
    del os.environ["SLURM_CONF"]


@pytest.fixture(scope="session")
def sge(tmp_path_factory):
    """Start a Grid Engine with a queue, a parallel environment and a project."""
    if os.geteuid() != 0:
        pytest.skip("a Grid Engine of our own needs root")
    if not Path("/usr/lib/gridengine/sge_qmaster").exists():
        pytest.skip("no Grid Engine on this machine; tools/install-gridengine.sh brings it")
    folder, port = tmp_path_factory.mktemp("sge"), free_port(2)
    own = {
        "SGE_ROOT": str(folder / "root"),
        "SGE_CELL": "default",
        "SGE_QMASTER_PORT": str(port),
        "SGE_EXECD_PORT": str(port + 1),
        "PATH": f"/usr/lib/gridengine:{os.environ['PATH']}",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in own.items():
            patch.setenv(name, value)
        call = [HERE / "sge.sh", "start", folder]
        subprocess.run(
            call, check=True, timeout=120, env={**os.environ, "SGE_TEST_PORT": str(port)}
        )
        yield
        call[1] = "stop"
        subprocess.run(call, check=True, timeout=60, env={**os.environ, "SGE_TEST_PORT": str(port)})


@pytest.fixture(scope="session")
def local(tmp_path_factory):
    """Return the values of both recipes as this machine computes them without any queue."""
    folder = tmp_path_factory.mktemp("local")
    values = {}
    for name, text in (("cu", BARRIER), ("h", ADSORPTION)):
        (folder / f"{name}.yaml").write_text(text)
        flow = recipes.build(recipes.load(folder / f"{name}.yaml"))
        values[name] = run(flow, folder / "a.sqlite").value
    return values


@pytest.fixture
def folder(tmp_path):
    """Return a folder with two recipes and a queue file, in which the command line works."""
    (tmp_path / "cu.yaml").write_text(BARRIER)
    (tmp_path / "h.yaml").write_text(ADSORPTION)
    (tmp_path / "queue.yaml").write_text(QUEUE)
    return tmp_path


@pytest.fixture
def runner(url, folder, monkeypatch, loggers_kept):
    """Return the manager and jobflow-remote's runner, whose jobs are processes of this machine."""
    pytest.importorskip("jobflow_remote", reason="pip install 'defectflow[queues]'")
    from jobflow_remote import SETTINGS
    from jobflow_remote.jobs.runner import Runner

    manager = RemoteManager.made(
        url, str(folder), load_site(str(folder / "queue.yaml")), str(folder / "queue.yaml")
    )
    content = yaml.safe_load(manager.file.read_text())
    content["runner"] = dict.fromkeys(content["runner"], 1)
    worker = content["workers"]["default"]
    worker.update(scheduler_type="shell", resources=None, pre_run="")
    manager.file.write_text(yaml.safe_dump(content))
    monkeypatch.setattr(SETTINGS, "projects_folder", str(manager.file.parent))
    return manager, Runner(project_name=PROJECT)


@pytest.fixture
def call():
    """Call the command line and return what it wrote; it must succeed unless told otherwise."""

    def run(*words, status=0):
        result = CliRunner().invoke(main, [str(word) for word in words])
        assert result.exit_code == status, result.output
        return result.output

    return run


@pytest.fixture
def until():
    """Wait until something is true; fail with what is said otherwise."""

    def wait(true, seconds, say=lambda: "it did not come"):
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, say()
            time.sleep(0.3)

    return wait
