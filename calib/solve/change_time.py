"""When a camera changed: which of its views show it as it is in the others, and which elsewhere, or trembling.

Every view tells, with some certainty, by how much the camera would have to zoom, turn and shift to agree with the
other cameras. While it is steady that is nothing but noise, and what its steady views leave unknown of its place.
Elsewhere it is a random change about a mean (another pose), with a scatter (trembling), both unknown; now and then a
trembling camera is where it belongs. In both states single views may be seen wrongly. The likeliest sequence of the two
states is found by dynamic programming, the mean and scatter by expectation and maximisation, in turn. How sure the time
of a change is follows from the same odds: its likelihood between any two views, the other changes staying where they
are.

Letters in shapes: n views of one camera, in the order of time.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float64

from calib.solve.change_equations import gain_of

__all__ = ["changes_between", "displaced_views", "noisier_part"]

_WRONG, _STILL = 0.02, 0.02  # shares: of views that are seen wrongly; of a trembling camera's, in which it is in place
_WIDE = np.array([0.3, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]) ** 2  # of a wrong view's change: zoom, turn (rad), shift (m)
_LEAST = np.array([1e-3, 5e-4, 5e-4, 5e-4, 1e-3, 1e-3, 1e-3]) ** 2  # scatter of any change
_SWITCH = np.array(
    [4.0, 7.0]
)  # nats that a change must be worth: back into place, which no wrong view feigns, and away
_VIEW = 6.0  # nats that a single view tells at most
_ROUNDS, _STEPS = 8, 10
_TAIL = 0.005  # probability that a change lies before its interval, and after it


def displaced_views(
    square: Float64[np.ndarray, "n 7 7"],
    gradient: Float64[np.ndarray, "n 7"],
    unknown: Float64[np.ndarray, "n 7 7"],
    displaced: Bool[np.ndarray, " n"],
    alike: float = 1.0,
) -> Bool[np.ndarray, " n"]:
    """The views in which a camera is not where it is in the others.

    Args:
        square: What each view says of a change (`CameraChange.square`).
        gradient: The same of the change's direction; expected to be 0 where the camera is steady.
        unknown: Covariance of the change that each view seems to tell of while the camera is steady, since lens, clock
            and all else are known from other views alone.
        displaced: Mask of the views that may be displaced, to start from; not all.
        alike: Views in a row that are off alike, though nothing changed, and count as one.

    Returns:
        Mask; all False where no change is worth it.

    References:
        Viterbi 1967, Error bounds for convolutional codes and an asymptotically optimum decoding algorithm; Dempster,
        Laird and Rubin 1977, Maximum likelihood from incomplete data via the EM algorithm.
    """
    for _ in range(_ROUNDS):
        previous, displaced = displaced, _likeliest(_odds_beside(square, gradient, unknown, displaced) / alike)
        if (displaced == previous).all() or not displaced.any() or displaced.all():
            break
    return displaced


def changes_between(
    square: Float64[np.ndarray, "n 7 7"],
    gradient: Float64[np.ndarray, "n 7"],
    unknown: Float64[np.ndarray, "n 7 7"],
    displaced: Bool[np.ndarray, " n"],
    alike: float = 1.0,
) -> list[tuple[int, int]]:
    """Of each change of state, two views that enclose it with near certainty.

    Args:
        square: As in `displaced_views`.
        gradient: As there.
        unknown: As there.
        displaced: Mask of the displaced views, as found.
        alike: As in `displaced_views`.

    Returns:
        Numbers of views, the first being before the change and the second after it.
    """
    edges = np.flatnonzero(np.diff(displaced)) + 1
    if not len(edges):
        return []
    odds = _odds_beside(square, gradient, unknown, displaced) / alike
    bounds = [0, *edges.tolist(), len(displaced)]
    found = []
    for begin, edge, end in zip(bounds, edges, bounds[2:], strict=False):
        later = odds[begin:end] if displaced[edge] else -odds[begin:end]  # nats for the state after the change
        total = np.cumsum(later[::-1])[::-1][1:]  # with the change before view 1, 2 ...
        likelihood = np.exp(total - total.max())
        over = np.cumsum(likelihood) / likelihood.sum()
        first, last = np.searchsorted(over, [_TAIL, 1 - _TAIL])
        found.append((begin + int(first), begin + int(last) + 1))
    return found


def noisier_part(
    square: Float64[np.ndarray, "n 7 7"], gradient: Float64[np.ndarray, "n 7"], fewest: int
) -> Bool[np.ndarray, " n"]:
    """The first or the last views, that which differ most from the others in how far the camera is from its place.

    Args:
        square: As in `displaced_views`.
        gradient: As there.
        fewest: Views on either side.

    Returns:
        Mask of the side on which it is farther; all True where there are too few views for two.
    """
    gain, count = gain_of(square, gradient)
    level = np.log1p(2 * gain / np.maximum(count, 1))  # a few views, seen wrongly, weigh little
    n = len(level)
    places = np.arange(fewest, n - fewest + 1)
    if not len(places):
        return np.ones(n, dtype=bool)
    before = np.cumsum(level)[places - 1] / places
    after = (level.sum() - before * places) / (n - places)
    k = int(np.argmax(places * (n - places) * (before - after) ** 2))
    return (np.arange(n) < places[k]) == (before[k] > after[k])


def _change(
    S: Float64[np.ndarray, "n 7 7"], pull: Float64[np.ndarray, "n 7"], displaced: Bool[np.ndarray, " n"]
) -> tuple[Float64[np.ndarray, " 7"], Float64[np.ndarray, " 7"]]:
    """Mean and variance of the change in these views."""
    S, pull = S[displaced], pull[displaced]
    mean, scatter = np.zeros(7), 1e-2 * _WIDE
    wide = np.log(_WRONG) + _log_odds(S, pull, np.zeros(7), np.diag(1 / _WIDE))
    still = np.log(_STILL) + np.zeros(len(S))
    for _ in range(_STEPS):
        covariance = np.linalg.inv(S + np.diag(1 / scatter))
        own = (covariance @ (pull + mean / scatter)[..., None])[..., 0]
        moved = np.log(1 - _STILL) + _log_odds(S, pull, mean, np.diag(1 / scatter))
        weight = np.exp(moved - np.logaddexp.reduce([moved, still, wide]))
        total = max(float(weight.sum()), 1e-9)
        mean = weight @ own / total
        variance = weight @ ((own - mean) ** 2 + np.diagonal(covariance, axis1=1, axis2=2)) / total
        scatter = np.maximum(variance, _LEAST)
    return mean, scatter


def _odds_beside(
    square: Float64[np.ndarray, "n 7 7"],
    gradient: Float64[np.ndarray, "n 7"],
    unknown: Float64[np.ndarray, "n 7 7"],
    displaced: Bool[np.ndarray, " n"],
) -> Float64[np.ndarray, " n"]:
    """nats by which each view speaks for the change that these views show, beside the others' noise."""
    gain, count = gain_of(square, gradient)
    each = 2 * gain / np.maximum(count, 1)
    noise = max(float(np.median(each[~displaced])), 1.0)  # lenses that are not quite right leave more than noise
    S, pull = square / noise, -gradient / noise
    place = np.linalg.inv(S[~displaced].sum(axis=0) + np.diag(1 / _WIDE))
    return _odds(S, pull, *_change(S, pull, displaced), np.linalg.inv(place + noise * unknown))


def _odds(
    S: Float64[np.ndarray, "n 7 7"],
    pull: Float64[np.ndarray, "n 7"],
    mean: Float64[np.ndarray, " 7"],
    scatter: Float64[np.ndarray, " 7"],
    place: Float64[np.ndarray, "n 7 7"],
) -> Float64[np.ndarray, " n"]:
    """nats by which each view speaks for the camera being displaced; `place` is the information on where it belongs."""
    wrong = np.log(_WRONG) + _log_odds(S, pull, np.zeros(7), np.diag(1 / _WIDE))
    still = np.log(1 - _WRONG) + _log_odds(S, pull, np.zeros(7), place)
    moved = np.log((1 - _WRONG) * (1 - _STILL)) + _log_odds(S, pull, mean, np.diag(1 / scatter))
    displaced = np.logaddexp.reduce([moved, np.log(_STILL) + still, wrong])
    return np.asarray(np.clip(displaced - np.logaddexp(still, wrong), -_VIEW, _VIEW))


def _log_odds(
    S: Float64[np.ndarray, "n 7 7"],
    pull: Float64[np.ndarray, "n 7"],
    mean: Float64[np.ndarray, " 7"],
    precision: Float64[np.ndarray, "... 7 7"],
) -> Float64[np.ndarray, " n"]:
    """Log of the likelihood of each view with a random change, to that without any."""
    pulled = pull + precision @ mean
    inner = S + precision
    best = (pulled * np.linalg.solve(inner, pulled[..., None])[..., 0]).sum(axis=1)
    size = np.linalg.slogdet(inner)[1] - np.linalg.slogdet(precision)[1]
    return np.asarray((best - mean @ precision @ mean - size) / 2)


def _likeliest(odds: Float64[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """The sequence of states with the largest sum of odds, less the price of every change."""
    n = len(odds)
    stayed = np.zeros((n, 2), dtype=bool)
    score = np.array([0.0, odds[0]])
    for i in range(1, n):
        switched = score[::-1] - _SWITCH
        stayed[i] = score >= switched
        score = np.maximum(score, switched)
        score[1] += odds[i]
    state = np.zeros(n, dtype=bool)
    state[-1] = score[1] > score[0]
    for i in range(n - 1, 0, -1):
        state[i - 1] = state[i] == stayed[i, int(state[i])]
    return state
