"""Recover an interrupted or damaged recording: a copy keeps all that can be read; the take itself stays as it is."""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from pathlib import Path

from multiview.common.ledger import note_missing, reading
from multiview.errors import ConfigError, SourceError
from multiview.recordings.mcap_log import RecordingReader, RecordingWriter
from multiview.recordings.take import PARTIAL, Take, finish_take, open_take, write_contents
from multiview.recordings.take_lock import LOCK
from multiview.sources.video import Source

__all__ = ["recover"]

LINKED = (".mcap", ".mp4", ".mkv")  # large, and never changed: a second name will do where the file system has them


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("take", type=Path, help="the take's folder, NAME.partial or NAME")
    parser.add_argument(
        "--out", type=Path, help="folder of the recovered copy (default: NAME, or NAME-recovered where that exists)"
    )


def run(args: argparse.Namespace) -> None:
    found = open_take(args.take)
    take, rows = recover(found, args.out)
    for name, messages, trouble in rows:
        print(f"{name}: {messages} messages" + (f", recovered ({trouble})" if trouble else ", intact"))
    for video in _begun_videos(take):
        plays = _plays(video)
        print(f"{video.name}: " + ("plays as far as it was written" if plays else "holds no picture"))
        if not plays:
            note_missing(f"{video} holds no picture: it was cut off before the first one, or is damaged")
    print(f"take: {take.folder}")
    if found.folder.exists() and found.folder != take.folder:
        print(f"{found.folder} is left as it was found: remove it when you need it no more")


def recover(take: Take, out: Path | None = None) -> tuple[Take, list[tuple[str, int, str]]]:
    """The whole take, and for each recording its name, its messages and what had been wrong with it.

    A take in which nothing is wrong gets its name. Of any other a copy is made, without what cannot be read.

    Args:
        take: Not one that is being recorded.
        out: Folder of the copy.

    Raises:
        ConfigError: The take is being recorded, or the folder exists.
        SourceError: There is neither a recording nor a video.
    """
    if owner := take.recorded_by():
        raise ConfigError(f"{take.folder} is being recorded by {owner}: nothing is lost, and nothing to recover")
    if not take.recordings():
        if not _videos(take):
            raise SourceError(f"{take.folder}: no recording to recover")
        return finish_take(take) if out is None else _copy(take, out, {}), []
    stream = take.stream()
    for _ in stream:
        pass
    rows = [(part.name, part.messages, part.trouble) for part in stream.parts]
    for line in stream.lines():
        note_missing(f"{take.folder}: {line}")
    if all(part.whole and not part.trouble for part in stream.parts) and out is None:
        return finish_take(take), rows
    return _copy(
        take, out or _name_of_copy(take), {name: messages for name, messages, trouble in rows if trouble}
    ), rows


def _videos(take: Take) -> list[Path]:
    """What `capture` and `run --video` write as files that are whole at every moment."""
    return sorted(take.videos.glob("*.mp4"))


def _begun_videos(take: Take) -> list[Path]:
    """Of a recording that was cut off at once there may be nothing but its file of times."""
    stems = {path.name.removesuffix(end) for end in (".mp4", ".timestamps.csv") for path in take.videos.glob(f"*{end}")}
    return sorted(take.videos / f"{stem}.mp4" for stem in stems)


def _plays(video: Path) -> bool:
    try:
        Source(video).close()
    except SourceError:
        return False
    return True


def _name_of_copy(take: Take) -> Path:
    whole = take.folder.with_name(take.folder.name.removesuffix(PARTIAL))
    return whole if not whole.exists() else whole.with_name(f"{whole.name}-recovered")


def _copy(take: Take, target: Path, damaged: dict[str, int]) -> Take:
    """The copy under its name once it is whole; `damaged` are the files to write anew, and their messages."""
    if target.exists():
        raise ConfigError(f"{target} exists: choose another --out")
    if target.resolve().is_relative_to(take.folder.resolve()):
        raise ConfigError(f"{target} lies in the take itself: choose another --out")
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.recovering."))  # others may do the same
    try:
        scratch.chmod(take.folder.stat().st_mode)
        for path in sorted(take.folder.rglob("*")):
            place = scratch / path.relative_to(take.folder)
            if path.parent == take.folder and path.name in damaged and not path.is_dir():
                _rewrite(path, place, take, damaged[path.name])
            elif path.is_symlink():  # videos on another disk, for example
                place.symlink_to(os.path.realpath(path))
            elif path.is_dir():
                place.mkdir(exist_ok=True)
            elif path.name not in (LOCK, "contents.toml"):
                _link(path, place)
        write_contents(Take(scratch))
        try:
            scratch.rename(target)
        except OSError:
            raise ConfigError(f"{target} exists: choose another --out") from None
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    return Take(target)


def _rewrite(path: Path, place: Path, take: Take, messages: int) -> None:
    """All that can be read of a recording; one that gives nothing is left out."""
    if not messages:
        return
    inside = {file.name: reading(file).read_bytes() for file in (take.rig, take.studio) if file.is_file()}
    writer = RecordingWriter(place, inside)
    try:
        for record in RecordingReader(path):
            writer.write(record)
    finally:
        writer.close()
    again = RecordingReader(place)
    if sum(1 for _ in again) != messages or again.torn:
        raise SourceError(f"{place}: was not written as it should be; is the disk in order?")


def _link(path: Path, place: Path) -> None:
    if path.suffix in LINKED:
        try:
            os.link(path, place)
            return
        except OSError:
            pass
    shutil.copy2(path, place)
