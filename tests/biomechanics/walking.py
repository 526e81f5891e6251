"""A walker with planted feet, their true joint angles, and their movement as it would be recorded.

The true angles come from the rotations that pose the body, by SciPy's sequences; joints play no part in them.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from multiview.biomechanics.movement import Movement
from multiview.body.skeleton import load_skeleton
from multiview.synthetic.anatomy import part_frames, random_build
from multiview.synthetic.walker import Walker, walker_joints

_ISB = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])  # X forwards, Y up, Z right, in a part's axes
_OF_SIDE = {
    "hip": ("pelvis", "thigh", ("flexion", "-abduction", "rotation")),
    "knee": ("thigh", "shank", ("-flexion", "", "")),
    "ankle": ("shank", "foot", ("dorsiflexion", "inversion", "rotation")),
    "shoulder": ("torso", "upper_arm", ("flexion", "-abduction", "rotation")),
    "elbow": ("upper_arm", "forearm", ("flexion", "", "pronation")),
    "wrist": ("forearm", "hand", ("flexion", "deviation", "")),
}


def walker(seed: int = 1, heading: float = 0.5) -> Walker:
    return Walker(random_build(np.random.default_rng(seed)), heading=heading)


def walk(person: Walker, skeleton: str = "coco133", seconds: float = 3.0, fps: float = 60.0) -> Movement:
    """Every joint exact, and 5 mm uncertain."""
    time_s = np.arange(round(seconds * fps)) / fps
    joints = load_skeleton(skeleton).joints
    xyz = walker_joints(person, time_s, joints)
    cov = np.broadcast_to(0.005**2 * np.eye(3), (*xyz.shape[:2], 3, 3))
    return Movement("person0", joints, 0, time_s, fps, xyz, cov, np.zeros(xyz.shape[:2], dtype=bool))


def true_angles(person: Walker, time_s: np.ndarray) -> dict[str, np.ndarray]:
    """(T,) deg by our names, those that any skeleton determines."""
    frame = {part: world @ _ISB for part, world in part_frames(person.build, person.posture(time_s))[0].items()}
    for side, sign in (("left", -90.0), ("right", 90.0)):  # the rest posture's palms face the thighs: half pronated
        turned = Rotation.from_euler("Y", sign, degrees=True).as_matrix()
        frame[f"{side}_hand"], frame[f"{side}_forearm"] = (
            frame[f"{side}_hand"] @ turned,
            frame[f"{side}_forearm"] @ turned,
        )
    c, s = np.cos(person.heading), np.sin(person.heading)
    frame["way"] = np.broadcast_to(np.array([[c, 0.0, s], [s, 0.0, -c], [0.0, 1.0, 0.0]]), frame["pelvis"].shape)

    def between(one: str, other: str, sequence: str = "ZXY", mirrored: bool = False) -> np.ndarray:
        R = np.swapaxes(frame[one], 1, 2) @ frame[other]
        mirror = np.diag([1.0, 1.0, -1.0 if mirrored else 1.0])
        angles: np.ndarray = Rotation.from_matrix(mirror @ R @ mirror).as_euler(sequence, degrees=True).T
        return angles

    turn, dip, _ = between("way", "pelvis", "YXZ")
    _, trunk_side, trunk_turn = between("pelvis", "torso")
    back, neck_side, neck_turn = between("torso", "head")
    found = {"pelvis_rotation": turn, "pelvis_obliquity": dip}
    found |= {"trunk_lateral_bending": trunk_side, "trunk_rotation": trunk_turn}
    found |= {"neck_flexion": -back, "neck_lateral_bending": neck_side, "neck_rotation": neck_turn}
    for side in ("left", "right"):
        for joint, (one, other, names) in _OF_SIDE.items():
            first = one if one in ("pelvis", "torso") else f"{side}_{one}"
            for name, values in zip(names, between(first, f"{side}_{other}", mirrored=side == "left"), strict=True):
                if name:
                    sign = -1.0 if name[0] == "-" else 1.0
                    found[f"{side}_{joint}_{name.removeprefix('-')}"] = sign * values
        plane, up, axial = between("torso", f"{side}_upper_arm", "YXY", side == "left")
        half = np.where(up > 0, 180.0, 0.0)  # elevation is a negative rotation about X
        found[f"{side}_shoulder_elevation"] = np.abs(up)
        found[f"{side}_shoulder_plane_of_elevation"] = plane + half
        found[f"{side}_shoulder_axial_rotation"] = axial + half
    return {f"{name}_deg": values for name, values in found.items()}


def off_deg(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Differences of angles, the short way round."""
    difference: np.ndarray = (found - true + 180.0) % 360.0 - 180.0
    return difference
