"""What `--rig` names: a list of bones by name, somebody's own list, or the skeleton of a character's file."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from multiview.body.finger_kinematics import FINGER_HIERARCHY
from multiview.body.kinematics import Humanoid
from multiview.common.package_data import package_file
from multiview.common.toml import decode_toml
from multiview.errors import ConfigError
from multiview.retarget.bvh_rig import read_bvh_rig
from multiview.retarget.gltf_rig import read_gltf_rig
from multiview.retarget.named_rig import BoneList, named_rig
from multiview.retarget.rig import Rig

__all__ = ["RIG_SUFFIXES", "Character", "load_character", "rig_names"]

RIG_SUFFIXES = (".bvh", ".glb", ".gltf", ".vrm")
"""Files of characters."""


@dataclass(frozen=True, slots=True)
class Character:
    """Who shall move as a person did.

    Attributes:
        rig_of: The rig for a person: of a list of bones, in their proportions; of a file, the same for everyone.
        hands: Whether wrists go where the person's were, scaled as the legs are.
        is_gltf: Whether the rig is that of a glTF file.
        has_fingers: Whether it has fingers to move.
    """

    rig_of: Callable[[Humanoid], Rig]
    hands: bool = False
    is_gltf: bool = False
    has_fingers: bool = False


def rig_names() -> tuple[str, ...]:
    """The rigs that ship with multiview.

    Returns:
        Names that `load_character` takes, sorted.
    """
    return tuple(sorted(path.stem for path in package_file("rigs").glob("*.toml")))


def load_character(rig: str, hands: bool = False) -> Character:
    """The character that `--rig` names.

    Args:
        rig: "mixamo", "unreal" ... ; a TOML file that lists bones; or a character: .glb, .gltf, .vrm or .bvh.
        hands: Whether wrists go where the person's were.

    Returns:
        The character.

    Raises:
        ConfigError: There is no such rig, or its file cannot be used; the message says why.
    """
    path = Path(rig)
    suffix = path.suffix.lower()
    if suffix in RIG_SUFFIXES:
        if not path.is_file():
            raise ConfigError(f"--rig {rig}: no such file")
        character = read_bvh_rig(path) if suffix == ".bvh" else read_gltf_rig(path)
        fingers = not FINGER_HIERARCHY.keys().isdisjoint(character.human)
        return Character(lambda person: character, hands, suffix != ".bvh", fingers)
    if suffix != ".toml":
        if rig not in rig_names():
            near = difflib.get_close_matches(rig, rig_names(), 1)
            known = f"{', '.join(rig_names())}, or a file: {', '.join((*RIG_SUFFIXES, '.toml'))}"
            raise ConfigError(
                f"--rig {rig}: there is no such rig{f'; did you mean {near[0]}?' * bool(near)}; there are {known}"
            )
        path = package_file("rigs", f"{rig}.toml")
    listed = decode_toml(path, BoneList)
    fingers = any(bone.human in FINGER_HIERARCHY for bone in listed.bones)
    return Character(lambda person: named_rig(listed, person), hands, has_fingers=fingers)
