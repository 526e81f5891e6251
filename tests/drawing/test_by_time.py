"""Poses are looked up by time: a frame's number is of its camera alone, and says nothing of cameras out of step."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from multiview.body.skeleton import Skeleton
from multiview.cameras.camera import Rig
from multiview.commands.draw_run import Overlay
from multiview.data import NS_PER_S, Keypoints2D, Tracks, VideoFrame
from multiview.drawing.plot_errors import folder_errors
from multiview.errors import SourceError
from multiview.recordings.keypoint_folder import open_keypoint_folders, write_keypoints
from multiview.recordings.number_times import NumberTimes
from multiview.recordings.pose_motion import PoseMotion
from multiview.recordings.pose_table import Poses
from multiview.recordings.recorded_keypoints import Recording, folder_recordings, folder_views, write_recordings
from tests.figures import crowd, ring

FRAMES, LATE = 30, 7
EPOCH_MS = 1_764_460_800_000


@pytest.fixture
def scene() -> tuple[Rig, Skeleton, list[Tracks]]:
    return ring(), crowd()[0], [crowd(frame)[1] for frame in range(FRAMES)]


def fps_of(ticks: list[Tracks]) -> float:
    return NS_PER_S / (ticks[1].time_ns - ticks[0].time_ns)


def out_of_step(rig: Rig, fps: float) -> Rig:
    """The last camera started its numbers and its clock `LATE` frames after the others."""
    return Rig((*rig.cameras[:-1], replace(rig.cameras[-1], time_offset_s=LATE / fps)), rig.world)


def seen_by(rig: Rig, camera: int, tracks: Tracks) -> Keypoints2D:
    xy = np.stack([rig.cameras[camera].project(track.pose.xyz) for track in tracks.tracks])
    return Keypoints2D(xy, np.ones(xy.shape[:2]))


def write_folders(rig: Rig, ticks: list[Tracks], folder: Path, number) -> Path:
    for tick in ticks:
        for camera, name in enumerate(rig.names):
            (folder / name).mkdir(parents=True, exist_ok=True)
            if (own := number(camera, tick)) >= 0:
                write_keypoints(seen_by(rig, camera, tick), folder / name / f"{name}_{own:06d}_keypoints.json")
    return folder


def test_errors_of_a_perfect_camera_are_none_whatever_its_numbers(scene, tmp_path):
    rig, skeleton, ticks = scene
    late = out_of_step(rig, fps_of(ticks))
    last = len(rig) - 1
    folder = write_folders(late, ticks, tmp_path / "k", lambda c, tick: tick.tick - LATE * (c == last))
    poses = Poses.from_tracks(ticks, skeleton)
    errors = folder_errors(poses, late, skeleton, folder, lambda _: None)
    assert all(len(error.px) > 0 for error in errors)
    # Keypoints are stored to the float32; the straight way between two poses is not used where times agree.
    assert max(float(np.median(error.px)) for error in errors) < 0.05


def test_overlay_says_why_nobody_was_drawn(scene):
    rig, skeleton, ticks = scene
    poses = Poses.from_tracks(ticks, skeleton)
    size = rig.cameras[0].size
    image = np.zeros((size[1], size[0], 3), np.uint8)
    here = VideoFrame(image, 12, ticks[12].time_ns, rig.names[0])
    later = replace(here, index=100_000, time_ns=ticks[-1].time_ns + 100 * NS_PER_S)

    def why(poses: Poses, *frames: VideoFrame) -> str:
        overlay = Overlay(rig, poses, None, 0)
        for frame in frames:
            overlay.draw(frame)
        return overlay.why_nobody()

    assert why(poses, here, later) == ""
    assert why(poses.select(np.zeros(len(poses), dtype=bool)), here) == "nobody is drawn: the poses hold no people"
    told = why(poses, later)
    assert f"{later.time_ns / NS_PER_S:.3f} s on the poses' clock" in told
    assert f"{ticks[0].time_ns / NS_PER_S:.3f} to {ticks[-1].time_ns / NS_PER_S:.3f} s" in told


def test_the_overlay_of_a_frame_is_of_its_time(scene):
    rig, skeleton, ticks = scene
    late = out_of_step(rig, fps_of(ticks))
    poses = Poses.from_tracks(ticks, skeleton)
    name, size = rig.names[-1], rig.cameras[-1].size
    image = np.zeros((size[1], size[0], 3), np.uint8)
    expected = Overlay(rig, poses, None, 0).draw(VideoFrame(image, 12, ticks[12].time_ns, name))
    moved = VideoFrame(image, 12 - LATE, ticks[12 - LATE].time_ns, name)  # by that camera's numbers and clock
    drawn = Overlay(late, poses, None, 0).draw(moved)
    wrong = Overlay(rig, poses, None, 0).draw(moved)
    assert expected[40:].any()
    np.testing.assert_array_equal(drawn[40:], expected[40:])  # above stands the frame's number
    assert (wrong[40:] != expected[40:]).any()


def test_poses_between_frames_lie_between_and_none_where_nobody_was(scene):
    _, skeleton, ticks = scene
    poses = Poses.from_tracks(ticks, skeleton)
    motion = PoseMotion(poses)
    middle = (ticks[3].time_ns + ticks[4].time_ns) // 2
    for between, before, after in zip(motion.at(middle), ticks[3].tracks, ticks[4].tracks, strict=True):
        np.testing.assert_allclose(between.pose.xyz, (before.pose.xyz + after.pose.xyz) / 2, atol=1e-6)
    assert motion.at(ticks[-1].time_ns + 10 * NS_PER_S) == ()
    assert not motion.covers(-NS_PER_S)


def test_files_that_are_named_by_the_time_are_taken_at_that_time(scene, tmp_path):
    """Cameras that are not in step never have one number in common, but see the same people."""
    rig, skeleton, ticks = scene
    fps = fps_of(ticks)
    lag_ms = [round(1000 / fps * share) for share in np.linspace(0.1, 0.8, len(rig))]
    number = lambda c, tick: EPOCH_MS + round(tick.time_ns / 1e6) + lag_ms[c]
    folder = write_folders(rig, ticks, tmp_path / "k", number)
    views, count = folder_views(open_keypoint_folders(folder, rig, skeleton), rig, fps)
    views = list(views)
    assert count == len(views)
    assert FRAMES - 3 <= count <= FRAMES + 2
    assert all(EPOCH_MS <= view.time_ns / 1e6 <= EPOCH_MS + 1000 * (FRAMES + 1) / fps for view in views)
    assert all(keypoints is not None for view in views[2:-2] for keypoints in view.keypoints)


def test_frames_of_files_that_are_named_by_the_time_are_at_the_rate_of_the_cameras(scene, tmp_path):
    """Not one frame a millisecond: of other programs' files, all rows but each fortieth would be empty."""
    rig, skeleton, ticks = scene
    fps, missing = fps_of(ticks), 11
    kept = [tick for tick in ticks if tick.tick != missing]
    folder = write_folders(rig, kept, tmp_path / "k", lambda c, tick: EPOCH_MS + round(tick.time_ns / 1e6))
    views, _ = folder_views(open_keypoint_folders(folder, rig, skeleton), rig, fps)
    assert [view.tick for view in views] == [frame for frame in range(FRAMES) if frame != missing]


@pytest.mark.parametrize("rates", [(30.0, 30.0, 30.0), (30.0, 25.0, 15.0)], ids=["in step", "other rates"])
def test_keypoints_that_are_kept_are_read_back_at_their_times(rates: tuple[float, ...], scene, tmp_path):
    """The number in a file's name says the frame where that says the time, else the time; offsets are the rig's."""
    rig, skeleton, ticks = scene
    rig = out_of_step(rig, 30.0)
    seen, recordings = seen_by(rig, 0, ticks[0]), []
    for camera, fps in zip(rig.cameras, rates, strict=False):
        frames = list(range(round(2 * fps)))
        times = [round((i / fps + camera.time_offset_s) * NS_PER_S) for i in frames]
        recordings.append(Recording(camera.name, fps, frames, times, [seen] * len(frames)))
    write_recordings(rig, recordings, tmp_path / "keypoints")
    read = folder_recordings(open_keypoint_folders(tmp_path / "keypoints", rig, skeleton), rig, max(rates))
    for before, after in zip(recordings, read, strict=False):
        np.testing.assert_allclose(after.times_ns, before.times_ns, atol=1)


@pytest.mark.parametrize(("unit", "per_s"), [("ns", 10**9), ("µs", 10**6), ("ms", 10**3)])
def test_great_numbers_are_times_of_the_unit_that_fits_the_rate(unit, per_s):
    numbers = [1_764_460_800 * per_s + round(i * per_s / 30) for i in range(20)]
    times = NumberTimes.of(numbers, fps=25.0)
    assert times.are_times
    assert abs(times.time_ns(numbers[3]) - (1_764_460_800 * 10**9 + 10**8)) <= 10**9 // per_s


def test_small_numbers_are_frames_and_impossible_ones_are_named():
    frames = NumberTimes.of([17216, 17217, 40000], fps=25.0)
    assert not frames.are_times
    assert frames.time_ns(17216) == round(17216e9 / 25)
    for numbers in ([10**25, 10**25 + 33], [5 * 10**9], [2 * 10**18, 4 * 10**18]):
        with pytest.raises(SourceError, match="is no frame's number, nor a time"):
            NumberTimes.of(numbers, fps=25.0)
