"""Small pictures for whoever looks at a page: sent only while they are asked for, and never recorded."""

from __future__ import annotations

import time

import numpy as np
from jaxtyping import UInt8

from multiview.data import Keypoints2D
from multiview.studio.config import HubOptions
from multiview.wire import topics
from multiview.wire.messages import MAX_PICTURE, PreviewMessage, PreviewRequest, encode, write_blob
from services.transport.bus import Sender, Subscriber, decoded

__all__ = ["Previews", "jpeg", "send_preview"]

QUALITIES = (75, 50, 25)  # the first with which the picture fits into a message
LOOK_S = 0.1  # how often requests are looked for
MAX_PEOPLE = 32


class Previews:
    """What is asked for of a worker's cameras, and when each is due next.

    Args:
        hub: Where requests come from.
        name: Of the key to connect with.
    """

    def __init__(self, hub: HubOptions, name: str) -> None:
        self._subscriber = Subscriber(hub, [topics.PREVIEW_REQUEST], name)
        self._until: dict[str, tuple[float, PreviewRequest]] = {}  # by camera; "" for all of them
        self._next: dict[str, float] = {}
        self._next_look = 0.0

    def due(self, camera: str, now_s: float | None = None) -> PreviewRequest | None:
        """What is asked for, if a picture of this camera is to be sent now."""
        now_s = time.monotonic() if now_s is None else now_s
        if now_s >= self._next_look:
            self._next_look = now_s + LOOK_S
            self._look(now_s)
        wanted = [self._until[who] for who in (camera, "") if who in self._until]
        requests = [request for until_s, request in wanted if now_s < until_s]
        if not requests or now_s < self._next.get(camera, 0.0):
            return None
        request = max(requests, key=lambda one: one.width)
        self._next[camera] = now_s + 1.0 / request.rate_hz
        return request

    def close(self) -> None:
        """Hear no more requests."""
        self._subscriber.close()

    def _look(self, now_s: float) -> None:
        for message in decoded(self._subscriber.drain()):
            if isinstance(message, PreviewRequest):
                for camera in message.cameras or [""]:
                    self._until[camera] = (now_s + message.seconds, message)
        self._until = {who: asked for who, asked in self._until.items() if asked[0] > now_s}


def send_preview(
    sender: Sender,
    camera: str,
    boot_id: int,
    time_ns: int | None,
    clock: str,
    size: tuple[int, int],
    keypoints: Keypoints2D,
    picture: bytes = b"",
) -> None:
    """Send one picture, unless there is no room for it now.

    Args:
        sender: The camera's own.
        camera: Its name.
        boot_id: Of its worker.
        time_ns: When the picture was taken; None where that is not known.
        clock: On which; "hub" or "epoch".
        size: Of the calibrated image, px.
        keypoints: In the calibrated image.
        picture: As JPEG; empty where there is none.
    """
    seen = keypoints.best(MAX_PEOPLE)
    message = PreviewMessage(
        camera=camera,
        boot_id=boot_id,
        time_ns=time_ns or 0,
        clock="unknown" if time_ns is None else clock,
        size=size,
        people=seen.people,
        joints=seen.score.shape[1],
        blob=write_blob(np.concatenate([seen.xy, seen.score[..., None]], axis=2)),
        jpeg=picture,
    )
    sender.send(topics.topic_of(topics.PREVIEW, camera), encode(message))


def jpeg(image: UInt8[np.ndarray, "H W 3"], width: int) -> bytes:
    """A picture at most `width` px wide, as JPEG; empty if it cannot be made small enough for a message."""
    import cv2  # loaded on use: a worker whose pictures nobody looks at starts without it

    height, full = image.shape[:2]
    if full > width:
        image = cv2.resize(image, (width, max(1, round(width * height / full))), interpolation=cv2.INTER_AREA)
    for quality in QUALITIES:
        done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if done and len(data) <= MAX_PICTURE:
            return data.tobytes()
    return b""
