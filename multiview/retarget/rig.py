"""The skeleton of a character: its bones in the rest pose, and which of them are those of a human."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from multiview.errors import ConfigError

__all__ = ["NEEDED", "RestBone", "Rig", "canonical_axes"]

NEEDED = (
    "Hips",
    *(f"{side}{bone}" for side in ("Left", "Right")
      for bone in ("UpperLeg", "LowerLeg", "Foot", "UpperArm", "LowerArm", "Hand")),
)  # fmt: skip
"""The bones of a human, by VRM's names, without which nothing can be retargeted."""

_SOLE = 0.02  # of the height: the least that ankles are above the soles
_TRUSTED_ORIGIN = 0.15  # of the height: a lowest bone as near to the origin stands on a floor that is there


class RestBone(NamedTuple):
    """A bone in the rest pose.

    Attributes:
        name: In its file.
        parent: Its index, -1 for none.
        place: (3,) m, where it begins.
        rotation: (3, 3) rig_from_bone.
    """

    name: str
    parent: int
    place: Float64[np.ndarray, " 3"]
    rotation: Float64[np.ndarray, "3 3"]


@dataclass(frozen=True, slots=True, eq=False)
class Rig:
    """A character's B bones.

    Attributes:
        bones: Parents first, in the axes of the file.
        human: Index of the bone that is a human's, by VRM's name; at least those of `NEEDED`.
        canonical: (3, 3) from the axes of the file to x to the character's left, y up, z forward.
        floor: m, its height along y in the canonical axes; None where the rest pose does
            not tell: ankles are then as high as the person's.
        file: What it was read from.
        gltf_nodes: Of a glTF file, the index of the node that each bone is.
    """

    bones: tuple[RestBone, ...]
    human: dict[str, int]
    canonical: Float64[np.ndarray, "3 3"]
    floor: float | None
    file: Path | None = None
    gltf_nodes: tuple[int, ...] = ()

    @property
    def places(self) -> Float64[np.ndarray, "B 3"]:
        """m, canonical axes, where the bones begin in the rest pose."""
        return np.array([bone.place for bone in self.bones]) @ self.canonical.T

    @classmethod
    def of(cls, bones: tuple[RestBone, ...], human: dict[str, int], file: Path, nodes: tuple[int, ...] = ()) -> Rig:
        """The rig of a file.

        Args:
            bones: Parents first.
            human: Index of the bone that is a human's, by VRM's name.
            file: What they were read from.
            nodes: Of a glTF file, the index of the node that each bone is.

        Returns:
            The rig, its axes and floor found from the rest pose.

        Raises:
            ConfigError: A bone that is needed is missing, or the character does not stand.
        """
        if missing := [name for name in NEEDED if name not in human]:
            raise ConfigError(
                f"{file}: no bone can be taken for {_listed(missing)}: a rig needs hips, arms and legs; if it has them "
                "under other names, give --rig a TOML file that says which is which (docs/characters.md)"
            )
        canonical = canonical_axes({name: bones[index].place for name, index in human.items()}, file)
        heights = np.array([bone.place for bone in bones]) @ canonical[1]
        return cls(bones, human, canonical, _floor(heights, [human["LeftFoot"], human["RightFoot"]]), file, nodes)


def _floor(heights: Float64[np.ndarray, " B"], ankles: list[int]) -> float | None:
    """m, that of the lowest bone or of the origin; None where no bone is below the ankles, which are above a floor."""
    lowest, size = float(heights.min()), float(np.ptp(heights))
    if heights[ankles].min() - lowest < _SOLE * size:
        return None
    return 0.0 if abs(lowest) < _TRUSTED_ORIGIN * size else lowest


def canonical_axes(at: dict[str, Float64[np.ndarray, " 3"]], file: Path) -> Float64[np.ndarray, "3 3"]:
    """Which axes of a file are left, up and forward, from where a standing character's bones are.

    Args:
        at: (3,) of the human's bones, by VRM's name.
        file: What they were read from, for messages.

    Returns:
        (3, 3), rows are left, up and forward: each an axis of the file, or its opposite.

    Raises:
        ConfigError: It does not stand upright along an axis.
    """
    feet = (at["LeftFoot"] + at["RightFoot"]) / 2
    left, up = _nearest_axis(at["LeftUpperLeg"] - at["RightUpperLeg"]), _nearest_axis(at["Hips"] - feet)
    if not np.any(left) or not np.any(up) or abs(left @ up) > 0.5:
        raise ConfigError(f"{file}: the rest pose is not one of standing, in T or A: export the character in it")
    return np.stack([left, up, np.cross(left, up)])


def _nearest_axis(way: Float64[np.ndarray, " 3"]) -> Float64[np.ndarray, " 3"]:
    axis = np.zeros(3)
    largest = int(np.argmax(np.abs(way)))
    axis[largest] = np.sign(way[largest])
    return axis


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
