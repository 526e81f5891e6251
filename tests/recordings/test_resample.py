"""Poses made ready: what is chosen, closed, smoothed and resampled, and what is said of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from multiview.__main__ import main
from multiview.errors import ConfigError
from multiview.recordings.pose_table import Poses, read_poses, write_poses
from multiview.recordings.resample import ResampleOptions, evenly_timed, resample_poses

FPS = 50.0
FRAMES = 200


def swing(hz: float = 1.0, noise_hz: float = 0.0) -> Poses:
    """Two people, one joint each that swings along x, one that stays; the second person is away for 10 frames."""
    frame, person = np.divmod(np.arange(2 * FRAMES), 2)
    keep = ~((person == 1) & (frame >= 100) & (frame < 110))
    frame, person = frame[keep], person[keep]
    time = frame / FPS
    xyz = np.zeros((len(frame), 2, 3))
    xyz[:, 0, 0] = np.sin(2 * np.pi * hz * time) + (0.2 * np.sin(2 * np.pi * noise_hz * time) if noise_hz else 0.0)
    xyz[:, 1] = [1.0, 2.0, 3.0]
    known = np.ones((len(frame), 2), dtype=bool)
    known[(person == 0) & (frame >= 40) & (frame < 43), 0] = False
    xyz[~known] = np.nan
    cov = np.where(known[..., None, None], np.diag([1.0, 2.0, 3.0]) * 1e-4, np.nan)
    filled = (frame == 20)[:, None] & np.array([True, False])
    return Poses(
        frame=frame,
        time_ns=np.round(time * 1e9).astype(np.int64),
        utc_ns=np.round(1e18 + time * 1e9).astype(np.int64),
        person=person + 5,
        xyz=xyz,
        cov=cov,
        score=known * 0.9,
        views=known * 3,
        filled=filled,
        joints=("nose", "left_hip"),
        skeleton="",
    )


def test_people_and_times_are_chosen() -> None:
    poses = resample_poses(swing(), ResampleOptions(people=(6,), start_s=1.0, end_s=1.5))
    assert poses.people.tolist() == [6]
    assert (poses.frame.min(), poses.frame.max()) == (50, 75)
    with pytest.raises(ConfigError, match=r"no person 9; there are 5, 6"):
        resample_poses(swing(), ResampleOptions(people=(9,)))


def test_short_gaps_are_closed_and_marked_long_ones_stay() -> None:
    poses = resample_poses(swing(), ResampleOptions(max_gap_s=0.1))
    first = poses.select(poses.person == 5)
    np.testing.assert_allclose(first.xyz[:, 0, 0], np.sin(2 * np.pi * first.frame / FPS), atol=2e-3)
    marked = first.frame[first.filled[:, 0]]
    np.testing.assert_array_equal(marked, [20, 40, 41, 42])
    np.testing.assert_array_equal(first.views[40:43, 0], 0)
    second = poses.select(poses.person == 6)
    assert not np.isin(np.arange(100, 110), second.frame).any()  # ten frames are longer than a tenth of a second
    assert np.isin(np.arange(100, 110), resample_poses(swing(), ResampleOptions(max_gap_s=0.2)).frame).all()


def test_low_pass_keeps_the_slow_and_takes_the_fast_without_delay() -> None:
    poses = resample_poses(swing(noise_hz=15.0), ResampleOptions(lowpass_hz=6.0))
    second = poses.select(poses.person == 6)
    inner = (second.frame > 10) & (second.frame < 90)
    error = second.xyz[inner, 0, 0] - np.sin(2 * np.pi * second.frame[inner] / FPS)
    assert np.abs(error).max() < 0.03
    with pytest.raises(ConfigError, match="low pass"):
        resample_poses(swing(), ResampleOptions(lowpass_hz=25.0))


def test_resampling_places_frames_on_the_clock() -> None:
    poses = resample_poses(swing(), ResampleOptions(resample_hz=30.0))
    assert poses.frames_per_second == pytest.approx(30.0)
    np.testing.assert_allclose(poses.time_ns, poses.frame / 30.0 * 1e9, atol=1)
    np.testing.assert_allclose(poses.utc_ns - 1e18, poses.time_ns, atol=300)
    known = np.isfinite(poses.xyz[:, 0, 0])
    np.testing.assert_allclose(poses.xyz[known, 0, 0], np.sin(2 * np.pi * poses.frame[known] / 30.0), atol=3e-3)
    gap = poses.select((poses.person == 5) & (poses.frame >= 24) & (poses.frame <= 25))
    assert np.isnan(gap.xyz[:, 0]).all()
    np.testing.assert_array_equal(gap.score[:, 0], 0)


def test_y_up_turns_places_and_covariances() -> None:
    poses = resample_poses(swing(), ResampleOptions(y_up=True))
    np.testing.assert_allclose(poses.xyz[0, 1], [1.0, 3.0, -2.0])
    np.testing.assert_allclose(poses.cov[0, 1], np.diag([1.0, 3.0, 2.0]) * 1e-4, atol=1e-12)


def test_measured_only_then_closed_is_marked() -> None:
    poses = resample_poses(swing(), ResampleOptions(measured_only=True, max_gap_s=0.1))
    first = poses.select(poses.person == 5)
    assert first.filled[20, 0]
    assert first.views[20, 0] == 0


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_poses(swing(), tmp_path / "poses.parquet")
    arguments = ["export", str(tmp_path), "--to", "parquet", "--out", str(tmp_path / "out"), "--person", "5"]
    assert main([*arguments, "--axes", "yup", "--lowpass", "6", "--resample", "25"]) == 0
    written = read_poses(tmp_path / "out")
    assert written.people.tolist() == [5]
    np.testing.assert_allclose(written.xyz[10, 1], [1.0, 3.0, -2.0], atol=1e-6)
    assert main(["export", str(tmp_path), "--to", "bvh", "--axes", "yup"]) == 2
    assert "always y up" in capsys.readouterr().err


def test_seconds_with_nobody_in_them_say_when_somebody_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_poses(swing(), tmp_path / "poses.parquet")
    assert main(["export", str(tmp_path), "--to", "csv", "--start", "100"]) == 2
    assert "nobody is there from 100 s on: the poses run from 0.000 to 3.980 s" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.csv"))
    with pytest.raises(ConfigError, match=r"from 2 s on up to 2\.1 s: the poses of these people run from 0"):
        resample_poses(swing(), ResampleOptions(people=(6,), start_s=2.0, end_s=2.1))


def test_uneven_times_are_made_even_by_time_not_by_number(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The frames of a phone: each is up to 8 ms late or early, and the joint is where it was at that time."""
    even = swing(hz=0.5)
    late_s = np.random.default_rng(0).uniform(-0.008, 0.008, FRAMES)
    late_s[[0, -1]] = 0.0
    time_s = even.frame / FPS + late_s[even.frame]
    xyz = even.xyz.copy()
    xyz[:, 0, 0] = np.where(np.isfinite(xyz[:, 0, 0]), np.sin(np.pi * time_s), np.nan)
    uneven = replace(even, xyz=xyz, time_ns=np.round(time_s * 1e9).astype(np.int64))
    found, off_s = evenly_timed(uneven)
    assert off_s == pytest.approx(0.008, abs=0.0015)
    known = np.isfinite(found.xyz[:, 0, 0])
    truth = np.sin(np.pi * found.frame / FPS)
    by_number = np.sin(np.pi * (even.frame / FPS + late_s[even.frame])) - np.sin(np.pi * even.frame / FPS)
    assert np.abs(found.xyz[known, 0, 0] - truth[known]).max() < 0.001 < 0.02 < np.abs(by_number).max()
    assert evenly_timed(even) == (even, 0.0)
    write_poses(uneven, tmp_path / "poses.parquet")
    assert main(["export", str(tmp_path), "--to", "c3d"]) == 0
    assert "ms off a steady rate: interpolated to 50 Hz" in capsys.readouterr().err
