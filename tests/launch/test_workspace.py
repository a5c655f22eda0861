from __future__ import annotations

import os

import pytest

from defectflow.errors import StoreError
from defectflow.launch.workspace import Workspaces


@pytest.fixture
def folders(tmp_path):
    made = Workspaces(tmp_path)
    yield made
    made.close()


def names(tmp_path):
    return sorted(path.name for path in (tmp_path / "jobs").iterdir())


def test_kept_files_are_found_again_and_the_old_error_is_gone(folders):
    first = folders.open("a" * 40)
    (first.path / "checkpoint.json").touch()
    first.keep("a traceback")
    assert (first.path / "error.txt").read_text() == "a traceback"
    again = folders.open("a" * 40)
    assert again.path == first.path
    assert [path.name for path in again.path.iterdir()] == ["checkpoint.json"]
    again.keep()
    fresh = folders.open("a" * 40, empty=True)
    assert list(fresh.path.iterdir()) == []
    fresh.keep()


def test_emptied_folder_serves_the_next_job_and_is_gone_at_the_end(folders, tmp_path):
    first = folders.open("a")
    (first.path / "sub").mkdir()
    (first.path / "sub" / "file").touch()
    (first.path / "link").symlink_to(tmp_path)
    inode = first.path.stat().st_ino
    folders.discard(first)
    assert not first.path.exists()
    second = folders.open("b")
    assert second.path.stat().st_ino == inode
    assert list(second.path.iterdir()) == []
    folders.discard(second)
    folders.close()
    assert names(tmp_path) == []


def test_folder_in_use_is_not_given_to_another_run(folders, tmp_path):
    mine = folders.open("a")
    (mine.path / "file").touch()
    other_run = Workspaces(tmp_path)
    other = other_run.open("a", empty=True)
    assert other.path.name == f"a-{os.getpid()}"
    assert (mine.path / "file").exists()
    other_run.discard(other)
    other_run.close()
    mine.keep()
    assert names(tmp_path) == ["a"]


def test_spare_folder_of_another_run_is_not_taken_but_that_of_a_dead_one_is_deleted(
    folders, tmp_path
):
    folders.discard(folders.open("a"))
    (tmp_path / "jobs" / ".spare-1-0").mkdir()
    other_run = Workspaces(tmp_path)
    other_run.open("b").keep()
    other_run.close()
    assert names(tmp_path) == [f".spare-{os.getpid()}-0", "b"]


def test_file_in_the_way_gives_one_line(folders, tmp_path):
    (tmp_path / "jobs").write_text("in the way")
    with pytest.raises(StoreError, match="cannot make the job's folder") as error:
        folders.open("a")
    assert len(str(error.value).splitlines()) == 1
