"""Which camera is at fault: the one without which nothing is left to explain, or each two of them.

Evidence against a camera is by how much all corners would fit better if it were another one for some time
(`evidence`). Its partners are suspects as well, since they disagree with it. The others are fitted anew without each
suspect, and without each two of them where no single one explains it. Where two suspects are as likely, it is the one
whose views, given to two cameras instead of one, let all corners fit best.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

import networkx as nx
import numpy as np

from calib.solve.bundle_variants import bundle_without, with_another_camera
from calib.solve.change_equations import Equations
from calib.solve.disagreement import Disagreement
from calib.solve.evidence import Evidence, Span
from calib.solve.extrinsics import place_cameras
from calib.solve.solve import Calibration
from multiview.geometry.bundle import Bundle, BundleState
from multiview.geometry.least_squares import levenberg_marquardt
from multiview.geometry.rigid import compose, invert

__all__ = [
    "SUSPECT_SHARE", "Suspect", "evidence_of", "isolated_pair", "isolated_suspect", "noticeable_px", "spans_of",
    "stands_out", "suspect_of",
]  # fmt: skip

_MIN_PX = 0.2  # twice what is left in recordings in which no camera is at fault
_MIN_PX_MOVING = 0.4  # what shutters that roll and clocks that wander leave in addition, where the board moves
_FEW, _FEW_FACTOR = 5, 2.0  # views, over which an error that lasts for some of them does not average out
_USUAL_FACTOR = 2.0  # times what the other cameras among each other leave
SUSPECT_SHARE = 0.02  # of the largest gain
_SUSPECTS = 4  # tried at most
_CAUCHY = 3.0  # sigmas, of the robust loss of the first steps
_POSE = 6  # unknowns
_SURE_NATS = 25.0  # what is not noise makes odds of nats too good


@dataclass(frozen=True, slots=True, eq=False)
class Suspect:
    """A camera that may be at fault, and the others without it: their state, what speaks against them, usual misfit."""

    span: Span
    state: BundleState
    rest: list[Span]
    usual_px: float

    def left(self, least_px: float) -> float:
        """nats that speak against one of the others."""
        return max((span.gain for span in self.rest if span.px > least_px and span.gain > 0), default=0.0)


def noticeable_px(bundle: Bundle, usual_px: float = 0.0, views: int = _FEW) -> float:
    """By how much corners must fit better with a change of a camera in so many views.

    Less is left in good recordings as well, or by the other cameras in this one.
    """
    least_px = _MIN_PX if bundle.knots is None else _MIN_PX_MOVING
    return max(least_px, _USUAL_FACTOR * usual_px) * (_FEW_FACTOR if views < _FEW else 1.0)


def stands_out(bundle: Bundle, span: Span, usual_px: float = 0.0) -> bool:
    """Whether more is explained by a change of a camera than good recordings leave, or other cameras in this one."""
    return bool(span.px > noticeable_px(bundle, usual_px, span.fewest))


def evidence_of(
    bundle: Bundle, state: BundleState, found: Disagreement, excluded: frozenset[int], follow: bool = True
) -> Evidence:
    """What the cameras that are not excluded say of each other, with lenses and poses free to follow or not."""
    return Evidence(Equations.of(bundle, state, found.time, found.sigma).without(excluded, follow))


def spans_of(bundle: Bundle, state: BundleState, found: Disagreement, excluded: frozenset[int]) -> list[Span]:
    """Spans that are worth a look, the likeliest first."""
    spans = evidence_of(bundle, state, found, excluded).spans()
    spans = [span for span in spans if span.gain > 0]
    if not any(stands_out(bundle, span) for span in spans):
        return []
    return [span for span in spans if span.gain > SUSPECT_SHARE * spans[0].gain][:_SUSPECTS]


def suspect_of(
    calibration: Calibration,
    bundle: Bundle,
    state: BundleState,
    found: Disagreement,
    excluded: frozenset[int],
    span: Span,
) -> Suspect:
    """The evidence that is left without a camera."""
    excluded = excluded | {span.camera}
    state = _others(calibration, bundle, state, found, excluded)
    rest = evidence_of(bundle, state, found, excluded)
    return Suspect(span, state, rest.spans(), rest.typical_px)


def _others(
    calibration: Calibration, bundle: Bundle, state: BundleState, found: Disagreement, excluded: frozenset[int]
) -> BundleState:
    """The others, fitted without some cameras, from where they are or from where they alone would be placed."""
    only = bundle_without(bundle, excluded)
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


def isolated_pair(
    calibration: Calibration,
    bundle: Bundle,
    found: Disagreement,
    excluded: frozenset[int],
    suspects: list[Suspect],
) -> tuple[Suspect, Suspect] | None:
    """Two cameras without which little is left, where much is left without any single one."""
    least_px = noticeable_px(bundle, min(suspect.usual_px for suspect in suspects))
    least = min(suspect.left(least_px) for suspect in suspects)
    enough = SUSPECT_SHARE * max(suspect.span.gain for suspect in suspects)
    if least <= enough or len(found.sigma) - len(excluded) < 4:
        return None
    best: tuple[Suspect, Suspect] | None = None
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
        rest = evidence_of(bundle, state, found, both)
        pair = tuple(Suspect(span, state, rest.spans(), rest.typical_px) for span in spans if span is not None)
        if (left := pair[0].left(least_px)) < least and left <= enough:
            best, least = (pair[0], pair[1]), left
    return best


def isolated_suspect(bundle: Bundle, excluded: frozenset[int], suspects: list[Suspect]) -> tuple[Suspect, int | None]:
    """The suspect without which least is left, and another that explains as much."""
    least_px = noticeable_px(bundle, min(suspect.usual_px for suspect in suspects))
    left = [suspect.left(least_px) for suspect in suspects]
    clear = [
        suspect
        for suspect, nats in zip(suspects, left, strict=True)
        if nats <= max(min(left), SUSPECT_SHARE * suspect.span.gain)
    ]
    if len(clear) == 1:
        return clear[0], None
    costs = [
        min(_cost_of_two(bundle, excluded, suspect), _cost_of_many(bundle, excluded, suspect)) for suspect in clear
    ]
    first, second = np.argsort(costs)[:2]
    unsure = costs[second] - costs[first] < _SURE_NATS
    return clear[first], clear[second].span.camera if unsure else None


def _cost_of_two(bundle: Bundle, excluded: frozenset[int], suspect: Suspect) -> float:
    """nats that are left where a camera is another one in its span."""
    span = suspect.span
    two, start = with_another_camera(bundle_without(bundle, excluded), suspect.state, span.camera, span.views)
    return levenberg_marquardt(two, start, max_steps=15, tolerance=1e-6).cost


def _cost_of_many(bundle: Bundle, excluded: frozenset[int], suspect: Suspect) -> float:
    """nats that are left where a camera is another one in every view of its span, with Schwarz's price of each pose."""
    views = suspect.span.views
    n = np.maximum(2.0 * (bundle.weight[views] > 0).sum(axis=1), _POSE)
    weight = bundle.weight.copy()
    weight[views] = 0.0
    rest = bundle_without(replace(bundle, weight=weight), excluded)
    cost = levenberg_marquardt(rest, suspect.state, max_steps=15, tolerance=1e-6).cost
    return float(cost + ((n - _POSE) / 2 + _POSE / 2 * np.log(n)).sum())
