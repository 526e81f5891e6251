import json
from pathlib import Path

import pytest

from multiview.__main__ import main
from multiview.cameras.rig_file import load_rig, save_rig
from multiview.fusion.pipeline import STAGES
from multiview.recordings.keypoint_folder import write_keypoints
from multiview.recordings.pose_table import read_poses
from multiview.synthetic import Options, make_studio


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recording")
    studio = make_studio(Options(cameras=3, people=2, seconds=0.4, fps=25.0, skeleton="body25"))
    save_rig(studio.rig, folder / "rig.toml")
    for camera, name in enumerate(studio.rig.names):
        (folder / "keypoints" / name).mkdir(parents=True)
        for frame in range(studio.frames):
            keypoints = studio.keypoints(camera, frame)
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
    assert summary["frames"] == 10
    assert summary["people"] == 2 == len(poses.people)
    assert set(summary["ms_per_frame"]) == {"total", *STAGES}
    assert set(summary["ms_per_frame"]["fit"]) == {"median", "p95", "p99"}
    assert poses.time_ns[0] == round(int(poses.frame[0]) / 25 * 1e9)


def test_later_frames_help(recording: Path, tmp_path: Path) -> None:
    for more in (["--smooth"], ["--lag", "3"]):
        assert fuse(recording, tmp_path / more[0], *more) == 0
        poses = read_poses(tmp_path / more[0])
        assert set(poses.frame.tolist()) == set(range(10))
    assert fuse(recording, tmp_path, "--lag", "2", "--independent") == 2


def test_cameras_are_corrected_and_written(recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fuse(recording, tmp_path, "--refine-cameras") == 0
    assert load_rig(tmp_path / "rig.toml").names == load_rig(recording / "rig.toml").names
    assert "->" in capsys.readouterr().out


def test_mistakes_are_one_line_and_exit_2(recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fuse(recording, tmp_path, "--skeleton", "coco17") == 2
    assert fuse(recording, tmp_path, "--fps", "0") == 2
    assert fuse(tmp_path, tmp_path) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 3
    assert not (tmp_path / "poses.parquet").exists()
