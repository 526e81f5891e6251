"""Cameras that did not stay as they are calibrated, and from when: moved, turned, zoomed, trembling, with lost frames.

Which camera it is tell the suspects (`suspects`), when it changed its own views beside those of the others, which are
fitted without it (`change_time`). Changes that too few pictures tell of for that lie near an end of the recording
(`end_changes`). Cameras whose images were turned (`flips`) or shown again (`repeats`) come first:
what they did to the rig hides everything else.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
from jaxtyping import Bool, Float64, Int64

from calib.solve.bundle_variants import bundle_without
from calib.solve.camera_fault import CameraFault, Cause, Findings
from calib.solve.change_time import changes_between, displaced_views, noisier_part
from calib.solve.disagreeing_views import without_isolated_views
from calib.solve.disagreement import Disagreement, disagreement
from calib.solve.end_changes import changes_at_ends
from calib.solve.evidence import Span
from calib.solve.flips import Flip, find_flip
from calib.solve.repeats import Repeat, find_repeat
from calib.solve.solve import Calibration
from calib.solve.suspects import (
    SUSPECT_SHARE,
    evidence_of,
    isolated_pair,
    isolated_suspect,
    spans_of,
    stands_out,
    suspect_of,
)
from multiview.data import Times
from multiview.geometry.bundle import HAND_ACCELERATION, Bundle, BundleState
from multiview.geometry.least_squares import levenberg_marquardt
from multiview.geometry.rigid import rotation_from_vector

__all__ = ["find_faults"]

_MIN_PX_ALONE = 1.0  # what may be left of two cameras, where no third one tells how much is usual
_ALIKE_S = 0.2  # while a board is moved what its motion's model leaves unexplained stays alike so long
_ROUNDS, _FEWEST_STEADY = 3, 3  # views, to fit a camera to
_ENOUGH_PAIRS = 8  # of two cameras, to say that they are before and behind the board
_OPPOSITE_COS, _OPPOSITE_SHARE = -0.9, 0.05
_ONE_CAMERA = 0.9  # share of such pairs that one camera is in, if it is the one that is turned


def find_faults(calibration: Calibration) -> Findings:
    """The cameras at fault, and a board that cannot be right.

    Args:
        calibration: A solved rig.

    Returns:
        Nothing, for a rig that held throughout; nothing of a wand, which one camera alone cannot place.
    """
    if calibration.bundle.axis is not None:
        return Findings()
    stamps = calibration.stamps
    found = disagreement(calibration)
    if not len(found.pairs.a):
        return Findings()
    if _same_print(found):
        return Findings(same_print=True)
    weight = found.used / found.sigma[found.camera][:, None]
    bundle = replace(calibration.bundle, weight=weight, cauchy=np.inf)
    bundle = replace(bundle, acceleration=HAND_ACCELERATION)  # clocks that wander a little are no fault of a camera
    if (repeat := find_repeat(calibration, found)) is not None:  # what it did to the rig hides everything else
        return Findings((_repeating(found, stamps, repeat),))
    if (flip := find_flip(calibration, found)) is not None:  # as this does
        return Findings((_flipped(found, stamps, flip),))
    fewer = without_isolated_views(bundle, calibration.state, found)
    faults, state, excluded = _lasting_faults(calibration, fewer, found)
    if faults and fewer is not bundle:  # single wrong pictures are not all that is wrong: every picture counts
        faults, state, excluded = _lasting_faults(calibration, bundle, found)
    for change in changes_at_ends(bundle, state, found, excluded):
        told = change.displaced
        enclosing = [(int(i), int(i) + 1) for i in np.flatnonzero(told[1:] != told[:-1])]
        fault = _fault(found, stamps, change.span, told, enclosing, change.alternative)
        faults.append(replace(fault, sure=change.moments > 1))
    return Findings(tuple(sorted(faults, key=lambda fault: -fault.px * fault.share)))


def _lasting_faults(
    calibration: Calibration, bundle: Bundle, found: Disagreement
) -> tuple[list[CameraFault], BundleState, frozenset[int]]:
    """Those that enough views tell of, the gravest first, the state of the other cameras, and the cameras at fault."""
    stamps, state = calibration.stamps, calibration.state
    faults, excluded, most = list[CameraFault](), frozenset[int](), 0.0
    while len(excluded) < len(found.sigma) - 1:
        spans = spans_of(bundle, state, found, excluded)
        if not spans or spans[0].gain < SUSPECT_SHARE * most:  # what a grave fault has left, linear as all is
            break
        most = max(most, spans[0].gain)
        suspects = [suspect_of(calibration, bundle, state, found, excluded, span) for span in spans]
        if (two := isolated_pair(calibration, bundle, found, excluded, suspects)) is not None:
            for one, other in permutations(two):
                displaced, changes = _displaced(bundle, one.state, found, excluded | {other.span.camera}, one.span)
                faults.append(_fault(found, stamps, one.span, displaced, changes, None))
            state, excluded = two[0].state, excluded | {one.span.camera for one in two}
            continue
        faulty, alternative = isolated_suspect(bundle, excluded, suspects)
        third = len(found.sigma) - len(excluded) > 2
        # What one camera does, its partners share.
        if not any(stands_out(bundle, span, faulty.usual_px) if third else span.px >= _MIN_PX_ALONE for span in spans):
            break
        displaced, changes = _displaced(bundle, faulty.state, found, excluded, faulty.span)
        faults.append(_fault(found, stamps, faulty.span, displaced, changes, alternative))
        state, excluded = faulty.state, excluded | {faulty.span.camera}
    return faults, state, excluded


def _displaced(
    bundle: Bundle, state: BundleState, found: Disagreement, excluded: frozenset[int], span: Span
) -> tuple[Bool[np.ndarray, " t"], list[tuple[int, int]]]:
    """Of the views that tell of a camera, those in which it is elsewhere, and which of them enclose each change.

    The camera is fitted to the others, in turn.
    """
    c, time = span.camera, found.time[span.told]
    state = _settled(bundle, state, found, excluded, c)
    equations = _told(bundle, state, found, excluded, c)
    alike = max(1.0, _ALIKE_S / max(float(np.median(np.diff(time))), 1e-3))
    displaced = np.isin(span.told, span.views)
    if not displaced.all():
        displaced = displaced_views(*equations, displaced, alike)
    if not displaced.any() or (~displaced).sum() < _FEWEST_STEADY:
        displaced = noisier_part(*equations[:2], _FEWEST_STEADY)
    for _ in range(_ROUNDS):
        if (~displaced).sum() < _FEWEST_STEADY:
            return np.ones_like(displaced), []
        steady = (bundle.camera != c) | (np.interp(found.time, time, displaced.astype(np.float64)) == 0)
        only = replace(bundle, weight=bundle.weight * steady[:, None])
        state = levenberg_marquardt(bundle_without(only, excluded), state, max_steps=12, tolerance=1e-4).state
        equations = _told(bundle, state, found, excluded, c, only)
        previous, displaced = displaced, displaced_views(*equations, displaced, alike)
        if not displaced.any():
            displaced = previous
        if (displaced == previous).all():
            break
    return displaced, changes_between(*equations, displaced, alike)


def _told(
    bundle: Bundle,
    state: BundleState,
    found: Disagreement,
    excluded: frozenset[int],
    c: int,
    fitted: Bundle | None = None,
) -> tuple[Float64[np.ndarray, "t 7 7"], Float64[np.ndarray, "t 7"], Float64[np.ndarray, "t 7 7"]]:
    """What each view that tells of a camera says of a change of it, all else staying where it is.

    The last is by how much that is wrong, as all else is known from the views of `fitted` alone; None: known exactly.
    """
    own = evidence_of(bundle, state, found, excluded, follow=False).changes.cameras[c]
    square, gradient, cross = own.square[own.told], own.gradient[own.told], own.cross[own.told]
    if fitted is None:
        return square, gradient, np.zeros_like(square)
    known = evidence_of(fitted, state, found, excluded).changes.inverse
    follow = np.linalg.pinv(square, hermitian=True) @ cross
    return square, gradient, follow @ known @ np.swapaxes(follow, -1, -2)


def _settled(bundle: Bundle, state: BundleState, found: Disagreement, excluded: frozenset[int], c: int) -> BundleState:
    """A camera where most of its views put it beside the others."""
    for _ in range(_ROUNDS):
        change = evidence_of(bundle, state, found, excluded, follow=False).settled(c)
        R, t, lenses = state.R.copy(), state.t.copy(), list(state.lenses)
        R[c], t[c] = rotation_from_vector(change[1:4]) @ R[c], t[c] + change[4:]
        lenses[c] = replace(lenses[c], focal=lenses[c].focal * np.append([1 + change[0]] * 2, [1.0, 1.0]))
        state = replace(state, lenses=tuple(lenses), R=R, t=t)
    return state


def _same_print(found: Disagreement) -> bool:
    """Whether two cameras often see the board from opposite sides, and it is not one camera that is turned."""
    pairs, camera = found.pairs, found.camera
    normal = found.own_board[0][:, :, 2]
    opposite = pairs.only(np.einsum("di,di->d", normal[pairs.a], normal[pairs.b]) < _OPPOSITE_COS)
    if len(opposite.a) < max(_ENOUGH_PAIRS, _OPPOSITE_SHARE * len(pairs.a)):
        return False
    involved = [((camera[opposite.a] == c) | (camera[opposite.b] == c)).mean() for c in np.unique(camera)]
    return bool(max(involved) < _ONE_CAMERA)


def _fault(
    found: Disagreement,
    stamps: Times,
    span: Span,
    displaced: Bool[np.ndarray, " t"],
    between: list[tuple[int, int]],
    alternative: int | None,
) -> CameraFault:
    """One that is displaced from the beginning changed where that ends: nothing tells which side is right."""
    own, at = _by_stamps(found, stamps, span.camera)
    time = at[np.searchsorted(found.time[own], found.time[span.told])]
    changes = [(float(time[before]), float(time[after])) for before, after in between]
    start = changes[0] if changes else None
    end = changes[-1] if changes and not (displaced[0] or displaced[-1]) else None
    inside = (at > (-np.inf if start is None else sum(start) / 2)) & (at < (np.inf if end is None else sum(end) / 2))
    px = _apart_px(found, span, own[inside])
    return CameraFault(span.camera, start, end, px, Cause.CHANGED, float(inside.mean()), alternative)


def _flipped(found: Disagreement, stamps: Times, flip: Flip) -> CameraFault:
    own, at = _by_stamps(found, stamps, flip.camera)
    start = np.interp([flip.before, flip.after], found.time[own], at).tolist()
    after = float((at >= sum(start) / 2).mean())
    return CameraFault(flip.camera, (start[0], start[1]), None, flip.px, Cause.FLIPPED, after)


def _repeating(found: Disagreement, stamps: Times, repeat: Repeat) -> CameraFault:
    own, at = _by_stamps(found, stamps, repeat.camera)

    def moment(views: tuple[int, int] | None) -> tuple[float, float] | None:
        if views is None:
            return None
        before, after = np.interp(found.time[list(views)], found.time[own], at).tolist()
        return before, after

    pairs = found.pairs
    ours = (found.camera[pairs.a] == repeat.camera) | (found.camera[pairs.b] == repeat.camera)
    px = float(np.median(pairs.px[ours])) if ours.any() else 0.0
    start, end = moment(repeat.start_between), moment(repeat.end_between)
    cause = Cause.COPY if repeat.source is not None else Cause.REPEATS if start is None else Cause.HANGS
    return CameraFault(repeat.camera, start, end, px, cause, repeat.share, repeat.source)


def _by_stamps(found: Disagreement, stamps: Times, c: int) -> tuple[Int64[np.ndarray, " v"], Float64[np.ndarray, " v"]]:
    """A camera's views in the order of time, and when they were taken by its own clock, single stamps being wrong."""
    own = np.flatnonzero((found.camera == c) & found.usable)
    own = own[np.argsort(found.time[own], kind="stable")]
    return own, found.time[own] + float(np.median(stamps[own] - found.time[own]))


def _apart_px(found: Disagreement, span: Span, inside: Int64[np.ndarray, " v"]) -> float:
    """How far the camera is typically apart from another one: in the span or outside, where it is more."""
    pairs = found.pairs
    ours = (found.camera[pairs.a] == span.camera) | (found.camera[pairs.b] == span.camera)
    within = np.isin(pairs.a, inside) | np.isin(pairs.b, inside)
    sides = [pairs.px[ours & side] for side in (within, ~within)]
    return float(max([span.px, *(np.median(px) for px in sides if len(px))]))
