"""Fusion of a take's recorded keypoints anew, by the code that runs live, compared with the recorded poses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from multiview.cameras.rig_file import load_rig
from multiview.errors import ConfigError
from multiview.recordings.mcap_log import Record
from multiview.recordings.take import Take
from multiview.studio.config import HubOptions, Studio, load_studio
from multiview.studio.stream_fusion import FusedTick, StreamFusion
from multiview.wire import topics
from multiview.wire.messages import PosesMessage, decode

__all__ = ["compare", "recorded_poses", "rerun_fusion", "take_studio"]


def take_studio(take: Take) -> Studio:
    """The take's effective configuration; of a recorded one neither paths nor addresses are used.

    ConfigError if it names a file of code: a recording may use only what ships with multiview; SourceError if the take
    is of another schema version.
    """
    take.check_schema()  # first: an older take's studio file has older keys, too
    studio = load_studio(take.studio, check=False)
    if (associator := str(studio.pipeline.get("associator", ""))).endswith(".py"):
        raise ConfigError(f"{take.studio}: [pipeline] associator = {associator!r}: a take may not bring its own code")
    skeleton = studio.skeleton
    if skeleton.endswith(".toml"):
        skeleton = str(take.folder / Path(skeleton).name)
    return msgspec.structs.replace(studio, rig=str(take.rig), skeleton=skeleton, hub=HubOptions())


def rerun_fusion(take: Take, studio: Studio | None = None) -> Iterator[FusedTick]:
    """The take's keypoints through the same fusion as live."""
    fusion = StreamFusion(studio or take_studio(take), load_rig(take.rig))
    for record in take.records():
        yield from fusion.feed(*record)


def recorded_poses(records: Iterable[Record]) -> Iterator[PosesMessage]:
    """The poses that fusion sent while the take was recorded."""
    for record in records:
        if record.topic == topics.POSES:
            message = decode(record.body)
            if isinstance(message, PosesMessage):
                yield message


def compare(fused: Iterable[FusedTick], recorded: Iterable[PosesMessage]) -> tuple[int, int, int]:
    """(ticks that are the same in every bit, ticks that differ, ticks that only one side has)."""
    again = {(f.message.tick, f.message.time_ns): f.message for f in fused}
    before = {(m.tick, m.time_ns): m for m in recorded}
    both = again.keys() & before.keys()
    same = sum(_result(again[key]) == _result(before[key]) for key in both)
    return same, len(both) - same, len(again.keys() ^ before.keys())


def _result(message: PosesMessage) -> PosesMessage:
    """Without what depends on the process and not on the stream."""
    return msgspec.structs.replace(message, boot_id=0, dropped=0)
