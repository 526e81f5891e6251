"""What the recorder of a studio says of videos: the take into which cameras film, as long as it says so."""

from __future__ import annotations

import time
from pathlib import Path

from multiview.studio.config import HubOptions
from multiview.wire import topics
from multiview.wire.messages import ServiceHealth
from services.transport.bus import Subscriber, decoded

__all__ = ["VIDEOS", "VideoWish"]

VIDEOS = "videos"  # in the recorder's health: the folder of its take, where videos are wanted
LASTING_S = 4.0  # its health comes once a second
RECORDER = topics.topic_of(topics.SERVICE_HEALTH, "recorder")


class VideoWish:
    """What a worker hears of it.

    Args:
        hub: Where the recorder speaks.
        name: Of the key to connect with.
        takes: The studio's folder of takes.
    """

    def __init__(self, hub: HubOptions, name: str, takes: Path) -> None:
        self._subscriber, self._takes = Subscriber(hub, [RECORDER], name), takes
        self._wanted, self._until_s = "", 0.0

    def folder(self, now_s: float | None = None) -> Path | None:
        """Where videos go now; None where nobody wants any.

        A take that is not in the studio's folder of takes, on this machine, is none.
        """
        now_s = time.monotonic() if now_s is None else now_s
        for message in decoded(self._subscriber.drain()):
            if isinstance(message, ServiceHealth) and message.service == "recorder":
                self._wanted, self._until_s = message.texts.get(VIDEOS, ""), now_s + LASTING_S
        if not self._wanted or now_s >= self._until_s or not self._takes.is_dir():
            return None
        found = {path.name: path for path in self._takes.iterdir() if path.is_dir()}.get(self._wanted)
        return None if found is None else found / "videos"

    def close(self) -> None:
        """Hear no more."""
        self._subscriber.close()
