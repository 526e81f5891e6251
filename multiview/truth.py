"""True 3D joints, to measure poses against: the npz file with `frame`, `actor`, `xyz` and `joints`."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64

from multiview.errors import SourceError
from multiview.files import replacing

__all__ = ["Truth", "read_truth", "write_truth"]


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """N rows, one for each (frame, actor): `xyz` m of the J `joints`, NaN where unknown."""

    frame: Int64[np.ndarray, " N"]
    actor: Int64[np.ndarray, " N"]
    xyz: Float64[np.ndarray, "N J 3"]
    joints: tuple[str, ...]


def read_truth(path: str | Path) -> Truth:
    """Read an npz file; SourceError if it is missing, cut, or not of this form."""
    path = Path(path)
    if not path.is_file():
        raise SourceError(f"{path}: no such file of true joints (npz with frame, actor, xyz, joints)")
    try:
        with np.load(path, allow_pickle=False) as content:
            arrays = {name: content[name] for name in content.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise SourceError(f"{path} is not a whole npz file: {error}") from error
    missing = [name for name in ("frame", "actor", "xyz", "joints") if name not in arrays]
    if missing:
        raise SourceError(f"{path} is not a file of true joints: it lacks {', '.join(missing)}")
    frame, actor, xyz = arrays["frame"], arrays["actor"], arrays["xyz"]
    joints = tuple(str(joint) for joint in arrays["joints"])
    if xyz.shape != (len(frame), len(joints), 3) or actor.shape != frame.shape:
        shapes = ", ".join(f"{name} {arrays[name].shape}" for name in ("frame", "actor", "xyz", "joints"))
        raise SourceError(f"{path}: expected frame (N,), actor (N,), xyz (N, J, 3), joints (J,), found {shapes}")
    return Truth(frame.astype(np.int64), actor.astype(np.int64), xyz.astype(np.float64), joints)


def write_truth(truth: Truth, path: str | Path) -> None:
    """Write the npz file, whole or not at all."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, frame=truth.frame, actor=truth.actor, xyz=truth.xyz, joints=np.array(truth.joints))
