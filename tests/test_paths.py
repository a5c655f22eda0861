from __future__ import annotations

import pytest

from defectflow import paths
from defectflow.errors import MissingData


def test_the_checkout_is_found():
    assert paths.find("templates", "input/potential/relax.yaml").is_file()


def test_a_file_of_the_user_replaces_the_shipped_one(tmp_path, monkeypatch):
    monkeypatch.setenv("DEFECTFLOW_HOME", str(tmp_path))
    own = tmp_path / "templates" / "input" / "potential" / "relax.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("balanced: {}\n")
    assert paths.find("templates", "input/potential/relax.yaml") == own
    assert paths.listing("templates", "input/**/*.yaml")["input/potential/relax.yaml"] == own
    assert paths.find("templates", "input/potential/static.yaml") != own.with_name("static.yaml")


def test_the_folder_of_the_user_need_not_exist(tmp_path, monkeypatch):
    monkeypatch.delenv("DEFECTFLOW_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert paths.user_folder() == tmp_path / ".config" / "defectflow"
    assert paths.roots("templates")


def test_the_packaged_copy_is_found_without_a_checkout(tmp_path, monkeypatch):
    package = tmp_path / "site-packages" / "defectflow"
    packed = package / "_data" / "templates" / "queue.txt"
    packed.parent.mkdir(parents=True)
    packed.write_text("x")
    (tmp_path / "templates").mkdir()
    monkeypatch.setattr(paths, "__file__", str(package / "paths.py"))
    monkeypatch.setenv("DEFECTFLOW_HOME", str(tmp_path / "none"))
    assert paths.roots("templates") == (packed.parent,)
    assert paths.find("templates", "queue.txt") == packed


def test_a_missing_file_names_what_is_near():
    with pytest.raises(MissingData, match=r"input/potential/relax\.yaml"):
        paths.find("templates", "input/potential/relx.yaml")
