"""`multiview time-offsets`: the offset of a late camera is written into the rig, and `fuse` profits from it."""

from __future__ import annotations

import io
import json
import shutil
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest

from multiview.__main__ import main
from multiview.cameras.rig_file import load_rig, save_rig
from multiview.recordings.keypoint_folder import write_keypoints
from multiview.recordings.pose_table import Poses, write_poses
from multiview.synthetic import StudioOptions, make_studio
from tests.figures import crowd, ring

pytestmark = pytest.mark.slow

FPS = 20.0
LATE_S = 0.06


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve seconds of keypoints; what cam02 shows is from a little before its frames' times."""
    folder = tmp_path_factory.mktemp("late")
    options = StudioOptions(cameras=4, people=2, seconds=15, fps=40.0, skeleton="coco17", only_walking=True, seed=8)
    studio = make_studio(options)
    save_rig(studio.rig, folder / "rig.toml")
    times = 1.0 + np.arange(int(12 * FPS)) / FPS
    for camera, name in enumerate(studio.rig.names):
        (folder / "keypoints" / name).mkdir(parents=True)
        for i, keypoints in enumerate(studio.keypoints_at(camera, times - LATE_S * (name == "cam02"))):
            write_keypoints(keypoints, folder / "keypoints" / name / f"{name}_{i:06d}_keypoints.json")
    return folder


def test_take_that_was_not_recorded_live_says_what_to_give(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    skeleton, tracks = crowd()
    save_rig(ring(), tmp_path / "rig.toml")
    write_poses(Poses.from_tracks([tracks], skeleton), tmp_path / "poses.parquet")
    assert main(["time-offsets", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "was made of recorded videos or keypoints and holds no stream" in said
    assert "give these videos or keypoints, with --rig" in said


def words(folder: Path, *more: str) -> list[str]:
    keypoints = ["--keypoints", str(folder / "keypoints"), "--skeleton", "coco17", "--fps", str(FPS)]
    return ["time-offsets", "--rig", str(folder / "rig.toml"), *keypoints, "--out", str(folder / "out"), *more]


@pytest.fixture(scope="module")
def said(recorded: Path) -> str:
    """What the command prints."""
    words_ = io.StringIO()
    with redirect_stdout(words_):
        assert main(words(recorded, "--max-offset", "0.4")) == 0
    return words_.getvalue()


def test_time_offsets_corrects_the_rig_of_a_late_camera(recorded: Path, said: str) -> None:
    assert "confirmed" in next(line for line in said.splitlines() if "cam02" in line)
    assert "confirmed" not in next(line for line in said.splitlines() if "cam03" in line)
    offsets = {camera.name: camera.time_offset_s for camera in load_rig(recorded / "out" / "rig.toml").cameras}
    assert abs(offsets.pop("cam02") + LATE_S) < 0.004
    assert set(offsets.values()) == {0.0}
    figures = json.loads((recorded / "out" / "time_offsets.json").read_text())
    assert figures["cam02"]["confirmed"]
    assert figures["cam02"]["reprojection_after_px"] < figures["cam02"]["reprojection_before_px"]
    assert (recorded / "out" / "time_offsets.png").read_bytes().startswith(b"\x89PNG")
    assert load_rig(recorded / "rig.toml").cameras[1].time_offset_s == 0.0  # not written unless asked


def test_fuse_applies_time_offsets_of_the_rig(recorded: Path, said: str) -> None:
    errors = {}
    for name, rig in (("original", recorded / "rig.toml"), ("corrected", recorded / "out" / "rig.toml")):
        out = recorded / name.replace(" ", "-")
        keypoints = ["--keypoints", str(recorded / "keypoints"), "--skeleton", "coco17", "--fps", str(FPS)]
        assert main(["fuse", "--rig", str(rig), *keypoints, "--out", str(out)]) == 0
        errors[name] = residual(rig, recorded, out)
    assert errors["corrected"] < 0.8 * errors["original"]


def residual(rig: Path, recorded: Path, out: Path) -> float:
    """Distance from the fused joints to the true ones, m."""
    from multiview.recordings.pose_table import read_poses

    studio = make_studio(
        StudioOptions(cameras=4, people=2, seconds=15, fps=40.0, skeleton="coco17", only_walking=True, seed=8)
    )
    poses = read_poses(out / "poses.parquet")
    poses = poses.select(poses.frame > 40)
    truth = studio.true_at(1.0 + poses.frame / FPS)
    off = np.linalg.norm(poses.xyz[:, None] - truth, axis=-1).mean(axis=-1)
    return float(np.nanmedian(np.nanmin(off, axis=1)))


def test_time_offset_beyond_the_range_is_not_found(recorded: Path, tmp_path: Path) -> None:
    """cam03's frames are half a second older than the range reaches."""
    keypoints = tmp_path / "keypoints"
    shutil.copytree(recorded / "keypoints", keypoints)
    for path in sorted((keypoints / "cam03").iterdir()):
        number = int(path.stem.split("_")[1]) + round(0.9 * FPS)
        path.rename(path.with_name(f"late_{number:06d}_keypoints.json"))
    save_rig(load_rig(recorded / "rig.toml"), tmp_path / "rig.toml")
    assert main(words(tmp_path, "--max-offset", "0.4")) == 0
    figures = json.loads((tmp_path / "out" / "time_offsets.json").read_text())
    assert not figures["cam03"]["confirmed"]
    assert figures["cam03"]["found"].startswith("not found")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ([], "name one recording"),
        (["--keypoints", "there"], "needs --rig"),
        (["--keypoints", "there", "--rig", "nowhere.toml"], "nowhere.toml"),
        (["--keypoints", "there", "--videos", "a.mp4"], "name one recording"),
        (["takes/none"], "no such take"),
    ],
)
def test_time_offsets_explains_mistakes_in_one_line(
    more: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["time-offsets", *more]) == 2
    assert said in capsys.readouterr().err


def test_time_offsets_needs_people_who_move(recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = make_studio(StudioOptions(cameras=4, people=0, seconds=1, fps=FPS)).keypoints(0, 0)
    assert empty is not None
    for name in ("cam01", "cam02", "cam03", "cam04"):
        (tmp_path / "keypoints" / name).mkdir(parents=True)
        for i in range(30):
            write_keypoints(empty, tmp_path / "keypoints" / name / f"{i:06d}.json")
    save_rig(load_rig(recorded / "rig.toml"), tmp_path / "rig.toml")
    assert main(words(tmp_path)) == 2
    assert "must see people move" in capsys.readouterr().err
