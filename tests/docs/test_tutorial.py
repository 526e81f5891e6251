"""The tutorial's practice recording: the commands that `synthesize --film` prints lead to a person and a BVH file."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from multiview.__main__ import COMMANDS, main
from multiview.body.joint_names import select_joints
from multiview.cameras.rig_file import load_rig
from multiview.recordings.pose_table import read_poses
from multiview.synthetic.filming import film_studio

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.md"


def run(line: str) -> str:
    words = shlex.split(line)
    assert words[0] == "multiview"
    result = subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_tutorial_leads_from_film_to_motion_file(tmp_path: Path) -> None:
    folder = tmp_path / "practice"
    printed = run(f"multiview synthesize --film --cameras 2 --seconds 2 --out {folder}")
    steps = [line.strip() for line in printed.splitlines() if line.startswith("  multiview ")]
    assert [step.split()[1] for step in steps] == ["calibrate", "calibrate", "process", "export"]
    for step in steps:
        run(step)

    poses, rig = read_poses(folder / "poses" / "poses.parquet"), load_rig(folder / "rig" / "rig.toml")
    studio, film = film_studio(cameras=2, people=1, seconds=2.0, seed=1)
    assert list((folder / "poses").glob("*.bvh"))
    assert len(poses.people) == 1
    assert len(poses) >= 0.9 * studio.frames
    # The true joints in the world of the calibrated rig, by way of the first camera.
    true, found = film.rig.cameras[0], rig.cameras[0]
    names = tuple(name for name in poses.joints if name in studio.skeleton.joints)
    joints = select_joints(studio.truth.xyz, studio.truth.joints, names)[poses.frame]
    joints = (joints @ true.R.T + true.t - found.t) @ found.R
    measured = np.where(poses.filled[..., None], np.nan, poses.xyz)
    error = np.linalg.norm(select_joints(measured, poses.joints, names) - joints, axis=-1)
    assert np.nanmedian(error) < 0.06  # the light network's 2D error of some 5 px is 25 to 40 mm from two views


def test_tutorial_names_commands_that_exist() -> None:
    lines = [line for line in TUTORIAL.read_text(encoding="utf-8").splitlines() if line.startswith("multiview ")]
    assert len(lines) >= 10
    assert {line.split()[1] for line in lines} <= set(COMMANDS)


def test_synthesize_film_rejects_what_a_film_cannot_have(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["synthesize", "--film", "--fps", "50", "--out", str(tmp_path / "film")]) == 2
    assert "--fps cannot be combined with --film" in capsys.readouterr().err
