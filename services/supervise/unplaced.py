"""A studio whose cameras stand nobody knows where: which one it is, and the rig that its workers start with."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from multiview.cameras.camera import UNPLACED, Camera, Rig
from multiview.cameras.rig_file import load_rig
from multiview.errors import ConfigError
from multiview.studio.config import CameraSource, KeypointsSource, Studio, SyntheticSource
from multiview.studio.derived import studio_rig
from multiview.studio.studio_file import decode_studio, load_studio
from services.nodes.camera_opening import camera_opener

__all__ = ["lacks_rig", "unplaced_rig"]


def lacks_rig(path: Path) -> bool:
    """Whether a studio file names no rig, or one that is not there; simulated cameras need none."""
    studio = decode_studio(path)
    if studio.rig:
        return not Path(load_studio(path, check=False).rig).is_file()
    return not any(isinstance(source, SyntheticSource) for source in studio.sources)


def unplaced_rig(studio: Studio, lenses: Path | None) -> Rig:
    """Names and sizes of a studio's cameras, in a row; their places and lenses mean nothing.

    Args:
        studio: Whose rig is not there.
        lenses: A rig file that has the cameras, whose sizes then count.

    Returns:
        The rig.

    Raises:
        ConfigError: Its cameras have no names, or a size that nothing tells.
        SourceError: A camera does not open.
    """
    known = load_rig(lenses) if lenses is not None else None
    names = _names(studio, known)
    if len(names) < 2:
        raise ConfigError(f"{', '.join(names) or 'no camera'}: one camera alone gives no rig: add another")
    cameras = []
    for n, name in enumerate(names):
        if known is not None and name in known.names:
            size = known.cameras[known.index(name)].size
        else:
            size = _size(studio, name)
        focal = float(max(size))
        K = np.array([[focal, 0.0, (size[0] - 1) / 2], [0.0, focal, (size[1] - 1) / 2], [0.0, 0.0, 1.0]])
        cameras.append(Camera(name, size, K, np.zeros(5), np.eye(3), np.array([-float(n), 0.0, 0.0])))
    return Rig(tuple(cameras), UNPLACED)


def _names(studio: Studio, known: Rig | None) -> list[str]:
    names = list(studio.cameras)
    if isinstance(studio.source, SyntheticSource):
        names += [name for name in _simulated(studio).names if name not in names]
    elif studio.source is not None:
        if known is None and len(names) < 2:
            raise ConfigError(
                "no rig, so the cameras of [source] have no names: name each, as in [cameras.cam01.source], or give "
                "their lenses with --lenses"
            )
        names += [name for name in (known.names if known is not None else ()) if name not in names]
    return names


def _size(studio: Studio, name: str) -> tuple[int, int]:
    source = studio.source_of(name)
    if isinstance(source, SyntheticSource):
        rig = _simulated(studio)
        return rig.cameras[rig.index(name)].size
    if isinstance(source, KeypointsSource):
        raise ConfigError(f"{name}: keypoints do not tell how large its pictures are: give its lens with --lenses")
    assert isinstance(source, CameraSource)
    opened = camera_opener(studio, name, 0)()
    try:
        return opened.size
    finally:
        opened.close()


def _simulated(studio: Studio) -> Rig:
    return studio_rig(Studio(source=studio.source))
