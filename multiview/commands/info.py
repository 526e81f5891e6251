"""Show the contents of a take: name, notes, duration, count and rate of every topic, and faults."""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from multiview.errors import ConfigError
from multiview.recordings.mcap_log import RecordingReader
from multiview.recordings.take import Take, open_take


class _Topic:
    def __init__(self) -> None:
        self.count = self.bytes = self.dropped = 0
        self.first_ns = self.last_ns = 0
        self.next_sequence: int | None = None

    def add(self, sequence: int, arrival_ns: int, size: int) -> None:
        if self.next_sequence is not None and sequence > self.next_sequence:
            self.dropped += sequence - self.next_sequence
        self.next_sequence = sequence + 1
        self.first_ns = self.first_ns or arrival_ns
        self.last_ns = arrival_ns
        self.count += 1
        self.bytes += size

    @property
    def rate_hz(self) -> float:
        span = self.last_ns - self.first_ns
        return (self.count - 1) * 1e9 / span if span > 0 else 0.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("take", type=Path, help="the take's folder")


def run(args: argparse.Namespace) -> None:
    take, console = open_take(args.take), Console()
    try:
        info = take.info
        console.print(f"{info.name}, began {info.began}" + (f"\n{info.notes}" if info.notes else ""), highlight=False)
    except ConfigError as error:
        console.print(str(error), style="yellow")
    topics, troubles = read_topics(take)
    table = Table()
    for column in ("topic", "messages", "Hz", "KB", "dropped"):
        table.add_column(column, justify="left" if column == "topic" else "right")
    for name, topic in sorted(topics.items()):
        table.add_row(name, str(topic.count), f"{topic.rate_hz:.1f}", f"{topic.bytes / 1e3:.0f}", str(topic.dropped))
    console.print(table)
    first, last = min(t.first_ns for t in topics.values()), max(t.last_ns for t in topics.values())
    others = [p.name for p in (take.rig, take.studio, take.poses, take.videos) if p.exists()]
    console.print(f"{(last - first) / 1e9:.1f} s; also here: {', '.join(others) or 'nothing'}", highlight=False)
    for trouble in troubles:
        console.print(trouble, style="yellow")


def read_topics(take: Take) -> tuple[dict[str, _Topic], list[str]]:
    """Figures of every topic, and what is wrong with the take."""
    topics: dict[str, _Topic] = defaultdict(_Topic)
    troubles = [f"{take.folder.name} is not finished: multiview recover {take.folder}"] if take.partial else []
    for path in take.recordings():
        reader = RecordingReader(path)
        for record in reader:
            topics[record.topic].add(record.stamp.topic_sequence, record.stamp.arrival_ns, len(record.body))
        if reader.torn:
            troubles.append(f"{path.name}: {reader.torn}: multiview recover {take.folder}")
    if not topics:
        topics["(nothing)"] = _Topic()
    return topics, troubles
