"""Clocks that are unsteady: which cameras' stamps wander, by how much, and the bundle with every stamp's own error.

A view of a moving board tells when it was taken: its residual along the motion in the image, divided by the speed. A
camera whose views tell another error each has an unsteady clock. Its views then have a wander each, an unknown of the
bundle with the covariance of a random walk and jitter, whose deviations the bundle's equations tell
(`ClockEvidence`), everything else marginalised. Steady clocks are left as they are, bit for bit.

What lies as far off across the motion as along it is no fault of a clock: that camera moved or trembles. Nor is what
one change of one camera explains better: stamps that may wander follow a bumped camera a long way, and hide it.

Letters in shapes: V views, U views of unsteady clocks, u of one of them, N points on the board, C cameras.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64, Int64

from calib.solve.bundle_variants import bundle_without, cost_of_one_change
from calib.solve.timing import as_smooth_as_found
from multiview.geometry.bundle import Bundle, BundleState
from multiview.geometry.least_squares import levenberg_marquardt
from multiview.timing.clock_noise import STEADY, ClockEvidence, ClockNoise

__all__ = ["UnsteadyClock", "fixed_times", "release_unsteady_clocks", "with_wander"]

Fit = Callable[[Bundle, BundleState], tuple[Bundle, BundleState]]

_MIN_VIEWS = 12
_SUSPECT = 4.0  # deviations, of the score of a steady clock
_SURE_NATS = 25.0  # what is not noise makes odds of nats too good
_LEAST_RMS_S = 5e-4  # wander that matters
_ALONG = 3.0  # times what lies across the motion
_SETTLED, _ROUNDS = 0.1, 5
_PROBE_S = 1e-4
_CAUCHY = 3.0  # sigmas, of the robust loss of the first steps


@dataclass(frozen=True, slots=True, eq=False)
class UnsteadyClock:
    """One camera's clock.

    Attributes:
        camera: Index among the bundle's cameras.
        noise: Deviations of the stamps' errors.
        views: (u,) of the bundle.
        wander: (u,) s, what is to be added to each view's stamp beyond the camera's time offset.
    """

    camera: int
    noise: ClockNoise
    views: Int64[np.ndarray, " u"]
    wander: Float64[np.ndarray, " u"]

    @property
    def rms_s(self) -> float:
        """How far the stamps are off, beyond a constant, s."""
        return float(np.std(self.wander))


def release_unsteady_clocks(
    bundle: Bundle,
    state: BundleState,
    weight: Float64[np.ndarray, "V N"],
    of_plane: Bool[np.ndarray, "V N"],
    fit: Fit,
) -> tuple[Bundle, BundleState, tuple[UnsteadyClock, ...]]:
    """Find the cameras whose clocks are unsteady, and fit the bundle anew with the wander of their views free.

    Args:
        bundle: With knots, fitted with a constant offset of every camera.
        state: Of it.
        weight: (V, N) 1/px, of all corners, those included that were rejected with constant offsets.
        of_plane: (V, N) mask of the corners that some pose of the board explains, view by view.
        fit: Fits a bundle from a state, and decides which corners count.

    Returns:
        The bundle, its state and the unsteady clocks: the same bundle and state where there are none.
    """
    noises: dict[int, ClockNoise] = {}
    robust = replace(bundle, weight=np.where(of_plane, weight, 0.0), cauchy=_CAUCHY)
    changed: float | None = None
    while suspect := _suspect(bundle, state, set(noises)):
        camera, noise = suspect
        tried = {**noises, camera: noise}
        try:
            released, found, tried = _begun(bundle, state, weight, tried, camera)
            if not _is_clock(
                released, found, camera, tried[camera]
            ):  # it is at fault otherwise, and disturbs the others
                break
            changed = cost_of_one_change(robust, state) if changed is None else changed
            if changed < _cost_of_clocks(robust, released, found, tried):
                break
            released, found, tried = _settled(released, found, tried, fit)
        except np.linalg.LinAlgError:  # the other cameras do not hold the board without this one
            break
        if not _is_clock(released, found, camera, tried[camera]):
            break
        bundle, state, noises = released, found, tried
    return bundle, state, _clocks(bundle, state, noises)


def with_wander(bundle: Bundle, state: BundleState, noises: dict[int, ClockNoise]) -> tuple[Bundle, BundleState]:
    """The bundle in which every view of some cameras has a wander of its own.

    Args:
        bundle: With stamps and knots.
        state: Of it.
        noises: How unsteady the clock is, by camera.

    Returns:
        The bundle and its state, at the wander that there is already.
    """
    assert bundle.time is not None
    now, precision = bundle.wander_of_views(state), np.empty((0, 0))
    groups = [np.empty(0, dtype=np.int64)]
    for c, noise in noises.items():
        views = _views(bundle, c)
        groups.append(views)
        precision = _blocks(precision, np.linalg.inv(noise.covariance(bundle.time[views])))
    unsteady = np.concatenate(groups)
    return replace(bundle, unsteady=unsteady, wander_precision=precision), replace(state, wander=now[unsteady])


def fixed_times(bundle: Bundle, state: BundleState) -> tuple[Bundle, BundleState]:
    """The bundle with the wander it found as part of its views' times, and no longer unknown.

    Args:
        bundle: Fitted.
        state: Of it.

    Returns:
        A bundle and its state, with the same residuals.
    """
    assert bundle.time is not None
    time = bundle.time + bundle.wander_of_views(state)
    steady = replace(bundle, time=time, unsteady=bundle.unsteady[:0], wander_precision=np.empty((0, 0)))
    return steady, replace(state, wander=state.wander[:0])


def _suspect(bundle: Bundle, state: BundleState, unsteady: set[int]) -> tuple[int, ClockNoise] | None:
    """The camera whose clock is most surely unsteady, of those not yet known to be, and roughly how much."""
    found: list[tuple[float, int, ClockNoise]] = []
    for c in set(range(len(state.lenses))) - unsteady:
        if np.count_nonzero(bundle.camera == c) < _MIN_VIEWS:
            continue
        try:
            evidence = _evidence(bundle, state, c)
            if evidence.z_score() < _SUSPECT:  # which is quick
                continue
            noise = evidence.roughly()
            nats = evidence.nats(noise)
        except np.linalg.LinAlgError:  # too little is seen to say anything of this clock
            continue
        if nats > _SURE_NATS:
            found.append((nats, c, noise))
    if not found:
        return None
    _, camera, noise = max(found, key=lambda entry: entry[0])
    return camera, noise


def _views(bundle: Bundle, camera: int) -> Int64[np.ndarray, " u"]:
    """A camera's views in the order of time, those included that tell nothing."""
    assert bundle.time is not None
    views = np.flatnonzero(bundle.camera == camera)
    return views[np.argsort(bundle.time[views], kind="stable")]


def _image_velocity(bundle: Bundle, state: BundleState) -> Float64[np.ndarray, "V N 2"]:
    """px/s of every corner in its picture."""
    later, earlier = (replace(state, offset=state.offset + step) for step in (_PROBE_S, -_PROBE_S))
    return (bundle.residuals(earlier) - bundle.residuals(later)) / (2 * _PROBE_S)


def _evidence(bundle: Bundle, state: BundleState, camera: int) -> ClockEvidence:
    """What the bundle says about the errors of a camera's stamps; other clocks stay as unsteady as they are."""
    assert bundle.time is not None
    views = _views(bundle, camera)
    others = bundle.camera[bundle.unsteady] != camera
    now = bundle.wander_of_views(state)[views]
    free = replace(
        bundle,
        unsteady=np.concatenate([bundle.unsteady[others], views]),
        wander_precision=_blocks(bundle.wander_precision[np.ix_(others, others)], np.zeros((len(views), len(views)))),
    )
    system = free.linearised(replace(state, wander=np.concatenate([state.wander[others], now])))
    try:
        reduced, eliminated = system.reduced()
    except np.linalg.LinAlgError:  # a chain that rounding keeps from being positive definite
        reduced, eliminated = system.reduced(1e-9)
    gradient = system.gradient_shared - np.einsum("kps,kp->s", eliminated, system.gradient_chain)
    n = len(gradient) - len(views)
    known = reduced[:n, :n] + np.diag(1e-12 * np.diag(reduced[:n, :n]) + 1e-300)  # what nothing tells stays as it is
    follow = np.linalg.solve(known, np.column_stack([reduced[:n, n:], gradient[:n]]))
    information = reduced[n:, n:] - reduced[n:, :n] @ follow[:, :-1]
    information = (information + information.T) / 2
    pull = gradient[n:] - reduced[n:, :n] @ follow[:, -1]
    return ClockEvidence(bundle.time[views], information, information @ now - pull)


def _begun(
    bundle: Bundle,
    state: BundleState,
    weight: Float64[np.ndarray, "V N"],
    noises: dict[int, ClockNoise],
    suspect: int,
) -> tuple[Bundle, BundleState, dict[int, ClockNoise]]:
    """Where a fit with the suspect's wander free may begin: wrong times have bent the board's motion and the rig.

    The others are fitted without it, then all together while the board moves no more roughly than the others saw, and
    without jumps of its velocity, at which times of views would get stuck.
    """
    assert bundle.knots is not None
    robust = replace(bundle, weight=weight, cauchy=_CAUCHY, knots=replace(bundle.knots, smooth=True))
    others = bundle_without(robust, frozenset([suspect]))
    state = levenberg_marquardt(others, state, max_steps=20, tolerance=1e-5).state
    stiff = replace(robust, acceleration=as_smooth_as_found(others, state).acceleration)
    for _ in range(_ROUNDS):
        stiff, state = with_wander(stiff, state, noises)
        state = levenberg_marquardt(stiff, state, max_steps=40, tolerance=1e-5).state
        if not _is_clock(stiff, state, suspect, noises[suspect]):
            return stiff, state, noises
        before, noises = noises, _likeliest(stiff, state, noises)
        if all(_near(noises[c], before[c]) for c in noises):
            break
    found = as_smooth_as_found(replace(stiff, acceleration=bundle.acceleration), state)
    found, state = with_wander(found, state, noises)
    state = levenberg_marquardt(found, state, max_steps=60, tolerance=1e-6).state
    return replace(found, knots=bundle.knots), state, _likeliest(found, state, noises)


def _likeliest(bundle: Bundle, state: BundleState, noises: dict[int, ClockNoise]) -> dict[int, ClockNoise]:
    return {c: _evidence(bundle, state, c).likeliest(noise) for c, noise in noises.items()}


def _cost_of_clocks(robust: Bundle, bundle: Bundle, state: BundleState, noises: dict[int, ClockNoise]) -> float:
    """nats that are left where these clocks are unsteady, with what the freedom of their views costs."""
    judged = replace(robust, unsteady=bundle.unsteady, wander_precision=bundle.wander_precision)
    state = levenberg_marquardt(judged, state, max_steps=20, tolerance=1e-4).state
    return judged.cost(state) + sum(_evidence(judged, state, c).price(noise) for c, noise in noises.items())


def _settled(
    bundle: Bundle, state: BundleState, noises: dict[int, ClockNoise], fit: Fit
) -> tuple[Bundle, BundleState, dict[int, ClockNoise]]:
    """Fit and deviations in turn, until neither changes the other."""
    for _ in range(_ROUNDS):
        bundle, state = fit(*with_wander(bundle, state, noises))
        before, noises = noises, _likeliest(bundle, state, noises)
        if all(_near(noises[c], before[c]) for c in noises):
            break
    return bundle, state, noises


def _near(a: ClockNoise, b: ClockNoise) -> bool:
    most = max(a.jitter, b.jitter, 1e-4), max(a.walk, b.walk, 1e-4)
    return abs(a.jitter - b.jitter) < _SETTLED * most[0] and abs(a.walk - b.walk) < _SETTLED * most[1]


def _is_clock(bundle: Bundle, state: BundleState, camera: int, noise: ClockNoise) -> bool:
    """Whether the views were off along the motion, by what matters, and hardly across it."""
    views = _views(bundle, camera)
    wander = bundle.wander_of_views(state)[views]
    if noise == STEADY or float(np.std(wander)) < _LEAST_RMS_S:
        return False
    velocity, missed = _image_velocity(bundle, state)[views], bundle.residuals(state)[views]
    square = bundle.weight[views] ** 2
    information = (square * (velocity**2).sum(axis=-1)).sum(axis=1)
    across = velocity[..., 1] * missed[..., 0] - velocity[..., 0] * missed[..., 1]
    told = (square * across).sum(axis=1) ** 2 / np.maximum(information, 1e-12)
    return bool((wander**2 * information).sum() > _ALONG * max(float((told - (told > 0)).sum()), 0.0))


def _clocks(bundle: Bundle, state: BundleState, noises: dict[int, ClockNoise]) -> tuple[UnsteadyClock, ...]:
    wander = bundle.wander_of_views(state)
    own = {c: np.asarray(bundle.unsteady[bundle.camera[bundle.unsteady] == c]) for c in sorted(noises)}
    return tuple(UnsteadyClock(c, noises[c], views, wander[views]) for c, views in own.items())


def _blocks(a: Float64[np.ndarray, "a a"], b: Float64[np.ndarray, "b b"]) -> Float64[np.ndarray, "n n"]:
    """Block-diagonal matrix of two."""
    whole = np.zeros((len(a) + len(b),) * 2)
    whole[: len(a), : len(a)], whole[len(a) :, len(a) :] = a, b
    return whole
