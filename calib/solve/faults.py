"""Cameras that did not stay as they are calibrated, and from when: moved, turned, zoomed, trembling, with lost frames.

Evidence are pairs of views that disagree on where the board was (`disagreement`). A camera is at fault from one time to
another if there nearly all its pairs disagree. Each partner has only the pairs that it shares with it: the camera and
time with most evidence is taken first, and its pairs are set aside before the next is sought.

The evidence of one view is a log likelihood ratio, that of a span of time its sum, and the best span the one with the
largest sum (Page 1954). Under chance a largest sum over s comes up with a probability of at most M exp(-s) among M
independent views (Karlin and Altschul 1990), whatever the number of cameras and spans, which sets the threshold.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64, Int64

from calib.solve.change_time import change_time
from calib.solve.disagreement import Disagreement, Pairs, disagreement
from calib.solve.solve import Calibration
from multiview.geometry.rigid import rotation_angle

__all__ = ["CameraFault", "Findings", "find_faults"]

_BAD_SHARE, _GOOD_SHARE = 0.6, 0.06  # of views that disagree, in a camera at fault and in one that is not
_FALSE_ALARM = 0.01  # probability at most, for a whole recording
_MIN_PX = 1.0  # what lenses and boards that are not quite as modelled cause in good recordings
_USUAL_FACTOR = 2.0  # times the disagreement of those two cameras that agree best
_ENOUGH_PAIRS = 8  # of two cameras, to say how well they agree
_OPPOSITE_RAD, _OPPOSITE_SHARE = 2.6, 0.05
_ONE_CAMERA = 0.9  # share of such pairs that one camera is in, if it is the one that is turned
_FLIPPED_RAD = 1.0
_INDEPENDENT_M = 0.10  # a board that moved by less shows the same corners with the same errors
_TURN_M = 0.3  # turning it by 1 rad counts as moving it so far
_RETURN_COST = 2.0
_RIVAL_SHARE = 0.9  # of the best evidence, from which on another camera may be meant as well
_EDGE = 0.15  # share of a camera's views at either end of the recording that a span may lack, and still reach the end


@dataclass(frozen=True, slots=True)
class CameraFault:
    """One camera that disagrees with the others for some time.

    Attributes:
        camera: Index among the calibration's cameras.
        start_s: First view at fault, by the camera's own stamps; None: from the beginning.
        end_s: Last one; None: to the end.
        px: Typical disagreement, px.
        flipped: Its images are turned by more than a right angle, or mirrored.
        share: Of the camera's views that lie in the span.
        alternative: Another camera that explains it as well, where there are too few to tell; None otherwise.
    """

    camera: int
    start_s: float | None
    end_s: float | None
    px: float
    flipped: bool
    share: float
    alternative: int | None = None


@dataclass(frozen=True, slots=True)
class _Span:
    score: float
    camera: int
    views: Int64[np.ndarray, " v"]
    px: float = 0.0
    angle: float = 0.0


@dataclass(frozen=True, slots=True)
class Findings:
    """What is wrong with a recording.

    Attributes:
        faults: Of cameras, the worst first.
        same_print: The board seems to bear one print on both sides: cameras before and behind it contradict each other.
    """

    faults: tuple[CameraFault, ...] = ()
    same_print: bool = False


def find_faults(calibration: Calibration, stamps: Float64[np.ndarray, " V"]) -> Findings:
    """The cameras at fault, and a board that cannot be right.

    Args:
        calibration: A solved rig.
        stamps: (V,) s, the stamp of each view by its own camera, for what is said.

    Returns:
        Nothing, for a rig that held throughout.
    """
    found = disagreement(calibration)
    pairs = found.pairs
    if not len(pairs.a):
        return Findings()
    cameras = len(calibration.cameras)
    if _same_print(found.camera, pairs):
        return Findings(same_print=True)
    bad = _threshold(found.camera, pairs)
    weight = _independence(found)
    least = float(np.log(max(weight[found.usable].sum(), 1.0) / _FALSE_ALARM))
    faults = []
    for _ in range(2 * cameras):
        spans = [_best_span(found, pairs, bad, weight, c) for c in range(cameras)]
        best = max(spans, key=lambda span: span.score)
        if best.score < least:
            break
        rival = max((span for span in spans if span.camera != best.camera), key=lambda span: span.score)
        alternative = (
            rival.camera if rival.score > _RIVAL_SHARE * best.score and _partners(found, pairs, best) == 1 else None
        )
        fault = _fault(found, stamps, best, alternative)
        if fault.start_s is None:
            end = float(found.time[best.views].max())
            change = (
                change_time(calibration, found, pairs, best.camera)
                if fault.end_s is None
                else np.nextafter(end, np.inf)
            )
            fault = _dated(fault, change, found, stamps)
        faults.append(fault)
        pairs = pairs.only(~(np.isin(pairs.a, best.views) | np.isin(pairs.b, best.views)))
    return Findings(tuple(sorted(faults, key=lambda fault: -fault.px * fault.share)))


def _threshold(camera: Int64[np.ndarray, " V"], pairs: Pairs) -> float:
    """px from which two views disagree: well above what the best two cameras usually do."""
    key = camera[pairs.a] * (camera.max() + 1) + camera[pairs.b]
    usual = [float(np.quantile(pairs.px[key == k], 0.75)) for k in np.unique(key) if (key == k).sum() >= _ENOUGH_PAIRS]
    return max(_MIN_PX, _USUAL_FACTOR * min(usual, default=0.0))


def _same_print(camera: Int64[np.ndarray, " V"], pairs: Pairs) -> bool:
    """Whether two cameras often see the board from opposite sides, and it is not one camera that is turned."""
    opposite = pairs.only(pairs.angle > _OPPOSITE_RAD)
    if len(opposite.a) < max(_ENOUGH_PAIRS, _OPPOSITE_SHARE * len(pairs.a)):
        return False
    involved = [((camera[opposite.a] == c) | (camera[opposite.b] == c)).mean() for c in np.unique(camera)]
    return bool(max(involved) < _ONE_CAMERA)


def _independence(found: Disagreement) -> Float64[np.ndarray, " V"]:
    """Each view as a share of an independent one: by how far the board moved since the camera's view before."""
    weight = np.zeros(len(found.camera))
    for c in np.unique(found.camera):
        own = np.flatnonzero((found.camera == c) & found.usable)
        own = own[np.argsort(found.time[own], kind="stable")]
        R, t = found.board[0][own], found.board[1][own]
        moved, rotated = np.linalg.norm(np.diff(t, axis=0), axis=1), rotation_angle(R[1:] @ np.swapaxes(R[:-1], -1, -2))
        weight[own] = np.append(1.0, np.minimum(1.0, (moved + _TURN_M * rotated) / _INDEPENDENT_M))[: len(own)]
    return weight


def _best_span(found: Disagreement, pairs: Pairs, bad_px: float, weight: Float64[np.ndarray, " V"], c: int) -> _Span:
    """The span of time in which most speaks for one camera being at fault."""
    ours = np.concatenate([pairs.a[found.camera[pairs.a] == c], pairs.b[found.camera[pairs.b] == c]])
    px = np.concatenate([pairs.px[found.camera[pairs.a] == c], pairs.px[found.camera[pairs.b] == c]])
    angle = np.concatenate([pairs.angle[found.camera[pairs.a] == c], pairs.angle[found.camera[pairs.b] == c]])
    if not len(ours):
        return _Span(0.0, c, ours)
    views = np.unique(ours)
    views = views[np.argsort(found.time[views], kind="stable")]
    score = np.where(px > bad_px, np.log(_BAD_SHARE / _GOOD_SHARE), np.log((1 - _BAD_SHARE) / (1 - _GOOD_SHARE)))
    count = np.bincount(ours, minlength=len(found.camera))[views]
    mean = np.bincount(ours, score, len(found.camera))[views] / count
    start, end, total = _largest_sum(mean * weight[views])
    inside = views[start:end]
    if not len(inside):
        return _Span(0.0, c, inside)
    rows = np.isin(ours, inside)
    if start > 0 and end < len(views):  # it would have to come back: two changes are less likely than one
        total -= _RETURN_COST
    return _Span(total, c, inside, float(np.median(px[rows])), float(np.median(angle[rows])))


def _largest_sum(values: Float64[np.ndarray, " n"]) -> tuple[int, int, float]:
    """The span [start, end) with the largest sum, and that sum (Bentley 1984)."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    lowest = np.minimum.accumulate(total)
    end = int((total - lowest).argmax())
    start = int(total[: end + 1].argmin())
    return start, end, float(total[end] - total[start])


def _partners(found: Disagreement, pairs: Pairs, span: _Span) -> int:
    """The number of cameras that a camera disagrees with."""
    a, b = np.isin(pairs.a, span.views), np.isin(pairs.b, span.views)
    return len(np.unique(np.concatenate([found.camera[pairs.b[a]], found.camera[pairs.a[b]]])))


def _fault(found: Disagreement, stamps: Float64[np.ndarray, " V"], span: _Span, alternative: int | None) -> CameraFault:
    own = (found.camera == span.camera) & found.usable
    first, last = found.time[span.views].min(), found.time[span.views].max()
    before, after = (found.time[own] < first).mean(), (found.time[own] > last).mean()
    return CameraFault(
        span.camera,
        None if before < _EDGE else float(stamps[span.views].min()),
        None if after < _EDGE else float(stamps[span.views].max()),
        span.px,
        span.angle > _FLIPPED_RAD,
        float(1 - before - after),
        alternative,
    )


def _dated(
    fault: CameraFault, change: float | None, found: Disagreement, stamps: Float64[np.ndarray, " V"]
) -> CameraFault:
    """The fault from the time of a change on, whether the rig holds before it, after it, or halfway between."""
    own = (found.camera == fault.camera) & found.usable
    if change is None or not (later := own & (found.time >= change)).any():
        return fault
    return replace(fault, start_s=float(stamps[later].min()), end_s=None)
