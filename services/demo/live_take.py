"""A live run of a simulated studio, and the figures of its take."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from multiview.errors import MultiviewError

if TYPE_CHECKING:
    from multiview.recordings.pose_table import Poses
    from multiview.recordings.take import Take
    from multiview.studio.config import Studio

__all__ = ["play", "read_take"]


def play(studio: Studio, timeout_s: float, viewer: bool) -> Take:
    """Run the simulated studio; returns the finished take."""
    from services.supervise.launch import Launch
    from services.supervise.status import StatusTable

    with Launch(studio, viewer=None if viewer else False) as launch:
        print(
            "Starting hub, fusion, recorder and one worker per camera (the first time, fusion compiles its kernels) ..."
        )
        began = time.monotonic()
        launch.start()
        print(f"Connected after {time.monotonic() - began:.1f} s.")
        with StatusTable(launch.studio.hub, launch.rig.names) as table:
            launch.wait(table.update, timeout_s=timeout_s)
            table.update_for(0.5)
    if launch.take is None:
        raise MultiviewError("nothing was recorded: the demo needs its recorder")
    return launch.take


def read_take(take: Take) -> tuple[Poses, list[float], float]:
    """The poses that fusion sent, as recorded; each tick's latency (ms), from the exposure to the poses at the hub; and
    the rate at which poses came (Hz)."""
    from multiview.body.skeleton import load_skeleton
    from multiview.recordings.pose_table import Poses
    from multiview.wire.messages import PosesMessage, decode
    from multiview.wire.packing import unpack_tracks

    ticks, latency, came_ns, skeleton = [], [], [], ""
    for record in take.records():
        if record.topic != "poses":
            continue
        message = decode(record.body)
        if isinstance(message, PosesMessage):
            ticks.append(unpack_tracks(message))
            came_ns.append(record.stamp.arrival_ns)
            latency.append((message.latency_ns + record.stamp.arrival_ns - message.arrival_ns) / 1e6)
            skeleton = message.skeleton
    if not ticks:
        raise MultiviewError(f"{take.folder} holds no poses: fusion sent none; see its log with --debug")
    rate = (len(came_ns) - 1) * 1e9 / max(came_ns[-1] - came_ns[0], 1)
    return Poses.from_tracks(ticks, load_skeleton(skeleton)), latency, rate
