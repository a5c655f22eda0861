from __future__ import annotations

import pytest

from defectflow.engines.checkpoint import Checkpoint


def test_a_state_comes_back_to_the_same_calculation_only(tmp_path):
    path = tmp_path / "relax.checkpoint.json"
    Checkpoint(path, "a").save({"x": [0.1, 1 / 3], "n": 2})
    assert Checkpoint(path, "a").load() == {"x": [0.1, 1 / 3], "n": 2}
    assert Checkpoint(path, "b").load() is None
    Checkpoint(path, "a").clear()
    assert Checkpoint(path, "a").load() is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"key": "a"}', '{"key": "a", "state": 3}'])
def test_a_damaged_file_is_ignored(tmp_path, text):
    path = tmp_path / "c.json"
    path.write_text(text)
    assert Checkpoint(path, "a").load() is None


def test_a_failed_writing_keeps_the_old_state(tmp_path):
    checkpoint = Checkpoint(tmp_path / "c.json", "a")
    checkpoint.save({"n": 1})
    with pytest.raises(TypeError):
        checkpoint.save({"n": object()})
    assert checkpoint.load() == {"n": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["c.json"]


def test_writings_are_spaced(tmp_path):
    assert Checkpoint(tmp_path / "c.json", "a", interval_s=0.0).due()
    assert not Checkpoint(tmp_path / "c.json", "a", interval_s=60.0).due()
