"""SLEAP: analysis HDF5, one file per video, with arrays over tracks, joints and frames.

Arrays have the order of axes that their attribute `dims` states, or else that of MATLAB: (track, xy, joint, frame).
Frames are numbered from 0; pixel (0, 0) is the centre of the top-left pixel.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from multiview.keypoint_formats._hdf5 import holds, is_hdf5, opened, text, texts
from multiview.keypoint_formats._keypoint_file import KeypointFile, numbered

__all__ = ["SUFFIXES", "read", "recognises"]

SUFFIXES = (".h5", ".hdf5")
WHAT = "analysis HDF5 of SLEAP"
TRACKS, SCORES = ("track", "xy", "node", "frame"), ("track", "node", "frame")


def recognises(path: Path, head: bytes) -> bool:
    """Whether it has tracks of named nodes."""
    return is_hdf5(head) and holds(path, ("tracks", "node_names"))


def read(path: Path) -> KeypointFile:
    """All frames of one video."""
    with opened(path, WHAT) as file:
        joints = texts(file["node_names"])
        xy = _ordered(file["tracks"], TRACKS, ("frame", "track", "node", "xy"))
        if "point_scores" in file:
            score = _ordered(file["point_scores"], SCORES, ("frame", "track", "node"))
            score = np.where(np.isfinite(score), score, 1.0)  # points placed by hand have none
        else:
            score = np.ones(xy.shape[:-1])
        if xy.shape[2:] != (len(joints), 2) or score.shape != xy.shape[:-1]:
            raise ValueError(f"tracks {xy.shape} and scores {score.shape} of {len(joints)} nodes")
        source = text(file["video_path"][()]).replace("\\", "/") if "video_path" in file else ""
        edges = file["edge_inds"][()].reshape(-1, 2).tolist() if "edge_inds" in file else []
        symmetries = json.loads(text(file.attrs.get("skeleton_symmetries", "[]")))
        pairs = tuple((joints.index(a), joints.index(b)) for a, b in symmetries)
        seen = list(numbered(source, range(len(xy)), xy, score))
        return KeypointFile(seen, joints, tuple((int(a), int(b)) for a, b in edges), pairs)


def _ordered(dataset: Any, usual: tuple[str, ...], wanted: tuple[str, ...]) -> np.ndarray:
    """The array with its axes in the order wanted."""
    axes = tuple(json.loads(text(dataset.attrs["dims"]))) if "dims" in dataset.attrs else usual
    return np.asarray(dataset[()], dtype=np.float64).transpose([axes.index(axis) for axis in wanted])
