"""`multiview run studio.toml`: run the whole studio with a live table; Ctrl-C ends it without loss of data."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from msgspec.structs import replace

from multiview.common.counted import counted
from multiview.common.ledger import note_missing
from multiview.common.ranges import Seconds, ranged
from multiview.errors import ConfigError, SourceError
from multiview.recordings.take import Take
from multiview.studio.config import Studio
from multiview.studio.studio_file import load_studio
from services.supervise.launch import Launch
from services.supervise.people_calibration import WANTED_S, PeopleOptions, calibrate_from_people
from services.supervise.status import StatusTable
from services.supervise.unplaced import lacks_rig
from services.supervise.watcher import Watcher


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("studio", type=Path, help="the studio file (see configs/studio.toml)")
    parser.add_argument("--take", default="", help="name of the take; default: the studio's name and the time")
    parser.add_argument("--notes", default="", help="a remark to save with the take")
    parser.add_argument("--no-viewer", action="store_true", help="do not open the 3D viewer")
    parser.add_argument("--no-recording", action="store_true", help="record no take (others can: `multiview record`)")
    parser.add_argument("--seconds", type=ranged(Seconds), help="end after this time (s)")
    parser.add_argument("--logs", type=Path, help="folder for the processes' logs")
    parser.add_argument("--video", action="store_true", help="also record every camera's video in the take")
    without = parser.add_argument_group("a studio without a rig, which is calibrated from people first")
    without.add_argument("--lenses", type=Path, metavar="RIG", help="rig file with the cameras' lenses")
    without.add_argument("--height", type=ranged(float), metavar="CM", help="stature of the tallest person")
    without.add_argument(
        "--fov", default="", metavar="DEG", help="field of view of lenses that are not known: degrees, 26mm, or a name"
    )
    without.add_argument(
        "--people-seconds", type=ranged(Seconds), metavar="S",
        help=f"for so long two cameras are to see people (default {WANTED_S:g})",
    )  # fmt: skip
    parser.add_argument(
        "--strict",
        action="store_true",
        help="end if a process cannot start or keeps dying (default: go on with the others, and try it again)",
    )


def run(args: argparse.Namespace) -> None:
    people = PeopleOptions(args.lenses, args.height, args.fov, args.people_seconds or WANTED_S)
    if lacks_rig(args.studio):
        print(
            f"{args.studio} has no rig yet, so it calibrates from people: walk through the whole room, one to four "
            "people, near and far, with turns"
        )
        calibrate_from_people(args.studio, people, args.logs, args.strict)
    elif people != PeopleOptions():
        raise ConfigError(
            f"{args.studio} has a rig: --lenses, --height, --fov and --people-seconds are for one without"
        )
    studio = load_studio(args.studio)
    if args.no_recording:
        studio = replace(studio, recorder=replace(studio.recorder, enabled=False))
    viewer = False if args.no_viewer else None
    take = play(studio, args.take, args.notes, viewer, args.seconds, args.logs, args.video, args.strict)
    if take is not None:
        print(f"take: {take.folder}")


def play(
    studio: Studio,
    take: str = "",
    notes: str = "",
    viewer: bool | None = None,
    seconds: float | None = None,
    logs: Path | None = None,
    video: bool = False,
    strict: bool = False,
) -> Take | None:
    """Run it, with a live table, until it ends, the time is over or Ctrl-C.

    Returns:
        The finished take, if one was recorded.

    Raises:
        MultiviewError: It could not start, or what was recorded is gone.
    """
    launch = Launch(studio, take, notes, viewer, logs, video, strict)
    seen, troubles = Watcher(), dict[str, str]()
    with launch:
        began = time.monotonic()
        shared = sum(len(worker.cameras) - 1 for worker in studio.workers)
        recorder = ", recorder" if studio.recorder.enabled else ""
        print(f"starting {len(launch.rig) - shared} workers, hub, fusion{recorder}")
        try:
            launch.start()
            print(f"connected after {time.monotonic() - began:.1f} s; Ctrl-C ends the run")
            with StatusTable(launch.studio.hub, launch.rig.names) as table:
                seen = table.watcher
                launch.wait(table.update, seconds)
                table.update_for(1.0)
        except KeyboardInterrupt:
            print("stopping")
        troubles = launch.troubles()
    kept = launch.take
    if kept is not None and not kept.folder.is_dir():
        raise SourceError(f"{kept.folder} is gone: somebody moved or deleted it during the run")
    text, hopeless = outcome(seen, troubles)
    if hopeless:
        raise SourceError(text + (f"; what was recorded is in {kept.folder}" if kept else ""))
    if text:
        print(text)
    if studio.recorder.enabled and kept is None:
        print("nothing was recorded: it ended before any source played")
    for line in launch.missing:
        note_missing(line)
    return kept


def outcome(seen: Watcher, troubles: dict[str, str]) -> tuple[str, bool]:
    """What came out of a run, and why not more.

    Args:
        seen: The run's whole stream.
        troubles: The processes that were not at work at its end, and why.

    Returns:
        One line, and whether nobody could have come out.
    """
    lines = [f"{name} {trouble}" for name, trouble in troubles.items()]
    if seen.people:
        people = counted(len(seen.people), "person", "people")
        if lasting := seen.lasting_reason():
            lines.insert(0, f"most of the time: {lasting}")
        return "; ".join([f"{people} in {seen.tick_count} ticks", *lines]), False
    why = seen.why()
    if why:
        lines.insert(0, why)
    elif seen.received:
        lines.insert(0, f"nobody in {seen.tick_count} ticks")
    return "; ".join(lines), bool(why and seen.value("fusion", "hopeless"))
