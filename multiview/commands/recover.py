"""Recover an interrupted recording: everything up to the interruption is kept, and the take gets its name."""

from __future__ import annotations

import argparse
from pathlib import Path

from multiview.errors import SourceError
from multiview.recordings.mcap_log import RecordingReader, RecordingWriter
from multiview.recordings.take import Take, finish_take, open_take

__all__ = ["recover"]

TORN = ".torn"  # the recording as it was found is kept beside the new one


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("take", type=Path, help="the take's folder, NAME.partial or NAME")


def run(args: argparse.Namespace) -> None:
    take, rows = recover(open_take(args.take))
    for name, messages, trouble in rows:
        print(f"{name}: {messages} messages" + (f", recovered ({trouble})" if trouble else ", intact"))
    print(f"take: {take.folder}")


def recover(take: Take) -> tuple[Take, list[tuple[str, int, str]]]:
    """The whole take, and for each recording its name, its messages and what had been wrong with it."""
    rows = []
    for path in take.recordings():
        reader = RecordingReader(path)
        messages = sum(1 for _ in reader)
        if reader.torn:
            messages = _rewrite(path, take)
        rows.append((path.name, messages, reader.torn))
    if not rows:
        raise SourceError(f"{take.folder}: no recording to recover")
    return finish_take(take), rows


def _rewrite(path: Path, take: Take) -> int:
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    inside = {file.name: file.read_bytes() for file in (take.rig, take.studio) if file.exists()}
    writer = RecordingWriter(fresh, inside)
    for record in RecordingReader(path):
        writer.write(record)
    writer.close()
    path.rename(path.with_suffix(path.suffix + TORN))
    fresh.rename(path)
    return writer.messages
