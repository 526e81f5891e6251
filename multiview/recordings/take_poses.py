"""The poses of a take, wherever they are: its poses.parquet, or else what fusion sent while it was recorded."""

from __future__ import annotations

from pathlib import Path

from multiview.body.skeleton import load_skeleton
from multiview.errors import SourceError
from multiview.recordings.pose_table import Poses, read_poses
from multiview.recordings.take import Take
from multiview.wire.messages import PosesMessage, decode
from multiview.wire.packing import unpack_tracks

__all__ = ["take_poses"]


def take_poses(path: Path) -> tuple[Poses, Path]:
    """The poses of a take: its `poses.parquet`, or else what fusion sent while it was recorded.

    Args:
        path: A take, any folder with poses.parquet, or a parquet file.

    Returns:
        The poses, and where their parquet file is or would be.

    Raises:
        SourceError: There is neither a table nor a recording with poses.
    """
    table = path / "poses.parquet" if path.is_dir() else path
    if table.is_file() or not path.is_dir() or not Take(path).recordings():
        return read_poses(path), table
    ticks, skeleton = {}, ""
    for record in Take(path).records():
        if record.topic == "poses":
            message = decode(record.body)
            if isinstance(message, PosesMessage):
                ticks[message.tick] = unpack_tracks(message)
                skeleton = message.skeleton
    if not ticks:
        raise SourceError(f"{path}: a recording without poses; `multiview replay {path} --out {path}` makes them")
    return Poses.from_tracks([ticks[tick] for tick in sorted(ticks)], load_skeleton(skeleton)), table
