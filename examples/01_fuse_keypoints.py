"""Fuse 2D keypoints of several cameras into identified 3D people.

    python examples/01_fuse_keypoints.py

The keypoints come from a simulated studio, so that the true joints are known. With your own, make `Views` of
`Keypoints2D` (xy px and score): one entry per camera of the rig, None where a camera has nothing.
"""

import numpy as np

import multiview as mv
from multiview.synthetic import StudioOptions, make_studio


def main() -> None:
    studio = make_studio(StudioOptions(cameras=4, people=2, seconds=2.0, seed=1))
    pipeline = mv.Pipeline(studio.rig, studio.skeleton)
    ticks = [pipeline.step(studio.views(frame)) for frame in range(studio.frames)]

    nose = studio.skeleton.index("nose")
    for track in ticks[-1].tracks:
        sigma_mm = 1000 * np.sqrt(np.trace(track.pose.cov[nose]) / 3)
        print(f"person {track.person}: nose at {np.round(track.pose.xyz[nose], 3)} m, sigma {sigma_mm:.0f} mm")

    comparison = mv.compare(studio.truth, mv.Poses.from_tracks(ticks, studio.skeleton))
    mean_mm = 1000 * np.nanmean(comparison.error_m)
    print(f"mean error {mean_mm:.1f} mm, recall {comparison.recall:.1%}, precision {comparison.precision:.1%}")


if __name__ == "__main__":
    main()
