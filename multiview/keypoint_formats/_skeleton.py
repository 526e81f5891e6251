"""The skeleton of a file of keypoints: one that ships with multiview, the user's, or one made of its own joints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Int64

from multiview.body.skeleton import Skeleton, load_skeleton, skeleton_names
from multiview.errors import SourceError
from multiview.keypoint_formats._joint_names import canonical, legal, paired
from multiview.keypoint_formats._keypoint_file import KeypointFile

__all__ = ["joint_order", "sized", "skeleton_of"]

OKS_SIGMA = 0.05  # of a joint of which nothing is known; COCO's are 0.025 (nose) to 0.107 (hip)
HUMAN_JOINTS, HUMAN_M = 6, (0.5, 2.5)  # joints called as people's, and their span, by which people are known
TREE_POSES = 2000  # from which bones are guessed


def skeleton_of(files: Sequence[KeypointFile], name: str, where: str) -> tuple[Skeleton, list[str]]:
    """The skeleton that some files' joints have, and what was guessed of it.

    Args:
        files: All of the same joints.
        name: Of a skeleton that has to be made.
        where: The files, for messages.

    Returns:
        One that ships with multiview where the joints' names or, without names, their number fit; else a new one.

    Raises:
        SourceError: The joints have no names, and their number does not tell.
    """
    joints = files[0].joints
    if not joints:
        return _by_count(files, where), []
    names = {canonical(joint) for joint in joints}
    for known in skeleton_names():
        if set(load_skeleton(known).joints) == names and len(names) == len(joints):
            return load_skeleton(known), []
    bones = next((file.bones for file in files if file.bones), ())
    pairs = next((file.symmetric_pairs for file in files if file.symmetric_pairs), ())
    remarks = []
    if not pairs and (pairs := paired(joints)):
        said = ", ".join(f"{joints[a]} and {joints[b]}" for a, b in pairs)
        remarks.append(f"symmetric pairs guessed from the joints' names: {said}")
    if not bones and len(joints) > 1:
        bones = _shortest_tree(files, len(joints))
        said = ", ".join(f"{joints[a]}-{joints[b]}" for a, b in bones)
        remarks.append(f"no bones in the file; guessed as the shortest tree over the joints: {said}")
    oriented = tuple(pair if _is_left(joints[pair[0]]) else pair[::-1] for pair in pairs)
    return Skeleton(name, legal(joints), bones, oriented, np.full(len(joints), OKS_SIGMA)), remarks


def joint_order(joints: Sequence[str], skeleton: Skeleton, where: str) -> tuple[Int64[np.ndarray, " J"], list[str]]:
    """For each joint of a skeleton its place among a file's `joints`, -1 where they lack it, and what is left out.

    Args:
        joints: Names as the file has them.
        skeleton: That is wanted.
        where: The file, for the message.

    Returns:
        Places, and remarks.

    Raises:
        SourceError: The two have no joint in common.
    """
    place = {canonical(joint): n for n, joint in enumerate(joints)}
    place |= {joint: n for n, joint in enumerate(legal(joints))}
    order = np.array([place.get(joint, place.get(canonical(joint), -1)) for joint in skeleton.joints], dtype=np.int64)
    if (order < 0).all():
        has = ", ".join(skeleton.joints)
        raise SourceError(f"{where}: none of its joints ({', '.join(joints)}) is in skeleton {skeleton.name} ({has})")
    missing = [joint for joint, n in zip(skeleton.joints, order, strict=True) if n < 0]
    left_out = [joint for n, joint in enumerate(joints) if n not in order]
    remarks = []
    if missing:
        remarks.append(f"{where} has no {', '.join(missing)}")
    if left_out:
        remarks.append(f"{where}: {', '.join(left_out)} left out: not in skeleton {skeleton.name}")
    return order, remarks


def sized(skeleton: Skeleton, size_m: float | None) -> tuple[Skeleton, str]:
    """A new skeleton with the size of what was seen, unless it is a person, and what is to be said of it.

    Args:
        skeleton: Made of a file's joints.
        size_m: Measured; None where nothing could be.

    Returns:
        The skeleton, and a remark.
    """
    people = set(load_skeleton("body25").joints)
    known = sum(canonical(joint) in people for joint in skeleton.joints)
    if size_m is None:
        return skeleton, "no size of the skeleton is known: taken for people; write size_m into it if it is an animal"
    if known >= HUMAN_JOINTS and HUMAN_M[0] < size_m < HUMAN_M[1]:
        return skeleton, f"taken for people, as {known} joints are called so and span {size_m:.2g} m"
    rounded = float(f"{size_m:.2g}")
    return replace(skeleton, size_m=rounded), f"size_m = {rounded:g}: the joints span as much in two views"


def _is_left(joint: str) -> bool:
    return not canonical(joint).startswith("right")


def _by_count(files: Sequence[KeypointFile], where: str) -> Skeleton:
    count = next((seen.keypoints.xy.shape[1] for file in files for seen in file.seen if seen.keypoints.people), 0)
    if not count:
        raise SourceError(f"{where}: nobody is in it, and it does not name its joints; give --skeleton")
    fitting = [name for name in skeleton_names() if len(load_skeleton(name).joints) == count]
    if len(fitting) != 1:
        raise SourceError(
            f"{where}: {count} joints without names; no skeleton that ships with multiview has as many: give "
            "--skeleton with a TOML file of yours"
        )
    return load_skeleton(fitting[0])


def _shortest_tree(files: Sequence[KeypointFile], joints: int) -> tuple[tuple[int, int], ...]:
    """The spanning tree of least total length, by the median distance of joints in the pictures (Prim 1957)."""
    poses: list[np.ndarray] = []
    for file in files:
        poses += [person for seen in file.seen[:TREE_POSES] for person in seen.keypoints.xy]
    if not poses:
        return ()
    xy = np.stack(poses[:: max(1, len(poses) // TREE_POSES)])
    gap = np.full((joints, joints), np.inf)
    for a in range(joints):
        lengths = np.linalg.norm(xy - xy[:, a : a + 1], axis=-1)
        for b in np.flatnonzero(np.isfinite(lengths).any(axis=0)):
            gap[a, b] = np.nanmedian(lengths[:, b])
    reached, bones = [0], []
    while len(reached) < joints:
        left = [j for j in range(joints) if j not in reached]
        part = gap[np.ix_(reached, left)]
        if not np.isfinite(part).any():
            break
        near, far = divmod(int(np.argmin(part)), part.shape[1])
        bones.append((reached[near], left[far]))
        reached.append(left[far])
    return tuple(bones)
