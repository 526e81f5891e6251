"""Made the inputs of the golden reference: `python -m tests.golden.inputs`.

Only needed for other inputs than those stored; then `python -m tests.golden.renew` must follow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tests.golden import reference

if TYPE_CHECKING:
    from multiview.cameras.camera import Rig

TICKS, ENTERS, WHO_ENTERS = 48, 14, 2
BOARD = (7, 5, 0.1, 0.075)  # columns, rows, squares and markers in m


def main() -> None:
    """Write all three inputs."""
    _write_studio("covariance", cameras=4, seed=11, fisheye=None, covariances=True)
    _write_studio("fisheye", cameras=4, seed=5, fisheye=1, covariances=False)
    _write_board()


def _write_studio(name: str, cameras: int, seed: int, fisheye: int | None, covariances: bool) -> None:
    """Three people, of whom one is seen only from tick `ENTERS` on."""
    from multiview.cameras.camera import Camera, Rig
    from multiview.synthetic import StudioOptions, make_studio

    seconds = TICKS / reference.FPS
    options = StudioOptions(
        cameras=cameras, people=3, seconds=seconds, fps=reference.FPS, seed=seed, skeleton=reference.SKELETON,
        area_m=4.5, outliers=0.02, missing_joints=0.08, false_positives=0.03, hidden_detected=0.3, frame_drops=0.02,
    )  # fmt: skip
    studio = make_studio(options)
    if fisheye is not None:
        parts = list(studio.rig.cameras)
        one = parts[fisheye]
        K = one.K * np.array([[0.8], [0.8], [1.0]])
        K[:2, 2] = one.K[:2, 2]
        parts[fisheye] = Camera(one.name, one.size, K, np.array([0.03, -0.01, 0.002, -0.001]), one.R, one.t, "fisheye")
        studio.rig = Rig(tuple(parts))
    rng = np.random.default_rng(seed)
    counts, xy, score, sd, rho = [], [], [], [], []
    for tick in range(TICKS):
        for camera in range(cameras):
            seen, labels = studio.keypoints(camera, tick), studio.labels(camera, tick)
            if seen is None:
                counts.append(-1)
                continue
            own = np.ones(len(seen.xy), dtype=bool) if tick >= ENTERS else labels.actor != WHO_ENTERS
            counts.append(own.sum())
            xy.append(seen.xy[own])
            score.append(seen.score[own])
            there = np.nan_to_num(labels.sigma[own], nan=1.0)[..., None]
            sd.append(there * rng.lognormal(0.0, 0.2, (*there.shape[:2], 2)))
            rho.append(rng.uniform(-0.6, 0.6, there.shape[:2]))
    pixels, scores = np.concatenate(xy), np.concatenate(score)
    stored = _rig_arrays(studio.rig) | {
        "counts": np.array(counts, dtype=np.int8).reshape(TICKS, cameras),
        "shape": np.array(scores.shape),
        "xy": reference.byte_planes(np.rint(np.nan_to_num(pixels) / reference.XY_UNIT).astype(np.int16)),
        "score": np.where(scores > 0, np.rint(scores / reference.SCORE_UNIT).clip(1, 255), 0).astype(np.uint8),
    }
    if covariances:
        stored["sd"] = np.rint(np.concatenate(sd) / reference.SD_UNIT).clip(1, 255).astype(np.uint8)
        stored["rho"] = np.rint(np.concatenate(rho) / reference.RHO_UNIT).astype(np.int8)
    np.savez_compressed(reference.FOLDER / f"{name}_input.npz", **stored)


def _rig_arrays(rig: Rig) -> reference.Arrays:
    cameras = rig.cameras
    longest = max(len(one.dist) for one in cameras)
    return {
        "size": np.array([one.size for one in cameras], dtype=np.int16),
        "K": np.stack([one.K for one in cameras]),
        "dist": np.stack([np.pad(one.dist, (0, longest - len(one.dist)), constant_values=np.nan) for one in cameras]),
        "R": np.stack([one.R for one in cameras]),
        "t": np.stack([one.t for one in cameras]),
        "fisheye": np.array([one.model == "fisheye" for one in cameras]),
    }


def _write_board() -> None:
    """A board waved before four cameras that are out of step."""
    from calib.board.board import Board
    from multiview.synthetic.board import measure, ring, waved

    rng = np.random.default_rng(3)
    points = Board(BOARD[:2], BOARD[2], BOARD[3], "DICT_4X4_100").points
    rig = ring(4, radius=2.5, focal=1000.0, rng=rng)
    time = np.arange(90) / reference.BOARD_FPS
    offsets = (0.0, 0.012, -0.007, 0.02)
    poses = [waved(time + offset, np.random.default_rng(3), reach=1.5) for offset in offsets]
    m = measure(rig, points, poses, rng, sigma_px=0.3, outliers=0.02)
    np.savez_compressed(
        reference.FOLDER / "board_input.npz",
        board=np.array(BOARD),
        size=np.array([one.size for one in rig.cameras], dtype=np.int16),
        camera=m.camera.astype(np.int8),
        frame=m.frame.astype(np.int16),
        corner=m.corner.astype(np.int8),
        shape=np.array([len(m.xy)]),
        xy=reference.byte_planes(np.rint(m.xy / reference.CORNER_UNIT).astype(np.int16)),
    )


if __name__ == "__main__":
    main()
