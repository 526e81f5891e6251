"""Record synchronised video of every camera with true frame times; a table shows the state of the cameras.

    multiview capture studio.toml --preview                      show the cameras, record nothing
    multiview capture studio.toml --take board --board board/board.toml      a calibration board
    multiview capture studio.toml --take first                   people; Ctrl-C ends it
    multiview capture studio.toml --take first --poses           the same, with live 3D poses

The take has `videos/CAMERA.mp4` and `CAMERA.timestamps.csv` beside it, all on one time line: what `calibrate detect`
and `process` read directly.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from multiview.common.console import plain_console
from multiview.common.ranges import Seconds, ranged
from multiview.errors import ConfigError
from multiview.recordings.take import Take
from multiview.studio.studio_file import load_studio
from services.capture.camera_news import CameraNews
from services.capture.captured import SILENT_S, CapturedCamera, advice_for
from services.capture.capturing import capturing
from services.capture.coverage import Coverage
from services.capture.disk_watch import DiskWatch
from services.capture.reporting import report_captures
from services.runtime.process import Stopping
from services.supervise.watcher import rate_of

REFRESH_S = 0.25


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = __doc__
    parser.add_argument("studio", type=Path, help="the studio file; its cameras need no calibration")
    parser.add_argument("--take", default="", help="name of the take; default: the studio's name and the time")
    parser.add_argument("--seconds", type=ranged(Seconds), help="how long to record (default: until Ctrl-C)")
    parser.add_argument("--notes", default="", help="a remark to save with the take")
    parser.add_argument("--preview", action="store_true", help="only show the cameras' state, record nothing")
    parser.add_argument("--board", type=Path, help="board.toml: show which part of each image the board has covered")
    parser.add_argument(
        "--poses", action="store_true", help="compute live 3D poses at the same time; needs a calibrated rig"
    )
    parser.add_argument(
        "--report", action="store_true", help="tell a program on standard output, instead of a table: pictures, figures"
    )
    parser.add_argument("--lossless", action="store_true", help="keep every pixel as it is, in ten times the space")
    parser.add_argument("--no-viewer", action="store_true", help="with --poses: do not open the 3D viewer")


def run(args: argparse.Namespace) -> int:
    """0 when every frame that came is in the videos, 3 when some are lost."""
    if args.poses:
        _with_poses(args)
        return 0
    if args.report:
        name = None if args.preview else args.take
        return report_captures(args.studio, args.board, name, args.notes, args.lossless)
    studio, stopping, console = load_studio(args.studio, check=False), Stopping(), plain_console()
    warn = lambda warning: console.print(warning, style="yellow", soft_wrap=True)
    name = None if args.preview else args.take
    with capturing(studio, args.board, name, args.notes, args.lossless, warn) as capture:
        take = capture.take
        console.print(f"recording {take.info.name}; Ctrl-C ends it" if take else "preview; Ctrl-C ends it")
        disk = DiskWatch(take) if take else None
        watch(capture.cameras, console, stopping, args.seconds, capture.coverage, disk)
    console.print(table_of(capture.cameras, capture.coverage))
    if (finished := capture.finish()) is not None:
        _print_next_step(finished, args.board, console)
    return capture.status()


def _with_poses(args: argparse.Namespace) -> None:
    """Run the whole studio; its workers also record their videos."""
    from services.supervise.run import play

    if args.preview or args.board or args.lossless:
        raise ConfigError("--poses records people: leave out --preview, --board and --lossless")
    studio = load_studio(args.studio)
    take = play(studio, take=args.take, notes=args.notes, viewer=not args.no_viewer, seconds=args.seconds, video=True)
    if take is not None:
        _print_next_step(take, None, plain_console())


def _print_next_step(take: Take, board: Path | None, console: Console) -> None:
    folder = take.folder
    console.print(f"take: {folder}", soft_wrap=True)
    if board is not None:
        command = f"multiview calibrate detect --board {board} --videos {take.videos}/*.mp4"
        console.print(f"next: {command} --out corners.parquet", soft_wrap=True, highlight=False)
    elif take.rig.exists():
        console.print(
            f"next: multiview process --rig {take.rig} --videos {take.videos}/*.mp4 --out {folder}", soft_wrap=True
        )


def watch(
    cameras: list[CapturedCamera],
    console: Console,
    stopping: Stopping,
    seconds: float | None,
    coverage: Coverage | None = None,
    disk: DiskWatch | None = None,
) -> None:
    """Show the table until a stop is requested or the time has elapsed; say once when the disk will soon be full."""
    end = None if seconds is None else time.monotonic() + 0.2 + seconds
    next_refresh, news = 0.0, CameraNews(cameras)
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while not stopping.wait(0.05 if coverage else REFRESH_S) and (end is None or time.monotonic() < end):
            if coverage is not None:
                coverage.show({camera.name: camera.newest for camera in cameras})
            for line in news.look(time.monotonic()):
                console.print(line, style="yellow", soft_wrap=True)
            if disk is not None and (warning := disk.look(time.monotonic())):
                console.print(warning, style="red", soft_wrap=True)
            if console.is_terminal and time.monotonic() >= next_refresh:
                next_refresh = time.monotonic() + REFRESH_S
                table = table_of(cameras, coverage)
                live.update(table if disk is None else Group(table, disk.row()), refresh=True)


def table_of(cameras: list[CapturedCamera], coverage: Coverage | None = None) -> Group:
    """Real frame rate, exposure and sharpness of each camera, with advice where something is wrong."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    columns = ["camera", "size", "Hz", "of", "frames", "dropped", "bright", "sharp"]
    for column in (*columns, *(("corners", "covered") if coverage else ()), "what to do"):
        table.add_column(column, justify="left" if column in ("camera", "what to do") else "right")
    for camera in cameras:
        quality = camera.quality()
        rate, log, advice = rate_of(camera.arrivals), camera.log, advice_for(camera, quality)
        corners, covered, next_step = coverage.advice(camera.name) if coverage else ("", "", "")
        if coverage and camera.silent_s <= SILENT_S and not camera.error:
            advice.append(next_step)
        table.add_row(
            Text(camera.name),
            "x".join(map(str, camera.camera.size)),
            f"{rate:.1f}",
            f"{camera.camera.fps:.1f}",
            str(log.frames if log else camera.frames),
            str(camera.dropped),
            f"{quality.brightness:.0f}" if quality else "-",
            f"{quality.sharpness:.0f}" if quality else "-",
            *((corners, covered) if coverage else ()),
            Text("; ".join(advice) or "good"),
        )
    return Group(table, *([coverage.linked()] if coverage else []))
