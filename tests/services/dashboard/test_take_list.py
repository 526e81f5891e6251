"""Takes as pages list them, play them back and export them."""

from __future__ import annotations

import json
import struct
import threading
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import pytest

from multiview.cameras.rig_file import dumps
from multiview.common.names import file_name
from multiview.errors import ConfigError
from multiview.recordings.pose_table import Poses, write_poses
from multiview.recordings.resample import ResampleOptions
from multiview.recordings.take import Take, begin_take, finish_take
from services.dashboard.downloads import KEPT, Downloads
from services.dashboard.take_list import find_take, list_takes, playback_bytes
from tests.figures import crowd, ring


@pytest.fixture
def take(tmp_path: Path) -> Take:
    """Three people at three ticks; in a name, what may be in a name."""
    began = begin_take(tmp_path, "a <b>take", datetime(2026, 1, 2, tzinfo=UTC), dumps(ring()), "", "<i>note</i>")
    take = finish_take(began)
    skeleton, _ = crowd()
    write_poses(Poses.from_tracks([crowd(tick)[1] for tick in range(3)], skeleton), take.poses)
    return take


def test_list_has_every_take_and_nothing_else(take: Take, tmp_path: Path) -> None:
    (tmp_path / "no take").mkdir()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "take.toml").touch()
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "take.toml").write_text("name = ")
    first, second = list_takes(tmp_path)
    assert (first.name, first.notes, first.folder) == ("a <b>take", "<i>note</i>", take.folder.name)
    assert first.remark == ""
    assert second.folder == "broken"
    assert "take.toml" in second.remark
    assert list_takes(tmp_path / "none") == []


@pytest.mark.parametrize("folder", ["..", ".", "", "../takes", "/", "a/b", "no take", "/etc", "..%2f", "%2e%2e", "\0"])
def test_what_is_no_take_of_the_list_is_not_opened(take: Take, tmp_path: Path, folder: str) -> None:
    (tmp_path / "no take").mkdir()
    assert find_take(tmp_path, folder) is None
    found = find_take(tmp_path, take.folder.name)
    assert found is not None
    assert found.folder == take.folder


def test_playback_has_every_place(take: Take) -> None:
    data = playback_bytes(take)
    (size,) = struct.unpack("<I", data[:4])
    assert size % 4 == 0
    header = json.loads(data[4 : 4 + size])
    skeleton, tracks = crowd(2)
    assert header["joints"] == len(skeleton.joints)
    assert header["counts"] == [3, 3, 3]
    assert header["people"] == [0, 1, 2] * 3
    assert header["times"] == pytest.approx(
        [(crowd(t)[1].time_ns - crowd(0)[1].time_ns) / 1e9 for t in range(3)], abs=1e-4
    )
    places = np.frombuffer(data[4 + size :], "<f4").reshape(9, -1, 4)
    last = tracks.tracks[2].pose
    np.testing.assert_allclose(places[8, :, :3], last.xyz, rtol=1e-6)
    np.testing.assert_array_equal(places[8, :, 3] > 0.5, last.filled)


@pytest.mark.parametrize("name", ["cam 1", "Kamera-ä", "相机1", 'a"b', "می‌خواهم", "50% {x}", "con"])
def test_takes_and_people_are_called_as_users_call_them(name: str, tmp_path: Path) -> None:
    """In the list, in the playback, and in the file that is fetched."""
    made = finish_take(begin_take(tmp_path, name, datetime(2026, 1, 2, tzinfo=UTC), dumps(ring()), "", name))
    skeleton, tracks = crowd(1)
    named = tuple(msgspec.structs.replace(track, name=name) for track in tracks.tracks[:1])
    write_poses(Poses.from_tracks([msgspec.structs.replace(tracks, tracks=named)], skeleton), made.poses)
    (row,) = list_takes(tmp_path)
    assert (row.name, row.notes, row.remark) == (name, name, "")
    found = find_take(tmp_path, row.folder)
    assert found is not None
    data = playback_bytes(found)
    header = json.loads(data[4 : 4 + struct.unpack("<I", data[:4])[0]])
    assert list(header["names"].values()) == [name]
    downloads = Downloads()
    try:
        fetched = downloads.made(downloads.export(found, row.name, "csv", "mm", ResampleOptions()))
        assert fetched is not None
        assert fetched.name == f"{file_name(name)}-csv.zip"
        with zipfile.ZipFile(fetched.path) as archive:
            (inside,) = archive.namelist()
            assert "/" not in inside
            assert file_name(name) in inside
    finally:
        downloads.close()


def test_export_is_a_zip_to_fetch(take: Take) -> None:
    downloads = Downloads()
    try:
        key = downloads.export(take, "a <b>take", "csv", "mm", ResampleOptions(people=(1,)))
        made = downloads.made(key)
        assert made is not None
        assert made.name == "a %3Cb%3Etake-csv.zip"
        with zipfile.ZipFile(made.path) as archive:
            (inside,) = archive.namelist()
            lines = archive.read(inside).decode().splitlines()
        assert "/" not in inside
        assert len(lines) > 3
        assert downloads.made("../x") is None
        with pytest.raises(ConfigError, match="y up"):
            downloads.export(take, "x", "bvh", "", ResampleOptions(y_up=True))
        keys = [downloads.export(take, "x", "csv", "", ResampleOptions()) for _ in range(KEPT)]
        assert downloads.made(key) is None
        assert downloads.made(keys[0]) is not None
    finally:
        downloads.close()


def test_one_export_at_a_time(take: Take, monkeypatch: pytest.MonkeyPatch) -> None:
    downloads, entered, go_on = Downloads(), threading.Event(), threading.Event()

    def slow(*_: object) -> None:
        entered.set()
        go_on.wait(60.0)
        raise ConfigError("ended")

    monkeypatch.setattr("multiview.commands.export.export_poses", slow)

    def first() -> None:
        with pytest.raises(ConfigError, match="ended"):
            downloads.export(take, "x", "csv", "", ResampleOptions())

    thread = threading.Thread(target=first)
    thread.start()
    assert entered.wait(60.0)
    with pytest.raises(ConfigError, match="another export"):
        downloads.export(take, "y", "csv", "", ResampleOptions())
    go_on.set()
    thread.join(60.0)
    downloads.close()
