"""Which bone of a character is which of a human: by its name, as VRM, Mixamo, Unreal and Blender have them.

The trunk's bones are called and counted differently everywhere: they are those between the hips and the arms.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from multiview.body.kinematics import HIERARCHY

__all__ = ["human_bones"]

# A human's bone: what it is called, but for the side and for how words are put together.
_CALLED: dict[str, tuple[str, ...]] = {
    "Hips": ("hips", "hip", "pelvis"),
    "Neck": ("neck", "neck01", "neck1"),
    "Head": ("head",),
    "UpperLeg": ("upperleg", "upleg", "thigh", "thighbend", "hip"),
    "LowerLeg": ("lowerleg", "leg", "calf", "shin", "knee"),
    "Foot": ("foot", "ankle"),
    "Toes": ("toes", "toebase", "toe", "ball"),
    "UpperArm": ("upperarm", "arm", "shldrbend", "uparm"),
    "LowerArm": ("lowerarm", "forearm", "forearmbend", "elbow"),
    "Hand": ("hand", "wrist"),
    **{f"{finger}{bone}": tuple(f"{form}{number}" for form in forms for number in numbers)
       for finger, forms in (("Index", ("handindex", "index", "findex")),
                             ("Middle", ("handmiddle", "middle", "fmiddle")),
                             ("Ring", ("handring", "ring", "fring")),
                             ("Little", ("handpinky", "pinky", "little", "fpinky")))
       for bone, numbers in (("Proximal", ("1", "01", "proximal")), ("Intermediate", ("2", "02", "intermediate")),
                             ("Distal", ("3", "03", "distal")))},
    **{f"Thumb{bone}": tuple(f"{form}{number}" for form in ("handthumb", "thumb") for number in numbers)
       for bone, numbers in (("Metacarpal", ("1", "01", "metacarpal")), ("Proximal", ("2", "02", "proximal")),
                             ("Distal", ("3", "03", "distal")))},
}  # fmt: skip
_BONE = {called: bone for bone, names in reversed(_CALLED.items()) for called in reversed(names)}
_FIGURE = re.compile(r"^bip\d+", re.IGNORECASE)  # which of several figures it is of: "Bip01 L Thigh"
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_SIDES = {"left": "Left", "right": "Right", "l": "Left", "r": "Right"}
_NO_PART = {"def", "org", "j", "bip", "c", "bone", "jnt", "joint", "mixamorig"}


def human_bones(names: Sequence[str], parents: Sequence[int]) -> dict[str, int]:
    """The bones of a human among a character's, as far as their names and their order tell.

    Args:
        names: Of the character's bones.
        parents: Index of the parent of each, -1 for none.

    Returns:
        Index of the first bone of each kind, by VRM's name ("LeftUpperArm").
    """
    found: dict[str, int] = {}
    for index, name in enumerate(names):
        if (bone := _human_bone(name)) in HIERARCHY:
            found.setdefault(bone, index)
    above = {bone: _ancestors(index, parents) for bone, index in found.items()}
    if "Hips" not in found and {"LeftUpperLeg", "RightUpperLeg"} <= set(found):
        shared = [index for index in above["LeftUpperLeg"] if index in above["RightUpperLeg"]]
        found |= {"Hips": shared[0]} if shared else {}
    if {"Hips", "LeftUpperArm", "RightUpperArm"} <= set(found):
        shared = [index for index in above["LeftUpperArm"] if index in above["RightUpperArm"]]
        if found["Hips"] in shared:
            found |= _trunk(shared[: shared.index(found["Hips"])][::-1])
    return found


def _trunk(bones: list[int]) -> dict[str, int]:
    """Of the bones from above the hips to where the arms begin: the first, the middle and the last."""
    if len(bones) < 2:
        return dict(zip(["UpperChest"], bones, strict=False))
    middle = {"Chest": bones[len(bones) // 2]} if len(bones) > 2 else {}
    return {"Spine": bones[0], **middle, "UpperChest": bones[-1]}


def _ancestors(index: int, parents: Sequence[int]) -> list[int]:
    """The nearest first."""
    found = []
    while (index := parents[index]) >= 0:
        found.append(index)
    return found


def _human_bone(name: str) -> str:
    """VRM's name; empty for what is no human's bone, such as an end, a twist bone or a helper."""
    words = [word.lower() for word in _WORDS.findall(_FIGURE.sub("", name.rpartition(":")[2]))]
    sides = [_SIDES[word] for word in words if word in _SIDES]
    word = "".join(word for word in words if word not in _SIDES and word not in _NO_PART)
    bone = _BONE.get(word, "")
    if not sides:
        return "Hips" if bone == "UpperLeg" and word == "hip" else bone
    bone = "UpperLeg" if word == "hip" else bone
    return sides[0] + bone if bone else ""
