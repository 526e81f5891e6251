"""What other programs call the markers that stand at joints."""

from __future__ import annotations

__all__ = ["CONVENTIONS", "marker_names"]

CONVENTIONS = ("multiview", "pose2sim", "opensim")

# Pose2Sim's nodes, and so its marker sets: https://github.com/perfanalytics/pose2sim (skeletons.py)
_POSE2SIM = {"mid_hip": "Hip", "neck": "Neck", "head_top": "Head", "nose": "Nose"}
# The joints of OpenSim's models, by Delp et al. 1990 (gait2392) and Rajagopal et al. 2016.
_OPENSIM = {
    "mid_hip": "ground_pelvis", "hip": "hip", "knee": "knee", "ankle": "ankle", "big_toe": "mtp",
    "shoulder": "acromial", "elbow": "elbow", "wrist": "radius_hand",
}  # fmt: skip


def marker_names(joints: tuple[str, ...], convention: str) -> tuple[str, ...]:
    """Names of the markers at joints.

    Args:
        joints: Ours.
        convention: One of `CONVENTIONS`.

    Returns:
        Theirs, in the same order; none twice. A joint that they do not name is spelled their way.
    """
    spell = {"multiview": lambda joint: joint, "pose2sim": _pose2sim, "opensim": _opensim}[convention]
    return tuple(map(spell, joints))


def _pose2sim(joint: str) -> str:
    """left_big_toe becomes LBigToe."""
    if joint in _POSE2SIM:
        return _POSE2SIM[joint]
    side, part = _split(joint)
    return side.upper() + "".join(word[:1].upper() + word[1:] for word in part.split("_"))


def _opensim(joint: str) -> str:
    """left_knee becomes knee_l."""
    side, part = _split(joint)
    part = _OPENSIM.get(part, part)
    return f"{part}_{side}" if side else part


def _split(joint: str) -> tuple[str, str]:
    """Side, "l", "r" or nothing, and the joint without it."""
    for side in ("left", "right"):
        if joint.startswith(f"{side}_"):
            return side[0], joint.removeprefix(f"{side}_")
    return "", joint
