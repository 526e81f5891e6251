"""Fusion of a take's recorded keypoints anew, by the code that runs live, compared with the recorded poses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path, PurePath

import msgspec

from multiview.body.skeleton import SKELETONS, find_skeleton
from multiview.cameras.camera import UNPLACED
from multiview.cameras.rig_file import load_rig
from multiview.common.plugins import plugin_names
from multiview.data import NS_PER_S
from multiview.errors import ConfigError, MessageError, SourceError
from multiview.recordings.mcap_log import Record
from multiview.recordings.take import Take
from multiview.studio.config import HubOptions, KeypointsSource, RecorderOptions, Studio, SyntheticSource
from multiview.studio.derived import synthetic_options
from multiview.studio.stream_fusion import FusedTick, StreamFusion
from multiview.studio.studio_file import decode_studio
from multiview.wire import topics
from multiview.wire.messages import KeypointsMessage, PosesMessage, decode

__all__ = ["compare", "recorded_poses", "rerun_fusion", "take_studio", "with_other_rig"]

DEFAULT_HZ = 30.0
RATE_TICKS = 100  # from which the rate is known well enough


def take_studio(take: Take) -> Studio:
    """The take's effective configuration, as data: of a recorded one no path, address or code is used.

    Its sources become recorded keypoints of the studio's rate; its rig and a skeleton of its own are those in the take.

    ConfigError if it names a file of code: a recording may use only what ships with multiview; SourceError if the take
    is of another schema version, or was not recorded live.
    """
    if not take.recordings() and not take.studio.exists():
        raise SourceError(
            f"{take.folder} was made of recorded videos or keypoints and holds no stream (take.mcap, studio.toml): "
            f"give these videos or keypoints, with --rig {take.rig}"
        )
    take.check_schema()  # first: an older take's studio file has older keys, too
    studio = decode_studio(take.studio)
    if (associator := str(studio.pipeline.get("associator", ""))) not in (
        "",
        *plugin_names("multiview.fusion.association"),
    ):
        raise ConfigError(f"{take.studio}: [pipeline] associator = {associator!r}: a take may not bring its own code")
    rate = _recorded_rate(studio, take)
    return msgspec.structs.replace(
        studio,
        rig=str(take.rig),
        skeleton=_own_skeleton(studio, take),
        source=KeypointsSource(directory="", fps=rate, speed=_speed(studio)),
        cameras={},
        workers=[],
        known_actors=[],
        sync=msgspec.structs.replace(studio.sync, rate_hz=rate),
        hub=HubOptions(),
        recorder=RecorderOptions(enabled=False),
    )


def _own_skeleton(studio: Studio, take: Take) -> str:
    """The name of one that ships, or the file in the take."""
    name = PurePath(studio.skeleton or _recorded_skeleton(take)).name
    skeleton = find_skeleton(name.removesuffix(".toml"), take.folder)
    own = take.folder / SKELETONS / f"{skeleton.name}.toml"
    return str(own) if own.is_file() else skeleton.name


def _recorded_skeleton(take: Take) -> str:
    """That of the first keypoints, where the studio file names none; body25, as once, where there are none."""
    for record in take.stream():
        if record.topic.startswith(f"{topics.KEYPOINTS}/"):
            try:
                message = decode(record.body)
            except MessageError:
                continue
            if isinstance(message, KeypointsMessage):
                return message.skeleton
    return "body25"


def _recorded_rate(studio: Studio, take: Take) -> float:
    """Ticks per second: as the studio file says, or as the recorded poses came."""
    if studio.sync.rate_hz > 0:
        return studio.sync.rate_hz
    rates = [synthetic_options(s).fps if isinstance(s, SyntheticSource) else s.fps for s in studio.sources]
    if all(rate > 0 for rate in rates):
        return max(rates, default=DEFAULT_HZ)
    ticks = [(message.tick, message.time_ns) for message in islice(recorded_poses(take.stream()), RATE_TICKS)]
    if len(ticks) < 2 or ticks[-1][1] <= ticks[0][1]:
        return DEFAULT_HZ
    return round((ticks[-1][0] - ticks[0][0]) * NS_PER_S / (ticks[-1][1] - ticks[0][1]), 3)


def _speed(studio: Studio) -> float:
    """0 if any source came as fast as fusion could take it: then fusion waited for all of them."""
    return min((source.speed for source in studio.sources), default=1.0)


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


def recorded_poses(records: Iterable[Record]) -> Iterator[PosesMessage]:
    """The poses that fusion sent while the take was recorded."""
    for record in records:
        if record.topic == topics.POSES:
            try:
                message = decode(record.body)
            except MessageError:
                continue  # somebody else's
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
