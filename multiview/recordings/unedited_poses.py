"""The poses of a take, wherever they are: its poses.parquet, or else what fusion sent while it was recorded.

Whoever shows or measures a take asks `multiview.editing.take_poses`, which has its edits.
"""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec

from multiview.body.skeleton import find_skeleton
from multiview.data import Tracks
from multiview.errors import SourceError
from multiview.recordings.pose_table import Poses, read_poses
from multiview.recordings.take import Take
from multiview.wire.messages import PosesMessage, decode
from multiview.wire.packing import unpack_tracks

__all__ = ["unedited_poses"]


def unedited_poses(path: Path) -> tuple[Poses, Path]:
    """The poses of a take, whatever edits it has: its `poses.parquet`, or else what fusion sent while it was recorded.

    Where fusion was started again in between, it counted people anew: those of a later start get new numbers, so that
    a number is one person. Names written beside the poses are theirs.

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
    return _recorded_poses(Take(path)).named_in(path), table


def _recorded_poses(take: Take) -> Poses:
    ticks: dict[int, Tracks] = {}
    senders: dict[int, int] = {}
    people, skeleton, twice = _People(), "", 0
    for record in take.records():
        if record.topic == "poses":
            message = decode(record.body)
            if not isinstance(message, PosesMessage):
                continue
            if senders.setdefault(message.tick, message.boot_id) != message.boot_id:
                twice += 1
                continue
            ticks[message.tick] = people.renumbered(unpack_tracks(message), message.boot_id)
            skeleton = message.skeleton
    if not ticks:
        raise SourceError(
            f"{take.folder}: a recording without poses; `multiview replay {take.folder} --out {take.folder}` makes them"
        )
    if twice:
        logging.warning("%s: %d ticks came from two starts of fusion: the first is used", take.folder, twice)
    poses = Poses.from_tracks([ticks[tick] for tick in sorted(ticks)], find_skeleton(skeleton, take.folder))
    return poses.with_written_times()


class _People:
    """One number for each person of each start of fusion; those of the first start keep theirs."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[int, int], int] = {}
        self._taken: set[int] = set()

    def renumbered(self, tracks: Tracks, boot_id: int) -> Tracks:
        found = tuple(
            msgspec.structs.replace(track, person=self._number(boot_id, track.person)) for track in tracks.tracks
        )
        return msgspec.structs.replace(tracks, tracks=found)

    def _number(self, boot_id: int, person: int) -> int:
        number = self._numbers.get((boot_id, person))
        if number is None:
            number = max(self._taken) + 1 if person in self._taken else person
            self._numbers[boot_id, person] = number
            self._taken.add(number)
        return number
