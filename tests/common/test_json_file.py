"""JSON that every other reader takes: no NaN, no infinity, numbers of numpy as numbers."""

import json
from pathlib import Path

import numpy as np
import pytest

from multiview.common.json_file import write_json
from multiview.errors import ConfigError


def refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no JSON")


def test_json_has_null_for_numbers_that_are_not_finite(tmp_path: Path) -> None:
    path = tmp_path / "new" / "figures.json"
    value = {
        "a": float("nan"),
        "b": [np.float64("inf"), np.float32(0.5)],
        "c": np.array([[1.0, np.nan]]),
        "ä": np.True_,
    }
    write_json(path, value)
    found = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    assert found == {"a": None, "b": [None, 0.5], "c": [[1.0, None]], "ä": True}


def test_json_that_cannot_be_written_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    write_json(path, {"a": 1})
    with pytest.raises(TypeError, match="nothing for object"):
        write_json(path, {"a": object()})
    assert json.loads(path.read_text(encoding="utf-8")) == {"a": 1}


def test_json_never_replaces_what_was_recorded(tmp_path: Path) -> None:
    (tmp_path / "cam01.mp4").write_bytes(b"video")
    with pytest.raises(ConfigError):
        write_json(tmp_path / "cam01.mp4", {})
