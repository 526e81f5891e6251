"""Stretches of one person in one camera: who is who in every frame becomes a few dozen pieces, cut wherever in doubt.

Left and right of a detection are exchanged where that continues the stretch; a stretch as a whole keeps the sides that
most of its detections have.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from multiview.data import NS_PER_S
from multiview.recordings.recorded_keypoints import Recording

__all__ = ["Tracklet", "find_tracklets"]

_MIN_JOINTS = 5  # of a detection, and common with the last one
_GATE = 0.3  # of a person's size: the usual joint moved by less from one frame to the next
_RIVAL = 2.0  # another detection, or person, within so many times the distance ...
_CLEAR = 0.2  # ... or within this part of a person's size leaves doubt
_MAX_GAP_S = 0.35
_MIN_S = 0.6  # shorter stretches are mostly false people
_MIN_FRAMES = 4
_WINDOW = 7  # frames of the median that gross errors are compared with
_GROSS, _GROSS_DEVIATIONS = 0.04, 5.0  # of a person's size, and in usual deviations from that median


@dataclass(frozen=True, slots=True, eq=False)
class Tracklet:
    """One person in one camera for some time.

    Attributes:
        time: (n,) s, the camera's stamps.
        xy: (n, J, 2) px, NaN where missing.
        score: (n, J).
        size: (n,) px, the person's larger extent in the picture.
    """

    time: Float64[np.ndarray, " n"]
    xy: Float64[np.ndarray, "n J 2"]
    score: Float64[np.ndarray, "n J"]
    size: Float64[np.ndarray, " n"]

    def exchanged(self, mirrored: Int64[np.ndarray, " J"]) -> Tracklet:
        """With left and right exchanged."""
        return Tracklet(self.time, self.xy[:, mirrored], self.score[:, mirrored], self.size)


class _Open:
    """A stretch that still goes on; `xy` is the last known place of every joint."""

    def __init__(self, frame: int, xy: Float64[np.ndarray, "J 2"], score: Float64[np.ndarray, " J"]) -> None:
        self.frames, self.rows, self.scores, self.flips = [frame], [xy], [score], [False]
        self.xy = xy.copy()

    def add(self, frame: int, xy: Float64[np.ndarray, "J 2"], score: Float64[np.ndarray, " J"], flip: bool) -> None:
        self.frames.append(frame)
        self.rows.append(xy)
        self.scores.append(score)
        self.flips.append(flip)
        self.xy = np.where(np.isnan(xy), self.xy, xy)


def find_tracklets(recording: Recording, mirrored: Int64[np.ndarray, " J"]) -> list[Tracklet]:
    """The stretches in one camera's recording, in order of their beginning.

    Args:
        recording: Of one camera.
        mirrored: Of the skeleton: exchanges left and right.

    Returns:
        Stretches of 0.6 s and more, without gross errors of single joints.
    """
    time = np.array(recording.times_ns, dtype=np.float64) / NS_PER_S
    going: list[_Open] = []
    done: list[_Open] = []
    for frame, keypoints in enumerate(recording.keypoints):
        over = [track for track in going if time[frame] - time[track.frames[-1]] > _MAX_GAP_S]
        done += over
        going = [track for track in going if track not in over]
        kept = np.isfinite(keypoints.xy[..., 0]).sum(axis=1) >= _MIN_JOINTS
        xy, score = keypoints.xy[kept], keypoints.score[kept]
        going, ended = _continued(going, frame, xy, score, mirrored)
        done += ended
    closed = (_closed(track, time, mirrored) for track in done + going)
    return sorted((track for track in closed if track is not None), key=lambda track: float(track.time[0]))


def _continued(
    going: list[_Open],
    frame: int,
    xy: Float64[np.ndarray, "P J 2"],
    score: Float64[np.ndarray, "P J"],
    mirrored: Int64[np.ndarray, " J"],
) -> tuple[list[_Open], list[_Open]]:
    """The stretches that go on and begin with one frame's detections, and those that end in doubt."""
    size = _sizes(xy)
    far = np.full((len(going), len(xy)), np.inf)
    flip = np.zeros(far.shape, dtype=bool)
    for i, track in enumerate(going):
        far[i], flip[i] = _distances(track.xy, xy, size, mirrored)
    ended: set[int] = set()
    taken: set[int] = set()
    for place in np.argsort(far, axis=None):
        i, d = divmod(int(place), len(xy))
        if not far[i, d] < _GATE:
            break
        if i in ended or d in taken or going[i].frames[-1] == frame:
            continue
        near = max(_RIVAL * far[i, d], _CLEAR)
        if (np.delete(far[i], d) < near).any() or (np.delete(far[:, d], i) < near).any():
            ended.add(i)  # the detection, of nobody, begins a new stretch
            continue
        taken.add(d)
        order = mirrored if flip[i, d] else slice(None)
        going[i].add(frame, xy[d, order], score[d, order], bool(flip[i, d]))
    kept = [track for i, track in enumerate(going) if i not in ended]
    return kept + [_Open(frame, xy[d], score[d]) for d in range(len(xy)) if d not in taken], [
        going[i] for i in sorted(ended)
    ]


def _sizes(xy: Float64[np.ndarray, "P J 2"]) -> Float64[np.ndarray, " P"]:
    if not len(xy):
        return np.empty(0)
    return np.maximum((np.nanmax(xy, axis=1) - np.nanmin(xy, axis=1)).max(axis=-1), 1.0)


def _distances(
    last: Float64[np.ndarray, "J 2"],
    xy: Float64[np.ndarray, "P J 2"],
    size: Float64[np.ndarray, " P"],
    mirrored: Int64[np.ndarray, " J"],
) -> tuple[Float64[np.ndarray, " P"], np.ndarray]:
    """How far the usual joint moved, in parts of the person's size, and whether that is with sides exchanged."""
    result = np.full((2, len(xy)), np.inf)
    sided = mirrored != np.arange(len(mirrored))
    apart = np.full((2, len(xy)), np.inf)
    for k, candidate in enumerate((xy, xy[:, mirrored])):
        moved = np.linalg.norm(candidate - last, axis=-1)
        common = np.isfinite(moved)
        enough = common.sum(axis=1) >= _MIN_JOINTS
        filled = np.where(common, moved, np.inf)
        middle = np.sort(filled, axis=1)[np.arange(len(xy)), common.sum(axis=1) // 2]
        result[k, enough] = middle[enough] / size[enough]
        with_sides = common & sided
        total = np.where(with_sides, moved, 0.0).sum(axis=1)
        apart[k] = np.where(with_sides.any(axis=1), total / np.maximum(with_sides.sum(axis=1), 1), np.inf) / size
    flip = (apart[1] < 0.5 * apart[0]) & (apart[0] > 0.03)
    return np.where(flip, result[1], result[0]), flip


def _closed(track: _Open, time: Float64[np.ndarray, " T"], mirrored: Int64[np.ndarray, " J"]) -> Tracklet | None:
    times = time[track.frames]
    if len(times) < _MIN_FRAMES or times[-1] - times[0] < _MIN_S:
        return None
    xy, score, size = np.stack(track.rows), np.stack(track.scores), _sizes(np.stack(track.rows))
    xy = _without_gross_errors(xy, size)
    score = np.where(np.isnan(xy[..., 0]), 0.0, score)
    found = Tracklet(times, xy, score, _running_median(size[:, None])[:, 0])
    return found.exchanged(mirrored) if np.mean(track.flips) > 0.5 else found


def _running_median(values: Float64[np.ndarray, "n k"]) -> Float64[np.ndarray, "n k"]:
    """Of the neighbouring frames; NaN where there is none."""
    padded = np.pad(values, ((_WINDOW // 2, _WINDOW // 2), (0, 0)), constant_values=np.nan)
    windows = np.sort(np.lib.stride_tricks.sliding_window_view(padded, _WINDOW, axis=0), axis=-1)  # NaN comes last
    count = np.isfinite(windows).sum(axis=-1)
    low = np.take_along_axis(windows, np.maximum((count - 1) // 2, 0)[..., None], axis=-1)[..., 0]
    high = np.take_along_axis(windows, np.maximum(count // 2, 0)[..., None], axis=-1)[..., 0]
    high = np.where(count > 0, np.where(count % 2 == 1, low, high), np.nan)
    return np.asarray((low + high) / 2)


def _without_gross_errors(
    xy: Float64[np.ndarray, "n J 2"], size: Float64[np.ndarray, " n"]
) -> Float64[np.ndarray, "n J 2"]:
    """Joints far from where they are in the frames around become missing."""
    usual = _running_median(xy.reshape(len(xy), -1)).reshape(xy.shape)
    off = np.linalg.norm(xy - usual, axis=-1)
    seen = np.isfinite(off).any(axis=0)
    deviation = np.zeros(xy.shape[1])
    deviation[seen] = np.nanmedian(off[:, seen], axis=0)
    gross = off > np.maximum(_GROSS_DEVIATIONS * deviation, _GROSS * size[:, None])
    return np.where(gross[..., None], np.nan, xy)
