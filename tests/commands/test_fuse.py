import json
import re
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from multiview.__main__ import main
from multiview.body.skeleton import load_skeleton
from multiview.cameras.camera import Rig
from multiview.cameras.rig_file import load_rig, save_rig
from multiview.commands.refine_run import unsupported
from multiview.data import Keypoints2D
from multiview.evaluation.metrics import compare, normalised_rmse
from multiview.fusion.pipeline import STAGES
from multiview.geometry.rigid import rotation_from_vector
from multiview.recordings.keypoint_folder import read_keypoints, write_keypoints
from multiview.recordings.pose_table import read_poses
from multiview.selfcalib.refine_rig import JointObservations, Refinement
from multiview.synthetic import Studio
from multiview.synthetic.cramer_rao import truth_with_bound


@pytest.fixture(scope="module")
def recording(small_studio: Studio, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recording")
    save_rig(small_studio.rig, folder / "rig.toml")
    for camera, name in enumerate(small_studio.rig.names):
        (folder / "keypoints" / name).mkdir(parents=True)
        for frame in range(small_studio.frames):
            keypoints = small_studio.keypoints(camera, frame)
            assert keypoints is not None
            write_keypoints(keypoints, folder / "keypoints" / name / f"{name}_{frame:06d}_keypoints.json")
    return folder


def fuse(recording: Path, out: Path, *more: str) -> int:
    return main(
        [
            "fuse",
            "--rig",
            str(recording / "rig.toml"),
            "--keypoints",
            str(recording / "keypoints"),
            "--out",
            str(out),
            *more,
        ]
    )


def test_poses_and_summary_are_written(recording: Path, tmp_path: Path) -> None:
    assert fuse(recording, tmp_path) == 0
    poses = read_poses(tmp_path)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["frames"] == 20
    assert summary["people"] == 2 == len(poses.people)
    assert set(summary["ms_per_frame"]) == {"total", *STAGES}
    assert set(summary["ms_per_frame"]["fit"]) == {"median", "p95", "p99"}
    assert poses.time_ns[0] == round(int(poses.frame[0]) / 25 * 1e9)


@pytest.mark.slow
def test_smooth_and_lag_reduce_the_error(small_studio: Studio, recording: Path, tmp_path: Path) -> None:
    """A smoothed estimate has no larger covariance than a filtered one, nor one of all frames than one of a few."""
    truth, error = truth_with_bound(small_studio), {}
    for name, more in {"causal": [], "lag": ["--lag", "3"], "smooth": ["--smooth"]}.items():
        assert fuse(recording, tmp_path / name, *more) == 0
        poses = read_poses(tmp_path / name)
        assert set(poses.frame.tolist()) == set(range(20))
        error[name] = normalised_rmse(compare(truth, poses))
    assert error["smooth"] < error["lag"] < error["causal"] < 1.0
    assert fuse(recording, tmp_path, "--lag", "2", "--independent") == 2


def test_refine_cameras_turns_them_back(
    small_studio: Studio, recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each camera of the rig file is turned by half a degree; between cameras, what is left is at most half."""
    axes = np.random.default_rng(0).normal(size=(3, 3))
    turns = rotation_from_vector(np.radians(0.5) * axes / np.linalg.norm(axes, axis=1, keepdims=True))
    turned = [replace(c, R=R @ c.R, t=R @ c.t) for c, R in zip(small_studio.rig.cameras, turns, strict=True)]
    save_rig(Rig(tuple(turned)), tmp_path / "turned.toml")
    assert fuse(recording, tmp_path, "--refine-cameras", "--rig", str(tmp_path / "turned.toml")) == 0
    before, after = (
        between_cameras(load_rig(tmp_path / "turned.toml")),
        between_cameras(load_rig(tmp_path / "rig.toml")),
    )
    true = between_cameras(small_studio.rig)
    off = [np.sum(rotation_angle(now @ true.swapaxes(1, 2)) ** 2) for now in (before, after)]
    assert off[1] < 0.25 * off[0]
    printed = capsys.readouterr()
    medians = re.findall(r"cam0\d: ([\d.]+) -> ([\d.]+) px", printed.out)
    assert len(medians) == 3
    assert all(float(new) < float(old) for old, new in medians)
    assert "people are seen for 0.8 s" in printed.err


def test_refine_cameras_leaves_a_right_rig_alone(
    small_studio: Studio, recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the frames of less than a second would change is noise: in the frames held out nothing gets better."""
    assert fuse(recording, tmp_path, "--refine-cameras") == 0
    assert "the error does not fall" in capsys.readouterr().err
    for kept, true in zip(load_rig(tmp_path / "rig.toml").cameras, small_studio.rig.cameras, strict=True):
        np.testing.assert_allclose(kept.R, true.R, atol=1e-9)
        np.testing.assert_allclose(kept.t, true.t, atol=1e-9)
    assert not (tmp_path / "rig.refined.toml").exists()


@pytest.mark.parametrize(("rotated_deg", "moved_m", "refused"), [(4.0, 0.3, False), (6.0, 0.0, True), (0.0, 1.0, True)])
def test_refinement_moves_no_camera_further_than_a_touched_tripod(
    rotated_deg: float, moved_m: float, refused: bool, small_studio: Studio
) -> None:
    rig = small_studio.rig
    away = np.add(rig.cameras[1].centre, (0.0, 0.0, 4.0))  # m, of the people
    check = JointObservations(np.tile(away, (5, 1)), np.zeros((5, 3, 2)), np.ones((5, 3, 2)))
    some = np.array([0.0, 1.0, 0.0])
    found = Refinement(rig, 3 - some, 2 - some, moved_m * some, rotated_deg * some)
    why = unsupported(rig, found, check, found.before_px, found.after_px)
    assert bool(why) == refused
    assert not refused or re.search(f"^cam02 would move by {1e3 * moved_m:.0f} mm and {rotated_deg:.1f} degrees", why)


def between_cameras(rig: Rig) -> np.ndarray:
    """The rotations from each camera to each other, which no choice of the world changes, (N, 3, 3)."""
    return np.stack([a.R @ b.R.T for a, b in combinations(rig.cameras, 2)])


def rotation_angle(R: np.ndarray) -> np.ndarray:
    """Radians."""
    return np.arccos(np.clip((np.trace(R, axis1=1, axis2=2) - 1) / 2, -1.0, 1.0))


def test_mistakes_are_one_line_and_exit_2(recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fuse(recording, tmp_path, "--skeleton", "coco17") == 2
    assert fuse(tmp_path, tmp_path) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 2
    for fps in ("0", "-1", "nan", "inf", "1e9"):
        with pytest.raises(SystemExit) as stop:
            fuse(recording, tmp_path, "--fps", fps)
        assert stop.value.code == 2
        assert "--fps: must be above 0 and at most 1000 frames per second, not" in capsys.readouterr().err
    assert not (tmp_path / "poses.parquet").exists()


def changed(recording: Path, folder: Path, change: Callable[[str, Keypoints2D], Keypoints2D | None]) -> Path:
    """The recording again, each camera's keypoints changed; one that becomes None has no folder."""
    rig = load_rig(recording / "rig.toml")
    save_rig(rig, folder / "rig.toml")
    for name in rig.names:
        for path in sorted((recording / "keypoints" / name).iterdir()):
            if (keypoints := change(name, read_keypoints(path, load_skeleton("body25")))) is not None:
                (folder / "keypoints" / name).mkdir(parents=True, exist_ok=True)
                write_keypoints(keypoints, folder / "keypoints" / name / path.name)
    return folder


def shares(name: str, keypoints: Keypoints2D) -> Keypoints2D:
    return replace(keypoints, xy=keypoints.xy / (1920.0, 1080.0))


def one_camera(name: str, keypoints: Keypoints2D) -> Keypoints2D | None:
    return keypoints if name == "cam02" else None


def of_larger_pictures(name: str, keypoints: Keypoints2D) -> Keypoints2D:
    return replace(keypoints, xy=keypoints.xy * 4.0)


def nobody(name: str, keypoints: Keypoints2D) -> Keypoints2D:
    return Keypoints2D.nobody(25)


@pytest.mark.parametrize(
    ("change", "status", "expected"),
    [
        (one_camera, 2, "cam02 is the only camera"),
        (of_larger_pictures, 2, "lie beyond the calibrated picture"),
        (nobody, 0, "2D detection finds nobody in any camera"),
    ],
)
def test_fuse_says_why_nobody_came_out(
    recording: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[str, Keypoints2D], Keypoints2D | None],
    status: int,
    expected: str,
) -> None:
    """Exit status 2 where nobody could come out, 0 where the room was empty; one line either way."""
    assert fuse(changed(recording, tmp_path / "changed", change), tmp_path / "out") == status
    printed = capsys.readouterr()
    assert "0 people" in printed.out
    assert expected in printed.err
    assert printed.err.startswith("multiview: nobody, because ")
    assert printed.err.count("\n") == 1


def test_fuse_refuses_normalised_coordinates(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the work: nothing could come of it."""
    assert fuse(changed(recording, tmp_path / "changed", shares), tmp_path / "out") == 2
    printed = capsys.readouterr().err
    assert "are normalised, not pixels" in printed
    assert printed.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_fuse_names_a_camera_without_a_folder(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    without = changed(recording, tmp_path / "two", lambda name, keypoints: None if name == "cam03" else keypoints)
    assert fuse(without, tmp_path / "out") == 0
    printed = capsys.readouterr()
    assert "2 people" in printed.out
    assert printed.err == f"multiview: cam03 has no folder in {without / 'keypoints'}\n"


def test_fuse_says_that_two_cameras_folders_are_exchanged(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = changed(recording, tmp_path / "exchanged", lambda name, keypoints: keypoints)
    one, other = folder / "keypoints" / "cam01", folder / "keypoints" / "cam03"
    one.rename(folder / "keypoints" / "aside")
    other.rename(one)
    (folder / "keypoints" / "aside").rename(other)
    fuse(folder, tmp_path / "out")
    assert "cam01 and cam03 are exchanged" in capsys.readouterr().err
