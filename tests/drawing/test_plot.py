"""The pictures of a take are whole, say what they should, and the errors in them are those that were put in."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest
from matplotlib.figure import Figure

from multiview.__main__ import main
from multiview.body.skeleton import Skeleton
from multiview.cameras.camera import Rig
from multiview.cameras.rig_file import save_rig
from multiview.data import Keypoints2D, Tracks
from multiview.drawing import plot
from multiview.drawing.plot import CameraErrors
from multiview.drawing.plot_errors import recorded_errors
from multiview.editing.take_poses import take_poses
from multiview.recordings.keypoint_folder import write_keypoints
from multiview.recordings.mcap_log import Record, RecordingWriter
from multiview.recordings.pose_table import Poses, write_poses
from multiview.recordings.take import Take
from multiview.wire.messages import Stamp, encode
from multiview.wire.packing import pack_keypoints, pack_tracks
from tests.figures import crowd, ring

FRAMES, OFF_PX = 40, 6.0


def seen_by(rig: Rig, camera: int, tracks: Tracks) -> Keypoints2D:
    """What a camera sees of everyone; camera 1 is wrong by 6 px to the right."""
    xy = np.stack([rig.cameras[camera].project(track.pose.xyz) for track in tracks.tracks])
    return Keypoints2D(xy + np.array([OFF_PX if camera == 1 else 0.0, 0.0]), np.ones(xy.shape[:2]))


@pytest.fixture
def scene() -> tuple[Rig, Skeleton, list[Tracks]]:
    return ring(), crowd()[0], [crowd(frame)[1] for frame in range(FRAMES)]


def record(folder: Path, rig: Rig, skeleton: Skeleton, ticks: list[Tracks]) -> Take:
    """A take whose cameras are not in step: camera 2 looks half a frame later."""
    folder.mkdir()
    save_rig(rig, folder / "rig.toml")
    (folder / "take.toml").write_text('name = "x"\n')
    writer, sequence = RecordingWriter(folder / "take.mcap", {}), 0
    for tick, after in zip(ticks, [*ticks[1:], ticks[-1]], strict=True):
        header = {"skeleton": skeleton.name, "cameras": list(rig.names), "missing": []}
        bodies = [("poses", encode(pack_tracks(tick, 17, **header)))]
        for camera, name in enumerate(rig.names):
            keypoints, time_ns = seen_by(rig, camera, tick), tick.time_ns
            if camera == 2:
                middle = [
                    msgspec.structs.replace(a, pose=msgspec.structs.replace(a.pose, xyz=(a.pose.xyz + b.pose.xyz) / 2))
                    for a, b in zip(tick.tracks, after.tracks, strict=True)
                ]
                keypoints = seen_by(rig, camera, msgspec.structs.replace(tick, tracks=tuple(middle)))
                time_ns = (tick.time_ns + after.time_ns) // 2
            head = {"camera": name, "boot_id": 1, "frame": tick.tick, "time_ns": time_ns, "clock": "epoch"}
            bodies.append((f"keypoints/{name}", encode(pack_keypoints(keypoints, skeleton=skeleton.name, **head))))
        for topic, body in bodies:
            writer.write(Record(topic, Stamp(sequence, 0, sequence), body))
            sequence += 1
    writer.close()
    return Take(folder)


def test_errors_of_a_recording_are_those_of_its_cameras(
    scene: tuple[Rig, Skeleton, list[Tracks]], tmp_path: Path
) -> None:
    rig, skeleton, ticks = scene
    take = record(tmp_path / "take", rig, skeleton, ticks)
    poses, where = take_poses(take.folder)
    assert where == take.poses
    assert len(poses) == 3 * FRAMES
    errors = recorded_errors(poses, rig, take, lambda share: None)
    medians = {error.camera: float(np.median(error.px)) for error in errors}
    assert medians["cam02"] == pytest.approx(OFF_PX, abs=0.01)
    for name in ("cam01", "cam03", "cam04"):
        assert medians[name] < 0.01  # float32 on the wire
    assert errors[0].time_s.max() == pytest.approx((FRAMES - 1) / 25)


@pytest.mark.slow
def test_plot_page_holds_everything_and_escapes_names(
    scene: tuple[Rig, Skeleton, list[Tracks]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rig, skeleton, ticks = scene
    folder = tmp_path / "a<b> & c"
    record(folder, rig, skeleton, ticks)
    poses = replace(Poses.from_tracks(ticks, skeleton), names={1: "<script>alert(1)"})
    write_poses(poses, folder / "poses.parquet")
    assert main(["plot", str(folder)]) == 0
    printed = [Path(line) for line in capsys.readouterr().out.splitlines()]
    names = ["trajectories.png", "speeds.png", "coverage.png", "bone_lengths.png", "reprojection.png", "index.html"]
    assert [path.name for path in printed] == names
    page = printed[-1].read_text()
    for path in printed[:-1]:
        assert cv2.imread(str(path)) is not None
        assert base64.b64encode(path.read_bytes()).decode() in page
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "<h1>a&lt;b&gt; &amp; c</h1>" in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert page.count("data:image/png;base64,") == 5
    assert "<td>cam02<td>6.0" in page


def test_trajectories_are_those_of_the_hips_above_the_floor(scene: tuple[Rig, Skeleton, list[Tracks]]) -> None:
    rig, skeleton, ticks = scene
    figure = Figure()
    plot.trajectories(figure, Poses.from_tracks(ticks, skeleton), rig)
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    hips = [skeleton.index("left_hip"), skeleton.index("right_hip")]
    for person in range(3):
        way = np.array([tick.tracks[person].pose.xyz[hips].mean(axis=0) for tick in ticks])
        np.testing.assert_allclose(lines[f"person {person}"].get_xydata(), way[:, :2])
    places = {annotation.get_text(): annotation.xy for annotation in figure.axes[0].texts}
    for camera in rig.cameras:
        np.testing.assert_allclose(places[camera.name], camera.centre[:2])


def test_speeds_are_those_of_the_simulation(scene: tuple[Rig, Skeleton, list[Tracks]]) -> None:
    """Of three people the first and the last walk a centimetre a frame at 25 Hz."""
    figure = Figure()
    plot.speeds(figure, Poses.from_tracks(scene[2], scene[1]))
    assert len(figure.axes) == 3
    for axes, speed in zip(figure.axes, (0.25, 0.0, 0.25), strict=True):
        np.testing.assert_allclose(axes.lines[0].get_ydata(), speed, atol=1e-9)


def test_coverage_and_bone_lengths_are_those_of_the_simulation(scene: tuple[Rig, Skeleton, list[Tracks]]) -> None:
    """Two of seventeen joints of the third are filled; nobody's bones change, but for arms and legs that swing."""
    poses = Poses.from_tracks(scene[2], scene[1])
    figure = Figure()
    plot.coverage(figure, poses)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert ["measured 100.0 %" in title for title in titles] == [True, True, False]
    assert f"measured {1500 / 17:.1f} %, filled {200 / 17:.1f} %" in titles[2]
    figure = Figure()
    plot.bone_lengths(figure, poses)
    words = [text.get_text() for text in figure.axes[1].texts]
    shoulders = scene[1].index("left_shoulder"), scene[1].index("right_shoulder")
    width = np.linalg.norm(np.subtract(*scene[2][0].tracks[0].pose.xyz[list(shoulders)]))
    assert f"shoulders {1e3 * width:.0f}" in words


def test_reprojection_shows_each_cameras_median() -> None:
    errors = [CameraErrors(f"cam0{c}", np.arange(50.0), np.linspace(0, 2 * c, 50)) for c in (1, 3)]
    figure = Figure()
    plot.reprojection(figure, errors)
    left, right = figure.axes
    assert [line.get_label() for line in left.lines] == ["cam01", "cam03"]
    assert [text.get_text().strip() for text in right.texts] == ["1.0", "3.0"]


@pytest.mark.slow
def test_keypoint_folders_give_errors_too(scene: tuple[Rig, Skeleton, list[Tracks]], tmp_path: Path) -> None:
    rig, skeleton, ticks = scene
    save_rig(rig, tmp_path / "rig.toml")
    write_poses(Poses.from_tracks(ticks, skeleton), tmp_path / "poses.parquet")
    for tick in ticks:
        for camera, name in enumerate(rig.names):
            path = tmp_path / "keypoints" / name / f"{name}_{tick.tick:06d}_keypoints.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_keypoints(seen_by(rig, camera, tick), path)
    assert main(["plot", str(tmp_path), "--keypoints", str(tmp_path / "keypoints"), "--out", str(tmp_path / "p")]) == 0
    assert "<td>cam02<td>6.0" in (tmp_path / "p" / "index.html").read_text()
    assert main(["plot", str(tmp_path), "--out", str(tmp_path / "own")]) == 0  # those that lie beside the poses
    assert "<td>cam02<td>6.0" in (tmp_path / "own" / "index.html").read_text()


def test_without_a_rig_there_are_no_errors_and_it_is_said(
    scene: tuple[Rig, Skeleton, list[Tracks]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, skeleton, ticks = scene
    write_poses(Poses.from_tracks(ticks, skeleton), tmp_path / "poses.parquet")
    assert main(["plot", str(tmp_path), "--joint", "left_wrist", "--person", "1"]) == 0
    assert "reprojection errors left out" in capsys.readouterr().out
    assert main(["plot", str(tmp_path), "--joint", "tail"]) == 2
    assert "no joint tail; use one of nose" in capsys.readouterr().err


@pytest.mark.parametrize(("first", "frames"), [(0, 30), (5_000_000, 30), (0, 700)])
def test_coverage_of_people_who_are_always_there_has_no_white_stripes(first: int, frames: int) -> None:
    """Of a short take, whose bins could fall between frames, and of a live one, whose clock began days before."""
    skeleton, some = crowd(0)
    ticks = [Tracks(first + i, round((first + i) * 1e9 / 30), some.tracks) for i in range(frames)]
    figure = Figure()
    plot.coverage(figure, Poses.from_tracks(ticks, skeleton))
    for axes, track in zip(figure.axes, some.tracks, strict=True):
        measured = np.concatenate([path.vertices for path in axes.collections[0].get_paths()])
        x, y = measured.T
        area = abs(np.sum(x * np.roll(y - 0.5, -1) - np.roll(x, -1) * (y - 0.5))) / 2
        assert np.ptp(x) == pytest.approx(frames / 30, rel=1e-6)
        assert x.min() == pytest.approx((first - 0.5) / 30, rel=1e-6, abs=1e-6)
        share = (np.isfinite(track.pose.xyz).all(axis=1) & ~track.pose.filled).mean()
        assert area == pytest.approx(share * frames / 30, rel=1e-3)
