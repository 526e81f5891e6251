"""Region feedback: fusion predicts the regions of people in each image, and workers search only these.

Regions are part of the hub's stream, so that a recording shows the regions that workers received; fusion does not read
them, so that a replay gives the same poses.
"""

from __future__ import annotations

import time

import numpy as np
from jaxtyping import Float64

from multiview.cameras.camera import Camera
from multiview.cameras.image_size import from_calibrated_size
from multiview.cameras.projected_regions import Regions, expected_regions
from multiview.studio.config import CameraSource, HubOptions, Studio
from multiview.studio.stream_fusion import StreamFusion
from multiview.wire import topics
from multiview.wire.messages import RegionsMessage, encode, write_blob
from services.transport.bus import Sender, Subscriber, decoded

__all__ = ["RegionReceiver", "RegionSender", "pack_regions", "regions_wanted"]

INTERVAL_S = 0.03  # a tick's regions are hardly better than the last one's
MAX_AGE_S = 1.0  # older ones are worth nothing


def regions_wanted(studio: Studio) -> bool:
    """True if any camera's worker uses regions."""
    return any(isinstance(source, CameraSource) and source.regions for source in studio.sources)


def pack_regions(fusion: StreamFusion, time_ns: int) -> RegionsMessage:
    """The regions of all tracks in every camera's image, at the last tick."""
    pipeline = fusion.pipeline
    slots = [one.slot for one in pipeline.estimates]
    numbers = [one.who.number for one in pipeline.estimates]
    state = pipeline.tracker.people.state
    xyz = np.where(state.has_estimate[slots, :, None], state.pos[slots] * pipeline.unit_m, np.nan)
    regions = [
        expected_regions(camera, xyz, state.vel[slots] * pipeline.unit_m / pipeline.unit_s)
        for camera in fusion.rig.cameras
    ]
    rows = [np.concatenate([r.boxes, r.velocity], axis=1) for r in regions]
    return RegionsMessage(
        time_ns=time_ns,
        clock=fusion.clock or "hub",
        cameras=list(fusion.rig.names),
        people=[[numbers[i] for i in r.rows] for r in regions],
        blob=write_blob(np.concatenate(rows)),
    )


class RegionSender:
    """Sends the regions, for FusionService."""

    def __init__(self, fusion: StreamFusion, sender: Sender) -> None:
        self._fusion, self._sender = fusion, sender
        self._next_s = 0.0

    def send(self, time_ns: int) -> None:
        """The last tick's regions, unless some have just been sent."""
        if time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + INTERVAL_S
            self._sender.send(topics.REGIONS, encode(pack_regions(self._fusion, time_ns)))


class RegionReceiver:
    """Receives the newest regions of the hub's stream, for a worker."""

    def __init__(self, hub: HubOptions, name: str) -> None:
        self._subscriber = Subscriber(hub, [topics.REGIONS], name)
        self._newest: RegionsMessage | None = None

    def update(self) -> None:
        """Process the messages that have arrived."""
        for message in decoded(self._subscriber.drain()):
            if isinstance(message, RegionsMessage):
                self._newest = message

    def boxes(self, camera: Camera, time_ns: int, picture: tuple[int, int]) -> Float64[np.ndarray, "N 4"] | None:
        """Boxes to search in an image taken at `time_ns` of the common clock, px of it; None if unknown."""
        message = self._newest
        if message is None or camera.name not in message.cameras:
            return None
        ahead_s = (time_ns - message.time_ns) / 1e9
        if abs(ahead_s) > MAX_AGE_S:
            return None
        boxes = self._of(message, camera.name).after(ahead_s)
        return from_calibrated_size(boxes.reshape(-1, 2), picture, camera.size).reshape(-1, 4)

    def close(self) -> None:
        self._subscriber.close()

    @staticmethod
    def _of(message: RegionsMessage, camera: str) -> Regions:
        place = message.cameras.index(camera)
        first = sum(len(people) for people in message.people[:place])
        count = len(message.people[place])
        table = message.table()[first : first + count]
        rows = np.flatnonzero(np.isfinite(table).all(axis=1))
        return Regions(rows, table[rows, :4], table[rows, 4:])
