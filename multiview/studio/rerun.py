"""Fusion of a take's recorded keypoints anew, by the code that runs live, compared with the recorded poses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from multiview.cameras.camera import UNPLACED
from multiview.cameras.rig_file import load_rig
from multiview.errors import ConfigError
from multiview.recordings.take import Take
from multiview.studio.config import Studio
from multiview.studio.stream_fusion import FusedTick, StreamFusion
from multiview.studio.take_studio import take_studio
from multiview.wire.messages import PosesMessage

__all__ = ["compare", "rerun_fusion", "with_other_rig"]


def rerun_fusion(take: Take, studio: Studio | None = None, rig: Path | None = None) -> Iterator[FusedTick]:
    """The take's keypoints through the same fusion as live; `rig` is a corrected one to use instead of the take's.

    ConfigError if its cameras have no places, as before a studio has calibrated itself from people.
    """
    studio, cameras = studio or take_studio(take), load_rig(rig or take.rig)
    if cameras.world == UNPLACED:
        raise ConfigError(
            f"{take.folder} was recorded before its cameras had places: give the rig that came of it (--rig), or "
            f"calibrate with `multiview calibrate people {take.folder}`"
        )
    fusion = StreamFusion(with_other_rig(studio) if rig else studio, cameras)
    for record in take.records():
        yield from fusion.feed(*record)


def with_other_rig(studio: Studio) -> Studio:
    """The studio for a corrected rig: keypoints that were recorded with another calibration are then right."""
    return msgspec.structs.replace(studio, fusion=msgspec.structs.replace(studio.fusion, check_calibration=False))


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
