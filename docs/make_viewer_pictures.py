"""Make the pictures of viewers that the pages show: a simulated take in Rerun's own viewer.

    xvfb-run -a -s "-screen 0 1280x720x24" python docs/make_viewer_pictures.py

Rerun's viewer needs a graphics driver with Vulkan; without a graphics card Mesa's lavapipe will do (on Debian the
package mesa-vulkan-drivers). Foxglove's app is closed, and cannot be run from here.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

from multiview.__main__ import main
from multiview.cameras.rig_file import save_rig
from multiview.recordings.pose_table import Poses, write_poses
from multiview.synthetic import StudioOptions, make_studio

PICTURE = Path(__file__).with_name("rerun.png")
WIDTH = 1280


def take(folder: Path) -> None:
    """Three people among six cameras."""
    studio = make_studio(StudioOptions(cameras=6, people=3, seconds=4.0, fps=30.0, seed=2, skeleton="body25"))
    truth = studio.truth
    rows, joints = truth.xyz.shape[:2]
    deviation = 0.004 + 0.003 * np.sin(0.05 * truth.frame + truth.actor)  # m
    poses = Poses(
        frame=truth.frame,
        time_ns=np.round(truth.frame * 1e9 / 30).astype(np.int64),
        utc_ns=np.zeros(rows, np.int64),
        person=truth.actor,
        xyz=truth.xyz,
        cov=np.broadcast_to(np.eye(3) * deviation[:, None, None, None] ** 2, (rows, joints, 3, 3)).copy(),
        score=np.full((rows, joints), 0.9),
        views=np.full((rows, joints), 5),
        filled=np.zeros((rows, joints), dtype=bool),
        joints=tuple(truth.joints),
        skeleton="body25",
    )
    write_poses(poses, folder / "poses.parquet")
    save_rig(studio.rig, folder / "rig.toml")


def run() -> None:
    """Write docs/rerun.png."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        take(folder)
        if main(["export", str(folder), "--to", "rrd"]):
            raise SystemExit(1)
        viewer = [sys.executable, "-m", "rerun", str(folder / "poses.rrd"), "--port", "auto"]
        shot = folder / "shot.png"
        subprocess.run([*viewer, "--screenshot-to", str(shot), "--window-size", "1280x720"], check=True)
        image = cv2.imread(str(shot))
        assert image is not None
        height = round(image.shape[0] * WIDTH / image.shape[1])
        cv2.imwrite(str(PICTURE), cv2.resize(image, (WIDTH, height), interpolation=cv2.INTER_AREA))


if __name__ == "__main__":
    run()
