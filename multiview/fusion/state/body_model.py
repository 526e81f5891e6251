"""What is known of a person before seeing them: the tree of bones, and where an adult's joints are when standing."""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from multiview.body.skeleton import Skeleton
from multiview.fusion.state.elimination import Elimination
from multiview.fusion.state.limb_prior import LimbPrior

__all__ = ["ADULT_M", "Body"]

ADULT_M = 1.73
# An adult of 1.73 m, facing +y, left hand towards -x, z up, metres; segment lengths after Winter, Biomechanics and
# Motor Control of Human Movement (2009), figure 4.1. Joints on the middle line first, then the left ones.
MIDDLE = {
    "nose": (0.0, 0.11, 1.60),
    "head": (0.0, 0.0, 1.73),
    "head_top": (0.0, 0.0, 1.73),
    "neck": (0.0, 0.0, 1.43),
    "mid_hip": (0.0, 0.0, 0.93),
}
LEFT = {
    "eye": (-0.033, 0.09, 1.635),
    "ear": (-0.075, 0.0, 1.61),
    "shoulder": (-0.18, 0.0, 1.42),
    "elbow": (-0.22, 0.0, 1.12),
    "wrist": (-0.23, 0.06, 0.87),
    "hip": (-0.11, 0.0, 0.93),
    "knee": (-0.11, 0.02, 0.50),
    "ankle": (-0.11, 0.0, 0.09),
    "big_toe": (-0.13, 0.17, 0.02),
    "small_toe": (-0.18, 0.13, 0.02),
    "heel": (-0.10, -0.05, 0.03),
}
# From joint to joint of a finger, the last one to the tip: Buryanov and Kotiuk, Proportions of hand segments, Int. J.
# Morphol. 28 (2010), 755-758. Views place joints so near each other too badly to learn them from nothing.
PHALANGES = {
    "thumb": (0.0462, 0.0316, 0.0253),
    "forefinger": (0.0398, 0.0224, 0.0197),
    "middle_finger": (0.0446, 0.0263, 0.0214),
    "ring_finger": (0.0414, 0.0257, 0.0213),
    "pinky_finger": (0.0327, 0.0181, 0.0197),
}
ROOTS = ("mid_hip", "left_hip", "right_hip")
TORSO = ("neck", "mid_hip", "left_shoulder", "right_shoulder", "left_hip", "right_hip")
FOOT = ("ankle", "big_toe", "small_toe", "heel")
PALM = ("hand_root", "thumb1", "forefinger1", "middle_finger1", "ring_finger1", "pinky_finger1")
# Joints on one part of the body keep their distances, whether or not the skeleton draws a bone between them.
PARTS = (
    TORSO,
    ("nose", "left_eye", "right_eye", "left_ear", "right_ear"),
    *(tuple(f"{side}_{joint}" for joint in part) for part in (FOOT, PALM) for side in ("left", "right")),
)
MOST_NEIGHBOURS = 6  # of a joint of an animal, between which there are braces


def _rest_pose(skeleton: Skeleton) -> np.ndarray:
    """NaN for joints that nothing is known of: all those of animals, whatever their names."""
    if skeleton.size_m is not None:
        return np.full((len(skeleton.joints), 3), np.nan)
    table = dict(MIDDLE)
    for name, (x, y, z) in LEFT.items():
        table[f"left_{name}"], table[f"right_{name}"] = (x, y, z), (-x, y, z)
    unknown = (np.nan, np.nan, np.nan)
    return np.array([table.get(joint, unknown) for joint in skeleton.joints])


class Body(NamedTuple):
    """A skeleton as fusion uses it.

    `parent[j]` spans a tree over all joints (the root's is -1) and `order` visits parents first. Where the skeleton's
    bones do not connect two parts, a `nonrigid` edge does, whose length varies more. Of the E bones, which have their
    joints at `ends`, the first J are those of the tree, from each joint to its parent; the others brace the parts of
    the body that keep their shape, or may do so: then they are `nonrigid`, too, until a body shows what it is like.
    `mirror[e]` is the bone on the other side that is as long. `rest_pose` m (standing) is NaN for joints without a
    prior, their `length` 0. `matching_joints` are those by which detections are matched to people; `torso` those that
    move least against each other.
    """

    parent: Int64[np.ndarray, " J"]
    order: Int64[np.ndarray, " J"]
    ends: Int64[np.ndarray, "E 2"]
    mirror: Int64[np.ndarray, " E"]
    nonrigid: Bool[np.ndarray, " E"]
    length: Float64[np.ndarray, " E"]
    graph: Elimination
    rest_pose: Float64[np.ndarray, "J 3"]
    matching_joints: Int64[np.ndarray, " K"]
    torso: Int64[np.ndarray, " M"]
    pairs: Int64[np.ndarray, "S 2"]
    limbs: LimbPrior
    noise: Float64[np.ndarray, " J"]  # how much noisier than its fellows a joint is expected to be, a factor around 1

    @staticmethod
    def of(skeleton: Skeleton) -> Body:
        joints = len(skeleton.joints)
        rest_pose = _rest_pose(skeleton)
        known = np.isfinite(rest_pose[:, 0])
        parent, order, nonrigid = _spanning_tree(skeleton, rest_pose)
        ends = np.concatenate([np.stack([np.arange(joints), parent], axis=-1), _braces(skeleton, parent)])
        bone = np.flatnonzero((ends >= 0).all(axis=1))
        bone = bone[known[ends[bone]].all(axis=1)]
        length = np.zeros(len(ends))
        length[bone] = np.linalg.norm(rest_pose[ends[bone, 0]] - rest_pose[ends[bone, 1]], axis=-1)
        _add_phalanges(skeleton, ends, length)
        nonrigid = np.concatenate([nonrigid, np.full(len(ends) - joints, skeleton.size_m is not None)])
        matching_joints = np.flatnonzero(known) if known.sum() >= 4 else np.arange(joints)
        human = skeleton.size_m is None
        torso = np.array([j for j, name in enumerate(skeleton.joints) if human and name in TORSO], dtype=np.int64)
        pairs = np.array(skeleton.symmetric_pairs, dtype=np.int64).reshape(-1, 2)
        sigma = np.sqrt(skeleton.oks_sigmas / np.exp(np.log(skeleton.oks_sigmas[matching_joints]).mean()))
        return Body(
            parent=parent,
            order=order,
            ends=ends,
            mirror=_mirrored_bones(ends, skeleton.mirrored, nonrigid),
            nonrigid=nonrigid,
            length=length,
            graph=Elimination.of(joints, ends),
            rest_pose=rest_pose,
            matching_joints=matching_joints,
            torso=torso if len(torso) >= 3 else matching_joints,
            pairs=pairs,
            limbs=LimbPrior.of(skeleton),
            noise=sigma,
        )


def _add_phalanges(skeleton: Skeleton, ends: np.ndarray, length: np.ndarray) -> None:
    """The lengths of an adult's fingers, in place."""
    if skeleton.size_m is not None:
        return
    number = {frozenset(pair): e for e, pair in enumerate(ends.tolist())}
    joints = {name: j for j, name in enumerate(skeleton.joints)}
    for side in ("left", "right"):
        for finger, lengths in PHALANGES.items():
            for i, m in enumerate(lengths, start=1):
                pair = frozenset(joints.get(f"{side}_{finger}{k}", -2) for k in (i, i + 1))
                if pair in number:
                    length[number[pair]] = m


def _braces(skeleton: Skeleton, parent: np.ndarray) -> np.ndarray:
    """The pairs of joints on one part of the body that the tree does not connect already.

    Nobody says which parts of an animal keep their shape: pairs that are two bones apart may.
    """
    if skeleton.size_m is None:
        joints = skeleton.joints
        parts = [[joints.index(name) for name in part if name in joints] for part in PARTS]
    else:
        parts = [sorted(near) for near in _neighbours(skeleton) if len(near) <= MOST_NEIGHBOURS]
    tree = {frozenset((j, p)) for j, p in enumerate(parent.tolist())}
    pairs = {pair: None for part in parts for pair in combinations(part, 2) if frozenset(pair) not in tree}
    return np.array(list(pairs), dtype=np.int64).reshape(-1, 2)


def _neighbours(skeleton: Skeleton) -> list[list[int]]:
    """For each joint those that bones connect to it."""
    found: list[list[int]] = [[] for _ in skeleton.joints]
    for a, b in skeleton.bones:
        found[a].append(b)
        found[b].append(a)
    return found


def _mirrored_bones(ends: np.ndarray, mirrored: np.ndarray, nonrigid: np.ndarray) -> np.ndarray:
    """For each bone the one on the other side of the body; itself where there is none."""
    number = {frozenset(pair): e for e, pair in enumerate(ends.tolist()) if min(pair) >= 0}
    mirror = np.arange(len(ends))
    for pair, e in number.items():
        other = number.get(frozenset(int(mirrored[j]) for j in pair), e)
        if nonrigid[other] == nonrigid[e]:
            mirror[e] = other
    return mirror


def _spanning_tree(skeleton: Skeleton, rest_pose: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Breadth first from the pelvis; parts that no bone connects hang on the nearest joint of what is reached."""
    joints = len(skeleton.joints)
    neighbours = _neighbours(skeleton)
    parent, nonrigid = np.full(joints, -1), np.zeros(joints, dtype=bool)
    root = next((skeleton.joints.index(name) for name in ROOTS if name in skeleton.joints), 0)
    order, frontier = [root], [root]
    while len(order) < joints:
        while frontier:
            joint = frontier.pop(0)
            for other in neighbours[joint]:
                if other not in order:
                    parent[other] = joint
                    order.append(other)
                    frontier.append(other)
        left = [j for j in range(joints) if j not in order]
        if left:
            joint, hook = _closest(left, order, rest_pose, skeleton)
            parent[joint], nonrigid[joint] = hook, True
            order.append(joint)
            frontier.append(joint)
    return parent, np.array(order), nonrigid


def _closest(left: list[int], reached: list[int], rest_pose: np.ndarray, skeleton: Skeleton) -> tuple[int, int]:
    gap = np.linalg.norm(rest_pose[left][:, None] - rest_pose[reached][None], axis=-1)
    if np.isfinite(gap).any():
        a, b = np.unravel_index(np.nanargmin(np.where(np.isnan(gap), np.inf, gap)), gap.shape)
        return left[int(a)], reached[int(b)]
    nose = skeleton.joints.index("nose") if "nose" in skeleton.joints else reached[0]
    return left[0], nose if nose in reached else reached[0]
