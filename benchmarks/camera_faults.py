"""One of four cameras does not stay as it is while a board is recorded: is it named, with the time, and no other?

    python -m benchmarks camera_faults
    python -m benchmarks camera_faults --seeds 10 --clean 50

It is bumped, zoomed, trembles, has its images cropped and turned by a stabiliser, or turned upside down by a telephone
that is laid down, from 30 to 80 % of the recording on; lenses are estimated with all else. "Named" counts recordings in
which that camera is the first that console, report and JSON name; "in time" those in which the time is right within
0.6 s (a camera shares about every second board with another), "between" those in which the change lies between the two
views that are said; "others" other cameras that are named; "good" verdicts
that call the rig good. In clean studios nobody may be named.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from jaxtyping import Float64

from calib.board.board import Board
from calib.corners.corners import Corners
from calib.report.outcome import judge
from calib.solve.faults import find_faults
from calib.solve.solve import solve
from multiview.cameras.camera import Camera, Rig
from multiview.geometry.rigid import rotation_from_vector
from multiview.synthetic.board import measure, placed_at_random, ring

__all__ = ["BOARD", "FAULTS", "FPS", "FRAMES", "NOISE_PX", "recorded"]

BOARD = Board((7, 5), 0.1, 0.075, "DICT_4X4_100")
FRAMES, FPS, NOISE_PX = 120, 10.0, 0.3
_IN_TIME_S = 0.6

Fault = Callable[[Camera, float, np.random.Generator], Camera]


def _turned(camera: Camera, vector_rad: Float64[np.ndarray, " 3"], shift_m: float = 0.0) -> Camera:
    """The camera after a turn and a shift to its right."""
    R = rotation_from_vector(vector_rad) @ camera.R
    return replace(camera, R=R, t=-R @ (camera.centre + shift_m * camera.R[0]))


def _zoomed(camera: Camera, factor: float) -> Camera:
    return replace(camera, K=camera.K @ np.diag([factor, factor, 1.0]))


def _bumped(camera: Camera, second: float, rng: np.random.Generator) -> Camera:
    return _turned(camera, np.array([0, np.radians(2), 0]), 0.03)


def _zooming(camera: Camera, second: float, rng: np.random.Generator) -> Camera:
    return _zoomed(camera, 1.1)


def _trembling(camera: Camera, second: float, rng: np.random.Generator) -> Camera:
    return _turned(camera, rng.normal(0, 0.003, 3))


def _stabilised(camera: Camera, second: float, rng: np.random.Generator) -> Camera:
    """Cropped by a tenth, and turned against the hand's slow motion."""
    return _zoomed(_turned(camera, 0.01 * np.sin(2.0 * second * np.array([1.0, 1.3, 0.7]))), 1.1)


FAULTS: dict[str, Fault | None] = {
    "bumped": _bumped,
    "zoomed": _zooming,
    "trembling": _trembling,
    "cropped by a stabiliser": _stabilised,
    "flipped": None,  # which is done to the corners
}


def recorded(seed: int, fault: str | None, who: int = 1, start: float = 0.5) -> tuple[Rig, Corners]:
    """Boards held anywhere, and one of four cameras that is at fault from a share `start` of the recording on.

    Args:
        seed: Of everything.
        fault: One of `FAULTS`; None: no camera is.
        who: The camera.
        start: Of the frames, from 0 to 1.

    Returns:
        The cameras as they were calibrated, and what was seen.
    """
    rng = np.random.default_rng(seed)
    rig = ring(4, rng=rng)
    R, t = placed_at_random(FRAMES, rng)
    parts = []
    for frame in range(FRAMES):
        cameras = list(rig.cameras)
        change = FAULTS[fault] if fault is not None else None
        if change is not None and frame >= start * FRAMES:
            cameras[who] = change(cameras[who], frame / FPS, rng)
        one = (R[frame : frame + 1], t[frame : frame + 1])
        m = measure(Rig(tuple(cameras)), BOARD.points, [one] * len(cameras), rng, NOISE_PX, 0.01)
        xy = m.xy
        if fault == "flipped" and frame >= start * FRAMES:
            width, height = cameras[who].size
            xy = np.where((m.camera == who)[:, None], np.array([width - 1, height - 1]) - xy, xy)
        parts.append((m.camera, np.full(len(m.camera), frame), m.corner, xy))
    camera, frames, corner, xy = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.lexsort((frames, camera))
    columns = (camera[order], frames[order], frames[order] / FPS, corner[order], xy[order])
    return rig, Corners(rig.names, tuple(one.size for one in rig.cameras), *columns, BOARD)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The study's own arguments."""
    parser.add_argument("--seeds", type=int, default=6, help="recordings of each fault (default 6)")
    parser.add_argument("--clean", type=int, default=50, help="recordings without any (default 50)")
    parser.add_argument("--faults", nargs="*", choices=list(FAULTS), default=list(FAULTS), metavar="FAULT")
    parser.add_argument("--verbose", action="store_true", help="a row for every recording")


def run(args: argparse.Namespace) -> int:
    """Print a row for every fault, and one for clean studios."""
    print(f"{'':26}{'n':>4}{'named':>7}{'in time':>9}{'between':>9}{'others':>8}{'good':>6}")
    for fault in args.faults:
        _print_row(fault, [_tried(1000 + seed, fault, args.verbose) for seed in range(args.seeds)])
    if args.clean:
        _print_row("clean", [_tried(2000 + seed, None, args.verbose) for seed in range(args.clean)])
    return 0


def _tried(seed: int, fault: str | None, verbose: bool) -> tuple[bool, bool, bool, int, bool]:
    """Whether the camera at fault is named first, in time, and between the right views; others named; a good one."""
    rng = np.random.default_rng(seed)
    who, start = int(rng.integers(4)), float(rng.uniform(0.3, 0.8))
    _, corners = recorded(seed, fault, who, start)
    calibration = solve(corners, BOARD, "pinhole5", offsets=False)
    outcome = judge(calibration, corners)
    faults = find_faults(calibration).faults
    names = [calibration.names[one.camera] for one in faults]
    guilty = corners.names[who] if fault is not None else None
    told = [entry.camera for entry in outcome.verdicts]
    named = guilty is not None and bool(told) and told[0] == guilty and outcome.reasons[0].startswith(guilty)
    true = start * FRAMES / FPS
    said = next((one for one in faults if calibration.names[one.camera] == guilty), None)
    in_time = said is not None and said.start_s is not None and abs(said.start_s - true) <= _IN_TIME_S
    within = said.start_between_s if said is not None else None
    between = within is not None and within[0] < true + 1 / FPS and true <= within[1]
    others = sum(name != guilty for name in names)
    if verbose:
        print(
            f"  {fault}, seed {seed}: {guilty} from {true:.1f} s; {'; '.join(outcome.reasons)}",
            flush=True,
        )
    return named, in_time, between, others, outcome.verdict == "good"


def _print_row(name: str, rows: list[tuple[bool, bool, bool, int, bool]]) -> None:
    named, in_time, between, others, good = (sum(column) for column in zip(*rows, strict=True))
    print(f"{name:26}{len(rows):4d}{named:7d}{in_time:9d}{between:9d}{others:8d}{good:6d}", flush=True)
