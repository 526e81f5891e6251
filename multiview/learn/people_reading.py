"""People in whole pictures, by a network that reads all of them in one pass."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from multiview.body.skeleton import Skeleton, load_skeleton
from multiview.keypoints.crop import invert_affine, letterbox_affine, transform_points
from multiview.keypoints.one_stage import Found, decode_yolo_pose
from multiview.keypoints.people_maps import people_from_fields, people_from_tags
from multiview.learn.limbs import limbs_of
from multiview.learn.model_file import Model
from multiview.learn.tensors import normalise

__all__ = ["find_people"]

MIN_SCORE = 0.05
"""Of a person; low, because a judge weighs doubtful people by their score."""


def find_people(model: Model, images: list[UInt8[np.ndarray, "H W 3"]]) -> list[Found]:
    """Who is in each picture, in its own pixels; pictures may have any size."""
    skeleton, size = load_skeleton(model.recipe.data.skeleton), model.recipe.network.input
    found = []
    for image in images:
        A = letterbox_affine((image.shape[1], image.shape[0]), size, False)
        people = _read(
            model, model.logits(normalise([cv2.warpAffine(image, A, size, flags=cv2.INTER_LINEAR)]))[0], skeleton
        )
        found.append(people._replace(xy=transform_points(invert_affine(A), people.xy)))
    return found


def _read(model: Model, answer: Float[np.ndarray, rows * size], skeleton: Skeleton) -> Found:
    """One picture's people, in pixels of the network's input."""
    network, joints = model.recipe.network, len(skeleton.joints)
    if network.name == "pose_queries":
        return decode_yolo_pose(answer, True, MIN_SCORE)
    stride = network.input[0] / answer.shape[-1]
    if network.name == "associative_embedding":
        return people_from_tags(answer[:joints], answer[joints:], stride, MIN_SCORE)
    fields = answer[joints:].reshape(-1, 2, *answer.shape[1:])
    return people_from_fields(answer[:joints], fields, limbs_of(skeleton), stride, MIN_SCORE)
