"""Where markers were found that stay in the room: a result of the calibration, as the cameras are."""

from __future__ import annotations

import numpy as np

from calib.board.markers import Markers
from calib.board.target import Target, bodies_of
from calib.report.outcome import Outcome
from calib.solve.solve import Calibration

__all__ = ["marker_places"]


def marker_places(outcome: Outcome, calibration: Calibration, board: Target) -> dict[str, list[list[float]]]:
    """Corners of every marker in the world of the rig.

    Args:
        outcome: With the rig.
        calibration: It was made of.
        board: What was shown.

    Returns:
        By the marker's id four corners, clockwise from its top left, m; nothing where markers may move.
    """
    if not isinstance(board, Markers) or not board.fixed:
        return {}
    camera, R, t = outcome.rig.cameras[0], calibration.state.R[0], calibration.state.t[0]
    bundle, body = calibration.bundle, bodies_of(board)
    used = np.flatnonzero((bundle.weight > 0).any(axis=1))
    knots, first = np.unique(bundle.knot[used], return_index=True)
    places = {}
    for knot, view in zip(knots.tolist(), used[first].tolist(), strict=True):
        of_marker = body == body[int((calibration.row[view] >= 0).argmax())]
        solved = board.points[of_marker] @ calibration.state.target_R[knot].T + calibration.state.target_t[knot]
        world = (solved @ R.T + t - camera.t) @ camera.R
        places[str(board.markers[int(of_marker.argmax()) // 4])] = world.round(6).tolist()
    return places
