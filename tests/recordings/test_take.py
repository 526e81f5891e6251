"""Takes: what is in them is data, whoever made them; people of two starts of fusion are never one person."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from multiview.__main__ import main
from multiview.body.skeleton import load_skeleton, skeleton_text
from multiview.cameras.rig_file import dumps, save_rig
from multiview.data import Pose3D, Track, Tracks
from multiview.editing.take_poses import take_poses
from multiview.errors import ConfigError
from multiview.recordings.mcap_log import Record, RecordingWriter
from multiview.recordings.take import Take, begin_take, finish_take, open_take
from multiview.studio.config import Studio, SyntheticSource
from multiview.studio.new_take import new_take
from multiview.studio.studio_file import studio_text
from multiview.studio.take_studio import take_studio
from multiview.synthetic import StudioOptions, make_rig
from multiview.wire.messages import Stamp, encode
from multiview.wire.packing import pack_tracks

RIG = make_rig(StudioOptions(cameras=2))
COCO17 = load_skeleton("coco17")
STUDIO = Studio(skeleton="coco17", source=SyntheticSource(options={"cameras": 2, "fps": 25.0}))


def pose(x: float, joints: int = 17) -> Pose3D:
    xyz = np.full((joints, 3), x)
    return Pose3D(
        xyz, np.tile(np.eye(3) * 1e-4, (joints, 1, 1)), np.ones(joints), np.full(joints, 2), np.zeros(joints, bool)
    )


def take_with(
    folder: Path, ticks: list[tuple[int, int, dict[int, float]]], skeleton: str = "coco17", joints: int = 17
) -> Take:
    """A take of poses: for each tick its number, the start of fusion that gave it, and where each person was."""
    take = begin_take(folder, "walk", datetime.now(UTC), dumps(RIG), studio_text(STUDIO))
    writer = RecordingWriter(take.next_recording())
    for number, (tick, boot_id, people) in enumerate(ticks):
        found = Tracks(tick, tick * 40_000_000, tuple(Track(p, pose(x, joints)) for p, x in people.items()))
        message = pack_tracks(found, joints, boot_id=boot_id, cameras=["cam01"], missing=[], skeleton=skeleton)
        writer.write(Record("poses", Stamp(number, number, tick * 40_000_000), encode(message)))
    writer.close()
    return finish_take(take)


def test_people_of_a_second_start_of_fusion_get_new_numbers(tmp_path: Path) -> None:
    first = [(tick, 1, {0: 0.0, 1: 1.0}) for tick in range(10)]
    second = [(tick, 2, {0: 5.0, 1: 6.0, 7: 7.0}) for tick in range(20, 30)]
    poses, _ = take_poses(take_with(tmp_path, [*first, *second]).folder)
    assert poses.people.tolist() == [0, 1, 2, 3, 7]
    for person, x in ((0, 0.0), (1, 1.0), (2, 5.0), (3, 6.0), (7, 7.0)):
        assert np.unique(poses.xyz[poses.person == person]).tolist() == [x]


def test_ticks_of_two_starts_do_not_mix_in_one_frame(tmp_path: Path) -> None:
    ticks = [(tick, 1, {0: 0.0}) for tick in range(10)] + [(tick, 2, {0: 5.0}) for tick in range(8, 15)]
    poses, _ = take_poses(take_with(tmp_path, ticks).folder)
    assert poses.frame.tolist() == list(range(15))
    assert poses.person.tolist() == [0] * 10 + [1] * 5


def foreign(folder: Path, studio: str) -> Take:
    return begin_take(folder, "foreign", datetime.now(UTC), dumps(RIG), studio)


@pytest.mark.slow
@pytest.mark.parametrize(
    "source",
    [
        'type = "camera"\naddress = "evil.py"',
        'type = "camera"\naddress = "{folder}/evil.py"',
        'type = "camera"\naddress = "0"\ndetector = "evil.py"',
        'type = "camera"\naddress = "rtsp://127.0.0.1:{port}/x"',
        'type = "keypoints"\ndirectory = "{folder}"',
    ],
)
@pytest.mark.parametrize("command", [["replay", "--check"], ["replay", "--out", "OUT"], ["time-offsets"], ["info"]])
def test_nothing_that_a_take_names_is_run_or_opened(
    tmp_path: Path, source: str, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        text = source.replace("{folder}", str(tmp_path)).replace("{port}", str(listener.getsockname()[1]))
        take = foreign(tmp_path, f"[source]\n{text}\n")
        for folder in (tmp_path, take.folder):
            (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\nraise SystemExit(7)")
        writer = RecordingWriter(take.next_recording())
        writer.write(Record("heartbeat", Stamp(0, 0, 0), b""))
        writer.close()
        words = [str(tmp_path / "out") if word == "OUT" else word for word in command]
        assert main([words[0], str(take.folder), *words[1:]]) in (0, 2)
        with pytest.raises(TimeoutError):
            listener.accept()
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("associator", ["evil.py", "./evil.py", "../../multiview/fusion/association/graph", "evil"])
def test_associator_of_a_take_is_one_that_ships(tmp_path: Path, associator: str) -> None:
    take = foreign(tmp_path, f'[source]\ntype = "synthetic"\n[pipeline]\nassociator = "{associator}"\n')
    with pytest.raises(ConfigError, match="a take may not bring its own code"):
        take_studio(take)


@pytest.mark.parametrize("name", ["/etc/passwd", "../outside", "../../skeletons/outside", "outside"])
def test_skeleton_of_a_take_lies_in_it_or_ships(tmp_path: Path, name: str) -> None:
    (tmp_path / "outside.toml").write_text(skeleton_text(COCO17))
    (tmp_path / "skeletons").mkdir()
    (tmp_path / "skeletons" / "outside.toml").write_text(skeleton_text(COCO17))
    take = foreign(tmp_path, f'skeleton = "{name}"\n[source]\ntype = "synthetic"\n')
    with pytest.raises(ConfigError, match="does not ship with multiview"):
        take_studio(take)


def test_skeleton_of_ones_own_travels_in_the_take(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    own = 'joints = [["head", 0.1], ["left_hip", 0.1], ["right_hip", 0.1]]\nbones = [["head", "left_hip"]]\n'
    (home / "mine.toml").write_text(own)
    studio = Studio(
        skeleton=str(home / "mine.toml"),
        source=STUDIO.source,
        recorder=STUDIO.recorder.__class__(directory=str(tmp_path)),
    )
    take = new_take(studio, "own", datetime.now(UTC))
    (home / "mine.toml").unlink()
    writer = RecordingWriter(take.next_recording())
    for tick in range(3):
        found = Tracks(tick, tick * 40_000_000, (Track(4, pose(1.0, 3)),))
        message = pack_tracks(found, 3, cameras=["cam01"], missing=[], skeleton="mine")
        writer.write(Record("poses", Stamp(tick, tick, tick), encode(message)))
    writer.close()
    elsewhere = finish_take(take).folder.rename(tmp_path / "elsewhere")
    assert main(["export", str(elsewhere), "--to", "csv"]) == 0
    assert "left_hip" in (elsewhere / "poses.csv").read_text()
    found = load_skeleton(take_studio(open_take(elsewhere)).skeleton)
    assert (found.joints, found.bones) == (("head", "left_hip", "right_hip"), ((0, 1),))


def test_parts_are_numbered_and_other_files_are_none(tmp_path: Path) -> None:
    take = begin_take(tmp_path, "parts", datetime.now(UTC), "", "")
    for name in ("take.mcap", "take.2.mcap", "take.10.mcap", "take.old.mcap", "take.1.2.mcap"):
        (take.folder / name).touch()
    assert [path.name for path in take.recordings()] == ["take.mcap", "take.2.mcap", "take.10.mcap"]
    assert take.next_recording().name == "take.11.mcap"


@pytest.mark.skipif(os.name != "posix", reason="links")
def test_corrections_go_beside_what_was_recorded(tmp_path: Path) -> None:
    take = take_with(tmp_path, [(tick, 1, {3: 0.0}) for tick in range(40)])
    before = {path.name: path.read_bytes() for path in take.folder.iterdir()}
    with pytest.raises(ConfigError, match="recordings are never written over"):
        save_rig(RIG, take.rig)
    assert {path.name: path.read_bytes() for path in take.folder.iterdir()} == before


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("name", ["take.1.mcap", "studio.toml", "rig.toml", "contents.toml", "take.toml"])
def test_pipe_in_a_take_hides_nothing_else_and_is_not_waited_for(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It never answers: whoever opens it waits for ever."""
    folder = take_with(tmp_path, [(tick, 1, {0: 0.0}) for tick in range(5)]).folder
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    assert main(["info", str(folder)]) == (3 if name == "take.1.mcap" else 0)
    assert main(["export", str(folder), "--to", "csv", "--out", str(tmp_path)]) == (3 if name == "take.1.mcap" else 0)
    assert "5 ticks" in capsys.readouterr().out


def test_device_is_no_file(tmp_path: Path) -> None:
    """It may give bytes without end."""
    for read in (lambda p: take_studio(Take(p)), lambda p: Take(p).info):
        folder = tmp_path / "walk"
        folder.mkdir(exist_ok=True)
        for name in ("studio.toml", "take.toml"):
            (folder / name).unlink(missing_ok=True)
            (folder / name).symlink_to(os.devnull)
        with pytest.raises(ConfigError, match="is a pipe or a device"):
            read(folder)


def test_recovered_copy_keeps_what_lies_on_another_disk(tmp_path: Path) -> None:
    """A folder of videos that is a link to elsewhere is the take's, too."""
    folder = take_with(tmp_path, [(tick, 1, {0: 0.0}) for tick in range(5)]).folder
    (folder / "take.1.mcap").write_bytes(b"damaged")
    (folder / "take.2.mcap").symlink_to("take.2.mcap")  # leads nowhere
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "note.txt").write_text("kept")
    (folder / "more").symlink_to(Path("..") / "disk", target_is_directory=True)
    (folder / "note.txt").symlink_to(Path("..") / "disk" / "note.txt")
    assert main(["recover", str(folder), "--out", str(tmp_path / "deep" / "copy")]) == 3
    assert (tmp_path / "deep" / "copy" / "more" / "note.txt").read_text() == "kept"
    assert (tmp_path / "deep" / "copy" / "note.txt").read_text() == "kept"
