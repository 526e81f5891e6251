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
from calib.solve.motion import motion_offset
from calib.solve.shared_motion import SURE_EVIDENCE, SharedMotion, shared_motion
from calib.solve.track import Track
from multiview.data import FrameNumbers, Times

__all__ = ["Timeline", "common_timeline", "rising_times"]

_SMOOTH = 0.75  # |change of velocity| / |velocity|, per frame; chance placements have 1.7, a waved board 0.1 to 0.5
_MIN_TRIPLES = 8
_SEEN_TO_MOVE = 5e-4  # rad per frame: half a pixel of a usual lens
_FINEST_S = 1 / 60  # step of the board's trajectory, however fast the cameras
_ON_STEP = 0.02  # of a step: views so near to the grid were taken together
_TOGETHER_S = 0.02  # photographs whose stamps differ by less were taken together
# Stamps are believed although what both cameras saw fits only so well; more is asked of times that stamps do not say,
# since some of many fit by chance.
_STAMPS_FIT_RAD = 0.02
_SETTLED = 20.0  # evidence of a searched difference, beyond which two cameras are not looked at again
# A difference that few moments tell is believed if it is so many times as exact as each of so many others.
_FEWEST_MOMENTS, _CLEAR, _RIVALS, _APART_S = 2.0, 10.0, 3, 0.1
_ALIKE_S = 0.01  # differences of several pairs that are one
_BETWEEN_LANES = 1000  # instants
_ONE_CLOCK = 1e9  # evidence
_LEAST = 1e-3  # evidence of what is believed without any


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
        lane_s: (V,) s, what `time` has beyond the common clock: further boards move as if they came after the first.
        sure: (C,) whether the clock is related beyond doubt to those of the largest group; else stamps are believed.
    """

    clock_offset: Float64[np.ndarray, " C"]
    time: Times
    instant: Int64[np.ndarray, " V"]
    step_s: float
    moving: bool
    exact: bool
    lane_s: Float64[np.ndarray, " V"]
    sure: Bool[np.ndarray, " C"]

    def only(self, views: Bool[np.ndarray, " V"]) -> Timeline:
        """Some of the views."""
        return replace(self, time=self.time[views], instant=self.instant[views], lane_s=self.lane_s[views])


def common_timeline(views: ViewPoses, cameras: int, points: Float64[np.ndarray, "N 3"], search: bool) -> Timeline:
    """Relate the clocks of all cameras.

    Args:
        views: Each with its board in its camera's axes, and its own stamp.
        cameras: How many.
        points: On the board, m, centred.
        search: Find differences of the clocks from the board's motion; else stamps that overlap are of one clock, and
            clocks that do not are related by the frames' numbers.

    Returns:
        All views on one clock.
    """
    good = np.asarray(views.used.any(axis=1))
    bodies = int(views.body.max(initial=0)) + 1
    seen_by = views.camera * bodies + views.body  # each camera has a track of each board
    tracks = [_track(views, good & (seen_by == i), points) for i in range(cameras * bodies)]
    if not _moves(tracks):
        found = _photographs(replace(views, camera=seen_by), good, tracks)
    else:
        found = _on_grid(replace(views, camera=seen_by), good, tracks, _related(tracks, search, bodies))
    return _in_lanes(found, views.body, bodies) if bodies > 1 else found


def _in_lanes(found: Timeline, body: Int64[np.ndarray, " V"], bodies: int) -> Timeline:
    """Each board on a stretch of time of its own, one after the other, so that no instant is of two boards."""
    lane = body * (int(np.ptp(found.instant)) + _BETWEEN_LANES)
    lane_s = lane * found.step_s
    return replace(
        found,
        clock_offset=found.clock_offset[::bodies],
        time=Times(found.time + lane_s),
        instant=found.instant + lane,
        lane_s=lane_s,
        sure=found.sure[::bodies],
    )


def rising_times(frame: FrameNumbers, time: Times) -> Times:
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
    return Times(repaired)


def _track(views: ViewPoses, own: Bool[np.ndarray, " V"], points: Float64[np.ndarray, "N 3"]) -> Track:
    return Track.of(np.flatnonzero(own), views.frame[own], views.time[own], views.R[own], views.t[own], points)


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


def _photographs(views: ViewPoses, good: Bool[np.ndarray, " V"], tracks: list[Track]) -> Timeline:
    """Frames of one number, unless stamps contradict the numbers: then pictures of one time."""
    offset, consistent = np.zeros(len(tracks)), True
    for c in range(1, len(tracks)):
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
    sure = np.ones(len(tracks), dtype=bool)
    if consistent:
        step_s = max((t.step_s for t in tracks), default=1.0)
        return Timeline(offset, time, views.frame, step_s, False, True, 0 * time, sure)
    instant = np.round(time / _TOGETHER_S).astype(np.int64)
    return Timeline(0 * offset, time, instant, _TOGETHER_S, False, True, 0 * time, sure)


@dataclass(frozen=True, slots=True)
class _Difference:
    """What is to be added to another camera's stamps (s), the evidence, and whether it is beyond doubt."""

    offset: float
    evidence: float
    sure: bool


def _related(tracks: list[Track], search: bool, bodies: int) -> nx.Graph:
    """Tracks (one camera's, of one of `bodies` boards) as nodes; an edge (a, b), a < b, holds the `offset` to be added
    to b's stamps, and its `weight`.

    What stamps and numbers say is looked at first; the motion is searched only for cameras that are not yet related
    beyond doubt, first between two of them, then by what several say alike.
    """
    graph: nx.Graph = nx.Graph()
    graph.add_nodes_from(range(len(tracks)))
    settled = nx.utils.UnionFind(range(len(tracks)))
    for c in range(0, len(tracks), bodies):  # one camera's tracks, of one board each, are on one clock
        for i in range(c + 1, c + bodies):
            graph.add_edge(c, i, offset=0.0, weight=_ONE_CLOCK, sure=True)
            settled.union(c, i)
    pairs = [
        (a, b)
        for a, b in combinations(range(len(tracks)), 2)
        if min(len(tracks[a]), len(tracks[b])) > 1 and a % bodies == b % bodies
    ]
    for a, b in pairs:
        if told := _told(tracks[a], tracks[b], search):
            graph.add_edge(a, b, offset=told.offset, weight=told.evidence, sure=told.sure)
            if told.sure:
                settled.union(a, b)
    tried: dict[tuple[int, int], list[SharedMotion]] = {}
    for a, b in pairs if search else []:
        if settled[a] == settled[b]:
            continue
        tried[a, b] = [shared_motion(tracks[a], tracks[b], offset) for offset in motion_offset(tracks[a], tracks[b])]
        if not (found := _searched(tried[a, b])):
            continue
        if not graph.has_edge(a, b) or graph.edges[a, b]["weight"] < found.evidence:
            graph.add_edge(a, b, offset=found.offset, weight=found.evidence, sure=found.sure)
        if found.evidence > _SETTLED:
            settled.union(a, b)
    for a, b, offset in _said_alike(graph, tried, tracks):
        graph.add_edge(a, b, offset=offset, weight=SURE_EVIDENCE, sure=True)
    return graph


def _said_alike(
    graph: nx.Graph, tried: dict[tuple[int, int], list[SharedMotion]], tracks: list[Track]
) -> list[tuple[int, int, float]]:
    """Differences that tell too little each, but are one time on the clock of several cameras that are related surely.

    A camera that sees the board for a moment has with each other one some difference that fits by chance; that two of
    them are the same is none.
    """
    sure, largest = _surely_related(graph)
    clock = _clocks(sure, largest)
    accepted: list[tuple[int, int, float]] = []
    for c in set(graph) - largest:
        said: list[tuple[float, float, int, float]] = []  # c's clock, moments, who says so, the difference of the pair
        for m in largest:
            for one in tried.get((min(m, c), max(m, c)), []):
                if one.exact:
                    at = clock[m] + one.offset if m < c else clock[m] - one.offset
                    said.append((at, one.moments, m, one.offset))
        best: dict[int, tuple[float, float]] = {}
        for at, *_ in said:
            alike = {m: (moments, offset) for other, moments, m, offset in said if abs(other - at) < _ALIKE_S}
            if sum(moments for moments, _ in alike.values()) > sum(moments for moments, _ in best.values()):
                best = alike if len(alike) > 1 else best
        if sum(moments for moments, _ in best.values()) > _FEWEST_MOMENTS:
            accepted += [(min(m, c), max(m, c), offset) for m, (_, offset) in best.items()]
    return accepted


def _surely_related(graph: nx.Graph) -> tuple[nx.Graph, set[int]]:
    """The graph of what is beyond doubt, and its largest group."""
    sure = nx.Graph()
    sure.add_nodes_from(graph)
    sure.add_edges_from((a, b, data) for a, b, data in graph.edges(data=True) if data["sure"])
    return sure, max(nx.connected_components(sure), key=lambda group: (len(group), -min(group)))


def _clocks(graph: nx.Graph, group: set[int]) -> dict[int, float]:
    """What is to be added to the stamps of each camera of a group, s; 0 for its first."""
    clock = {min(group): 0.0}
    for a, b in nx.bfs_edges(graph, min(group)):
        step = graph.edges[a, b]["offset"]
        clock[b] = clock[a] + (step if a < b else -step)
    return clock


def _told(a: Track, b: Track, search: bool) -> _Difference | None:
    """What stamps or numbers say, as far as the motion agrees; within a frame of it, the bundle finds the rest."""
    by_number = _by_number(a, b)
    known = [0.0] if a.overlaps(b) else []
    if by_number is not None and not (known and abs(by_number[0]) < 0.1 * a.step_s):
        known.append(by_number[0])
    if not known:
        return None
    found = [shared_motion(a, b, offset) for offset in known]
    if not search:  # the first that is known is taken, however well it fits
        return _Difference(known[0], max(found[0].evidence, _LEAST), False)
    if sure := [entry for entry in zip(found, known, strict=True) if entry[0].sure]:
        best, offset = max(sure, key=lambda entry: entry[0].evidence)
        one_frame = max(a.step_s, b.step_s)
        return _Difference(offset if abs(best.offset - offset) <= one_frame else best.offset, best.evidence, True)
    if a.overlaps(b) and found[0].error_rad < _STAMPS_FIT_RAD:
        return _Difference(0.0, min(max(found[0].evidence, _LEAST), SURE_EVIDENCE / 2), False)
    return None


def _searched(found: list[SharedMotion]) -> _Difference | None:
    """What the motion says alone: beyond chance, or by far better than all else that it suggests."""
    if sure := [entry for entry in found if entry.sure]:
        best = max(sure, key=lambda entry: entry.evidence)
        return _Difference(best.offset, best.evidence, True)
    if exact := [entry for entry in found if entry.exact and entry.moments > _FEWEST_MOMENTS]:
        best = min(exact, key=lambda entry: entry.error_rad)
        others = [entry for entry in found if abs(entry.offset - best.offset) > _APART_S]
        rivals = [entry.error_rad for entry in others if entry.moments > best.moments / 2]
        if len(rivals) >= _RIVALS and min(rivals) > _CLEAR * best.error_rad:
            return _Difference(best.offset, SURE_EVIDENCE, True)
    return None


def _on_grid(views: ViewPoses, good: Bool[np.ndarray, " V"], tracks: list[Track], graph: nx.Graph) -> Timeline:
    tree = nx.maximum_spanning_tree(graph, weight="weight")
    offset = np.zeros(len(tracks))
    groups = sorted(nx.connected_components(tree), key=min)
    for group in groups:
        for c, clock in _clocks(tree, group).items():
            offset[c] = clock
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
    sure = np.isin(np.arange(len(tracks)), list(_surely_related(graph)[1]))
    return Timeline(offset, time, instant, step_s, True, bool((off_step < _ON_STEP).all()), 0 * time, sure)
