"""A take is a folder: one recording with all that belongs to it.

    NAME/take.toml       name, notes, when it began (UTC)
         take.mcap       the stream; take.1.mcap ... where the recorder was started again
         contents.toml   what each of these files holds
         rig.toml  studio.toml  skeletons/
         videos/         one file per camera, with its true frame times
         poses.parquet

While it is being recorded it is called `NAME.partial`, and gets its name when it is whole. None of these files is
changed afterwards: a corrected rig is `rig.refined.toml`, names of people are `identities.toml`.

What `process` and `fuse` write, poses.parquet and rig.toml, is a take without a stream.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from multiview.body.skeleton import SKELETONS, Skeleton, skeleton_text
from multiview.common.atomic_file import replacing
from multiview.common.ledger import note_missing
from multiview.common.names import check_name, file_name
from multiview.common.toml import decode_toml, encode_toml
from multiview.errors import ConfigError, SourceError
from multiview.recordings.mcap_log import Record, RecordingReader, Summary, UnreadableError, read_summary
from multiview.recordings.take_lock import LOCK, recording_process
from multiview.recordings.take_stream import TakeStream

__all__ = [
    "PartContents",
    "Take",
    "TakeContents",
    "TakeInfo",
    "begin_take",
    "discard_take",
    "finish_take",
    "free_name",
    "open_take",
    "write_contents",
]

PARTIAL = ".partial"
_PART = re.compile(r"take(?:\.(\d{1,9}))?\.mcap")


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


class PartContents(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of `[[parts]]`."""

    name: str
    """Of the file."""
    messages: dict[str, int]
    """How many it holds, by topic."""
    first_ns: int
    """Arrival of the first one, on the hub's clock."""
    last_ns: int
    """Of the last one."""


class TakeContents(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`contents.toml`."""

    version: int = 1
    """Of this format."""
    parts: list[PartContents] = []
    """Each file of the stream that was closed."""


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
        return [path for _, path in self._numbered()]

    def next_recording(self) -> Path:
        """Where the next part goes."""
        number = max((number for number, _ in self._numbered()), default=-1) + 1
        return self.folder / (f"take.{number}.mcap" if number else "take.mcap")

    def _numbered(self) -> list[tuple[int, Path]]:
        return sorted((_part_number(path.name), path) for path in self.folder.glob("take*.mcap") if _is_part(path.name))

    def recorded_by(self) -> str:
        """The process that is recording it, in words; empty if none is."""
        return recording_process(self.folder)

    def check_schema(self) -> None:
        """SourceError if the recording is of another schema version."""
        for part in self.recordings():
            try:
                next(iter(RecordingReader(part)), None)
                return
            except UnreadableError:
                continue

    def stream(self) -> TakeStream:
        """The stream, with an account of what it lacks, also of files that were removed or exchanged."""
        declared = self._declared()
        files = {path.name: path for path in self.recordings()}
        names = sorted({*files, *(declared or ())}, key=_part_number)
        return TakeStream([self.folder / name for name in names], declared, live=bool(self.recorded_by()))

    def records(self) -> Iterator[Record]:
        """The stream, parts one after the other; what is missing in it is noted for the command that reads it.

        SourceError if there is no recording, or nothing in it can be read.
        """
        if not self.recordings():
            if self.poses.is_file():
                raise SourceError(
                    f"{self.folder}: poses without a stream (take.mcap), which there is nothing to play of; "
                    f"`multiview viewer {self.folder}` shows them"
                )
            raise SourceError(f"{self.folder}: a take without a recording (take.mcap)")
        stream = self.stream()
        yield from stream
        for line in stream.lines():
            note_missing(f"{self.folder}: {line}")

    def _declared(self) -> dict[str, Summary] | None:
        path = self.folder / "contents.toml"
        try:
            parts = decode_toml(path, TakeContents).parts if path.is_file() else None
        except ConfigError as error:
            logging.warning("%s: what the take should hold is not known", error)
            return None
        if parts is None:
            return None
        return {p.name: Summary(p.messages, p.first_ns, p.last_ns) for p in parts if _is_part(p.name)}


def _is_part(name: str) -> bool:
    return _PART.fullmatch(name) is not None


def _part_number(name: str) -> int:
    return int(name.removeprefix("take").removesuffix("mcap").strip(".") or 0)


def begin_take(
    directory: Path,
    name: str,
    now: datetime,
    rig: str,
    studio: str,
    notes: str = "",
    skeleton: Skeleton | None = None,
) -> Take:
    """Make the folder of a new take under its temporary name; `rig` (may be empty) and `studio` are the files' texts.

    `now` is the present time, with its zone; `skeleton` is one of the studio's own, which the take must bring along.

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
        *([(folder / SKELETONS / f"{skeleton.name}.toml", skeleton_text(skeleton))] if skeleton is not None else []),
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
    try:
        write_contents(take)
    except OSError as error:  # a full disk: the files say it themselves at their ends
        logging.warning("%s: contents.toml cannot be written (%s)", take.folder, error.strerror)
    take.folder.rename(target)
    return Take(target)


def write_contents(take: Take) -> None:
    """Note what each file of the stream says at its end that it holds, so that it is known if that end is lost."""
    summaries = ((path.name, read_summary(path)) for path in take.recordings())
    parts = [
        PartContents(name=name, messages=found.messages, first_ns=found.first_ns, last_ns=found.last_ns)
        for name, found in summaries
        if found is not None
    ]
    path = take.folder / "contents.toml"
    if not path.exists():
        with replacing(path) as temporary:
            temporary.write_text(encode_toml(TakeContents(parts=parts), "the take's contents"), encoding="utf-8")


def discard_take(take: Take) -> bool:
    """Remove the take of a recording that never began: it holds its settings and nothing else.

    Whether it was removed.
    """
    own = {"take.toml", "rig.toml", "studio.toml", LOCK}
    try:
        files = [path for path in take.folder.rglob("*") if not path.is_dir()]
        others = [p for p in files if not (p.parent == take.folder and p.name in own) and p.parent.name != SKELETONS]
        if others or not take.partial or take.recorded_by():
            return False
        folders = [path for path in take.folder.rglob("*") if path.is_dir()]
        for path in files:
            path.unlink()
        for folder in [*sorted(folders, reverse=True), take.folder]:
            folder.rmdir()
    except OSError:
        return False
    return True


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
    if not any((folder / name).exists() for name in ("take.toml", "take.mcap", "poses.parquet")):
        raise SourceError(f"{path}: not a take (a folder with take.toml and take.mcap, or with poses.parquet)")
    return Take(folder)


def free_name(directory: Path, stem: str, now: datetime) -> str:
    """`stem` with the present time `now`, so that takes sort by when they were made."""
    name = f"{stem[:40]}-{now.strftime('%Y%m%d-%H%M%S')}"
    number, free = 1, name
    while (directory / file_name(free)).exists() or (directory / (file_name(free) + PARTIAL)).exists():
        number, free = number + 1, f"{name}-{number + 1}"
    return free
