"""Small pictures of a running studio's cameras for whoever looks, with the people seen in them and those fused.

Nothing is asked of the studio while nobody looks. A picture waits a little for the poses of its instant, so that the
people drawn over it are where they were then.
"""

from __future__ import annotations

import asyncio
import json
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

import numpy as np

from multiview.cameras.camera import Camera, Rig
from multiview.errors import MessageError
from multiview.studio.config import HubOptions
from multiview.wire import topics
from multiview.wire.messages import PosesMessage, PreviewMessage, PreviewRequest, decode, encode
from services.transport.bus import Received, Sender, Subscriber
from services.transport.keyring import OPERATOR

__all__ = ["LARGE_PX", "Looking", "PictureFeed", "picture_bytes"]

SMALL_PX, LARGE_PX = 320, 960
SMALL_HZ, LARGE_HZ = 5.0, 10.0
ASK_S, ASKED_S = 1.0, 3.0  # how often is asked, and for how long
WAIT_S = 0.3  # for the poses of a picture's instant
POSES_KEPT = 240
_LENGTH = struct.Struct("<I")


class Looking:
    """One browser that looks at pictures; only its own event loop touches `waiting`."""

    def __init__(self) -> None:
        self.cameras: frozenset[str] = frozenset()
        self.large = False
        self.waiting: dict[str, bytes] = {}  # the newest of each camera; a slow browser misses those before
        self.ready = asyncio.Event()

    def offer(self, camera: str, data: bytes) -> None:
        """The newest picture of a camera."""
        self.waiting[camera] = data
        self.ready.set()


class PictureFeed:
    """Asks a hub for pictures, in a thread, while somebody looks.

    Args:
        hub: Which.
        rig: The studio's; pictures of other cameras are ignored.
        call_soon: Runs a function in the event loop of those who look.
    """

    def __init__(self, hub: HubOptions, rig: Rig, call_soon: Callable[..., object]) -> None:
        self._hub, self._call_soon = hub, call_soon
        self._cameras = {camera.name: camera for camera in rig.cameras}
        self._looking: set[Looking] = set()
        self._poses: deque[PosesMessage] = deque(maxlen=POSES_KEPT)
        self._held: deque[tuple[float, PreviewMessage]] = deque(maxlen=4 * len(self._cameras))
        self._wanted, self._ending = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="picture feed", daemon=True)
        self._thread.start()

    def look(self, looking: Looking, cameras: Iterable[str], large: bool) -> None:
        """Send pictures of these cameras to a browser from now on."""
        looking.cameras = frozenset(name for name in cameras if name in self._cameras)
        looking.large = large
        self._looking.add(looking)
        self._wanted.set()

    def leave(self, looking: Looking) -> None:
        """Send it no more."""
        self._looking.discard(looking)
        if not self._looking:
            self._wanted.clear()

    def close(self) -> None:
        """End the thread."""
        self._ending.set()
        self._wanted.set()
        self._thread.join(2.0)

    def _run(self) -> None:
        while not self._ending.is_set():
            self._wanted.wait()
            if not self._ending.is_set():
                self._serve()

    def _serve(self) -> None:
        """While somebody looks."""
        subscriber = Subscriber(self._hub, (f"{topics.PREVIEW}/", topics.POSES), OPERATOR)
        sender, next_ask, asked = Sender(self._hub, OPERATOR), 0.0, frozenset[tuple[bool, frozenset[str]]]()
        try:
            while self._wanted.is_set() and not self._ending.is_set():
                wanted = frozenset((one.large, one.cameras) for one in self._looking.copy() if one.cameras)
                if wanted != asked or time.monotonic() >= next_ask:
                    next_ask, asked = time.monotonic() + ASK_S, wanted
                    for large, cameras in wanted:
                        sender.send(topics.PREVIEW_REQUEST, encode(_request(large, cameras)))
                received = subscriber.receive(0.05)
                if received is not None:
                    for one in (received, *islice(subscriber.drain(), POSES_KEPT)):
                        self._take(one)
                self._release(time.monotonic())
        finally:
            subscriber.close()
            sender.close()

    def _take(self, received: Received) -> None:
        try:
            message = decode(received.body)
        except MessageError:
            return
        if isinstance(message, PosesMessage):
            self._poses.append(message)
        elif isinstance(message, PreviewMessage) and message.camera in self._cameras:
            self._held.append((time.monotonic(), message))

    def _release(self, now_s: float) -> None:
        """Pass on the pictures whose poses have come, or come no more."""
        held, self._held = self._held, deque(maxlen=self._held.maxlen)
        for since_s, preview in held:
            newest = self._poses[-1] if self._poses else None
            early = newest is not None and newest.clock == preview.clock and newest.time_ns < preview.time_ns
            if (early or newest is None) and now_s - since_s < WAIT_S:
                self._held.append((since_s, preview))
            else:
                self._pass_on(preview)

    def _pass_on(self, preview: PreviewMessage) -> None:
        data = picture_bytes(self._cameras[preview.camera], preview, nearest(self._poses, preview))
        for looking in self._looking.copy():
            if preview.camera in looking.cameras:
                self._call_soon(looking.offer, preview.camera, data)


def nearest(poses: Iterable[PosesMessage], preview: PreviewMessage) -> PosesMessage | None:
    """The poses of a picture's instant; the newest where its time is not known."""
    every = list(poses)
    same = [one for one in every if one.clock == preview.clock]
    if not same:
        return every[-1] if every and preview.clock == "unknown" else None
    return min(same, key=lambda one: abs(one.time_ns - preview.time_ns))


def picture_bytes(camera: Camera, preview: PreviewMessage, poses: PosesMessage | None) -> bytes:
    """A picture for static/pictures_view.js.

    The header's length (uint32, little-endian), the header (JSON: `camera`, `size` px, `seen` and `fused`, both in
    pixels of that size), then the JPEG. A joint is [x, y, score] in `seen`, [x, y, 1 where filled] in `fused`, null
    where it is unknown.

    Args:
        camera: Which took it.
        preview: The picture.
        poses: Of its instant; None where there are none.

    Returns:
        The bytes.
    """
    header: dict[str, Any] = {
        "camera": preview.camera,
        "size": list(camera.size),
        "joints": preview.joints,
        "seen": [_joints(person) for person in preview.table()],
        "fused": [],
    }
    if poses is not None and poses.people:
        table = poses.table()
        xy = camera.project(table[..., :3])
        names = poses.names or [""] * len(poses.people)
        header["fused"] = [
            {"id": person, "name": name, "joints": _joints(np.column_stack([xy[i], table[i, :, 11]]))}
            for i, (person, name) in enumerate(zip(poses.people, names, strict=True))
        ]
    text = json.dumps(header, separators=(",", ":")).encode()
    return _LENGTH.pack(len(text)) + text + preview.jpeg


def _joints(rows: np.ndarray) -> list[list[float] | None]:
    """Rounded, for a picture."""
    return [np.round(row, 2).tolist() if np.isfinite(row).all() else None for row in rows]


def _request(large: bool, cameras: frozenset[str]) -> PreviewRequest:
    width, rate_hz = (LARGE_PX, LARGE_HZ) if large else (SMALL_PX, SMALL_HZ)
    return PreviewRequest(cameras=sorted(cameras), width=width, rate_hz=rate_hz, seconds=ASKED_S)
