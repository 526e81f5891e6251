"""Rigs by name: the bones that engines and libraries of animation know, in the person's own proportions.

A rig is a TOML file (configs/rigs/*.toml, or one's own) of bones, parents first. A bone begins where a human's bone
does (`human`, by VRM's name), or between two of these (`between`, `share` of the way), or at the origin on the floor.
Bones of which the person lacks that joint (fingers, toes) are left out.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np

from multiview.body.kinematics import HIERARCHY, Humanoid
from multiview.common.ranges import between as in_between
from multiview.retarget.rig import RestBone, Rig

__all__ = ["BoneList", "NamedBone", "named_rig"]


class NamedBone(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    """In the files that are written."""
    parent: str = ""
    """Name of the bone above."""
    human: str = ""
    """VRM's name of the bone that it is."""
    between: tuple[str, str] | None = None
    """VRM's names of the bones between whose beginnings it begins."""
    share: Annotated[float, in_between(0, 1)] = 0.5
    """How far from the first to the second."""


class BoneList(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    bones: tuple[NamedBone, ...]

    def __post_init__(self) -> None:
        known: set[str] = set()
        for bone in self.bones:
            named = [name for name in (bone.human, *(bone.between or ())) if name]
            if wrong := next((name for name in named if name not in HIERARCHY), None):
                raise ValueError(
                    f"bone {bone.name!r}: {wrong!r} is no bone of a human; VRM's names are in docs/characters.md"
                )
            if bone.parent and bone.parent not in known:
                raise ValueError(f"bone {bone.name!r}: its parent {bone.parent!r} must come before it")
            known.add(bone.name)
        if "Hips" not in [bone.human for bone in self.bones]:
            raise ValueError('no bone has human = "Hips"')


def named_rig(listed: BoneList, person: Humanoid) -> Rig:
    """The bones of a list on a person, in a T-pose whose lowest bone is on the floor.

    Args:
        listed: The bones.
        person: Whose proportions they get.

    Returns:
        The rig, y up, facing z.
    """
    at: dict[str, np.ndarray] = {}
    for own in person.bones:
        at[own.name] = own.offset + (at[person.bones[own.parent].name] if own.parent >= 0 else 0.0)
    lowest = min(place[1] for place in at.values())
    at = {name: place - [0.0, lowest, 0.0] for name, place in at.items()}
    bones: list[RestBone] = []
    human: dict[str, int] = {}
    kept: dict[str, int] = {"": -1}  # where a bone is, or, of one that is left out, the bone above it
    for bone in listed.bones:
        parent = kept[bone.parent]
        needed = [bone.human] if bone.human else list(bone.between or ())
        if any(name not in at for name in needed):
            kept[bone.name] = parent
            continue
        place = np.zeros(3)
        if bone.human:
            place, human[bone.human] = at[bone.human], len(bones)
        elif bone.between:
            first, second = (at[name] for name in bone.between)
            place = first + bone.share * (second - first)
        kept[bone.name] = len(bones)
        bones.append(RestBone(bone.name, parent, place, np.eye(3)))
    return Rig(tuple(bones), human, np.eye(3), None)
