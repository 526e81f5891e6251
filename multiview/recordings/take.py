"""A take is a folder: one recording with all that belongs to it.

    NAME/take.toml       name, notes, when it began (UTC)
         take.mcap       the stream; take.1.mcap ... where the recorder was started again
         rig.toml  studio.toml
         videos/         one file per camera, with its true frame times
         poses.parquet

While it is being recorded it is called `NAME.partial`, and gets its name when it is whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from multiview.common.atomic_file import replacing
from multiview.common.names import check_name, file_name
from multiview.common.toml import decode_toml, encode_toml
from multiview.errors import ConfigError, SourceError
from multiview.recordings.mcap_log import Record, RecordingReader

__all__ = ["Take", "TakeInfo", "begin_take", "finish_take", "free_name", "open_take"]

PARTIAL = ".partial"


class TakeInfo(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`take.toml`."""

    version: int = 1
    """Of this format."""
    name: str
    """That of the folder."""
    began: str = ""
    """UTC, ISO 8601."""
    notes: str = ""
    """Your own words."""


@dataclass(frozen=True, slots=True)
class Take:
    """The paths of a take; a file may be missing.

    Attributes:
        folder: Where it lies.
    """

    folder: Path

    @property
    def info(self) -> TakeInfo:
        """ConfigError if take.toml is missing or wrong."""
        return decode_toml(self.folder / "take.toml", TakeInfo)

    @property
    def rig(self) -> Path:
        """The calibrated cameras, as they were when the take began."""
        return self.folder / "rig.toml"

    @property
    def studio(self) -> Path:
        """The studio's settings, likewise."""
        return self.folder / "studio.toml"

    @property
    def poses(self) -> Path:
        """The poses as a table."""
        return self.folder / "poses.parquet"

    @property
    def videos(self) -> Path:
        """The folder of the cameras' videos."""
        return self.folder / "videos"

    @property
    def partial(self) -> bool:
        """Whether it was never finished."""
        return self.folder.name.endswith(PARTIAL)

    def recordings(self) -> list[Path]:
        """The parts of the stream, in order."""
        numbered = [(int(p.name.split(".")[1]), p) for p in self.folder.glob("take.*.mcap") if p.name.count(".") == 2]
        first = self.folder / "take.mcap"
        return ([first] if first.exists() else []) + [path for _, path in sorted(numbered)]

    def next_recording(self) -> Path:
        """Where the next part goes."""
        parts = len(self.recordings())
        return self.folder / (f"take.{parts}.mcap" if parts else "take.mcap")

    def check_schema(self) -> None:
        """SourceError if the recording is of another schema version."""
        for part in self.recordings()[:1]:
            next(iter(RecordingReader(part)), None)

    def records(self) -> Iterator[Record]:
        """The stream, parts one after the other; SourceError if there is none."""
        parts = self.recordings()
        if not parts:
            raise SourceError(f"{self.folder}: a take without a recording (take.mcap)")
        for part in parts:
            yield from RecordingReader(part)


def begin_take(directory: Path, name: str, now: datetime, rig: str, studio: str, notes: str = "") -> Take:
    """Make the folder of a new take under its temporary name; `rig` (may be empty) and `studio` are the files' texts.

    `now` is the present time, with its zone.

    ConfigError if it cannot be a name, or is taken.
    """
    name = check_name(name, "take")
    called = file_name(name)
    folder = directory / (called + PARTIAL)
    if (directory / called).exists() or folder.exists():
        raise ConfigError(f"{directory / called} exists: choose another name for the take")
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be made ({error.strerror})") from None
    take = Take(folder)
    info = TakeInfo(name=name, began=now.astimezone(UTC).isoformat(timespec="milliseconds"), notes=notes)
    for path, text in (
        *([(take.rig, rig)] if rig else []),
        (take.studio, studio),
        (folder / "take.toml", encode_toml(info, "the take's notes")),
    ):
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return take


def finish_take(take: Take) -> Take:
    """Give a whole take its name; a take that has it already is left as it is."""
    if not take.partial:
        return take
    target = take.folder.with_name(take.folder.name.removesuffix(PARTIAL))
    if target.exists():
        raise ConfigError(f"{target} exists: {take.folder} keeps its temporary name")
    take.folder.rename(target)
    return Take(target)


def open_take(path: Path) -> Take:
    """Open a take, also one that was never finished (`NAME.partial`).

    Args:
        path: Its folder, or the `take.mcap` in it.

    Returns:
        Its paths.

    Raises:
        SourceError: There is no such folder, or it is not a take.
    """
    folder = path.parent if path.is_file() and path.name.endswith(".mcap") else path
    if not folder.is_dir() and folder.with_name(folder.name + PARTIAL).is_dir():
        folder = folder.with_name(folder.name + PARTIAL)
    if not folder.is_dir():
        raise SourceError(f"{path}: no such take")
    if not (folder / "take.toml").exists() and not (folder / "take.mcap").exists():
        raise SourceError(f"{path}: not a take (a folder with take.toml and take.mcap)")
    return Take(folder)


def free_name(directory: Path, stem: str, now: datetime) -> str:
    """`stem` with the present time `now`, so that takes sort by when they were made."""
    name = f"{stem[:40]}-{now.strftime('%Y%m%d-%H%M%S')}"
    number, free = 1, name
    while (directory / file_name(free)).exists() or (directory / (file_name(free) + PARTIAL)).exists():
        number, free = number + 1, f"{name}-{number + 1}"
    return free
