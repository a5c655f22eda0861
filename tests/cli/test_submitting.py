"""Which submitted recipes are meant by a name, a path or a key, and how one goes on with them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from defectflow.cli import submitting
from defectflow.cli.computing import Asked, prepare
from defectflow.launch.submissions import Submission, Trouble

URL = "mongodb://host/database"
KEYS = ("1234567aaaaaaaaaaaaa", "1234567bbbbbbbbbbbbb", "fedcba9876543210abcd")


def submission(place, key, state="running", **more):
    path = f"/{place}/cu.yaml"
    command = f"defectflow submit {path}"
    return Submission("cu", path, key, command, "fireworks", state, "", 0, 3, **more)


class Trial:
    """A manager that holds three recipes of one name and is asked to stop some."""

    def __init__(self, *states):
        self.held = [submission(*one) for one in zip("abc", KEYS, states, strict=True)]
        self.stopped, self.again = [], []

    def submissions(self):
        return self.held

    def cancel(self, keys):
        self.stopped += keys
        return keys

    def retry(self, keys):
        self.again += keys
        return keys

    def start(self):
        return []


@pytest.fixture
def trial(monkeypatch):
    def with_states(*states):
        manager = Trial(*states)
        monkeypatch.setattr(submitting, "managers", lambda url: [manager])
        return manager

    return with_states


@pytest.mark.parametrize("verb", ["cancel", "retry"])
def test_a_name_of_several_recipes_is_refused(verb, cli, trial):
    manager = trial("running", "failed", "completed")
    result = cli(verb, "cu", "--store", URL)
    assert result.exit_code == 2, result.output
    assert len(result.stderr.splitlines()) == 1
    for said in (
        "cu: may be 2",
        "/a/cu.yaml (key 1234567aaaaa)",
        "/b/cu.yaml (key",
        "give the key",
    ):
        assert said in result.stderr
    assert "1234567: may be 2" in cli(verb, "1234567", "--store", URL).stderr
    assert manager.stopped == manager.again == []


@pytest.mark.parametrize("word", ["1234567b", "1234567bbbbb", "/b/cu.yaml"])
def test_a_key_or_a_path_means_one(word, cli, trial):
    manager = trial("running", "running", "running")
    assert cli("cancel", word, "--store", URL).exit_code == 0
    assert cli("retry", word, "--store", URL).exit_code == 0
    assert manager.stopped == manager.again == [KEYS[1]]


def test_what_is_completed_does_not_make_a_name_ambiguous(cli, trial):
    manager = trial("running", "completed", "completed")
    assert cli("cancel", "cu", "--store", URL).exit_code == 0
    assert KEYS[0] in manager.stopped


def test_the_command_that_goes_on_names_one_recipe():
    failed = submission("a", KEYS[0], "failed", troubles=(Trouble("relax host", "failed"),))
    other = submission("b", KEYS[1], "completed")
    for known, word in (([failed], "cu"), ([failed, other], "1234567aaaaa")):
        said = submitting.resume(failed, URL, known)
        assert said == f"defectflow retry {word} --store {URL}"


def test_the_command_of_a_submission_works_from_any_folder(cli, tmp_path, monkeypatch):
    (tmp_path / "cu.yaml").write_text(
        "quantity: equation_of_state\nhost: {prototype: fcc-Cu}\nengine: emt\n"
    )
    (tmp_path / "queue.yaml").write_text("scheduler: slurm\nwall_time: 1:00:00\n")
    orders = []
    taking = SimpleNamespace(submit=lambda order: orders.append(order) or True, start=list)
    monkeypatch.setattr(submitting, "manager_to_submit", lambda *_: taking)
    monkeypatch.setattr(submitting, "check_writable", lambda _: "memory://")
    tasks = prepare(["cu.yaml"], Asked())
    for queue in ("queue.yaml", "slurm"):
        settings = SimpleNamespace(store=URL)
        assert list(submitting.submit(tasks, "fireworks", queue, settings, Asked()))
    assert f"--queue {tmp_path / 'queue.yaml'} " in orders[0].command
    assert "--queue slurm " in orders[1].command
