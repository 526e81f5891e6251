"""What a command reads, and what was recorded, is never written over; other files are replaced whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from multiview.common.atomic_file import corrected_beside, replacing, writing
from multiview.common.ledger import ledger, note_missing, reading
from multiview.errors import ConfigError


def replace_with(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text)


def test_replacing_leaves_the_old_file_when_the_block_fails(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.txt"
    replace_with(path, "old")

    def fail() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [(file.name, file.read_text()) for file in path.parent.iterdir()] == [("a.txt", "old")]


@pytest.mark.parametrize("name", ["cam01.mp4", "cam01.MOV", "take.mcap", "cam01.timestamps.csv"])
def test_recordings_are_never_written_over(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    replace_with(path, "recorded")
    for way in (lambda: replace_with(path, "new"), lambda: writing(path)):
        with pytest.raises(ConfigError, match="recordings are never written over"):
            way()
    assert path.read_text() == "recorded"


@pytest.mark.parametrize("name", ["overlay.png", "run.log", "take.html"])
def test_link_to_a_recording_is_never_written_through(tmp_path: Path, name: str) -> None:
    recorded = tmp_path / "videos" / "cam01.mp4"
    replace_with(recorded, "recorded")
    link = tmp_path / name
    link.symlink_to("videos/cam01.mp4")
    with pytest.raises(ConfigError, match="recordings are never written over"):
        writing(link)
    assert link.read_text() == "recorded"


@pytest.mark.parametrize("name", ["rig.toml", "studio.toml", "take.toml", "contents.toml"])
def test_files_of_a_take_are_never_written_over(tmp_path: Path, name: str) -> None:
    replace_with(tmp_path / "rig.toml", "of no take")
    replace_with(tmp_path / "rig.toml", "replaced")
    (tmp_path / "take.mcap").touch()
    (tmp_path / name).write_text("recorded")
    with pytest.raises(ConfigError, match=name):
        replace_with(tmp_path / name, "new")
    assert (tmp_path / name).read_text() == "recorded"
    assert corrected_beside(tmp_path / "rig.toml") == tmp_path / "rig.refined.toml"


def test_inputs_are_never_written_over_under_any_name(tmp_path: Path) -> None:
    path = tmp_path / "poses.parquet"
    path.write_text("read")
    (tmp_path / "link").symlink_to(path)
    os.link(path, tmp_path / "second")
    with ledger():
        reading(path)
        for name in ("poses.parquet", "link", "second", "../" + tmp_path.name + "/poses.parquet"):
            with pytest.raises(ConfigError, match="is an input of this command"):
                replace_with(tmp_path / name, "new")
        with replacing(path, correct=True) as temporary:
            temporary.write_text("corrected")
    assert path.read_text() == "corrected"
    replace_with(path, "by the next command")


def test_folder_that_is_read_stands_for_its_files(tmp_path: Path) -> None:
    (tmp_path / "0001.png").write_text("picture")
    with ledger():
        reading(tmp_path)
        with pytest.raises(ConfigError, match="is an input"):
            replace_with(tmp_path / "0001.png", "drawn")
        replace_with(tmp_path / "drawn.png", "new")
        reading(tmp_path / "drawn.png")
        replace_with(tmp_path / "drawn.png", "its own")
    assert (tmp_path / "0001.png").read_text() == "picture"


def test_ledger_lists_what_was_missing_once() -> None:
    with ledger() as outer:
        with ledger() as inner:
            note_missing("take: 3 messages")
            note_missing("take: 3 messages")
        assert inner.missing == ["take: 3 messages"]
    assert outer.missing == []
