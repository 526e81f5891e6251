"""Selection of frames of a long recording that cover the images and the pairs of cameras best."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool

from calib.corners.corners import Corners

__all__ = ["MAX_FRAMES", "select_rows"]

MAX_FRAMES = 480
_RUN = 12  # frames that are taken together, so that the board's motion can be followed between them
_CELLS = (8, 6)
_PAIR_WEIGHT = 12.0  # of a frame that two cameras share, in cells of a picture


def select_rows(corners: Corners, max_frames: int = MAX_FRAMES) -> Bool[np.ndarray, " M"]:
    """Rows of the chosen frames: runs of neighbouring frames, each next run the one that adds most to what is thinly
    covered so far. All rows, where there are no more frames than `max_frames`."""
    frames, rank = np.unique(corners.frame, return_inverse=True)
    if len(frames) <= max_frames:
        return np.ones(len(corners), dtype=bool)
    run = rank // _RUN
    coverage = _run_coverage(corners, run, int(run.max()) + 1)
    covered = np.zeros(coverage.shape[1])
    taken: list[int] = []
    for _ in range(max_frames // _RUN):
        gain = (np.log1p(covered + coverage) - np.log1p(covered)).sum(axis=1)
        gain[taken] = -1.0
        taken.append(int(gain.argmax()))
        covered += coverage[taken[-1]]
    return np.isin(run, taken)


def _run_coverage(corners: Corners, run: np.ndarray, runs: int) -> np.ndarray:
    """For every run: corners in each cell of each camera's picture, and frames that each pair of cameras shares."""
    cameras = len(corners.names)
    size = np.array(corners.sizes)[corners.camera]
    cell = np.clip((corners.xy / size * _CELLS).astype(int), 0, np.array(_CELLS) - 1)
    place = (corners.camera * _CELLS[0] + cell[:, 0]) * _CELLS[1] + cell[:, 1]
    cells = np.zeros((runs, cameras * _CELLS[0] * _CELLS[1]))
    np.add.at(cells, (run, place), 1.0)
    frames, rank = np.unique(corners.frame, return_inverse=True)
    shown = np.zeros((len(frames), cameras))
    shown[rank, corners.camera] = 1.0
    pairs = np.zeros((runs, cameras * cameras))
    own = np.zeros(len(frames), dtype=int)
    own[rank] = run
    np.add.at(pairs, own, (shown[:, :, None] * shown[:, None, :]).reshape(len(frames), -1))
    diagonal = np.arange(cameras) * (cameras + 1)
    pairs[:, diagonal] = 0.0
    return np.hstack([cells, _PAIR_WEIGHT * pairs])
