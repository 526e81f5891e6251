"""BVH, by pybvh: the places of a character's joints, from its offsets and rotations."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from multiview.errors import MultiviewError
from multiview.marker_files._markers import Markers

__all__ = ["read"]


def read(path: Path) -> Markers:
    try:
        import pybvh
    except ModuleNotFoundError:
        raise MultiviewError("to read BVH takes one more package: pip install multiview-mocap[truth]") from None
    motion = pybvh.read_bvh_file(str(path))
    xyz = np.asarray(motion.node_positions(), dtype=np.float64)
    names = tuple(node.name for node in motion.nodes)
    return Markers(np.arange(len(xyz)) * float(motion.frame_time), xyz, names)
