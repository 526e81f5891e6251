"""What a take was recorded with, as data: the studio's configuration and the poses that fusion sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import PurePath

import msgspec

from multiview.body.skeleton import SKELETONS, find_skeleton
from multiview.common.plugins import plugin_names
from multiview.data import NS_PER_S
from multiview.errors import ConfigError, MessageError, SourceError
from multiview.recordings.mcap_log import Record
from multiview.recordings.take import Take
from multiview.studio.config import HubOptions, KeypointsSource, RecorderOptions, Studio, SyntheticSource
from multiview.studio.derived import synthetic_options
from multiview.studio.studio_file import decode_studio
from multiview.wire import topics
from multiview.wire.messages import KeypointsMessage, PosesMessage, decode

__all__ = ["recorded_poses", "take_studio"]

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
