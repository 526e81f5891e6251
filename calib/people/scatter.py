"""The covariance of a rig from how keypoints really scatter: errors that stay alike are counted as one.

A detector errs alike from frame to frame, and puts a joint to the same wrong place whenever it sees a person from the
same side. So the keypoints of one joint in one camera, of people seen from one of eight sides, may err alike in any
way, and only different groups are taken to be independent (sandwich estimator with clusters).

References:
    Huber 1967; Liang and Zeger 1986.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64
from scipy.sparse import csr_matrix

from calib.people.bones import bones_information, bones_of
from calib.people.bundle_of_people import Observed
from calib.people.detector_bias import BiasedBundle
from calib.people.joint_bundle import JointBundle, RigState
from calib.people.refine import redundancy
from calib.people.view_angle import angles_of_view
from multiview.geometry.robust import cauchy_weight

__all__ = ["Scatter", "scatter_of"]

_SIDES = 8
_BLOCK_S = 2.0  # where the side is unknown
_FOLLOWED = 4  # knots of a curve, which one coefficient reaches
_LEAST = 1e-30  # information: less is nothing, and its inverse would overflow


@dataclass(frozen=True, slots=True, eq=False)
class Scatter:
    """Covariance of the shared unknowns, and by how much its variances exceed those of independent errors."""

    covariance: Float64[np.ndarray, "S S"]
    inflation: float


def scatter_of(
    observed: Observed,
    bundle: JointBundle,
    state: RigState,
    joints: tuple[str, ...],
    bias: BiasedBundle | None = None,
) -> Scatter:
    """The covariance of what is free of a bundle.

    Args:
        observed: What the observations are of.
        bundle: The same with everything free that is uncertain.
        state: The minimum.
        joints: Names of the joints.
        bias: What may be left of the detector's bias, which was taken off the keypoints; None: nothing.

    Returns:
        At least the covariance of independent errors.
    """
    system = bundle.linearised(state) if bias is None else bias.linearised(bias.unbiased(state))
    information, eliminated = system.reduced()
    if bundle.prior_sigma is not None:
        information = information + bones_information(bundle, bones_of(observed, state, joints), state, eliminated)
    group = _groups(observed, bundle, state, joints)
    scores, unknowns = _scores(bundle, state, eliminated, group, bias), float(len(information))
    if bias is not None:
        information, scores, unknowns = _less_bias(information, scores, int(bundle.free.sum()), bias.sigma)
    size = 1 / np.sqrt(np.maximum(np.diag(information), _LEAST))
    values, vectors = np.linalg.eigh(information * np.outer(size, size))
    root = size[:, None] * vectors / np.sqrt(np.maximum(values, 1e-14))  # root root' is the inverse
    flatness, independent = _robust(bundle, state)
    white = scores @ root / (np.sqrt(_left_of_slow_errors(bundle, state)) * flatness)
    spread = _shrunk(white) * len(scores) / max(len(scores) - unknowns, 1)
    power, axes = np.linalg.eigh(spread)
    power = np.clip(power, independent, 1 / _LEAST)
    root = root @ axes
    return Scatter((root * power) @ root.T, float(power.mean()) / independent)


def _less_bias(
    information: Float64[np.ndarray, "U U"], scores: Float64[np.ndarray, "G U"], S: int, sigma: float
) -> tuple[Float64[np.ndarray, "S S"], Float64[np.ndarray, "G S"], float]:
    """Information on the first S unknowns and their scores with the bias following; how many unknowns the data tell:
    of the bias those that are surer than expected, in parts."""
    of_bias = np.linalg.inv(information[S:, S:])
    follow = of_bias @ information[S:, :S]
    told = len(of_bias) - float(np.trace(of_bias)) / sigma**2
    return information[:S, :S] - information[:S, S:] @ follow, scores[:, :S] - scores[:, S:] @ follow, S + told


def _scores(
    bundle: JointBundle,
    state: RigState,
    eliminated: Float64[np.ndarray, "K 3 U"],
    group: Int64[np.ndarray, " N"],
    bias: BiasedBundle | None,
) -> Float64[np.ndarray, "G U"]:
    """Every group's gradient by the shared unknowns, the curves following."""
    if bias is None:
        rows, which, layout = bundle.rows(state), bundle.camera, bundle.layout()
    else:
        rows, which, layout = bias.rows(bias.unbiased(state))
    square = (rows.missed**2).sum(axis=1)
    weight = cauchy_weight(square, bundle.cauchy) ** 2
    missed = rows.missed * weight[:, None]
    U, groups = eliminated.shape[2], int(group.max(initial=-1)) + 1
    own = np.einsum("nxu,nx->nu", rows.by_camera, missed)
    scores = np.zeros((groups, U + 1))
    for u in range(own.shape[1]):
        np.add.at(scores, (group, layout[which, u]), own[:, u])
    pull = np.einsum("nxi,nx->ni", rows.by_point, missed)
    place = 3 * (rows.first[:, None, None] + np.arange(4)[:, None]) + np.arange(3)
    value = rows.basis[:, :, None] * pull[:, None]
    row = np.broadcast_to(group[:, None, None], place.shape)
    chain = csr_matrix((value.ravel(), (row.ravel(), place.ravel())), shape=(groups, 3 * len(eliminated)))
    return np.asarray(scores[:, :U] - chain @ eliminated.reshape(-1, U))


def _robust(bundle: JointBundle, state: RigState) -> tuple[float, float]:
    """Of the robust loss: its mean curvature over its mean weight, and by how much variances of independent errors
    differ from what the information with these weights says.

    Weights that are fixed count gross and usual errors less than they tell, so that the factor is below 1.

    References:
        Huber 1981, Robust Statistics, section 7.6.
    """
    square = bundle.deviations(state) ** 2
    weight = cauchy_weight(square, bundle.cauchy) ** 2
    flatness = float((weight - square * weight**2 / bundle.cauchy**2).sum() / weight.sum())
    spread = float((square * weight**2).sum() / 2 / weight.sum())
    return flatness, spread / (flatness**2 * redundancy(bundle, state))


def _shrunk(scores: Float64[np.ndarray, "G S"]) -> Float64[np.ndarray, "S S"]:
    """Sum of the squares of independent scores, drawn to a multiple of the unit matrix as far as their number says that
    its directions differ by chance.

    References:
        Ledoit and Wolf 2004, A well-conditioned estimator for large-dimensional covariance matrices.
    """
    groups, unknowns = scores.shape
    total = scores.T @ scores
    mean = float(np.trace(total)) / unknowns
    apart = float(((total - mean * np.eye(unknowns)) ** 2).sum())
    # The variance of the sum: of G times one score's square about it, over G.
    chance = float(((scores**2).sum(axis=1) ** 2).sum()) - float((total**2).sum()) / groups
    share = min(max(chance, 0.0), apart) / apart if apart > 0 else 1.0
    return np.asarray(share * mean * np.eye(unknowns) + (1 - share) * total)


def _left_of_slow_errors(bundle: JointBundle, state: RigState) -> float:
    """Share of the variance of a group's score that its residuals still show.

    A score adds up errors that last, and those the curves follow as freely as points of their own would: with H of two
    numbers of a camera on what the fit takes from them, residuals show (1 - H) of an error, and the score's own
    direction is spread as 1 - H is. So its mean square is tr (1 - H)^2 / tr (1 - H) of the true one: a half for two
    cameras, 0.6 to 0.7 for four. Residuals of quick errors, most of which curves cannot follow, would say more.

    References:
        Bell and McCaffrey 2002, Bias reduction in standard errors for linear regression with multi-stage samples.
    """
    rows = bundle.rows(state)
    by_point = rows.by_point * cauchy_weight((rows.missed**2).sum(axis=1), bundle.cauchy)[:, None, None]
    square = np.einsum("nxi,nxj->nij", by_point, by_point)
    keys = np.stack([bundle.curve, rows.first // _FOLLOWED, bundle.camera])
    seen, own, count = np.unique(keys, axis=1, return_inverse=True, return_counts=True)
    of_camera = np.zeros((seen.shape[1], 3, 3))
    np.add.at(of_camera, own.ravel(), square)
    _, place = np.unique(seen[:2], axis=1, return_inverse=True)
    of_all = np.zeros((int(place.max(initial=-1)) + 1, 3, 3))
    np.add.at(of_all, place.ravel(), of_camera)
    cameras = np.bincount(place.ravel(), minlength=len(of_all))
    use = (cameras > 1)[place.ravel()]
    size = np.trace(of_all, axis1=1, axis2=2)[:, None, None]
    H = np.linalg.solve((of_all + 1e-9 * size * np.eye(3))[place.ravel()[use]], of_camera[use])
    taken, twice = np.trace(H, axis1=1, axis2=2), np.einsum("kij,kji->k", H, H)
    left, weight = np.maximum(2 - taken, 0.0), count[use]
    return float((weight * (2 - 2 * taken + twice)).sum() / max((weight * left).sum(), _LEAST)) if use.any() else 1.0


def _groups(
    observed: Observed, bundle: JointBundle, state: RigState, joints: tuple[str, ...]
) -> Int64[np.ndarray, " N"]:
    """Numbers of camera, joint and side from which a person is seen."""
    time = bundle.true_time(state)
    side = _SIDES + np.floor(time / _BLOCK_S).astype(np.int64) - int(np.floor(time.min(initial=0) / _BLOCK_S))
    angle = angles_of_view(observed, state, joints)
    known = np.isfinite(angle)
    side[known] = np.floor(_SIDES * (angle[known] / (2 * np.pi) + 0.5)).astype(np.int64) % _SIDES
    keys = np.stack([bundle.camera, observed.joint, side], axis=1)
    return np.asarray(np.unique(keys, axis=0, return_inverse=True)[1].ravel(), dtype=np.int64)
