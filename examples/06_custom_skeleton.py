"""Use a skeleton of your own: joints, bones and symmetric pairs in one TOML file.

    python examples/06_custom_skeleton.py

The same file works everywhere a skeleton is named: `multiview fuse --skeleton ./upper_body.toml`, or in a studio file.
"""

import tempfile
from pathlib import Path

import numpy as np

import multiview as mv
from multiview.synthetic import StudioOptions, make_rig

UPPER_BODY = """
joints = [
    ["head", 0.05],
    ["left_shoulder", 0.079], ["right_shoulder", 0.079],
    ["left_elbow", 0.072], ["right_elbow", 0.072],
    ["left_wrist", 0.062], ["right_wrist", 0.062],
]
bones = [
    ["head", "left_shoulder"], ["head", "right_shoulder"], ["left_shoulder", "right_shoulder"],
    ["left_shoulder", "left_elbow"], ["left_elbow", "left_wrist"],
    ["right_shoulder", "right_elbow"], ["right_elbow", "right_wrist"],
]
"""


def main() -> None:
    path = Path(tempfile.mkdtemp()) / "upper_body.toml"
    path.write_text(UPPER_BODY, encoding="utf-8")
    skeleton, rig = mv.load_skeleton(str(path)), make_rig(StudioOptions(cameras=4))

    # Somebody who waves with the left hand, as four cameras see it, with 2 px of noise.
    pose = np.array(
        [[0, 0, 1.6], [0, 0.2, 1.4], [0, -0.2, 1.4], [0, 0.5, 1.5], [0, -0.3, 1.1], [0, 0.6, 1.8], [0.1, -0.3, 0.9]]
    )
    rng, pipeline = np.random.default_rng(0), mv.Pipeline(rig, skeleton)
    for frame in range(20):
        pose[5, 1] = 0.6 + 0.1 * np.sin(frame / 3)
        views = tuple(
            mv.Keypoints2D(camera.project(pose)[None] + rng.normal(0, 2.0, (1, 7, 2)), np.full((1, 7), 0.9))
            for camera in rig.cameras
        )
        tracks = pipeline.step(mv.Views(frame, frame * 40_000_000, views))
    (track,) = tracks.tracks
    error_mm = 1000 * np.linalg.norm(track.pose.xyz - pose, axis=1)
    for joint, position, error in zip(skeleton.joints, track.pose.xyz, error_mm, strict=True):
        print(f"{joint:15} {np.array2string(position, precision=3, suppress_small=True)} m, error {error:.0f} mm")


if __name__ == "__main__":
    main()
