"""True 3D joints, to measure poses against: the npz file with `frame`, `actor`, `xyz` and `joints`."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64

from multiview.common.atomic_file import replacing
from multiview.common.foreign_errors import LARGEST_FILE, foreign_errors
from multiview.common.ledger import reading
from multiview.data import FrameNumbers
from multiview.errors import SourceError

__all__ = ["ARRAYS", "Truth", "read_truth", "write_truth"]

# The arrays of the file: type and meaning, for N rows, one for each (frame, actor), and J joints.
ARRAYS: dict[str, tuple[str, str]] = {
    "frame": ("(N,) integers", "number of the frame, as in poses.parquet"),
    "actor": ("(N,) integers", "who it is, by any number"),
    "xyz": ("(N, J, 3) floats", "m, world; NaN where unknown"),
    "joints": ("(J,) text", "names of the joints"),
    "bound": (
        "(N, J) floats",
        "optional, m: the least root mean square error of an estimator without memory (Cramer-Rao); NaN where unknown",
    ),
}
_REQUIRED = ("frame", "actor", "xyz", "joints")


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """True joints: N rows, one for each (frame, actor), of J joints.

    Attributes:
        frame: (N,) number of the frame.
        actor: (N,) who it is.
        xyz: (N, J, 3) m, world; NaN where unknown.
        joints: Names of the joints.
        bound: (N, J) m, of synthetic studios: the least root mean square error that an estimator without memory can
            have, the root of the trace of the Cramer-Rao bound; NaN where fewer than two views determine the joint.
    """

    frame: FrameNumbers
    actor: Int64[np.ndarray, " N"]
    xyz: Float64[np.ndarray, "N J 3"]
    joints: tuple[str, ...]
    bound: Float64[np.ndarray, "N J"] | None = None


def read_truth(path: str | Path) -> Truth:
    """Read a file of true joints.

    Args:
        path: An npz file in the format of docs/formats.md.

    Returns:
        The truth.

    Raises:
        SourceError: The file is missing, cut, or not of this form.
    """
    path = Path(path)
    if not path.is_file():
        raise SourceError(f"{path}: no such file of true joints (npz with frame, actor, xyz, joints)")
    with foreign_errors(path, "a file of true joints (npz)"):
        return _checked(_arrays(path), path)


def _checked(arrays: dict[str, np.ndarray], path: Path) -> Truth:
    """What is read, and what is written, is checked here."""
    missing = [name for name in _REQUIRED if name not in arrays]
    if missing:
        raise SourceError(f"{path} is not a file of true joints: it lacks {', '.join(missing)}")
    frame, actor, xyz = arrays["frame"], arrays["actor"], arrays["xyz"]
    joints = tuple(str(joint) for joint in arrays["joints"])
    if xyz.shape != (len(frame), len(joints), 3) or actor.shape != frame.shape:
        shapes = ", ".join(f"{name} {arrays[name].shape}" for name in _REQUIRED)
        raise SourceError(f"{path}: expected frame (N,), actor (N,), xyz (N, J, 3), joints (J,), found {shapes}")
    if any(arrays[name].dtype.kind not in "iu" for name in ("frame", "actor")) or xyz.dtype.kind not in "iuf":
        kinds = ", ".join(f"{name} {arrays[name].dtype}" for name in ("frame", "actor", "xyz"))
        raise SourceError(f"{path}: frame and actor must be integers and xyz numbers, found {kinds}")
    bound = arrays.get("bound")
    if bound is not None and bound.shape != xyz.shape[:2]:
        raise SourceError(f"{path}: expected bound {xyz.shape[:2]}, found {bound.shape}")
    if bound is not None and bound.dtype.kind not in "iuf":
        raise SourceError(f"{path}: bound must be numbers, found {bound.dtype}")
    return Truth(FrameNumbers(frame.astype(np.int64)), actor.astype(np.int64), xyz.astype(np.float64), joints, bound)


def _arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of the file, if they fit into memory: a few bytes can be packed numbers without end."""
    with reading(path).open("rb") as file, zipfile.ZipFile(file) as members:
        if sum(member.file_size for member in members.infolist()) > LARGEST_FILE:
            raise SourceError(f"{path}: unpacked it is larger than {LARGEST_FILE >> 20} MB; is it the right file?")
    with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
        return {name: content[name] for name in content.files if name in ARRAYS}


def write_truth(truth: Truth, path: str | Path) -> None:
    """Write the npz file, whole or not at all.

    Args:
        truth: The true joints.
        path: Where.

    Raises:
        SourceError: `read_truth` would refuse the file.
    """
    arrays = {"frame": truth.frame, "actor": truth.actor, "xyz": truth.xyz, "joints": np.array(truth.joints)}
    if truth.bound is not None:
        arrays["bound"] = truth.bound
    _checked(arrays, Path(path))
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
