"""Skeletons: which joints a person has, which bones join them, and how one set of joints maps to another.

A skeleton is data, one TOML file:

    joints = [["nose", 0.026], ...]                  # name, OKS sigma, in the detector's order
    bones = [["left_hip", "left_knee"], ...]         # parent first
    symmetric_pairs = [["left_hip", "right_hip"]]    # optional: by default every left_X that has a right_X
    size_m = 0.06                                    # optional: of an animal or object; absent: people

Joints have COCO's names where COCO has the joint; left and right are the person's own. The OKS sigma is COCO's: the
standard deviation of where people mark the joint, as a fraction of the square root of the person's area.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import tomli_w
from jaxtyping import Float64, Int64

from multiview.common.atomic_file import replacing
from multiview.common.names import name_fault
from multiview.common.package_data import package_file
from multiview.common.ranges import above, shown
from multiview.common.toml import decode_toml
from multiview.errors import ConfigError

__all__ = [
    "SKELETONS",
    "Skeleton",
    "SkeletonFile",
    "find_skeleton",
    "load_skeleton",
    "mapping",
    "save_own_skeleton",
    "skeleton_names",
    "skeleton_text",
]

SKELETONS = "skeletons"  # folder of one's own, beside the poses that have them


@dataclass(frozen=True, slots=True, eq=False)
class Skeleton:
    """J joints and how they are connected; joints are indices into `joints`.

    Attributes:
        name: That of its file.
        joints: Names, in the order of every array with one entry per joint.
        bones: Pairs (parent, child).
        symmetric_pairs: Pairs (left, right).
        oks_sigmas: (J,) COCO's per-joint standard deviations, as a fraction of the root of a person's area.
        size_m: m, largest distance between two joints of an animal or object; None: of people, whose proportions are
            known by the joints' names.
    """

    name: str
    joints: tuple[str, ...]
    bones: tuple[tuple[int, int], ...]
    symmetric_pairs: tuple[tuple[int, int], ...]
    oks_sigmas: Float64[np.ndarray, " J"]
    size_m: float | None = None

    def index(self, joint: str) -> int:
        """Where a joint stands.

        Args:
            joint: Its name.

        Returns:
            Its index in `joints`.

        Raises:
            ConfigError: The skeleton does not have it; the message lists what it has.
        """
        try:
            return self.joints.index(joint)
        except ValueError:
            raise ConfigError(f"skeleton {self.name} has no joint {joint!r}; it has {', '.join(self.joints)}") from None

    @property
    def mirrored(self) -> Int64[np.ndarray, " J"]:
        """For each joint the index of its mirror image, else itself: `xy[mirrored]` exchanges left and right."""
        order = np.arange(len(self.joints), dtype=np.int64)
        for left, right in self.symmetric_pairs:
            order[left], order[right] = right, left
        return order


Sigma = Annotated[float, above(0, 10)]


class SkeletonFile(msgspec.Struct, forbid_unknown_fields=True):
    """A skeleton's TOML file."""

    joints: Annotated[list[tuple[str, Sigma]], msgspec.Meta(min_length=1)]
    """Name and OKS sigma of each joint, in the detector's order."""
    bones: list[tuple[str, str]]
    """Pairs of joints, the parent first."""
    symmetric_pairs: list[tuple[str, str]] | None = None
    """Left joint and right joint; absent: every `left_X` that has a `right_X`."""
    size_m: Annotated[float, above(0, 100, "m")] | None = None
    """m. Of animals and objects: the largest distance between two joints of a grown one; absent: people."""


def skeleton_names() -> tuple[str, ...]:
    """The skeletons that ship with multiview.

    Returns:
        Names that `load_skeleton` takes, sorted.
    """
    return tuple(sorted(path.stem for path in package_file("skeletons").glob("*.toml")))


@lru_cache(maxsize=32)
def load_skeleton(name_or_path: str | Path) -> Skeleton:
    """A skeleton by its name, or from one's own TOML file.

    Args:
        name_or_path: "coco17", "body25" ... or the path of a file in the format of docs/formats.md.

    Returns:
        The skeleton.

    Raises:
        ConfigError: There is none of that name (the message lists those that exist), or the file contradicts itself.
    """
    path = package_file("skeletons", f"{name_or_path}.toml")
    if not path.is_file():
        path = Path(name_or_path)
        if not path.is_file():
            known = ", ".join(skeleton_names())
            raise ConfigError(f"no skeleton {str(name_or_path)!r}; there are {known}, or give the path of a TOML file")
    return _check(path, decode_toml(path, SkeletonFile))


def find_skeleton(name: str, folder: Path) -> Skeleton:
    """The skeleton that recorded poses name: `skeletons/NAME.toml` beside them, or one that ships with multiview.

    Nothing else is opened, whatever the name.

    Args:
        name: As recorded.
        folder: Where the poses lie.

    Returns:
        The skeleton.

    Raises:
        ConfigError: There is none of that name.
    """
    own = folder / SKELETONS / f"{name}.toml"
    if Path(name).name == name and own.is_file():
        return load_skeleton(own)
    if name in skeleton_names():
        return load_skeleton(name)
    raise ConfigError(
        f"{folder}: its poses are of the skeleton {name!r}, which does not ship with multiview: put {own}"
    )


def skeleton_text(skeleton: Skeleton) -> str:
    """A skeleton's TOML file.

    Args:
        skeleton: Any.

    Returns:
        What `load_skeleton` reads back.
    """
    names = skeleton.joints

    def pairs(indices: tuple[tuple[int, int], ...]) -> list[list[str]]:
        return [[names[a], names[b]] for a, b in indices]

    size = {} if skeleton.size_m is None else {"size_m": float(skeleton.size_m)}
    return tomli_w.dumps(
        {
            **size,
            "joints": [[name, float(sigma)] for name, sigma in zip(names, skeleton.oks_sigmas, strict=True)],
            "bones": pairs(skeleton.bones),
            "symmetric_pairs": pairs(skeleton.symmetric_pairs),
        }
    )


def save_own_skeleton(skeleton: Skeleton, folder: Path) -> None:
    """Put a skeleton that does not ship with multiview beside the poses that have it, where `find_skeleton` looks.

    Args:
        skeleton: Of the poses.
        folder: Where they are.
    """
    if skeleton.name in skeleton_names() and load_skeleton(skeleton.name).joints == skeleton.joints:
        return
    with replacing(folder / SKELETONS / f"{skeleton.name}.toml", correct=True) as temporary:
        temporary.write_text(skeleton_text(skeleton), encoding="utf-8")


def _check(path: Path, content: SkeletonFile) -> Skeleton:
    joints = tuple(name for name, _ in content.joints)
    sigmas = np.array([sigma for _, sigma in content.joints])
    index = {joint: i for i, joint in enumerate(joints)}
    for joint in joints:
        if name_fault(joint) or "," in joint:
            raise ConfigError(f"{path}: joint {shown(joint)}: its name must be text on one line, without commas")
    if len(index) < len(joints):
        twice = sorted({joint for joint in joints if joints.count(joint) > 1})
        raise ConfigError(f"{path}: joints named twice: {', '.join(twice)}")
    pairs = content.symmetric_pairs
    if pairs is None:
        mirror = {joint: joint.replace("left_", "right_", 1) for joint in joints if joint.startswith("left_")}
        pairs = [(left, right) for left, right in mirror.items() if right in index]

    def indices(what: str, named: list[tuple[str, str]]) -> tuple[tuple[int, int], ...]:
        for joint in (joint for pair in named for joint in pair):
            if joint not in index:
                raise ConfigError(f"{path}: {what} names {joint!r}, which is not among its joints")
        return tuple((index[a], index[b]) for a, b in named)

    bones, symmetric = indices("bones", content.bones), indices("symmetric_pairs", pairs)
    return Skeleton(path.stem, joints, bones, symmetric, sigmas, content.size_m)


def mapping(source: Skeleton, target: Skeleton) -> Int64[np.ndarray, " J_target"]:
    """How the joints of one skeleton are found in another, by name.

    Args:
        source: Whose joints there are.
        target: Whose joints are wanted.

    Returns:
        For each joint of `target` its index in `source`, -1 where `source` does not have it.
    """
    index = {joint: i for i, joint in enumerate(source.joints)}
    return np.array([index.get(joint, -1) for joint in target.joints], dtype=np.int64)
