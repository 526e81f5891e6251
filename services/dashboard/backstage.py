"""What the pages share: the studio, its feed, and links for further browsers."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from multiview.body.skeleton import Skeleton, load_skeleton
from multiview.errors import MultiviewError
from multiview.studio.config import Studio, load_studio, studio_rig
from services.dashboard.access import Access, Role
from services.dashboard.control import Control
from services.dashboard.guard import LOGIN
from services.dashboard.hub_feed import HubFeed
from services.dashboard.room import room

__all__ = ["Backstage"]


class Backstage:
    """Made once; `feed`, `room` and `fault` follow the studio file.

    Args:
        control: Of the studio.
        access: Makes the links.
        address: The pages', as a browser reaches them.
    """

    def __init__(self, control: Control, access: Access, address: str) -> None:
        self.control, self.access, self.address = control, access, address
        self.studio: Studio | None = None
        self.skeleton: Skeleton | None = None
        self.feed: HubFeed | None = None
        self.room: dict[str, Any] | None = None
        self.fault = ""
        self.version = 0  # counts the changes of the studio file
        self._stamp: tuple[int, int] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def begin(self) -> None:
        """In the event loop of the server."""
        self._loop = asyncio.get_running_loop()
        self.refresh()

    @property
    def takes(self) -> Path:
        """The folder of takes."""
        return Path(self.studio.recorder.directory) if self.studio is not None else self.control.folder / "takes"

    def link(self, role: Role) -> str:
        """The address that lets one more browser in."""
        return f"{self.address}{LOGIN}?token={self.access.new_token(role)}"

    def refresh(self) -> None:
        """Read the studio file again if it has changed."""
        stamp = _stamp(self)
        if stamp == self._stamp and self._stamp is not None:
            return
        self._stamp = stamp
        self.version += 1
        self.fault, studio = "", None
        try:
            studio = self.control.studio()
            if studio is not None:
                load_studio(self.control.file)
                rig, self.skeleton = studio_rig(studio), load_skeleton(studio.skeleton or "body25")
                self.room = room(rig, self.skeleton)
        except (MultiviewError, OSError) as error:
            self.fault, self.room = str(error), None
        self.studio = studio
        if studio is None or self.feed is None or self.feed.hub != studio.hub:
            self.close()
            if studio is not None and self._loop is not None:
                self.feed = HubFeed(studio.hub, self._loop.call_soon_threadsafe)

    def close(self) -> None:
        """Hear no more of the studio."""
        feed, self.feed = self.feed, None
        if feed is not None:
            feed.close()


def _stamp(backstage: Backstage) -> tuple[int, int]:
    try:
        status = backstage.control.file.stat()
    except OSError:
        return (0, 0)
    return (status.st_mtime_ns, status.st_ino)
