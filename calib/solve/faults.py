"""Cameras that did not stay as they are calibrated, and from when: moved, turned, zoomed, trembling, with lost frames.

Evidence against a camera is by how much all corners would fit better if it were another one for some time
(`evidence`). Its partners are suspects as well, since they disagree with it. The one at fault is the one without which
nothing is left to explain: the others are fitted anew without each suspect, and without each two of them where no
single one explains it. Where two suspects are as likely, it is the one whose views, given to two cameras instead of
one, let all corners fit best.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from itertools import combinations, permutations

import networkx as nx
import numpy as np
from jaxtyping import Bool, Float64, Int64

from calib.solve.change_equations import Equations
from calib.solve.change_time import changes_between, displaced_views, noisier_part
from calib.solve.disagreement import Disagreement, disagreement
from calib.solve.evidence import Evidence, Span
from calib.solve.extrinsics import place_cameras
from calib.solve.flips import Flip, find_flip
from calib.solve.repeats import Repeat, find_repeat
from calib.solve.solve import Calibration
from multiview.geometry.bundle import HAND_ACCELERATION, Bundle, BundleState
from multiview.geometry.least_squares import levenberg_marquardt
from multiview.geometry.rigid import compose, invert, rotation_from_vector

__all__ = ["CameraFault", "Cause", "Findings", "find_faults"]

_MIN_PX = 0.2  # twice what is left in recordings in which no camera is at fault
_SLIGHT_PX = 0.4  # of real ones, some more
_MIN_PX_ALONE = 1.0  # the same, where no third camera tells how much that is
_USUAL_FACTOR = 2.0  # times what the other cameras among each other leave
_SUSPECTS, _SUSPECT_SHARE = 4, 0.02  # tried at most, and of the largest gain
_CAUCHY = 3.0  # sigmas, of the robust loss of the first steps
_POSE = 6  # unknowns
_ALIKE_S = 0.2  # while a board is moved what its motion's model leaves unexplained stays alike so long
_ROUNDS, _FEWEST_STEADY = 3, 3  # views, to fit a camera to
_SURE_NATS = 25.0  # what is not noise makes odds of nats too good
_ENOUGH_PAIRS = 8  # of two cameras, to say that they are before and behind the board
_OPPOSITE_COS, _OPPOSITE_SHARE = -0.9, 0.05
_ONE_CAMERA = 0.9  # share of such pairs that one camera is in, if it is the one that is turned


class Cause(Enum):
    """What is wrong with a camera."""

    CHANGED = "moved, turned, zoomed or trembling, or its times are wrong"
    FLIPPED = "its images are turned by much, or mirrored"
    HANGS = "it shows one picture on and on"
    REPEATS = "it shows pictures twice"
    COPY = "its pictures are those of another camera"


@dataclass(frozen=True, slots=True)
class CameraFault:
    """One camera that disagrees with the others for some time.

    Attributes:
        camera: Index among the calibration's cameras.
        start_between_s: Two views that enclose its change with near certainty, by the camera's own stamps; None: from
            the beginning.
        end_between_s: The same of when it was as before again; None: to the end.
        px: Typical disagreement, px.
        cause: What is wrong.
        share: Of the camera's views that lie in the span.
        alternative: Another camera that explains it as well, where there are too few to tell, or whose pictures they
            are; None otherwise.
    """

    camera: int
    start_between_s: tuple[float, float] | None
    end_between_s: tuple[float, float] | None
    px: float
    cause: Cause
    share: float
    alternative: int | None = None

    @property
    def start_s(self) -> float | None:
        """The middle of what is known of its begin."""
        return None if self.start_between_s is None else sum(self.start_between_s) / 2

    @property
    def end_s(self) -> float | None:
        """The same of its end."""
        return None if self.end_between_s is None else sum(self.end_between_s) / 2

    @property
    def slight(self) -> bool:
        """No larger than what lenses and boards that are not quite as modelled, and shutters that roll, may cause."""
        return self.cause is Cause.REPEATS or (self.cause is Cause.CHANGED and self.px < _SLIGHT_PX)


@dataclass(frozen=True, slots=True)
class Findings:
    """What is wrong with a recording.

    Attributes:
        faults: Of cameras, the worst first.
        same_print: The board seems to bear one print on both sides: cameras before and behind it contradict each other.
    """

    faults: tuple[CameraFault, ...] = ()
    same_print: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class _Suspect:
    """A camera that may be at fault, and the others without it: their state, what speaks against them, usual misfit."""

    span: Span
    state: BundleState
    rest: list[Span]
    usual_px: float

    def left(self, least_px: float) -> float:
        """nats that speak against one of the others."""
        return max((span.gain for span in self.rest if span.px > least_px and span.gain > 0), default=0.0)


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
    bundle, state = replace(calibration.bundle, weight=weight, cauchy=np.inf), calibration.state
    bundle = replace(bundle, acceleration=HAND_ACCELERATION)  # clocks that wander a little are no fault of a camera
    if (repeat := find_repeat(calibration, found)) is not None:  # what it did to the rig hides everything else
        return Findings((_repeating(found, stamps, repeat),))
    if (flip := find_flip(calibration, found)) is not None:  # as this does
        return Findings((_flipped(found, stamps, flip),))
    faults, excluded, most = list[CameraFault](), frozenset[int](), 0.0
    while len(excluded) < len(found.sigma) - 1:
        spans = _spans(bundle, state, found, excluded)
        if not spans or spans[0].gain < _SUSPECT_SHARE * most:  # what a grave fault has left, linear as all is
            break
        most = max(most, spans[0].gain)
        suspects = [_suspect(calibration, bundle, state, found, excluded, span) for span in spans]
        if (two := _guilty_two(calibration, bundle, found, excluded, suspects)) is not None:
            for one, other in permutations(two):
                displaced, changes = _displaced(bundle, one.state, found, excluded | {other.span.camera}, one.span)
                faults.append(_fault(found, stamps, one.span, displaced, changes, None))
            state, excluded = two[0].state, excluded | {one.span.camera for one in two}
            continue
        guilty, alternative = _guiltiest(bundle, excluded, suspects)
        third = len(found.sigma) - len(excluded) > 2
        px = max(span.px for span in spans)  # what one camera does, its partners share
        if px < (max(_MIN_PX, _USUAL_FACTOR * guilty.usual_px) if third else _MIN_PX_ALONE):
            break
        displaced, changes = _displaced(bundle, guilty.state, found, excluded, guilty.span)
        faults.append(_fault(found, stamps, guilty.span, displaced, changes, alternative))
        state, excluded = guilty.state, excluded | {guilty.span.camera}
    return Findings(tuple(sorted(faults, key=lambda fault: -fault.px * fault.share)))


def _evidence(
    bundle: Bundle, state: BundleState, found: Disagreement, excluded: frozenset[int], follow: bool = True
) -> Evidence:
    return Evidence(Equations.of(bundle, state, found.time, found.sigma).without(excluded, follow))


def _spans(bundle: Bundle, state: BundleState, found: Disagreement, excluded: frozenset[int]) -> list[Span]:
    """Spans that are worth a look, the likeliest first."""
    spans = _evidence(bundle, state, found, excluded).spans()
    spans = [span for span in spans if span.gain > 0]
    if max((span.px for span in spans), default=0.0) <= _MIN_PX:
        return []
    return [span for span in spans if span.gain > _SUSPECT_SHARE * spans[0].gain][:_SUSPECTS]


def _suspect(
    calibration: Calibration,
    bundle: Bundle,
    state: BundleState,
    found: Disagreement,
    excluded: frozenset[int],
    span: Span,
) -> _Suspect:
    """The evidence that is left without a camera."""
    excluded = excluded | {span.camera}
    state = _others(calibration, bundle, state, found, excluded)
    rest = _evidence(bundle, state, found, excluded)
    return _Suspect(span, state, rest.spans(), rest.typical_px)


def _others(
    calibration: Calibration, bundle: Bundle, state: BundleState, found: Disagreement, excluded: frozenset[int]
) -> BundleState:
    """The others, fitted without some cameras, from where they are or from where they alone would be placed."""
    only = _only(bundle, excluded)
    robust = replace(only, cauchy=_CAUCHY)
    state = min(state, _placed_anew(calibration, found, excluded), key=robust.cost)
    state = levenberg_marquardt(robust, state, max_steps=10, tolerance=1e-3).state
    return levenberg_marquardt(only, state, max_steps=12, tolerance=1e-4).state


def _placed_anew(calibration: Calibration, found: Disagreement, excluded: frozenset[int]) -> BundleState:
    """Cameras and boards as only the others see them: a camera may have misled them."""
    state = calibration.state
    number = list(calibration.cameras)
    graph = calibration.graph.subgraph([number[c] for c in range(len(number)) if c not in excluded])
    R, t = state.R.copy(), state.t.copy()
    for component in nx.connected_components(graph):
        placed, _ = place_cameras(graph, component)
        root = number.index(min(component))
        for c, pose in placed.items():
            place = number.index(c)
            R[place], t[place] = compose(pose, (state.R[root], state.t[root]))
    views = np.flatnonzero(found.usable & ~np.isin(found.camera, list(excluded)))
    views = views[np.argsort(found.used[views].sum(axis=1), kind="stable")]  # of several the last one, the best, holds
    camera, knot = found.camera[views], calibration.bundle.knot[views]
    own_R, own_t = found.own_board
    in_camera = compose((state.R[camera], state.t[camera]), (own_R[views], own_t[views]))
    target_R, target_t = state.target_R.copy(), state.target_t.copy()
    target_R[knot], target_t[knot] = compose(invert((R[camera], t[camera])), in_camera)
    lenses = tuple(entry.lens for entry in calibration.intrinsics)
    return replace(state, lenses=lenses, R=R, t=t, target_R=target_R, target_t=target_t)


def _only(bundle: Bundle, excluded: frozenset[int]) -> Bundle:
    """The bundle with nothing of some cameras, and the first of the others in place of the fixed one."""
    out = np.isin(np.arange(len(bundle.free_lens)), list(excluded))
    first = np.arange(len(out)) == np.flatnonzero(~out)[0]
    return replace(
        bundle,
        weight=bundle.weight * ~out[bundle.camera][:, None],
        free_lens=tuple(free & ~gone for free, gone in zip(bundle.free_lens, out, strict=True)),
        free_pose=~out & ~first,
        free_offset=bundle.free_offset & ~out & ~first,
    )


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
        displaced = noisier_part(*equations, _FEWEST_STEADY)
    for _ in range(_ROUNDS):
        if (~displaced).sum() < _FEWEST_STEADY:
            return np.ones_like(displaced), []
        steady = (bundle.camera != c) | (np.interp(found.time, time, displaced.astype(np.float64)) == 0)
        only = _only(replace(bundle, weight=bundle.weight * steady[:, None]), excluded)
        state = levenberg_marquardt(only, state, max_steps=12, tolerance=1e-4).state
        equations = _told(bundle, state, found, excluded, c)
        previous, displaced = displaced, displaced_views(*equations, displaced, alike)
        if not displaced.any():
            displaced = previous
        if (displaced == previous).all():
            break
    return displaced, changes_between(*equations, displaced, alike)


def _told(
    bundle: Bundle, state: BundleState, found: Disagreement, excluded: frozenset[int], c: int
) -> tuple[Float64[np.ndarray, "t 7 7"], Float64[np.ndarray, "t 7"]]:
    """What each view that tells of a camera says of a change of it, all else staying where it is."""
    own = _evidence(bundle, state, found, excluded, follow=False).changes.cameras[c]
    return own.square[own.told], own.gradient[own.told]


def _settled(bundle: Bundle, state: BundleState, found: Disagreement, excluded: frozenset[int], c: int) -> BundleState:
    """A camera where most of its views put it beside the others."""
    for _ in range(_ROUNDS):
        change = _evidence(bundle, state, found, excluded, follow=False).settled(c)
        R, t, lenses = state.R.copy(), state.t.copy(), list(state.lenses)
        R[c], t[c] = rotation_from_vector(change[1:4]) @ R[c], t[c] + change[4:]
        lenses[c] = replace(lenses[c], focal=lenses[c].focal * np.append([1 + change[0]] * 2, [1.0, 1.0]))
        state = replace(state, lenses=tuple(lenses), R=R, t=t)
    return state


def _guilty_two(
    calibration: Calibration,
    bundle: Bundle,
    found: Disagreement,
    excluded: frozenset[int],
    suspects: list[_Suspect],
) -> tuple[_Suspect, _Suspect] | None:
    """Two cameras without which little is left, where much is left without any single one."""
    usual_px = min(suspect.usual_px for suspect in suspects)
    least_px = max(_MIN_PX, _USUAL_FACTOR * usual_px)
    least = min(suspect.left(least_px) for suspect in suspects)
    enough = _SUSPECT_SHARE * max(suspect.span.gain for suspect in suspects)
    if least <= enough or len(found.sigma) - len(excluded) < 4:
        return None
    best: tuple[_Suspect, _Suspect] | None = None
    for one, other in combinations(suspects, 2):
        a, b = one.span.camera, other.span.camera
        spans = [
            next((span for span in alone.rest if span.camera == c and span.px > least_px and span.gain > 0), None)
            for alone, c in ((other, a), (one, b))
        ]
        if spans[0] is None or spans[1] is None:
            continue
        both = excluded | {a, b}
        state = _others(calibration, bundle, one.state, found, both)
        rest = _evidence(bundle, state, found, both)
        pair = tuple(_Suspect(span, state, rest.spans(), rest.typical_px) for span in spans if span is not None)
        if (left := pair[0].left(least_px)) < least and left <= enough:
            best, least = (pair[0], pair[1]), left
    return best


def _guiltiest(bundle: Bundle, excluded: frozenset[int], suspects: list[_Suspect]) -> tuple[_Suspect, int | None]:
    """The suspect without which least is left, and another that explains as much."""
    least_px = max(_MIN_PX, _USUAL_FACTOR * min(suspect.usual_px for suspect in suspects))
    left = [suspect.left(least_px) for suspect in suspects]
    clear = [
        suspect
        for suspect, nats in zip(suspects, left, strict=True)
        if nats <= max(min(left), _SUSPECT_SHARE * suspect.span.gain)
    ]
    if len(clear) == 1:
        return clear[0], None
    costs = [
        min(_cost_of_two(bundle, excluded, suspect), _cost_of_many(bundle, excluded, suspect)) for suspect in clear
    ]
    first, second = np.argsort(costs)[:2]
    unsure = costs[second] - costs[first] < _SURE_NATS
    return clear[first], clear[second].span.camera if unsure else None


def _cost_of_two(bundle: Bundle, excluded: frozenset[int], suspect: _Suspect) -> float:
    """nats that are left where a camera is another one in its span."""
    c, state = suspect.span.camera, suspect.state
    camera = bundle.camera.copy()
    camera[suspect.span.views] = len(bundle.free_lens)
    rest = _only(bundle, excluded)
    two = replace(
        rest,
        camera=camera,
        free_lens=(*rest.free_lens, rest.free_lens[c]),
        free_pose=np.append(rest.free_pose, True),
        free_offset=np.append(rest.free_offset, rest.free_offset[c]),
    )
    start = replace(
        state,
        lenses=(*state.lenses, state.lenses[c]),
        R=np.concatenate([state.R, state.R[[c]]]),
        t=np.concatenate([state.t, state.t[[c]]]),
        offset=np.append(state.offset, state.offset[c]),
    )
    return levenberg_marquardt(two, start, max_steps=15, tolerance=1e-6).cost


def _cost_of_many(bundle: Bundle, excluded: frozenset[int], suspect: _Suspect) -> float:
    """nats that are left where a camera is another one in every view of its span, with Schwarz's price of each pose."""
    views = suspect.span.views
    n = np.maximum(2.0 * (bundle.weight[views] > 0).sum(axis=1), _POSE)
    weight = bundle.weight.copy()
    weight[views] = 0.0
    rest = _only(replace(bundle, weight=weight), excluded)
    cost = levenberg_marquardt(rest, suspect.state, max_steps=15, tolerance=1e-6).cost
    return float(cost + ((n - _POSE) / 2 + _POSE / 2 * np.log(n)).sum())


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
    stamps: Float64[np.ndarray, " V"],
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


def _flipped(found: Disagreement, stamps: Float64[np.ndarray, " V"], flip: Flip) -> CameraFault:
    own, at = _by_stamps(found, stamps, flip.camera)
    start = np.interp([flip.before, flip.after], found.time[own], at).tolist()
    after = float((at >= sum(start) / 2).mean())
    return CameraFault(flip.camera, (start[0], start[1]), None, flip.px, Cause.FLIPPED, after)


def _repeating(found: Disagreement, stamps: Float64[np.ndarray, " V"], repeat: Repeat) -> CameraFault:
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


def _by_stamps(
    found: Disagreement, stamps: Float64[np.ndarray, " V"], c: int
) -> tuple[Int64[np.ndarray, " v"], Float64[np.ndarray, " v"]]:
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
