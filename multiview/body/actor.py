"""Actors: people whose bone lengths are kept in a file, so that they are known by name when they come back.

Bone lengths come out within about 2 % from one day to the next, and two people of like build differ by little more.
So recognition gives a probability, and a name is given only where that is high: see `actor_probabilities`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import numpy as np
from jaxtyping import Bool, Float64

from multiview.common.atomic_file import replacing
from multiview.common.names import check_name, file_name, name_of_file, named_path
from multiview.common.ranges import above, between
from multiview.common.toml import decode_toml, encode_toml
from multiview.common.user_folders import user_config
from multiview.errors import ConfigError

if TYPE_CHECKING:
    from multiview.body.kinematics import Humanoid

__all__ = [
    "BONE_LENGTHS",
    "Actor",
    "actor_names",
    "actor_probabilities",
    "actors_folder",
    "lengths_by_frame",
    "load_actor",
    "load_rest_pose",
    "measure",
    "median_bone_lengths",
    "save_actor",
]

# What is measured of a person: a name for the length between two joints.
BONE_LENGTHS: dict[str, tuple[str, str]] = {
    **{f"{side}_{bone}": (f"{side}_{a}", f"{side}_{b}") for side in ("left", "right") for bone, a, b in (
        ("upper_arm", "shoulder", "elbow"), ("forearm", "elbow", "wrist"),
        ("thigh", "hip", "knee"), ("shank", "knee", "ankle"))},
    "shoulders": ("left_shoulder", "right_shoulder"),
    "hips": ("left_hip", "right_hip"),
}  # fmt: skip
_FRAMES = 30  # that a length must be seen in, at least
# Relative deviations: of one person measured again (all lengths together by the calibration's scale; one length by the
# 2D model, more for the widths, which posture changes), and between people (stature; proportions at a given stature:
# Winter 2009, chapter 4; Gordon et al. 2014, ANSUR II, has about 4.5 % and 3 %).
_REPEAT_SD_ALL, _REPEAT_SD_ONE, _REPEAT_SD_WIDTH = 0.01, 0.02, 0.05
_STATURE_SD, _PROPORTION_SD = 0.045, 0.03

Length = Annotated[float, above(0, 3, "m")]
Offset = Annotated[float, between(-3, 3, "m")]


class Actor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One person's file."""

    version: int = 1
    """Of this format."""
    name: str
    """That of the file."""
    skeleton: str
    """Lengths are comparable within one skeleton only."""
    take: str = ""
    """Where they were measured."""
    frames: Annotated[int, between(0, 10**9, "frames")] = 0
    """In how many frames."""
    lengths: dict[str, Length]
    """m. Median length of each bone, by its name in `BONE_LENGTHS`."""
    rest: dict[str, tuple[Offset, Offset, Offset]] = {}
    """m, the offset of each bone from its parent in the T-pose: x to the left, y up, z forward."""
    face: dict[str, tuple[Offset, Offset, Offset]] = {}
    """m, where nose, eyes and ears are in the head."""

    def humanoid(self) -> Humanoid:
        """The rest pose for `multiview.body.kinematics`.

        Returns:
            The bones that the file knows.
        """
        from multiview.body.kinematics import (  # compiled code, which many who read studios need not
            HIERARCHY,
            Bone,
            Humanoid,
        )

        names = [name for name in HIERARCHY if name in self.rest]
        parents = [HIERARCHY[name][0] for name in names]
        index = [names.index(parent) if parent else -1 for parent in parents]
        bones = (Bone(n, i, np.array(self.rest[n])) for n, i in zip(names, index, strict=True))
        return Humanoid(tuple(bones), {name: np.array(place) for name, place in self.face.items()})


def measure(
    name: str,
    skeleton: str,
    joints: tuple[str, ...],
    xyz: Float64[np.ndarray, "T J 3"],
    filled: Bool[np.ndarray, "T J"],
    take: str = "",
) -> Actor:
    """An actor from where their joints were in one take.

    Args:
        name: Theirs.
        skeleton: Name of the skeleton.
        joints: Names of its J joints.
        xyz: (T, J, 3) m, NaN where unknown.
        filled: (T, J) joints that were not measured, which are not used.
        take: Where they were measured, for the file.

    Returns:
        Their median bone lengths and rest pose.

    Raises:
        ConfigError: Fewer than half of the lengths were observed for 30 frames, or the name cannot be one.
    """
    from multiview.body.kinematics import humanoid

    name = check_name(name, "actor")
    measured = np.where(filled[..., None], np.nan, xyz)
    lengths = median_bone_lengths(joints, measured)
    if len(lengths) < len(BONE_LENGTHS) // 2:
        raise ConfigError(f"too little was seen of them to measure {name}: let all limbs be seen for a few seconds")
    rest = humanoid(joints, measured)
    return Actor(
        name=name,
        skeleton=skeleton,
        take=take,
        frames=int(np.count_nonzero(np.isfinite(measured[..., 0]).sum(axis=1))),
        lengths={key: round(value, 4) for key, value in lengths.items()},
        rest={bone.name: _rounded(bone.offset) for bone in rest.bones},
        face={key: _rounded(place) for key, place in rest.face.items()},
    )


def median_bone_lengths(joints: Sequence[str], xyz: Float64[np.ndarray, "T J 3"]) -> dict[str, float]:
    """The lengths (m) that were seen often enough, by name."""
    table = lengths_by_frame(joints, xyz)
    often = np.isfinite(table).sum(axis=0) >= _FRAMES
    return {name: float(np.nanmedian(table[:, i])) for i, name in enumerate(BONE_LENGTHS) if often[i]}


def lengths_by_frame(joints: Sequence[str], xyz: Float64[np.ndarray, "T J 3"]) -> Float64[np.ndarray, "T L"]:
    """All of `BONE_LENGTHS` (m) in each frame, NaN where unknown."""
    index = {name: i for i, name in enumerate(joints)}
    ends = np.array([[index.get(joint, -1) for joint in pair] for pair in BONE_LENGTHS.values()])
    padded = np.concatenate([xyz, np.full((len(xyz), 1, 3), np.nan)], axis=1)  # -1: the skeleton has no such joint
    between = padded[:, ends[:, 0]] - padded[:, ends[:, 1]]
    length: np.ndarray = np.sqrt(np.sum(between * between, axis=2))
    return length


def actor_probabilities(lengths: Mapping[str, float], actors: Sequence[Actor]) -> Float64[np.ndarray, " A"]:
    """How probable it is that these lengths are each actor's, by Bayes' rule.

    Logarithms of lengths differ from the actor's by the repeatability of a measurement if it is them, and by the
    variation between people if not; beforehand each actor and somebody else are equally probable.

    Args:
        lengths: m, by the names of `BONE_LENGTHS`.
        actors: The A candidates.

    Returns:
        (A,) probabilities; what is missing to 1 is somebody else.

    References:
        Winter 2009, Biomechanics and Motor Control of Human Movement, chapter 4; Gordon et al. 2014, ANSUR II.
    """
    ratio = np.array([_log_likelihood_ratio(lengths, actor) for actor in actors])
    ratio = np.exp(np.minimum(ratio, 500.0))
    share: np.ndarray = ratio / (1.0 + ratio.sum())
    return share


def _log_likelihood_ratio(lengths: Mapping[str, float], actor: Actor) -> float:
    """Of being this actor against being somebody else; 0 where nothing can be compared."""
    common = [name for name in BONE_LENGTHS if name in lengths and name in actor.lengths]
    if not common:
        return 0.0
    apart = np.log([lengths[name] / actor.lengths[name] for name in common])
    one = np.array([_REPEAT_SD_WIDTH if name in ("shoulders", "hips") else _REPEAT_SD_ONE for name in common])
    same = _REPEAT_SD_ALL**2 + np.diag(one**2)
    other = same + 2 * (_STATURE_SD**2 + np.diag(np.full(len(common), _PROPORTION_SD**2)))
    return _log_normal(apart, same) - _log_normal(apart, other)


def _log_normal(x: Float64[np.ndarray, " L"], cov: Float64[np.ndarray, "L L"]) -> float:
    """Without the constant."""
    return float(-0.5 * (x @ np.linalg.solve(cov, x) + np.linalg.slogdet(cov)[1]))


def actors_folder() -> Path:
    """Where this user's actors are kept; the variable MULTIVIEW_ACTORS names another folder.

    Raises:
        ConfigError: The user has no home, and the variable is not set.
    """
    if named := os.environ.get("MULTIVIEW_ACTORS"):
        return Path(named)
    own = user_config()
    if own is None:
        raise ConfigError("this user has no home: set MULTIVIEW_ACTORS to a folder for saved actors")
    return own / "actors"


def actor_names(folder: Path | None = None) -> tuple[str, ...]:
    """The actors that are kept.

    Args:
        folder: Where; None for the user's own folder (`actors_folder`).

    Returns:
        Their names, sorted.
    """
    if folder is None and user_config() is None and not os.environ.get("MULTIVIEW_ACTORS"):
        return ()
    return tuple(sorted(name_of_file(path.stem) for path in (folder or actors_folder()).glob("*.toml")))


def load_actor(name: str, folder: Path | None = None) -> Actor:
    """Read an actor's file.

    Args:
        name: Of the actor.
        folder: Where; None for the user's own folder.

    Returns:
        The actor.

    Raises:
        ConfigError: There is none of that name; the message lists those there are.
    """
    name = check_name(name, "actor")
    path = named_path(folder or actors_folder(), name, ".toml")
    if not path.is_file():
        there = ", ".join(actor_names(folder)) or "none yet"
        raise ConfigError(
            f"no actor {name} in {path.parent} (there are: {there}); `multiview actor {name} TAKE` saves one"
        )
    return decode_toml(path, Actor)


def load_rest_pose(name: str, skeleton: str) -> Humanoid | None:
    """The rest pose of one of this user's actors; None for anyone else, or if it was measured with another skeleton."""
    if not name or name not in actor_names():
        return None
    actor = load_actor(name)
    return actor.humanoid() if actor.skeleton == skeleton and actor.rest else None


def save_actor(actor: Actor, folder: Path | None = None) -> Path:
    """Write an actor's file; an older one of the same name is replaced.

    Args:
        actor: Whom.
        folder: Where; None for the user's own folder.

    Returns:
        The path of the file.

    Raises:
        ConfigError: A file that is no actor has that name.
    """
    path = (folder or actors_folder()) / f"{file_name(check_name(actor.name, 'actor'))}.toml"
    if path.exists():
        try:
            decode_toml(path, Actor)
        except ConfigError:
            raise ConfigError(f"{path} exists, and is no actor: choose another name, or another folder") from None
    with replacing(path, correct=True) as temporary:
        temporary.write_text(encode_toml(actor, f"actor {actor.name}"), encoding="utf-8")
    return path


def _rounded(place: Float64[np.ndarray, " 3"]) -> tuple[float, float, float]:
    x, y, z = np.round(place, 5).tolist()
    return x, y, z
