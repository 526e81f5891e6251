"""From a first rig to the best one: who is who by the rig, sides put right, noise from the residuals, one bundle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64, Int64

from calib.people.bones import bones_of, fitted_with_bones
from calib.people.bundle_of_people import Observed, bundle_of, state_of
from calib.people.grow import at_first_camera, placement_of
from calib.people.identities import Person, Placement, people_of
from calib.people.joint_bundle import LENS, JointBundle, RigState
from calib.people.noise import noise_of
from calib.people.scene import Scene
from calib.people.tracklets import Tracklet
from multiview.geometry.least_squares import levenberg_marquardt

__all__ = ["Refined", "redundancy", "refine"]

_ROUNDS = 3
_GATE = 7.0  # deviations, beyond which an observation is of something else
_FLIP = 0.5  # exchanged sides must leave so much less
_FLIP_FRAMES = 5


@dataclass(frozen=True, slots=True, eq=False)
class Refined:
    """A rig with what it rests on.

    Attributes:
        scene: What was seen, with the lenses found and sides put right.
        placement: The rig.
        people: Who was seen.
        observed: The last bundle, without what it rejected.
        state: Of it.
        rejected: (C,) observations that were rejected.
    """

    scene: Scene
    placement: Placement
    people: list[Person]
    observed: Observed
    state: RigState
    rejected: Int64[np.ndarray, " C"]


def refine(
    scene: Scene,
    placement: Placement,
    freed: Callable[[JointBundle], JointBundle] = lambda bundle: bundle,
    rounds: int = _ROUNDS,
    show: Callable[[float], None] = lambda share: None,
) -> Refined | None:
    """Match, adjust and weigh again, until nothing changes but the noise.

    Args:
        scene: What the cameras saw, with the lenses to begin with.
        placement: Where the cameras are, about.
        freed: Frees lenses, too.
        rounds: How often.
        show: Is told the share that is done.

    Returns:
        The rig; None where nothing can be triangulated.
    """
    result = None
    for number in range(rounds):
        placement = at_first_camera(placement)
        people = people_of(scene.samples, placement, scene.mirrored)
        observed = bundle_of(people, scene, placement)
        if observed is None:
            return result
        observed = replace(observed, bundle=freed(observed.bundle))
        state = state_of(scene.lenses, placement, observed.coefficients)
        still = replace(observed.bundle, free=np.zeros_like(observed.bundle.free))
        state = levenberg_marquardt(still, state, max_steps=3, tolerance=1e-2).state
        state = levenberg_marquardt(observed.bundle, state, max_steps=12, tolerance=1e-4).state
        observed = weighed(observed, state)
        near = observed.bundle.deviations(state) < _GATE
        rejected = np.bincount(observed.bundle.camera[~near], minlength=len(scene.cameras))
        observed = kept(observed, near)
        state = levenberg_marquardt(observed.bundle, state, max_steps=25, tolerance=1e-6).state
        observed = weighed(observed, state)
        state = levenberg_marquardt(observed.bundle, state, max_steps=10, tolerance=1e-7).state
        if observed.bundle.free[:, LENS].any():
            state = fitted_with_bones(observed.bundle, bones_of(observed, state, scene.joints), state)
        placement = placement_of(state, placement)
        scene = scene.again(state.lenses, scene.tracklets)
        result = Refined(scene, placement, people, observed, state, rejected)
        show((number + 1) / rounds)
        if number + 1 < rounds:
            scene = scene.again(state.lenses, _sides_put_right(result))
    return result


def kept(observed: Observed, mask: Bool[np.ndarray, " N"]) -> Observed:
    """With some of the observations."""
    rows = {name: getattr(observed, name)[mask] for name in ("joint", "person", "score", "size", "row")}
    return replace(observed, bundle=observed.bundle.kept(mask), **rows)


def weighed(observed: Observed, state: RigState) -> Observed:
    """With the noise that the residuals show."""
    bundle = observed.bundle
    left = redundancy(bundle, state)
    sigma = noise_of(bundle.residuals(state), observed.joint, observed.score, observed.size, left)
    return replace(observed, bundle=replace(bundle, sigma=sigma))


def redundancy(bundle: JointBundle, state: RigState) -> float:
    """Share of the residuals' degrees of freedom that the fit has left."""
    unknowns = 3 * len(np.unique(bundle.curves.at(state.coefficients, bundle.curve, bundle.true_time(state))[2]))
    return max(1 - unknowns / max(2 * len(bundle.camera), 1), 0.05)


def _sides_put_right(refined: Refined) -> list[list[Tracklet]]:
    """Stretches of which left and right are exchanged where that fits the rig much better."""
    observed, state, mirrored = refined.observed, refined.state, refined.scene.mirrored
    curve_of = np.full((len(refined.people), len(mirrored)), -1, dtype=np.int64)
    curve_of[observed.curve_person, observed.curve_joint] = np.arange(len(observed.curve_person))
    sided = np.flatnonzero(mirrored != np.arange(len(mirrored)))
    tracklets = [list(own) for own in refined.scene.tracklets]
    usual = float(np.median(observed.bundle.sigma / observed.size))
    for p, person in enumerate(refined.people):
        for member in person.members:
            own = tracklets[member.camera][member.tracklet]
            curves = curve_of[p, mirrored if member.exchanged else np.arange(len(mirrored))]
            if (curves[sided] < 0).any():
                known = sided[(curves[sided] >= 0) & (curves[mirrored[sided]] >= 0)]
            else:
                known = sided
            if not len(known):
                continue
            predicted = _projected(observed.bundle, state, member.camera, curves[known], own.time)
            scale = usual * own.size[:, None]
            place = {int(j): n for n, j in enumerate(known)}
            other = np.array([place[int(mirrored[j])] for j in known])
            direct, exchanged = (
                _loss(own.xy[:, known] - candidate, scale) for candidate in (predicted, predicted[:, other])
            )
            wrong = _smooth(exchanged) < _FLIP * _smooth(direct)
            if wrong.any():
                xy, score = own.xy.copy(), own.score.copy()
                xy[wrong], score[wrong] = xy[wrong][:, mirrored], score[wrong][:, mirrored]
                tracklets[member.camera][member.tracklet] = Tracklet(own.time, xy, score, own.size)
    return tracklets


def _projected(
    bundle: JointBundle, state: RigState, camera: int, curves: Int64[np.ndarray, " j"], time: Float64[np.ndarray, " n"]
) -> Float64[np.ndarray, "n j 2"]:
    """Where a camera should see these joints; NaN where their curves do not reach."""
    true = time + state.offset[camera] + state.drift[camera] * (time - bundle.middle)
    when = np.repeat(true, len(curves))
    which = np.tile(curves, len(time))
    xyz = bundle.curves.at(state.coefficients, which, when)[0]
    xy = state.lenses[camera].project(xyz @ state.R[camera].T + state.t[camera])
    return np.asarray(np.where(bundle.curves.inside(which, when)[:, None], xy, np.nan).reshape(len(time), -1, 2))


def _loss(missed: Float64[np.ndarray, "n j 2"], scale: Float64[np.ndarray, "n 1"]) -> Float64[np.ndarray, " n"]:
    square = (missed**2).sum(axis=-1) / scale**2
    known = np.isfinite(square)
    return np.asarray(
        np.minimum(np.where(known, square, 0.0), 100.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1) + 1.0
    )


def _smooth(values: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    width = min(_FLIP_FRAMES, len(values))
    padded = np.pad(values, (width // 2, width - 1 - width // 2), mode="edge")
    return np.asarray(np.convolve(padded, np.full(width, 1 / width), mode="valid"))
