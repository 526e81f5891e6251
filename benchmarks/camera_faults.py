"""One of four cameras does not stay as it is while a board is recorded: is it named, with the time, and no other?

    python -m benchmarks camera_faults
    python -m benchmarks camera_faults --seeds 100-119 --clean 50
    python -m benchmarks camera_faults --faults sagging frozen --scenes waved_15

Corners are written as `detect` writes them, and `multiview calibrate solve` is called. What counts is what it prints
and writes: "named" are recordings in which that camera is the first that the console, report.json and report.html
name, all three; "in time" those in which these three tell an interval that holds the true time ("width" is its
median), of all with a change that three pictures before and after can tell of; "not good" those whose printed and
written verdict is not "good"; "others" cameras that are named and are not at fault; "unseen" recordings in which no
picture beside another camera shows the change, which nothing tells from clean ones. In clean studios nobody may be
named. Boards are held still at many places (`held`: 10 Hz, 12 s; `held_15`: 15 Hz, 15 s) or waved for 15 s at 15 or
60 Hz, in turn with the seeds; cameras, times and lenses change with them.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import re
import tempfile
from dataclasses import dataclass, replace
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.camera_fault_recordings import FAULTS, Scene, recording
from calib.commands import solve as command
from calib.corners.corners import Corners, write_corners

SCENES: dict[str, dict[str, Any]] = {
    "held": {},
    "waved_15": {"fps": 15.0, "seconds": 15.0, "moving": True},
    "held_15": {"fps": 15.0, "seconds": 15.0},
    "waved_60": {"fps": 60.0, "seconds": 15.0, "moving": True},
}
_DEFAULT = ("bumped", "zoomed", "trembling", "cropped by a stabiliser", "flipped")
_FEWEST_SHARED = 3  # pictures before and after a change; fewer do not tell of it
_OF_FILES = (
    "two cameras bumped",
    "reference bumped",
    "bumped at the start",
    "bumped at the end",
    "rolling",
    "same file",
)


@dataclass(frozen=True, slots=True)
class Trial:
    """What was said of one recording.

    Attributes:
        named: The cameras at fault, by console, JSON and page.
        in_time: The same three tell when; None: there is nothing to tell.
        widths: s, of the intervals that are said.
        good: A verdict that calls the rig good, anywhere.
        others: Cameras that are named and not at fault.
        seen: Some picture of a camera at fault, taken together with one of another camera, shows the change.
        said: The console's first line.
    """

    named: bool
    in_time: bool | None
    widths: tuple[float, ...]
    good: bool
    others: int
    seen: bool
    said: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The study's own arguments."""
    kinds = [*FAULTS, *_OF_FILES]
    parser.add_argument("--seeds", default="0-5", help="first and last seed of each fault (default 0-5)")
    parser.add_argument("--clean", type=int, default=10, help="recordings without any (default 10)")
    parser.add_argument("--faults", nargs="*", choices=kinds, default=list(_DEFAULT), metavar="FAULT")
    parser.add_argument("--scenes", nargs="*", choices=list(SCENES), default=list(SCENES), metavar="SCENE")
    parser.add_argument("--verbose", action="store_true", help="a row for every recording")


def run(args: argparse.Namespace) -> int:
    """Print a row for every fault, and one for clean studios."""
    print(f"{'':28}{'n':>4}{'named':>7}{'in time':>9}{'width s':>9}{'others':>8}{'not good':>10}{'unseen':>8}")
    first, last = (int(text) for text in args.seeds.split("-"))
    for fault in args.faults:
        scenes = [(seed, args.scenes[seed % len(args.scenes)]) for seed in range(first, last + 1)]
        _print_row(fault, [_tried(seed, fault, name, args.verbose) for seed, name in scenes])
    if args.clean:
        scenes = [(2000 + seed, args.scenes[seed % len(args.scenes)]) for seed in range(args.clean)]
        _print_row("clean", [_tried(seed, None, name, args.verbose) for seed, name in scenes])
    return 0


def _scene(seed: int, kind: str | None, name: str) -> Scene:
    """A recording with a fault, where and when that is being drawn from the seed."""
    rng = np.random.default_rng(1_000_000 + seed)
    scene = Scene(seed, **SCENES[name])
    who, start = int(rng.integers(4)), float(rng.uniform(0.3, 0.8)) * scene.seconds
    if kind is None:
        return scene
    if kind == "two cameras bumped":
        second = float(rng.uniform(0.3, 0.8)) * scene.seconds
        return replace(scene, faults=(("bumped", who, start), ("zoomed", (who + 1) % 4, second)))
    if kind == "reference bumped":
        return replace(scene, faults=(("bumped", 0, start),))
    if kind == "bumped at the start":
        return replace(scene, faults=(("bumped", who, float(rng.uniform(1.0, 2.0))),))
    if kind == "bumped at the end":
        return replace(scene, faults=(("bumped", who, scene.seconds - float(rng.uniform(1.0, 2.0))),))
    if kind == "rolling":
        return replace(scene, rolling=(who,))
    if kind == "same file":
        return replace(scene, copied=(who, (who + 1) % 4))
    lasts_s = FAULTS[kind].lasts_s
    if lasts_s is not None:
        start = float(rng.uniform(0.2, 0.5)) * scene.seconds
    return replace(scene, faults=((kind, who, start),))


def _faulty(scene: Scene) -> tuple[int, ...]:
    return tuple(who for _, who, _ in scene.faults) + scene.rolling + (scene.copied or ())[:1]


def _true_times(scene: Scene, corners: Corners, who: int) -> tuple[float | None, float | None]:
    """s, when the fault of a camera begins and ends."""
    for name, camera, start in scene.faults:
        fault = FAULTS[name]
        if camera == who and not fault.throughout:
            if fault.frames is not None:  # what stands still is the next picture that shows a board
                time = corners.time[corners.camera == who]
                return float(time[time >= start - 1e-9].min()), None
            return start, None if fault.lasts_s is None else start + fault.lasts_s
    return None, None


def _shared(corners: Corners, who: int, time: float) -> tuple[int, int]:
    """Pictures of a camera before and after a time at which another camera sees the board as well."""
    own = np.unique(corners.time[corners.camera == who])
    own = own[np.isin(own, corners.time[corners.camera != who])]
    return int((own < time).sum()), int((own >= time).sum())


def _tried(seed: int, kind: str | None, name: str, verbose: bool) -> Trial:
    scene = _scene(seed, kind, name)
    _, corners = recording(scene)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        write_corners(corners, out / "corners.parquet")
        parser = argparse.ArgumentParser()
        command.add_arguments(parser)
        options = ["--corners", str(out / "corners.parquet"), "--out", str(out), "--model", "pinhole5"]
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            command.run(parser.parse_args(options))
        report = json.loads((out / "report.json").read_text())
        page = unescape(re.sub(r"<[^>]*>", " ", (out / "report.html").read_text()))
    said = next(line for line in printed.getvalue().splitlines() if re.match("(GOOD|USABLE|RECORD AGAIN):", line))
    trial = _judged(scene, corners, said, report, page)
    if verbose:
        truth = ", ".join(f"{kind} {corners.names[who]} at {start:.2f}" for kind, who, start in scene.faults)
        marks = "".join(
            mark
            for mark, is_so in zip("NTG", (trial.named, trial.in_time is not False, not trial.good), strict=True)
            if is_so
        )
        print(f"  {kind or 'clean'}, {name} {seed} [{marks}{trial.others}] {truth}: {said}", flush=True)
    return trial


def _judged(scene: Scene, corners: Corners, said: str, report: dict[str, Any], page: str) -> Trial:
    names = corners.names
    faulty = [names[who] for who in _faulty(scene)]
    told: list[str] = list(dict.fromkeys(entry["camera"] for entry in report["problems"]))
    clauses = said.partition(": ")[2].split("; ")
    first = [clause for clause in clauses if any(other in clause for other in names)][: len(faulty)]
    if scene.copied is not None:  # nothing tells which of the two is the copy
        faulty = [names[who] for who in scene.copied if names[who] in told[:1]] or faulty
    named = bool(faulty) and all(
        name in told[: len(faulty)] and any(name in clause for clause in first) and name in page.partition("Cameras")[0]
        for name in faulty
    )
    in_time, widths = [], []
    for who in _faulty(scene):
        entry = next((entry for entry in report["problems"] if entry["camera"] == names[who]), None)
        for key, true in zip(("start_between_s", "end_between_s"), _true_times(scene, corners, who), strict=True):
            if true is None or min(_shared(corners, who, true)) < _FEWEST_SHARED:
                continue
            between = entry[key] if entry is not None else None
            words = "" if between is None else _words(between)
            frame = np.ceil(true * scene.fps - 1e-9) / scene.fps  # the first that shows it
            right = between is not None and between[0] < frame + 1e-9 and true <= between[1] + 1e-9
            in_time.append(right and words in said and words in page)
            widths += [] if between is None else [between[1] - between[0]]
    good = report["verdict"] == "good" or said.startswith("GOOD") or re.search(r"\bGood\s*:", page) is not None
    others = len(set(told) - set(faulty))
    starts = [(who, _true_times(scene, corners, who)[0]) for who in _faulty(scene)]
    seen = all(start is None or min(_shared(corners, who, start)) > 0 for who, start in starts)
    return Trial(named, all(in_time) if in_time else None, tuple(widths), good, others, seen, said)


def _words(between: list[float]) -> str:
    """An interval in tenths of a second that hold it."""
    return f"between {np.floor(10 * between[0] + 1e-6) / 10:.1f} and {np.ceil(10 * between[1] - 1e-6) / 10:.1f} s"


def _print_row(name: str, rows: list[Trial]) -> None:
    timed = [row.in_time for row in rows if row.in_time is not None]
    widths = [width for row in rows for width in row.widths]
    width = f"{np.median(widths):.2f}" if widths else "-"
    print(
        f"{name:28}{len(rows):4d}{sum(row.named for row in rows):7d}{f'{sum(timed)}/{len(timed)}':>9}{width:>9}"
        f"{sum(row.others for row in rows):8d}{sum(not row.good for row in rows):10d}"
        f"{sum(not row.seen for row in rows):8d}",
        flush=True,
    )
