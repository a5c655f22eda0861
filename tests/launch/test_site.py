"""Queue files: what may be written, and what is said about mistakes."""

from __future__ import annotations

import pytest

from defectflow.errors import RecipeError
from defectflow.launch.site import Site, load_site


def written(tmp_path, text):
    path = tmp_path / "queue.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", ["slurm", "pbs", "sge", "lsf", "templates/queue/slurm.yaml"])
def test_shipped_files_are_right(name):
    site = load_site(name)
    assert site.scheduler in name
    assert site.wall_time == "24:00:00"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("scheduler: slurm\nwall_time: 1:00:00\nnode: 2\n", "'node'; did you mean nodes"),
        ("scheduler: slurm\nnodes: 2\n", "wall_time is missing; add a line such as"),
        ("scheduler: slurm\nwall_time: '24'\n", "write hours:minutes:seconds"),
        ("scheduler: slurm\nwall_time: 00:00:30\n", "below one minute"),
        ("scheduler: slrm\nwall_time: 1:00:00\n", "scheduler = 'slrm'"),
        ("scheduler: slurm\nwall_time: 1:00:00\nsteps: {bands: {nodes: 1}}\n", "steps.bands"),
        ("scheduler: slurm\nwall_time: 1:00:00\nsteps: {band: {nods: 1}}\n", "mean nodes"),
        ("scheduler: slurm\nwall_time: 1:00:00\nnodes: 0\n", "nodes = 0"),
        ("- a\n", "lines of `key: value`"),
        ("a: [\n", "cannot be read"),
        ("!!python/object/apply:os.system [true]\n", "cannot be read"),
    ],
)
def test_mistakes_name_field_and_remedy(tmp_path, text, said):
    with pytest.raises(RecipeError, match="queue file") as caught:
        load_site(written(tmp_path, text))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_missing(tmp_path):
    with pytest.raises(RecipeError, match="does not exist; give a path or one of slurm"):
        load_site(tmp_path / "cluster.yaml")


def test_a_mistyped_path_is_no_shipped_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in (tmp_path / "slurm.yaml", "cluster/slurm.yaml", "./cluster/slurm", "slurm.yml"):
        with pytest.raises(RecipeError, match=r"does not exist; give a path"):
            load_site(name)
    assert load_site("slurm.yaml").scheduler == "slurm"
    (tmp_path / "slurm.yaml").write_text("scheduler: pbs\nwall_time: 1:00:00\n")
    assert load_site("slurm.yaml").scheduler == "pbs"


def test_wall_time_without_quotation_marks_is_not_read_in_base_60(tmp_path):
    site = load_site(written(tmp_path, "scheduler: slurm\nwall_time: 24:00:00\n"))
    assert site.wall_time_s == 86400


def test_steps_change_only_what_they_name():
    steps = {"light": {"wall_time": "1-00:00:00", "nodes": 1}}
    site = Site(scheduler="slurm", wall_time="02:00:00", nodes=4, account="a", steps=steps)
    light, rest = site.resources("light"), site.resources("default")
    assert (light.wall_time, light.nodes, light.account) == ("24:00:00", 1, "a")
    assert (rest.wall_time, rest.nodes) == ("02:00:00", 4)
    assert site.kinds == ("default", "light")
