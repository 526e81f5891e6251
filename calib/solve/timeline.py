"""One clock for all cameras: when each view of the board was taken, whatever the frames' numbers and the clocks' zeros.

A moving board tells how two clocks differ: at the right difference one rigid motion carries its places in one camera's
axes to those in the other's, at any other it does not. Differences are searched over the whole recording, so that a
camera may start minutes after another; the bundle then finds them to a fraction of a frame. A board that does not move
between its pictures' neighbours (photographs) says nothing about time, and frames of one number belong together.

Letters in shapes: V views (one camera in one frame), C cameras, T steps of the grid.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

import networkx as nx
import numpy as np
from jaxtyping import Bool, Float64, Int64

from calib.solve.extrinsics import ViewPoses
from calib.solve.motion import Track, motion_offset, offset_error
from multiview.geometry.bundle import Lens

__all__ = ["Timeline", "common_timeline", "rising_times"]

_SMOOTH = 0.75  # |change of velocity| / |velocity|, per frame; chance placements have 1.7, a waved board 0.1 to 0.5
_MIN_TRIPLES = 8
_SEEN_TO_MOVE = 5e-4  # rad per frame: half a pixel of a usual lens
_FINEST_S = 1 / 60  # step of the board's trajectory, however fast the cameras
_ON_STEP = 0.02  # of a step: views so near to the grid were taken together
_TOGETHER_S = 0.02  # photographs whose stamps differ by less were taken together
# A board that another camera's predicts worse than that was not seen at that time; more is asked of times that stamps
# do not say, since some of many fit by chance.
_FITS_RAD, _CERTAIN_RAD, _CERTAIN_EVIDENCE = 0.02, 0.007, 3.0


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """Views on the clock of the first camera.

    Attributes:
        clock_offset: (C,) s, to be added to each camera's stamps; 0 for the first.
        time: (V,) s on the common clock, counted from `origin`.
        instant: (V,) number of the step of `step_s` that is nearest to a view's time; cameras that nothing relates have
            no number in common. Where the board stands still, the frame's number.
        step_s: Between two instants.
        moving: Whether the board moves smoothly from view to view, so that time between views has a meaning.
        exact: Whether all views of an instant were taken together, as far as their stamps tell.
    """

    clock_offset: Float64[np.ndarray, " C"]
    time: Float64[np.ndarray, " V"]
    instant: Int64[np.ndarray, " V"]
    step_s: float
    moving: bool
    exact: bool

    def only(self, views: Bool[np.ndarray, " V"]) -> Timeline:
        """Some of the views."""
        return replace(self, time=self.time[views], instant=self.instant[views])


def common_timeline(views: ViewPoses, lenses: list[Lens], points: Float64[np.ndarray, "N 3"], search: bool) -> Timeline:
    """Relate the clocks of all cameras.

    Args:
        views: Each with its board in its camera's axes, and its own stamp.
        lenses: Of the cameras.
        points: On the board, m, centred.
        search: Find differences of the clocks from the board's motion; else stamps that overlap are of one clock, and
            clocks that do not are related by the frames' numbers.

    Returns:
        All views on one clock.
    """
    good = np.asarray(views.used.any(axis=1))
    tracks = [_track(views, good & (views.camera == c)) for c in range(len(lenses))]
    if not _moves(tracks):
        return _photographs(views, good, len(lenses))
    graph: nx.Graph = nx.Graph()
    graph.add_nodes_from(range(len(lenses)))
    for a, b in combinations(range(len(lenses)), 2):
        if found := _difference(views, tracks[a], tracks[b], lenses[b], points, search):
            graph.add_edge(a, b, **found)
    return _on_grid(views, good, tracks, graph)


def rising_times(frame: Int64[np.ndarray, " V"], time: Float64[np.ndarray, " V"]) -> Float64[np.ndarray, " V"]:
    """One camera's stamps, in the order of its frames; those that do not rise are replaced by what the others say.

    Args:
        frame: (V,) numbers, rising.
        time: (V,) s.

    Returns:
        (V,) s, rising.
    """
    latest = np.maximum.accumulate(np.concatenate([[-np.inf], time[:-1]]))
    sound = time > latest
    if sound.all() or len(time) < 2:
        return time
    at, stamp = frame[sound], time[sound]
    pace = float(np.median(np.diff(stamp) / np.diff(at))) if len(at) > 1 else 1 / 25
    before = np.clip(np.searchsorted(at, frame, side="right") - 1, 0, len(at) - 1)
    repaired = np.where(sound, time, stamp[before] + pace * (frame - at[before]))
    inside = frame < at[-1]
    repaired[inside] = np.interp(frame[inside], at, stamp)
    return repaired


def _track(views: ViewPoses, own: Bool[np.ndarray, " V"]) -> Track:
    rows = np.flatnonzero(own)
    rows = rows[np.argsort(views.time[rows], kind="stable")]
    return Track(rows, views.frame[rows], views.time[rows], views.R[rows], views.t[rows])


def _moves(tracks: list[Track]) -> bool:
    """Whether the board's place in a view follows from those around it, judged by its direction from the camera."""
    changes, speeds = [], []
    for track in tracks:
        if len(track) < 3:
            continue
        gap, step = np.diff(track.time), track.step_s
        direction = track.t / np.linalg.norm(track.t, axis=1, keepdims=True)
        velocity = np.diff(direction, axis=0) / gap[:, None] * step
        usual = gap < 1.5 * step
        change = np.linalg.norm(np.diff(velocity, axis=0), axis=1)
        speed = np.linalg.norm(velocity[1:] + velocity[:-1], axis=1) / 2
        told = usual[1:] & usual[:-1] & (np.maximum(speed, change) > _SEEN_TO_MOVE)
        changes.append(change[told])
        speeds.append(speed[told])
    if sum(map(len, speeds)) < _MIN_TRIPLES:
        return False
    return bool(np.median(np.concatenate(changes)) < _SMOOTH * np.median(np.concatenate(speeds)))


def _by_number(a: Track, b: Track) -> tuple[float, float] | None:
    """What b's stamps lack where frames of one number were taken together, and how far that varies; None without any.

    Median and largest deviation of nine in ten.
    """
    _, in_a, in_b = np.intersect1d(a.frame, b.frame, return_indices=True)
    if not len(in_a):
        return None
    difference = a.time[in_a] - b.time[in_b]
    middle = float(np.median(difference))
    return middle, float(np.quantile(np.abs(difference - middle), 0.9))


def _photographs(views: ViewPoses, good: Bool[np.ndarray, " V"], cameras: int) -> Timeline:
    """Frames of one number, unless stamps contradict the numbers: then pictures of one time."""
    tracks = [_track(views, good & (views.camera == c)) for c in range(cameras)]
    offset, consistent = np.zeros(cameras), True
    for c in range(1, cameras):
        difference = _by_number(tracks[0], tracks[c])
        if difference is None:
            continue
        middle, spread = difference
        if spread < max(_TOGETHER_S, 0.1 * tracks[0].step_s):
            offset[c] = middle if abs(middle) > _TOGETHER_S else 0.0
        else:
            consistent = False
    time = views.time + offset[views.camera]
    time = time - (time[good].min() if good.any() else 0.0)
    if consistent:
        return Timeline(offset, time, views.frame, max((t.step_s for t in tracks), default=1.0), False, True)
    return Timeline(0 * offset, time, np.round(time / _TOGETHER_S).astype(np.int64), _TOGETHER_S, False, True)


def _difference(
    views: ViewPoses, a: Track, b: Track, lens_b: Lens, points: Float64[np.ndarray, "N 3"], search: bool
) -> dict[str, float] | None:
    """What is to be added to b's stamps, and the evidence that it is so; None where nothing relates them."""
    if min(len(a), len(b)) < 2:
        return None
    by_number = _by_number(a, b)
    known = [0.0] if a.overlaps(b) else []
    if by_number is not None and not (known and abs(by_number[0]) < 0.1 * a.step_s):
        known.append(by_number[0])
    judged = {offset: offset_error(views, a, b, offset, lens_b, points) for offset in known}
    if not search:  # the first that is known is taken, however well it fits
        return {"offset": known[0], "weight": max(judged[known[0]].evidence, 1e-3)} if known else None
    stamped = {0.0} if a.overlaps(b) else set()
    limits = {offset: _FITS_RAD if offset in stamped else _CERTAIN_RAD for offset in known}
    judged = {offset: found for offset, found in judged.items() if found.error_rad < limits[offset]}
    for offset in motion_offset(a, b, points):
        found = offset_error(views, a, b, offset, lens_b, points)
        if found.error_rad < _CERTAIN_RAD and found.evidence > _CERTAIN_EVIDENCE:
            judged[offset] = found
    if not judged:
        return None
    best = max(judged, key=lambda offset: judged[offset].evidence)
    one_frame = max(a.step_s, b.step_s)
    # Within a frame of what the stamps say, the bundle finds the rest: they stay as they are.
    best = next((offset for offset in known if offset in judged and abs(offset - best) <= one_frame), best)
    return {"offset": best, "weight": judged[best].evidence}


def _on_grid(views: ViewPoses, good: Bool[np.ndarray, " V"], tracks: list[Track], graph: nx.Graph) -> Timeline:
    tree = nx.maximum_spanning_tree(graph, weight="weight")
    offset = np.zeros(len(tracks))
    groups = sorted(nx.connected_components(tree), key=min)
    for group in groups:
        for a, b in nx.bfs_edges(tree, min(group)):
            step = tree.edges[a, b]["offset"]
            offset[b] = offset[a] + (step if a < b else -step)
    steps = [track.step_s for track in tracks if len(track) > 1]
    step_s = max(min(steps), _FINEST_S)
    time, instant = views.time + offset[views.camera], np.zeros(len(views.time), dtype=np.int64)
    apart = 0
    for group in groups:
        own = np.isin(views.camera, list(group))
        leading = max(group, key=lambda c: (len(tracks[c]), -c))
        start = time[good & (views.camera == leading)]
        time[own] -= start[0] if len(start) else 0.0
        instant[own] = np.round(time[own] / step_s).astype(np.int64)
        if apart:  # nothing relates this group to those before
            instant[own] += apart - instant[own].min()
        apart = int(instant[own].max()) + 1000
    off_step = np.abs(time / step_s - np.round(time / step_s))[good]
    return Timeline(offset, time, instant, step_s, True, bool((off_step < _ON_STEP).all()))
