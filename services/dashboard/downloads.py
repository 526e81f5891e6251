"""Files made for a browser to fetch: an export as one zip, kept for a while under a name that nobody can guess."""

from __future__ import annotations

import secrets
import tempfile
import threading
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from multiview.common.names import file_name
from multiview.errors import ConfigError
from multiview.recordings.take import Take

if TYPE_CHECKING:
    from multiview.recordings.resample import ResampleOptions
    from multiview.retarget.target import Character

__all__ = ["Downloads", "Made"]

KEPT = 8


class Made(NamedTuple):
    """A file to fetch, and what it is called there."""

    path: Path
    name: str


class Downloads:
    """The newest few; one export at a time."""

    def __init__(self) -> None:
        self._scratch = tempfile.TemporaryDirectory(prefix="multiview-studio-")
        self._made: OrderedDict[str, Made] = OrderedDict()
        self._busy = threading.Lock()

    def export(
        self,
        take: Take,
        name: str,
        to: str,
        units: str,
        options: ResampleOptions,
        videos: dict[str, str] | None = None,
        own: dict[str, str] | None = None,
        character: Character | None = None,
    ) -> str:
        """Write a take's poses in a format, as a zip.

        Args:
            take: Whose poses.
            name: Of the take.
            to: The format.
            units: Of length; empty: the format's own.
            options: What is done to the poses before.
            videos: The camera of each video to show.
            own: Options that only this format has, by name.
            character: Who moves as people did; None for skeletons of their own.

        Returns:
            The key under which the zip can be fetched.

        Raises:
            ConfigError: The options do not go with the format, nobody is in the take, or another export runs.
        """
        from multiview.commands.export import export_poses  # slow to import: not before somebody exports

        if not self._busy.acquire(blocking=False):
            raise ConfigError("another export is being made: wait a moment")
        try:
            key = secrets.token_urlsafe(16)
            folder = Path(self._scratch.name) / key
            folder.mkdir()
            stem = folder / file_name(name)
            exported = export_poses(take.folder, stem, to, units, options, lambda share: None, videos, own, character)
            written = exported.paths
            if not written:
                raise ConfigError("nobody is in this part of the take: nothing to export")
            path = folder / "export.zip"
            with zipfile.ZipFile(path, "x", zipfile.ZIP_DEFLATED) as archive:
                for one in written:
                    archive.write(one, one.name)
                    one.unlink()
            self._made[key] = Made(path, f"{file_name(name)}-{to}.zip")
            while len(self._made) > KEPT:
                self._made.popitem(last=False)[1].path.unlink(missing_ok=True)
            return key
        finally:
            self._busy.release()

    def made(self, key: str) -> Made | None:
        """The file of a key."""
        return self._made.get(key)

    def close(self) -> None:
        """Remove all."""
        self._scratch.cleanup()
