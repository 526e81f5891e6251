"""The rig of a BVH file: its hierarchy, whose rest pose is the one in which all its angles are zero."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from multiview.common.ledger import reading
from multiview.errors import ConfigError, MultiviewError
from multiview.retarget.bone_names import human_bones
from multiview.retarget.rig import RestBone, Rig

__all__ = ["read_bvh_rig"]

_LARGEST_M = 6.0  # of a character; a larger number is of centimetres or millimetres
_PER_METRE = (1.0, 100.0, 1000.0)


def read_bvh_rig(path: Path) -> Rig:
    """The rig of a BVH file; its unit, which the format does not tell, follows from the character's size.

    Args:
        path: .bvh.

    Returns:
        Its joints and end sites.

    Raises:
        ConfigError: It cannot be read, or is no human's.
        MultiviewError: pybvh is missing.
    """
    try:
        import pybvh
    except ModuleNotFoundError:
        raise MultiviewError("to read BVH takes one more package: pip install multiview-mocap[truth]") from None
    with reading(path).open("rb"):
        pass
    try:
        nodes = pybvh.read_bvh_file(str(path)).nodes
    except Exception as error:
        raise ConfigError(f"{path}: not a BVH file that can be read ({type(error).__name__}: {error})") from None
    index = {id(node): i for i, node in enumerate(nodes)}
    parents = [index[id(node.parent)] if node.parent is not None else -1 for node in nodes]
    places = np.zeros((len(nodes), 3))
    for i, node in enumerate(nodes):
        places[i] = np.asarray(node.offset, dtype=np.float64) + (places[parents[i]] if parents[i] >= 0 else 0.0)
    size = float(np.ptp(places, axis=0).max())
    scale = next((scale for scale in _PER_METRE if size < _LARGEST_M * scale), _PER_METRE[-1])
    names = [f"{node.parent.name}Tip" if isinstance(node, pybvh.bvhnode.BvhEndSite) else node.name for node in nodes]
    bones = tuple(
        RestBone(name, parent, place / scale, np.eye(3))
        for name, parent, place in zip(names, parents, places, strict=True)
    )
    return Rig.of(bones, human_bones(names, parents), path)
