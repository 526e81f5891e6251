"""What cannot give a rig is refused, in a sentence that says what to record."""

from __future__ import annotations

from collections.abc import Sequence

import networkx as nx
import numpy as np
from jaxtyping import Bool

from calib.people.camera_fit import CameraFit
from calib.people.pairs import PairPose
from calib.people.tracklets import Tracklet
from multiview.errors import CalibrationError
from multiview.recordings.recorded_keypoints import Recording

__all__ = ["agrees", "check_pairs", "check_placed", "check_recordings", "check_solved"]

_MIN_SEEN_S = 1.0
_MIN_OBSERVATIONS, _MAX_TURN_DEG, _ANY_DEG = 500, 1.0, 90.0
_MIN_MOTION, _MIN_FRAMES = 0.15, 10  # of a person's size in the picture
_MIN_SUPPORT = 0.15  # of what is possible


def check_recordings(names: list[str], recordings: list[Recording], tracklets: list[list[Tracklet]]) -> None:
    """Two cameras at least, each with people, who move; raises CalibrationError."""
    if len(names) < 2:
        raise CalibrationError("one camera alone gives no rig: record the same people with two cameras or more")
    empty = [name for name, recording in zip(names, recordings, strict=True) if not recording.keypoints]
    if empty:
        raise CalibrationError(f"{', '.join(empty)}: no frame; record it again, or leave it out with --cameras")
    seen = [sum(float(t.time[-1] - t.time[0]) for t in own) for own in tracklets]
    blind = [name for name, seconds in zip(names, seen, strict=True) if seconds < _MIN_SEEN_S]
    if blind:
        raise CalibrationError(
            f"{', '.join(blind)} saw nobody for a second: let people walk in view of all cameras for half a minute, "
            "or leave it out with --cameras"
        )
    if _moved(tracklets) < _MIN_MOTION:
        raise CalibrationError(
            "nobody moved: people who stand still tell too little; walk through the whole room for half a minute"
        )


def agrees(pair: PairPose) -> bool:
    """Whether two cameras agree on somebody."""
    return pair.support > _MIN_SUPPORT * pair.possible


def check_pairs(names: list[str], pairs: list[PairPose]) -> None:
    """Some two cameras agree on somebody; raises CalibrationError."""
    if not any(agrees(pair) for pair in pairs):
        raise CalibrationError(
            f"no two of {', '.join(names)} agree on anybody: check the lenses and frame rates, and that the recordings "
            "were started within --max-offset of each other; then let people walk where the views overlap"
        )


def check_placed(
    names: list[str], placed: Bool[np.ndarray, " C"], held: Bool[np.ndarray, " C"], pairs: list[PairPose]
) -> None:
    """Every camera is placed; raises CalibrationError that says between which cameras to walk."""
    if placed.all():
        return
    if (held & ~placed).any():
        gone = [names[c] for c in np.flatnonzero(held & ~placed)]
        raise CalibrationError(
            f"what {', '.join(gone)} saw does not fit where the known rig has {'it' if len(gone) == 1 else 'them'}: "
            "take it out of that rig if it was moved, else walk longer where it and the others see you"
        )
    graph: nx.Graph = nx.Graph((pair.a, pair.b) for pair in pairs if agrees(pair))
    graph.add_nodes_from(range(len(names)))
    lost = [names[c] for c in np.flatnonzero(~placed)]
    near = [names[c] for c in np.flatnonzero(placed)]
    alone = [names[c] for c in np.flatnonzero(~placed) if not list(graph.neighbors(c))]
    why = "shares nobody with the others" if alone else "could not be placed by what it shares with the others"
    raise CalibrationError(
        f"{', '.join(lost)} {why}: walk between {lost[0]} and {near[0]}, turn around there, and record again, or leave "
        f"{'it' if len(lost) == 1 else 'them'} out with --cameras"
    )


def check_solved(fits: Sequence[CameraFit]) -> None:
    """Every camera is known; raises CalibrationError."""
    for fit in fits:
        if fit.observations < _MIN_OBSERVATIONS:
            raise CalibrationError(
                f"{fit.name} shares only {fit.observations} keypoints with the others, of {_MIN_OBSERVATIONS}: "
                f"walk longer where {fit.name} and another camera see you, or leave it out with --cameras"
            )
        # Of a guessed lens, turn and principal point can stand in for each other; what matters is said in millimetres.
        if not fit.turn_sigma_deg < _MAX_TURN_DEG and not fit.focal_sigma_px:
            how = f"by {fit.turn_sigma_deg:.1f} degrees" if fit.turn_sigma_deg < _ANY_DEG else "in any way"
            raise CalibrationError(
                f"{fit.name} could be turned {how}, which is no rig at all: walk "
                f"longer, near and far, where {fit.name} and other cameras see you, and record again"
            )


def _moved(tracklets: list[list[Tracklet]]) -> float:
    """The most that a joint moved in a picture, as a share of the person's size, 5th to 95th percentile."""
    most = 0.0
    for tracklet in (t for own in tracklets for t in own):
        known = np.isfinite(tracklet.xy[..., 0]).sum(axis=0) >= _MIN_FRAMES
        if known.any():
            low, high = np.nanpercentile(tracklet.xy[:, known], [5, 95], axis=0)
            most = max(most, float(np.linalg.norm(high - low, axis=-1).max() / np.median(tracklet.size)))
    return most
