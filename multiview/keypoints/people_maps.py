"""From the maps of a whole picture to the people in it: heatmaps with part affinity fields, or with tags.

Resizing keeps the pictures' edges in place, not the centres of their first pixels: pixel x of a map lies at
(x + 1/2) stride - 1/2 of the input.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float, Float64, Int64

from multiview.keypoints.one_stage import Found
from multiview.keypoints.paf import group_by_limbs
from multiview.keypoints.peaks import find_candidates
from multiview.keypoints.tags import group_by_tags

__all__ = ["people_from_fields", "people_from_tags"]


def people_from_fields(
    heat: Float[np.ndarray, "J h w"],
    fields: Float[np.ndarray, "L 2 h w"],
    limbs: tuple[tuple[int, int], ...],
    stride: float,
    min_score: float,
    min_peak: float = 0.1,
    min_joints: int = 3,
    enlarge: int = 4,
) -> Found:
    """People by their limbs, best first.

    Args:
        heat: Heatmaps, about [0, 1].
        fields: A part affinity field for each limb, x and y.
        limbs: Indices of the two joints of each.
        stride: Pixels of the input to one of the maps.
        min_score: Of a person: the mean of their joints' peaks.
        min_peak: Of a joint.
        min_joints: Of a person.
        enlarge: Maps are enlarged by this before joints are looked for.
    """
    candidates = find_candidates(_enlarged(heat, enlarge), min_peak, window=2 * enlarge - 1)
    large = _enlarged(fields.reshape(-1, *fields.shape[2:]), enlarge).reshape(len(fields), 2, *_size(heat, enlarge))
    people = group_by_limbs(candidates, large, limbs, len(heat), min_joints, min_score)
    there = people >= 0
    places = np.append((candidates.xy + 0.5) * stride / enlarge - 0.5, [[np.nan, np.nan]], axis=0)
    score = np.append(candidates.score, 0.0)[people]
    means = score.sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    return Found(np.zeros((len(people), 4)), means, places[people], np.clip(score, 0.0, 1.0))


def people_from_tags(
    heat: Float[np.ndarray, "J h w"],
    tags: Float[np.ndarray, "J h w"],
    stride: float,
    min_score: float,
    min_peak: float = 0.1,
    min_joints: int = 3,
    new_person: float = 1.0,
) -> Found:
    """People by their joints' tags, best first; arguments as for fields.

    `new_person` is the distance in tags from which a candidate is someone else.
    """
    candidates = find_candidates(heat, min_peak, window=5)
    x, y = candidates.pixel.T
    people = group_by_tags(candidates.joint, tags[candidates.joint, y, x][:, None], candidates.score, new_person)
    xy, score = _by_person(people, candidates.joint, (candidates.xy + 0.5) * stride - 0.5, candidates.score, len(heat))
    there = (score > 0).sum(axis=1)
    means = score.sum(axis=1) / np.maximum(there, 1)
    kept = np.flatnonzero((there >= min_joints) & (means >= min_score))
    kept = kept[np.argsort(-means[kept], kind="stable")]
    return Found(np.zeros((len(kept), 4)), means[kept], xy[kept], score[kept])


def _by_person(
    people: Int64[np.ndarray, " N"],
    joint: Int64[np.ndarray, " N"],
    places: Float64[np.ndarray, "N 2"],
    scores: Float64[np.ndarray, " N"],
    joints: int,
) -> tuple[Float64[np.ndarray, "P J 2"], Float64[np.ndarray, "P J"]]:
    count = int(people.max(initial=-1)) + 1
    xy, score = np.full((count, joints, 2), np.nan), np.zeros((count, joints))
    xy[people, joint] = places
    score[people, joint] = np.clip(scores, 0.0, 1.0)
    return xy, score


def _size(maps: Float[np.ndarray, "J h w"], times: int) -> tuple[int, int]:
    return maps.shape[1] * times, maps.shape[2] * times


def _enlarged(maps: Float[np.ndarray, "J h w"], times: int) -> Float[np.ndarray, "J H W"]:
    height, width = _size(maps, times)
    return np.stack([cv2.resize(m, (width, height), interpolation=cv2.INTER_CUBIC) for m in maps])
