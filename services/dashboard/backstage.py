"""What the pages share: the studio, its feed, and links for further browsers."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from multiview.body.skeleton import Skeleton, load_skeleton
from multiview.errors import MultiviewError, one_line, os_error_words
from multiview.studio.config import Studio
from multiview.studio.derived import studio_rig
from multiview.studio.studio_file import load_studio
from services.dashboard.access import Access, Role
from services.dashboard.bridges import Bridges
from services.dashboard.calibration import Calibration
from services.dashboard.control import Control
from services.dashboard.filming import Filming
from services.dashboard.guard import LOGIN
from services.dashboard.hub_feed import HubFeed
from services.dashboard.picture_feed import PictureFeed
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
        self.filming, self.bridges = Filming(), Bridges(control)
        self.calibration = Calibration(control, self.filming)
        self.studio: Studio | None = None
        self.skeleton: Skeleton | None = None
        self.feed: HubFeed | None = None
        self.pictures: PictureFeed | None = None
        self.room: dict[str, Any] | None = None
        self.fault = ""
        self.version = 0  # counts the changes of the studio file
        self._stamps: tuple[tuple[int, int], ...] = ()
        self._loop: asyncio.AbstractEventLoop | None = None

    def begin(self) -> None:
        """In the event loop of the server."""
        self._loop = asyncio.get_running_loop()
        self.refresh()

    @property
    def calibrated(self) -> bool:
        """Whether the studio has a rig, or needs none."""
        return self.studio is None or not self.studio.rig or Path(self.studio.rig).is_file()

    @property
    def takes(self) -> Path:
        """The folder of takes; without a studio `takes` here, else the folder itself, as `multiview demo` fills it."""
        if self.studio is not None:
            return Path(self.studio.recorder.directory)
        takes = self.control.folder / "takes"
        return takes if takes.is_dir() else self.control.folder

    def link(self, role: Role) -> str:
        """The address that lets one more browser in."""
        return f"{self.address}{LOGIN}?token={self.access.new_token(role)}"

    def refresh(self) -> None:
        """Read the studio file again if it or the rig has changed."""
        file = _stamp(self.control.file)
        if (file, self._rig_stamp()) == self._stamps:
            return
        self.version += 1
        self.fault, self.room, studio, rig = "", None, None, None
        try:
            studio = self.control.studio()
            if studio is not None:
                load_studio(self.control.file)
                rig, self.skeleton = studio_rig(studio), load_skeleton(studio.skeleton or "body25")
                self.room = room(rig, self.skeleton)
        except (MultiviewError, OSError) as error:
            self.fault, self.room = (
                one_line(error) if isinstance(error, MultiviewError) else os_error_words(error),
                None,
            )
        self.studio = studio
        self._stamps = (file, self._rig_stamp())
        if studio is None or self.feed is None or self.feed.hub != studio.hub:
            self.close()
            if studio is not None and self._loop is not None:
                self.feed = HubFeed(studio.hub, self._loop.call_soon_threadsafe)
        if self.pictures is not None:
            self.pictures.close()
            self.pictures = None
        if studio is not None and rig is not None and self._loop is not None:
            self.pictures = PictureFeed(studio.hub, rig, self._loop.call_soon_threadsafe)

    def _rig_stamp(self) -> tuple[int, int]:
        return _stamp(Path(self.studio.rig)) if self.studio is not None and self.studio.rig else (0, 0)

    def close(self) -> None:
        """Hear no more of the studio."""
        feed, pictures = self.feed, self.pictures
        self.feed = self.pictures = None
        for one in (feed, pictures):
            if one is not None:
                one.close()


def _stamp(path: Path) -> tuple[int, int]:
    """Changes with the file; zeros where there is none."""
    try:
        status = path.stat()
    except OSError:
        return (0, 0)
    return (status.st_mtime_ns, status.st_ino)
