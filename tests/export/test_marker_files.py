"""TRC read by OpenSim, C3D by python-c3d: programs that we did not write say what is in our files."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import c3d
import ezc3d
import numpy as np
import pytest

from multiview.data import NS_PER_S
from multiview.errors import MultiviewError
from multiview.export import load_exporter
from multiview.recordings.pose_table import Poses
from tests.export.takes import LIVE_TICK, recorded

_WORLD_FROM_YUP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
_PER_METRE = {"m": 1.0, "cm": 100.0, "mm": 1000.0}


@pytest.fixture(scope="module", params=[False, True], ids=["offline", "live"])
def poses(request: pytest.FixtureRequest) -> Poses:
    return recorded(live=request.param)


def dense(poses: Poses, person: int) -> np.ndarray:
    """(T, J, 3) m from the person's first to their last frame, NaN where unknown or away."""
    own = poses.select(poses.person == person)
    xyz = np.full((own.frame[-1] - own.frame[0] + 1, len(poses.joints), 3), np.nan)
    xyz[own.frame - own.frame[0]] = own.xyz
    return xyz


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("opensim") is None, reason="OpenSim is not installed: pip install opensim")
def test_trc_is_read_by_both_readers_of_opensim(poses: Poses, tmp_path: Path) -> None:
    written = {
        unit: load_exporter("trc", unit).write(poses, tmp_path / f"take_{unit}")[::2] for unit in ("m", "cm", "mm")
    }
    paths = [str(path) for some in written.values() for path in some]
    program = [
        sys.executable,
        str(Path(__file__).with_name("read_with_opensim.py")),
        str(tmp_path / "read.npz"),
        *paths,
    ]
    done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    read = np.load(tmp_path / "read.npz")
    for unit, some in written.items():
        for person, path in zip((4, 5), some, strict=True):
            expected = dense(poses, person)
            assert np.isnan(expected[:, -1]).any(), "the last marker has to be unknown somewhere"
            of = lambda key, name=path.name: read[f"{name}/{key}"]
            for reader in ("table", "markers"):
                found = of(reader).reshape(expected.shape) / _PER_METRE[unit] @ _WORLD_FROM_YUP.T
                np.testing.assert_allclose(found, expected, atol=1e-6)
            assert tuple(of("labels")) == poses.joints
            assert of("unit") == unit
            first = poses.time_ns[poses.person == person][0] / NS_PER_S
            np.testing.assert_allclose(of("time"), first + np.arange(len(expected)) / 30, atol=2e-6)


class C3D:
    """A C3D file as python-c3d reads it; `words` (T, points) is the fourth word of each point, by the file's bytes."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.filterwarnings("ignore", "No analog data")
            reader = c3d.Reader(file)
            frames = [(number, points) for number, points, _ in reader.read_frames()]
        self.numbers = [number for number, _ in frames]
        self.points = np.array([points for _, points in frames])
        self.labels = [label.strip() for label in reader.point_labels]
        self.rate, self.step = reader.point_rate, abs(reader.point_scale)
        self.first, self.last = reader.first_frame, reader.last_frame
        self.text = lambda key: reader.get_string(key)
        start = (reader.header.data_block - 1) * 512
        data = np.frombuffer(path.read_bytes()[start:], "<f4", 4 * self.points[..., 0].size)
        self.words = data.reshape(*self.points.shape[:2], 4)[..., 3].astype(np.int16)


@pytest.mark.parametrize("unit", ["m", "mm"])
def test_c3d_says_where_how_sure_and_what_was_filled(poses: Poses, unit: str, tmp_path: Path) -> None:
    (path,) = load_exporter("c3d", unit).write(poses, tmp_path / "take")
    file, scale = C3D(path), _PER_METRE[unit]
    assert file.text("POINT:UNITS").strip() == unit
    assert file.rate == pytest.approx(30.0)
    row = poses.frame - poses.frame[0]
    column = (poses.person - 4)[:, None] * len(poses.joints) + np.arange(len(poses.joints))
    assert [file.labels[i] for i in (0, -1)] == [f"4:{poses.joints[0]}", f"5:{poses.joints[-1]}"]
    found = file.points[row[:, None], column]
    known = np.isfinite(poses.xyz).all(axis=2)
    np.testing.assert_allclose(found[known, :3] / scale, poses.xyz[known], atol=1e-5)
    np.testing.assert_array_equal(found[~known], [[0, 0, 0, -1, 127]] * np.count_nonzero(~known))
    measured = known & ~poses.filled
    np.testing.assert_allclose(found[measured, 3] / scale, poses.sigma[measured], atol=0.51 * file.step / scale)
    assert 1e-4 <= file.step / scale <= 2e-3
    assert (found[measured, 3] > 0).all()
    assert (found[poses.filled, 3] == 0).all()
    masks = 2.0 ** np.minimum(poses.views, 7) - 1
    np.testing.assert_array_equal(found[known, 4], masks[known])
    there = np.zeros(file.points.shape[:2], dtype=bool)
    there[row[:, None], column] = known
    np.testing.assert_array_equal(file.points[..., 3] >= 0, there)
    # The guide's own words: the low byte is the residual in steps, the high byte's seven bits are cameras.
    np.testing.assert_allclose((file.words[there] & 255) * file.step, file.points[there][:, 3], atol=1e-6)
    np.testing.assert_array_equal(file.words[there] >> 8, file.points[there][:, 4])
    again = ezc3d.c3d(str(path))  # which reads the two bytes the other way round, so that only places are compared
    np.testing.assert_allclose(again["data"]["points"][:3].transpose(2, 1, 0)[there], file.points[there][:, :3])
    assert np.isnan(again["data"]["points"][:3].transpose(2, 1, 0)[~there]).all()


@pytest.mark.parametrize(("sigma_m", "read_m"), [(1e-6, 1e-4), (0.03, 0.03), (0.256, 0.256), (3.0, 0.51)])
@pytest.mark.parametrize("unit", ["m", "mm"])
def test_c3d_residual_is_never_zero_and_never_wraps(sigma_m: float, read_m: float, unit: str, tmp_path: Path) -> None:
    poses = recorded(seconds=2.0)
    sure = replace(poses, cov=np.full_like(poses.cov, 0.0) + np.eye(3) * sigma_m**2, filled=np.zeros_like(poses.filled))
    file = C3D(load_exporter("c3d", unit).write(sure, tmp_path / "take")[0])
    residuals = file.points[..., 3][file.points[..., 3] >= 0] / _PER_METRE[unit]
    np.testing.assert_allclose(residuals, read_m, rtol=1e-3)


def test_c3d_numbers_its_frames_from_one_where_the_ticks_do_not_fit(tmp_path: Path) -> None:
    for live, numbers in ((False, range(8, 121)), (True, range(1, 114))):
        file = C3D(load_exporter("c3d").write(recorded(live), tmp_path / f"take{live:d}")[0])
        assert (file.first, file.last) == (numbers[0], numbers[-1])
        assert file.numbers == list(numbers)
        tick = 7 + (LIVE_TICK if live else 0)
        assert file.text("MULTIVIEW:FIRST_FRAME") == str(tick)
        assert float(file.text("MULTIVIEW:FIRST_TIME_S")) == pytest.approx(tick / 30, abs=1e-6)
        assert file.text("MULTIVIEW:FIRST_UTC").startswith("2026-05-28T20:26:40.233" if live else "1970-01-01T00:00:00")


@pytest.mark.slow
def test_c3d_holds_more_frames_than_its_header_can_count(tmp_path: Path) -> None:
    frames, joints = 70_000, 2
    poses = Poses(
        frame=np.arange(frames),
        time_ns=np.arange(frames) * 20_000_000,
        utc_ns=np.zeros(frames, dtype=np.int64),
        person=np.ones(frames, dtype=np.int64),
        xyz=np.random.default_rng(0).normal(size=(frames, joints, 3)),
        cov=np.tile(np.eye(3) * 1e-4, (frames, joints, 1, 1)),
        score=np.ones((frames, joints)),
        views=np.full((frames, joints), 2),
        filled=np.zeros((frames, joints), dtype=bool),
        joints=("nose", "neck"),
    )
    (path,) = load_exporter("c3d", "m").write(poses, tmp_path / "take")
    file = C3D(path)
    assert (file.first, file.last, len(file.numbers)) == (1, frames, frames)
    np.testing.assert_allclose(file.points[..., :3], poses.xyz, atol=1e-6)
    again = ezc3d.c3d(str(path))["data"]["points"]  # as OpenSim's adapter counts them
    np.testing.assert_allclose(again[:3].transpose(2, 1, 0), poses.xyz, atol=1e-6)


def test_c3d_that_cannot_name_everyone_says_so(tmp_path: Path) -> None:
    one = recorded(seconds=1.0, skeleton="coco133").select(slice(0, 1))
    everyone = one.select(np.zeros(60, dtype=np.int64))
    everyone = replace(everyone, person=np.arange(60))
    with pytest.raises(MultiviewError, match=r"cannot hold the names of 7980 points \(60 people\): choose fewer"):
        load_exporter("c3d").write(everyone, tmp_path / "take")
    assert not list(tmp_path.iterdir())
    file = C3D(load_exporter("c3d").write(everyone.select(slice(0, 3)), tmp_path / "take")[0])
    assert file.points.shape == (1, 3 * 133, 5)
