"""Show the contents of a take: name, notes, duration, people, count and rate of every topic, and what is missing."""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from multiview.common.console import plain_console
from multiview.common.counted import counted
from multiview.common.ledger import note_missing
from multiview.data import NS_PER_S
from multiview.editing.edit_list import read_edits
from multiview.errors import ConfigError, MessageError
from multiview.recordings.mcap_log import Record
from multiview.recordings.take import Take, open_take
from multiview.recordings.unedited_poses import unedited_poses
from multiview.wire import topics as names
from multiview.wire.messages import PosesMessage, decode


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
    take, console = open_take(args.take), plain_console()
    if not take.recordings() and take.poses.is_file():
        _show_poses(take, console)
        _show_edits(take, console)
        return
    try:
        info = take.info
        console.print(f"{info.name}, began {info.began}" + (f"\n{info.notes}" if info.notes else ""), highlight=False)
    except ConfigError as error:
        console.print(str(error), style="yellow")
    contents = read_contents(take)
    table = Table()
    for column in ("topic", "messages", "Hz", "KB", "dropped"):
        table.add_column(column, justify="left" if column == "topic" else "right")
    for name, topic in sorted(contents.topics.items()):
        table.add_row(name, str(topic.count), f"{topic.rate_hz:.1f}", f"{topic.bytes / 1e3:.0f}", str(topic.dropped))
    console.print(table)
    if contents.people:
        console.print(_people(contents.people))
    others = [p.name for p in (take.rig, take.studio, take.poses, take.videos) if p.exists()]
    ticks = contents.topics[names.POSES].count if names.POSES in contents.topics else 0
    console.print(
        f"{contents.seconds:.1f} s, {ticks} ticks, {counted(len(contents.people), 'person', 'people')}; "
        f"also here: {', '.join(others) or 'nothing'}",
        highlight=False,
    )
    _show_edits(take, console)
    for remark in contents.remarks:
        console.print(remark, style="yellow", soft_wrap=True)
    for line in contents.missing:
        console.print(line, style="red", soft_wrap=True)
        note_missing(f"{take.folder}: {line}")


def _show_edits(take: Take, console: Console) -> None:
    edits = read_edits(take.folder)
    if edits is not None and edits.edits:
        words = f"{edits.applied} of {counted(len(edits.edits), 'edit')} in force, which these figures are without"
        console.print(f"{words}: multiview edit {take.folder}", highlight=False, soft_wrap=True)


def _show_poses(take: Take, console: Console) -> None:
    """A take without a stream: who is in its poses, and when."""
    poses, _ = unedited_poses(take.folder)
    console.print(f"{take.folder.resolve().name}: poses of recorded videos or keypoints", highlight=False)
    people = {}
    for number in poses.people.tolist():
        own = poses.select(poses.person == number)
        times = own.time_ns[[0, -1]].tolist()
        people[0, number] = _Presence(poses.names.get(number, ""), times[0], times[1], len(own))
    if people:
        console.print(_people(people, origin_ns=0))
    ticks = np.unique(poses.time_ns)
    seconds = (ticks[-1] - ticks[0]) / NS_PER_S if len(ticks) else 0.0
    others = [path.name for path in (take.rig, take.folder / "keypoints") if path.exists()]
    console.print(
        f"{seconds:.1f} s, {len(ticks)} frames with somebody in them, {poses.frames_per_second:g} a second, "
        f"{counted(len(people), 'person', 'people')}; also here: {', '.join(others) or 'nothing'}",
        highlight=False,
    )


def _people(people: dict[tuple[int, int], _Presence], origin_ns: int | None = None) -> Table:
    """When each person was there, in s from `origin_ns`, or from when the first of all came."""
    table = Table()
    for column in ("person", "name", "from s", "to s", "frames"):
        table.add_column(column, justify="left" if column == "name" else "right")
    start = min(one.first_ns for one in people.values()) if origin_ns is None else origin_ns
    for (_, number), one in sorted(people.items(), key=lambda item: (item[1].first_ns, item[0])):
        since, until = (f"{(time_ns - start) / NS_PER_S:.1f}" for time_ns in (one.first_ns, one.last_ns))
        table.add_row(str(number), one.name, since, until, str(one.frames))
    return table


@dataclass(slots=True)
class _Presence:
    """Of one person: in how many frames, and when."""

    name: str
    first_ns: int
    last_ns: int
    frames: int


class Contents:
    """What a take's stream holds. `people` are by pairs (start of fusion, number)."""

    def __init__(self) -> None:
        self.topics: dict[str, _Topic] = defaultdict(_Topic)
        self.people: dict[tuple[int, int], _Presence] = {}
        self.remarks: list[str] = []
        self.missing: list[str] = []

    @property
    def seconds(self) -> float:
        first = min((topic.first_ns for topic in self.topics.values()), default=0)
        return (max((topic.last_ns for topic in self.topics.values()), default=0) - first) / 1e9

    def add(self, record: Record) -> None:
        self.topics[record.topic].add(record.stamp.topic_sequence, record.stamp.arrival_ns, len(record.body))
        if record.topic == names.POSES:
            try:
                message = decode(record.body)
            except MessageError:
                return
            if isinstance(message, PosesMessage):
                for person, name in zip(message.people, message.names or [""] * len(message.people), strict=True):
                    new = _Presence(name, message.time_ns, message.time_ns, 0)
                    one = self.people.setdefault((message.boot_id, person), new)
                    one.name, one.last_ns, one.frames = name or one.name, message.time_ns, one.frames + 1


def read_contents(take: Take) -> Contents:
    """Figures of every topic, and what is wrong with the take."""
    contents, stream, owner = Contents(), take.stream(), take.recorded_by()
    for record in stream:
        contents.add(record)
    if owner:
        contents.remarks.append(f"it is being recorded by {owner}")
    elif take.partial:
        contents.remarks.append(f"{take.folder.name} is not finished: multiview recover {take.folder}")
    elif any(part.trouble for part in stream.parts):
        contents.remarks.append(f"a copy without the damage: multiview recover {take.folder}")
    if stream.unrecorded:
        contents.remarks.append(
            f"{stream.unrecorded} messages of the hub were never written: no room, no time, or no recorder"
        )
    contents.missing = stream.lines()
    return contents
