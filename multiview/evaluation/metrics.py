"""How good poses are, measured against true joints.

First people are matched to true actors, frame by frame: the assignment with the least sum of mean joint distances, each
joint's distance capped at 1 m, a missing joint counting 1 m. Everything else is a function of that Comparison.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64
from scipy.optimize import linear_sum_assignment
from scipy.stats import chi2

from multiview.body.joint_names import canonical_name, select_joints
from multiview.body.skeleton import Skeleton
from multiview.errors import SourceError
from multiview.recordings.ground_truth import Truth
from multiview.recordings.pose_table import Poses

__all__ = [
    "PARTS",
    "Comparison",
    "bone_length_spread",
    "compare",
    "identity_switches",
    "nees",
    "normalised_rmse",
    "pck3d",
    "pcp3d",
    "share_inside_ellipsoid",
]

_MAX_DISTANCE_M = 1.0
MAX_MATCH_M = 0.5
"""A person is found if the mean capped joint distance is at most this."""

_LIMBS = (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"))
PARTS = (
    *((f"{side}_{a}", f"{side}_{b}") for side in ("left", "right") for a, b in _LIMBS),
    ("shelf_head_bottom", "shelf_head_top"),
    ("mid_hip", "shelf_head_bottom"),
)
"""The ten parts of PCP3D: eight limbs, head, torso."""


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Matched pairs of a true actor and a person, M of them; N rows of truth, K joints that both have.

    Attributes:
        truth: What was compared.
        poses: With what.
        joints: Names of the K joints.
        truth_row: (M,) row of the truth.
        pose_row: (M,) row of the poses.
        distance: (M,) m, mean capped joint distance of the pair.
        found: (M,) True where it is at most 0.5 m.
        error: (M, K, 3) m, person minus truth; NaN where either is unknown.
        age: (M,) frames of the person before this one.
        predictions: How many people there are in frames from the truth's first to its last.
    """

    truth: Truth
    poses: Poses
    joints: tuple[str, ...]
    truth_row: Int64[np.ndarray, " M"]
    pose_row: Int64[np.ndarray, " M"]
    distance: Float64[np.ndarray, " M"]
    found: Bool[np.ndarray, " M"]
    error: Float64[np.ndarray, "M K 3"]
    age: Int64[np.ndarray, " M"]
    predictions: int

    @property
    def recall(self) -> float:
        """Share of true people who are found."""
        return float(self.found.sum() / max(len(self.truth.frame), 1))

    @property
    def precision(self) -> float:
        """Share of people who are true ones."""
        return float(self.found.sum() / max(self.predictions, 1))

    @property
    def error_m(self) -> Float64[np.ndarray, "M K"]:
        """Distance of each joint from the truth; NaN where unknown, and for people who are not found."""
        length = np.linalg.norm(self.error, axis=-1)
        return np.where(self.found[:, None], length, np.nan)

    @property
    def mpjpe(self) -> float:
        """Mean distance of the joints of found people, m."""
        return float(np.nanmean(self.error_m)) if np.isfinite(self.error_m).any() else float("nan")

    def of_joints(self, values: np.ndarray, missing: float) -> np.ndarray:
        """A column of the poses for the M pairs and K joints.

        Args:
            values: (N, J, ...) such as `poses.filled`, `poses.cov`.
            missing: For joints that are derived from others.

        Returns:
            (M, K, ...).
        """
        names = [canonical_name(joint) for joint in self.poses.joints]
        picked = np.full((len(self.pose_row), len(self.joints), *values.shape[2:]), missing, dtype=values.dtype)
        for k, joint in enumerate(self.joints):
            if joint in names:
                picked[:, k] = values[self.pose_row, names.index(joint)]
        return picked

    @property
    def own_joints(self) -> Bool[np.ndarray, " K"]:
        """Joints that the poses have themselves, not derived from others as the ends of Shelf's heads are."""
        names = [canonical_name(joint) for joint in self.poses.joints]
        return np.array([joint in names for joint in self.joints], dtype=bool)

    @property
    def measured(self) -> Bool[np.ndarray, "M K"]:
        """Joints that rest on rays of their own rather than on bones and motion."""
        return np.isfinite(self.error_m) & ~self.of_joints(self.poses.filled, True)


def compare(truth: Truth, poses: Poses) -> Comparison:
    """Match people to true actors, frame by frame: the assignment with the least sum of mean capped joint distances.

    Args:
        truth: True joints.
        poses: People.

    Returns:
        The pairs and their errors.

    Raises:
        SourceError: They have no joint in common.
    """
    true_joints = tuple(canonical_name(joint) for joint in truth.joints)
    predicted = select_joints(poses.xyz, poses.joints, true_joints)
    derived = select_joints(np.zeros((1, len(poses.joints), 3)), poses.joints, true_joints)
    common = ~np.isnan(derived).any(axis=(0, 2))
    if not common.any():
        raise SourceError(f"truth ({', '.join(truth.joints)}) and poses ({', '.join(poses.joints)}) share no joint")
    joints = tuple(joint for joint, both in zip(true_joints, common, strict=True) if both)
    true, predicted = truth.xyz[:, common], predicted[:, common]
    truth_row, pose_row, distance = _match(truth.frame, true, poses.frame, predicted)
    within = np.zeros(0, dtype=bool)
    if len(truth.frame):
        within = (poses.frame >= truth.frame.min()) & (poses.frame <= truth.frame.max())
    return Comparison(
        truth=truth,
        poses=poses,
        joints=joints,
        truth_row=truth_row,
        pose_row=pose_row,
        distance=distance,
        found=distance <= MAX_MATCH_M,
        error=predicted[pose_row] - true[truth_row],
        age=_age(poses)[pose_row],
        predictions=int(within.sum()),
    )


def _match(
    true_frame: np.ndarray, true: np.ndarray, frame: np.ndarray, predicted: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = [
        (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    ]
    true_order, order = np.argsort(true_frame, kind="stable"), np.argsort(frame, kind="stable")
    for when in np.intersect1d(true_frame, frame):
        a = true_order[slice(*np.searchsorted(true_frame[true_order], [when, when + 1]))]
        b = order[slice(*np.searchsorted(frame[order], [when, when + 1]))]
        cost = _mean_capped_distance(true[a, None], predicted[None, b])
        i, j = linear_sum_assignment(cost)
        rows.append((a[i], b[j], cost[i, j]))
    truth_row, pose_row, distance = (np.concatenate(column) for column in zip(*rows, strict=True))
    return truth_row, pose_row, distance


def _mean_capped_distance(true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Over the joints that the truth has; 1 m for those that the prediction lacks."""
    distance = np.linalg.norm(predicted - true, axis=-1)
    distance = np.minimum(np.where(np.isnan(distance), _MAX_DISTANCE_M, distance), _MAX_DISTANCE_M)
    known = np.broadcast_to(~np.isnan(true).any(axis=-1), distance.shape)
    return np.asarray((distance * known).sum(axis=-1) / np.maximum(known.sum(axis=-1), 1))


def _age(poses: Poses) -> np.ndarray:
    age = np.empty(len(poses), dtype=np.int64)
    for person in poses.people:
        rows = np.flatnonzero(poses.person == person)
        age[rows[np.argsort(poses.frame[rows], kind="stable")]] = np.arange(len(rows))
    return age


def pck3d(comparison: Comparison, threshold: float) -> float:
    """Share of the true joints within a distance; a joint that is missing, or of nobody found, is wrong.

    Args:
        comparison: By `compare`.
        threshold: The distance, m.

    Returns:
        In [0, 1].

    References:
        Mehta et al. 2017, Monocular 3D Human Pose Estimation in the Wild, section 6.
    """
    known = ~np.isnan(comparison.truth.xyz).any(axis=-1)
    shared = [canonical_name(joint) in comparison.joints for joint in comparison.truth.joints]
    with np.errstate(invalid="ignore"):
        right = (comparison.error_m <= threshold).sum()
    return float(right / max(known[:, shared].sum(), 1))


def pcp3d(comparison: Comparison) -> dict[int, float]:
    """For each actor the share of the ten parts that are correct, over all their frames.

    A part is correct if the mean of its two ends' errors is at most half its true length; a part with a missing end is
    wrong.

    Args:
        comparison: By `compare`.

    Returns:
        {actor: share in [0, 1]}.

    References:
        Burenius et al. 2013, 3D Pictorial Structures for Multiple View Articulated Pose Estimation.
    """
    truth, poses = comparison.truth, comparison.poses
    ends = tuple(dict.fromkeys(joint for part in PARTS for joint in part))
    true = select_joints(truth.xyz, truth.joints, ends)
    predicted = np.full_like(true, np.nan)
    predicted[comparison.truth_row] = select_joints(poses.xyz, poses.joints, ends)[comparison.pose_row]
    a, b = (np.array([ends.index(part[end]) for part in PARTS]) for end in (0, 1))
    length = np.linalg.norm(true[:, a] - true[:, b], axis=-1)
    error = np.linalg.norm(predicted - true, axis=-1)
    with np.errstate(invalid="ignore"):
        correct = (error[:, a] + error[:, b]) / 2 <= 0.5 * length
    known = ~np.isnan(length)
    return {
        int(actor): float((correct & known)[rows].sum() / max(known[rows].sum(), 1))
        for actor in np.unique(truth.actor)
        if (rows := truth.actor == actor).any()
    }


def identity_switches(comparison: Comparison) -> list[tuple[int, int, int, int]]:
    """Where a found actor is another person than when last found; coming back under a new number counts.

    As in the CLEAR MOT metrics, but with the assignment of least distance in every frame, not preferring the one
    before.

    Args:
        comparison: By `compare`.

    Returns:
        (frame, actor, person before, person now) of each switch.

    References:
        Bernardin and Stiefelhagen 2008, Evaluating Multiple Object Tracking Performance.
    """
    found = np.flatnonzero(comparison.found)
    truth, poses = comparison.truth, comparison.poses
    order = found[np.argsort(truth.frame[comparison.truth_row[found]], kind="stable")]
    last: dict[int, int] = {}
    switches = []
    for pair in order:
        row = comparison.truth_row[pair]
        actor, person = int(truth.actor[row]), int(poses.person[comparison.pose_row[pair]])
        if last.get(actor, person) != person:
            switches.append((int(truth.frame[row]), actor, last[actor], person))
        last[actor] = person
    return switches


def nees(comparison: Comparison) -> Float64[np.ndarray, "M K"]:
    """Normalised estimation error squared per degree of freedom, e^T C^-1 e / 3; 1 on average if C is calibrated.

    Args:
        comparison: By `compare`.

    Returns:
        (M, K), NaN where unknown and for filled joints.

    References:
        Bar-Shalom et al. 2001, Estimation with Applications to Tracking and Navigation, section 5.4.
    """
    cov = comparison.of_joints(comparison.poses.cov, np.nan)
    with np.errstate(invalid="ignore"):
        usable = comparison.measured & np.isfinite(cov).all(axis=(-1, -2)) & (np.linalg.det(np.nan_to_num(cov)) > 0)
    value = np.full(usable.shape, np.nan)
    e = comparison.error[usable]
    value[usable] = np.einsum("ni,ni->n", e, np.linalg.solve(cov[usable], e[..., None])[..., 0]) / 3
    return value


def trimmed_mean(values: Float64[np.ndarray, "*shape"], trim: float = 0.001) -> float:
    """Mean without NaN and without the top `trim` share: one burst would move it."""
    known = np.sort(values[np.isfinite(values)])
    kept = known[: len(known) - int(np.floor(trim * len(known)))]
    return float(kept.mean()) if len(kept) else float("nan")


def share_inside_ellipsoid(values: Float64[np.ndarray, "*shape"], probability: float) -> float:
    """Share of joints inside the ellipsoid that should hold a given probability.

    Args:
        values: NEES per degree of freedom, of any shape; NaN is left out.
        probability: In (0, 1).

    Returns:
        In [0, 1]; equal to `probability` if covariances are calibrated.
    """
    known = values[np.isfinite(values)]
    return float((known * 3 <= chi2.ppf(probability, 3)).mean()) if len(known) else float("nan")


def normalised_rmse(comparison: Comparison) -> float:
    """Root mean square of the error of each measured joint over its single-frame Cramer-Rao bound.

    Args:
        comparison: By `compare`.

    Returns:
        1 is what the best estimator without memory reaches; NaN if the truth does not know the bound.
    """
    bound = comparison.truth.bound
    if bound is None:
        return float("nan")
    names = [canonical_name(joint) for joint in comparison.truth.joints]
    of_pair = bound[comparison.truth_row][:, [names.index(joint) for joint in comparison.joints]]
    usable = comparison.measured & np.isfinite(of_pair)
    return (
        float(np.sqrt(np.mean((comparison.error_m[usable] / of_pair[usable]) ** 2))) if usable.any() else float("nan")
    )


def bone_length_spread(poses: Poses, skeleton: Skeleton) -> Float64[np.ndarray, "P B"]:
    """Standard deviation of each person's bones over their frames.

    Args:
        poses: Of P people.
        skeleton: With B bones.

    Returns:
        (P, B) as a fraction of the bone's mean length; NaN with fewer than two lengths.
    """
    parents, children = (np.array([bone[end] for bone in skeleton.bones], dtype=np.int64) for end in (0, 1))
    spread = np.full((len(poses.people), len(skeleton.bones)), np.nan)
    for i, person in enumerate(poses.people):
        xyz = poses.xyz[poses.person == person]
        length = np.linalg.norm(xyz[:, children] - xyz[:, parents], axis=-1)
        enough = np.isfinite(length).sum(axis=0) >= 2
        if enough.any():
            some = length[:, enough]
            spread[i, enough] = np.nanstd(some, axis=0) / np.nanmean(some, axis=0)
    return spread
