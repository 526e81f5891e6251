"""Bones keep their lengths wherever people walk: this holds the shape of the room, which guessed lenses bend.

A joint's curve is the best one under the cameras, so a bone's length depends on the cameras alone; the lengths' spread
is added to the cost of the bundle, and the curves follow (variable projection).

References:
    Golub and Pereyra 2003 (variable projection).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64, Int64

from calib.people.bundle_of_people import Observed
from calib.people.joint_bundle import JointBundle, RigState
from multiview.body.actor import BONE_LENGTHS
from multiview.geometry.least_squares import levenberg_marquardt
from multiview.geometry.robust import cauchy_loss, cauchy_weight

__all__ = ["Bones", "bones_information", "bones_of", "fitted_with_bones"]

_ANATOMY = 0.02  # relative, to begin with: joints as detectors place them are not at constant distances
_DEPENDENT = 5.0  # instants in a row that err alike in this
_CAUCHY = 2.0
_MIN_INSTANTS = 10
_CHAIN_STEPS = 2
_STEPS, _TRIES = 15, 6


@dataclass(frozen=True, slots=True, eq=False)
class Bones:
    """Instants at which both ends of a bone were seen; M of them.

    Attributes:
        a: (M,) curve of the one end.
        b: (M,) curve of the other.
        time: (M,) s, on the first camera's clock.
        which: (M,) number of the bone of a person.
        a_cov: (M, 3, 3) of the one end, in the unit of the bundle.
        b_cov: (M, 3, 3) of the other.
    """

    a: Int64[np.ndarray, " M"]
    b: Int64[np.ndarray, " M"]
    time: Float64[np.ndarray, " M"]
    which: Int64[np.ndarray, " M"]
    a_cov: Float64[np.ndarray, "M 3 3"]
    b_cov: Float64[np.ndarray, "M 3 3"]


def bones_of(observed: Observed, state: RigState, joints: tuple[str, ...]) -> Bones:
    """The bones' instants, one for each coefficient of the curves that two cameras saw.

    Args:
        observed: The bundle.
        state: Of it.
        joints: Names of the joints.

    Returns:
        The instants; none where no bone was seen for long.
    """
    bundle = observed.bundle
    cov, seen, low = _seen(bundle, state)
    index = {name: j for j, name in enumerate(joints)}
    curve_of = {
        (int(p), int(j)): q for q, (p, j) in enumerate(zip(observed.curve_person, observed.curve_joint, strict=True))
    }
    parts, number = [], 0
    for p in range(int(observed.curve_person.max(initial=-1)) + 1):
        for first, second in BONE_LENGTHS.values():
            a, b = (curve_of.get((p, index.get(name, -1))) for name in (first, second))
            if a is None or b is None:
                continue
            instants = np.flatnonzero(seen[a] & seen[b])
            time = (instants + low + 0.5) * bundle.curves.step
            inside = [bundle.curves.inside(np.full(len(time), q), time) for q in (a, b)]
            instants, time = instants[inside[0] & inside[1]], time[inside[0] & inside[1]]
            if len(instants) < _MIN_INSTANTS:
                continue
            ends = np.full(len(instants), a), np.full(len(instants), b)
            parts.append((*ends, time, np.full(len(instants), number), cov[a, instants], cov[b, instants]))
            number += 1
    if not parts:
        none = np.empty(0, dtype=np.int64)
        return Bones(none, none, np.empty(0), none, np.empty((0, 3, 3)), np.empty((0, 3, 3)))
    return Bones(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def bones_information(
    bundle: JointBundle, bones: Bones, state: RigState, eliminated: Float64[np.ndarray, "K 3 S"]
) -> Float64[np.ndarray, "S S"]:
    """What the bones tell of the cameras.

    Args:
        bundle: With its free unknowns.
        bones: Of it.
        state: Where.
        eliminated: How the curves follow the cameras, see `ArrowSystem.reduced`.

    Returns:
        To be added to the information of the keypoints.
    """
    if not len(bones.a):
        return np.zeros((eliminated.shape[2], eliminated.shape[2]))
    return _linearised(bundle, bones, state, _deviations(bundle, bones, state), eliminated)[0]


def fitted_with_bones(bundle: JointBundle, bones: Bones, state: RigState, max_steps: int = _STEPS) -> RigState:
    """The bundle's minimum with bones of constant lengths.

    Args:
        bundle: With free lenses.
        bones: Of it.
        state: Where to begin.
        max_steps: How many steps at most.

    Returns:
        The state.
    """
    if not len(bones.a):
        return levenberg_marquardt(bundle, state, max_steps=max_steps, tolerance=1e-7).state
    still = replace(bundle, free=np.zeros_like(bundle.free))

    def followed(state: RigState) -> RigState:
        return levenberg_marquardt(still, state, max_steps=_CHAIN_STEPS, tolerance=1e-9).state

    state = followed(state)
    sigma = _deviations(bundle, bones, state)
    cost, damping = bundle.cost(state) + _cost(bundle, bones, state, sigma), 1e-4
    for _ in range(max_steps):
        system = bundle.linearised(state)
        H, eliminated = system.reduced()
        H_bones, g_bones = _linearised(bundle, bones, state, sigma, eliminated)
        g = system.gradient_shared - np.einsum("kps,kp->s", eliminated, system.gradient_chain) + g_bones
        H = H + H_bones
        for _ in range(_TRIES):
            try:
                step = np.linalg.solve(H + damping * np.diag(np.diag(H)), -g)
            except np.linalg.LinAlgError:  # of a camera without observations
                return state
            candidate = followed(bundle.moved(state, step, -(eliminated @ step)))
            now = bundle.cost(candidate) + _cost(bundle, bones, candidate, sigma)
            if now < cost:
                break
            damping *= 10
        if not now < cost:
            break
        gain, state, cost, damping = cost - now, candidate, now, damping / 10
        if gain < 0.02:
            break
    return state


def _seen(bundle: JointBundle, state: RigState) -> tuple[Float64[np.ndarray, "Q n 3 3"], np.ndarray, int]:
    """Of every curve and span of a coefficient, its covariance and whether two cameras saw it; the first span."""
    time = bundle.true_time(state)
    span = np.floor(time / bundle.curves.step).astype(np.int64)
    low = int(span.min())
    width = int(span.max()) - low + 1
    curves = len(bundle.curves.start)
    cell = bundle.curve * width + span - low
    P = bundle.rows(state).by_point
    information = np.zeros((curves * width, 3, 3))
    np.add.at(information, cell, np.einsum("nxi,nxj->nij", P, P))
    seen = np.zeros((curves * width, len(state.R)), dtype=bool)
    seen[cell, bundle.camera] = True
    two = seen.sum(axis=1) >= 2
    cov = np.zeros_like(information)
    cov[two] = np.linalg.inv(information[two])
    return cov.reshape(curves, width, 3, 3), two.reshape(curves, width), low


def _vectors(
    bundle: JointBundle, bones: Bones, state: RigState
) -> tuple[Float64[np.ndarray, "M 3"], tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    a = bundle.curves.at(state.coefficients, bones.a, bones.time)
    b = bundle.curves.at(state.coefficients, bones.b, bones.time)
    return b[0] - a[0], a[2:], b[2:]


def _lengths(bones: Bones, d: Float64[np.ndarray, "M 3"]) -> Float64[np.ndarray, " M"]:
    """Logarithm of the lengths, less what noise adds."""
    square = (d**2).sum(axis=1)
    added = np.einsum("mii->m", bones.a_cov + bones.b_cov)
    return np.asarray(0.5 * np.log(np.maximum(square - added, 0.25 * square)))


def _deviations(bundle: JointBundle, bones: Bones, state: RigState) -> Float64[np.ndarray, " M"]:
    """Of every length: of its ends' noise, and what else is seen to vary in lengths of bones."""
    d = _vectors(bundle, bones, state)[0]
    square = (d**2).sum(axis=1)
    along = np.einsum("mi,mij,mj->m", d, bones.a_cov + bones.b_cov, d) / square**2
    r = _residuals(bones, _lengths(bones, d)[:, None], 1 / (along + _ANATOMY**2))[:, 0]
    more = max(float(np.median(r**2)) / 0.455 - float(np.median(along)), 0.0)
    return np.asarray(np.sqrt(along + _DEPENDENT * min(more, 0.04)))


def _residuals(bones: Bones, values: Float64[np.ndarray, "M k"], weight: Float64[np.ndarray, " M"]) -> np.ndarray:
    """(M, k) columns less the mean of each bone."""
    count = int(bones.which.max()) + 1
    total = np.bincount(bones.which, weight, minlength=count)
    mean = np.stack([np.bincount(bones.which, weight * column, minlength=count) for column in values.T], axis=1)
    return np.asarray(values - (mean / total[:, None])[bones.which])


def _weighed(
    bones: Bones, length: Float64[np.ndarray, " M"], sigma: Float64[np.ndarray, " M"]
) -> tuple[np.ndarray, np.ndarray]:
    """Residuals in deviations, and the weights of the robust loss."""
    weight = 1 / sigma**2
    for _ in range(3):
        r = _residuals(bones, length[:, None], weight)[:, 0] / sigma
        robust = cauchy_weight(r**2, _CAUCHY)
        weight = (robust / sigma) ** 2
    return r, robust


def _cost(bundle: JointBundle, bones: Bones, state: RigState, sigma: Float64[np.ndarray, " M"]) -> float:
    r, _ = _weighed(bones, _lengths(bones, _vectors(bundle, bones, state)[0]), sigma)
    return 0.5 * float(cauchy_loss(r**2, _CAUCHY).sum())


def _linearised(
    bundle: JointBundle, bones: Bones, state: RigState, sigma: Float64[np.ndarray, " M"],
    eliminated: Float64[np.ndarray, "K 3 S"],
) -> tuple[Float64[np.ndarray, "S S"], Float64[np.ndarray, " S"]]:  # fmt: skip
    """What the bones add to the normal equations of the cameras."""
    d, a, b = _vectors(bundle, bones, state)
    r, robust = _weighed(bones, _lengths(bones, d), sigma)
    unit = d / (d**2).sum(axis=1)[:, None]
    J = np.zeros((len(d), eliminated.shape[2]))
    for sign, (first, basis) in ((1.0, a), (-1.0, b)):  # a curve moves by -eliminated
        for i in range(4):
            J += sign * basis[:, i : i + 1] * np.einsum("mx,mxs->ms", unit, eliminated[first + i])
    weight = (robust / sigma) ** 2
    J = _residuals(bones, J, weight) * (robust / sigma)[:, None]
    return J.T @ J, J.T @ (r * robust)
