"""Recordings as training data: the fused people, reprojected into each view, label the joints there.

What several views agree on labels the view that missed it. A joint is trusted that enough rays support, that was
measured rather than filled, and whose reprojection is certain to a few pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np
from jaxtyping import Bool, Float64

from multiview.cameras.camera import Camera, Rig
from multiview.common.ranges import above, between
from multiview.data import Keypoints2D
from multiview.keypoints.suppress import boxes_of
from multiview.learn.sample import ABSENT, HIDDEN, VISIBLE
from multiview.recordings.pose_table import Poses

__all__ = ["LabelCriteria", "LabelledPeople", "label_view", "sigma_for_rms"]


class LabelCriteria(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which fused joints are good enough to be labels."""

    views: Annotated[int, between(1, 64, "views")] = 2
    """Rays that a joint was measured by, at least."""
    sigma_px: Annotated[float, above(0, 1000, "px")] = 1.4
    """Standard deviation of each coordinate of its reprojection, at most; see `sigma_for_rms`."""
    min_joints: Annotated[int, between(1, 1024, "joints")] = 6
    """Of a person in a view, else they are not labelled there."""
    max_distance: Annotated[float, between(0, 10)] = 0.06
    """Fraction of the person's size: a joint is visible in a view whose own detection lies so close to it."""


DEFAULT = LabelCriteria()


@dataclass(frozen=True, slots=True, eq=False)
class LabelledPeople:
    """The P labelled people of one picture: joints px, COCO's flags, boxes x1 y1 x2 y2 px, and who they are."""

    xy: Float64[np.ndarray, "P J 2"]
    visibility: np.ndarray
    box: Float64[np.ndarray, "P 4"]
    person: np.ndarray


def label_view(
    camera: Camera,
    poses: Poses,
    rows: np.ndarray,
    detected: Keypoints2D | None = None,
    criteria: LabelCriteria = DEFAULT,
) -> LabelledPeople:
    """Label one camera's picture with the people in `rows` of `poses`, the frame that it shows.

    `detected` is what this camera itself found, in the poses' joints, to tell visible joints from hidden ones; without
    it every joint in the picture counts as visible.
    """
    xy, sigma = _reproject(camera, poses, rows, criteria.views)
    trusted = sigma <= criteria.sigma_px
    keep = trusted.sum(1) >= criteria.min_joints
    xy, trusted, rows = xy[keep], trusted[keep], rows[keep]
    box = _boxes(np.where(trusted[..., None], xy, np.nan), camera.size)
    visibility = np.where(trusted, VISIBLE, ABSENT)
    if detected is not None:
        visibility[trusted & ~_detected(xy, box, detected, criteria.max_distance)] = HIDDEN
    return LabelledPeople(np.where(trusted[..., None], xy, 0.0), visibility, box, poses.person[rows])


def sigma_for_rms(rig: Rig, poses: Poses, rms_px: float, views: int = 2) -> float:
    """The largest standard deviation (px) of a label for which all labels in all views have an expected RMS error of
    `rms_px`: the most certain joints first, as long as the mean of their variances allows.
    """
    everyone = np.arange(len(poses))
    sigma = np.concatenate([_reproject(camera, poses, everyone, views)[1].ravel() for camera in rig.cameras])
    sigma = np.sort(sigma[np.isfinite(sigma)])
    mean_square = np.cumsum(2 * sigma**2) / np.arange(1, len(sigma) + 1)
    count = int(np.searchsorted(mean_square, rms_px**2, side="right"))
    return float(sigma[count - 1]) if count else 0.0


def _reproject(
    camera: Camera, poses: Poses, rows: np.ndarray, views: int
) -> tuple[Float64[np.ndarray, "P J 2"], Float64[np.ndarray, "P J"]]:
    """Where joints appear in the picture, and their deviation there (px), NaN where they are outside or not measured
    by so many views."""
    xy, jacobian = camera.project_with_jacobian(poses.xyz[rows])
    sigma = np.sqrt(np.einsum("pjik,pjkl,pjil->pj", jacobian, poses.cov[rows], jacobian) / 2)
    inside = ((xy > -0.5) & (xy < np.array(camera.size) - 0.5)).all(-1)
    return xy, np.where(inside & (poses.views[rows] >= views) & ~poses.filled[rows], sigma, np.nan)


def _boxes(xy: Float64[np.ndarray, "P J 2"], size: tuple[int, int]) -> Float64[np.ndarray, "P 4"]:
    """The joints' boxes, widened by the flesh about them, within the picture."""
    box = boxes_of(xy)
    margin = 0.08 * (box[:, 2:] - box[:, :2]).max(1, keepdims=True)
    grown = np.concatenate([box[:, :2] - margin, box[:, 2:] + margin], axis=1)
    return np.asarray(np.clip(grown, 0, np.array([*size, *size]) - 1.0))


def _detected(
    xy: Float64[np.ndarray, "P J 2"], box: Float64[np.ndarray, "P 4"], detected: Keypoints2D, max_distance: float
) -> Bool[np.ndarray, "P J"]:
    """Which joints lie close to the same joint of a detection in this very view."""
    if not detected.people:
        return np.zeros(xy.shape[:2], np.bool_)
    distance = np.linalg.norm(xy[:, None] - detected.xy[None], axis=-1)
    nearest = np.nanmin(np.where(np.isfinite(distance), distance, np.inf), axis=1)
    return np.asarray(nearest <= max_distance * (box[:, 2:] - box[:, :2]).max(1, keepdims=True))
