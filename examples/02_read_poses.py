"""Read a table of poses and compute something with its uncertainty: how fast each wrist moves.

    python examples/02_read_poses.py TAKE/poses.parquet

Without a file, one is made from a simulated studio.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

import multiview as mv
from multiview.synthetic import StudioOptions, make_studio


def make_table(path: Path) -> Path:
    """Poses of a simulated studio."""
    studio = make_studio(StudioOptions(cameras=4, people=1, seconds=2.0))
    pipeline = mv.Pipeline(studio.rig, studio.skeleton)
    ticks = (pipeline.step(studio.views(frame)) for frame in range(studio.frames))
    mv.write_poses(mv.Poses.from_tracks(ticks, studio.skeleton), path)
    return path


def main(argv: list[str]) -> None:
    path = Path(argv[0]) if argv else make_table(Path(tempfile.mkdtemp()) / "poses.parquet")
    poses = mv.read_poses(path)
    for person in poses.people:
        own = poses.select(poses.person == person)
        seconds = own.time_ns / 1e9
        for side in ("left", "right"):
            joint = own.joints.index(f"{side}_wrist")
            measured = ~own.filled[:, joint] & np.isfinite(own.xyz[:, joint, 0])
            step = np.linalg.norm(np.diff(own.xyz[measured, joint], axis=0), axis=1)
            speed = step / np.diff(seconds[measured])
            sigma_mm = 1000 * np.median(own.sigma[measured, joint])
            print(
                f"person {person}, {side} wrist: median speed {np.median(speed):.2f} m/s, measured in "
                f"{measured.mean():.0%} of the frames, sigma {sigma_mm:.0f} mm"
            )


if __name__ == "__main__":
    main(sys.argv[1:])
