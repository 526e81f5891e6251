"""Characters and models that a browser brings: kept if they can be read, under their own name, never over another."""

from __future__ import annotations

from pathlib import Path

import pytest

from multiview.errors import ConfigError
from services.dashboard.character_files import keep_character

MODEL = b'<?xml version="1.0"?><OpenSimDocument><Model name="mine"/></OpenSimDocument>'


def test_model_is_kept_under_its_name_and_never_overwritten(tmp_path: Path) -> None:
    kept = keep_character(tmp_path, "my model.osim", MODEL)
    assert kept == tmp_path / "my model.osim"
    assert kept.read_bytes() == MODEL
    with pytest.raises(ConfigError, match="choose it under Skeleton or Model"):
        keep_character(tmp_path, "my model.osim", MODEL + b"\n")
    assert kept.read_bytes() == MODEL


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("studio.toml", b"version = 1", "neither a character nor a model"),
        ("take", MODEL, "neither a character nor a model"),
        ("../up.osim", MODEL, "without / and"),
        ("..", MODEL, "not . or .."),
        ("a" * 90 + ".osim", MODEL, "1 to 64 characters"),
        ("broken.osim", b"<OpenSimDocument><Mo", "broken.osim: not a model"),
        ("other.osim", b"<html/>", "it has no Model"),
        ("broken.bvh", b"HIERARCHY\nROOT", "broken.bvh"),
        ("broken.glb", b"\x00" * 64, "broken.glb"),
    ],
)
def test_file_that_exports_cannot_use_is_refused_and_leaves_nothing(
    tmp_path: Path, name: str, data: bytes, words: str
) -> None:
    folder = tmp_path / "studio"
    folder.mkdir()
    with pytest.raises(ConfigError, match=words) as told:
        keep_character(folder, name, data)
    assert "/tmp" not in str(told.value)
    assert [path for path in tmp_path.rglob("*") if path != folder] == []
