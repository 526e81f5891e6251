"""Selection of instants of a long recording that cover the images and the pairs of cameras best."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int64

from calib.corners.corners import Corners

__all__ = ["MAX_INSTANTS", "select_instants"]

MAX_INSTANTS = 480
_RUN = 12  # instants that are taken together, so that the board's motion can be followed between them
_CELLS = (8, 6)
_PAIR_WEIGHT = 12.0  # of an instant that two cameras share, in cells of a picture


def select_instants(
    corners: Corners, row: Int64[np.ndarray, "V N"], instant: Int64[np.ndarray, " V"], most: int = MAX_INSTANTS
) -> Bool[np.ndarray, " V"]:
    """Views of the chosen instants: runs of neighbouring instants, each next run the one that adds most to what is
    thinly covered so far.

    Args:
        corners: The table.
        row: (V, N) rows of the table that each view consists of, -1 where a corner was not seen.
        instant: (V,) when each view was taken; views of one instant were taken together.
        most: How many are chosen.

    Returns:
        (V,) mask; all, where there are no more instants than `most`.
    """
    instants, rank = np.unique(instant, return_inverse=True)
    if len(instants) <= most:
        return np.ones(len(instant), dtype=bool)
    view, _ = np.nonzero(row >= 0)
    rows = row[row >= 0]
    run = rank // _RUN
    coverage = _run_coverage(corners.only(rows), rank[view])
    covered = np.zeros(coverage.shape[1])
    taken: list[int] = []
    for _ in range(most // _RUN):
        gain = (np.log1p(covered + coverage) - np.log1p(covered)).sum(axis=1)
        gain[taken] = -1.0
        taken.append(int(gain.argmax()))
        covered += coverage[taken[-1]]
    return np.isin(run, taken)


def _run_coverage(corners: Corners, rank: Int64[np.ndarray, " M"]) -> np.ndarray:
    """For every run: corners in each cell of each camera's picture, and instants that each pair of cameras shares."""
    cameras, instants = len(corners.names), int(rank.max()) + 1
    runs = (instants - 1) // _RUN + 1
    size = np.array(corners.sizes)[corners.camera]
    cell = np.clip((corners.xy / size * _CELLS).astype(int), 0, np.array(_CELLS) - 1)
    place = (corners.camera * _CELLS[0] + cell[:, 0]) * _CELLS[1] + cell[:, 1]
    cells = np.zeros((runs, cameras * _CELLS[0] * _CELLS[1]))
    np.add.at(cells, (rank // _RUN, place), 1.0)
    shown = np.zeros((instants, cameras))
    shown[rank, corners.camera] = 1.0
    pairs = np.zeros((runs, cameras * cameras))
    np.add.at(pairs, np.arange(instants) // _RUN, (shown[:, :, None] * shown[:, None, :]).reshape(instants, -1))
    diagonal = np.arange(cameras) * (cameras + 1)
    pairs[:, diagonal] = 0.0
    return np.hstack([cells, _PAIR_WEIGHT * pairs])
