"""What faults of frame numbers and clocks cost a calibration: each alone beside the same scene without it, then many.

    python -m benchmarks calibration_time
    python -m benchmarks calibration_time --seeds 20 --faults "30 beside 15 fps"
    python -m benchmarks calibration_time --faults --scenes --combinations 200

Four cameras around a waved board, 0.3 px of noise. Errors are RMS over points of the volume, triangulated by the rig
that was found, in mm, and over the seeds. "Trusted" counts rigs that the verdict calls good or usable though they are
further off than three times what it expects; "unsaid" the cameras of usable rigs whose time offset is off by more than
2 ms and three times its deviation, and of which nothing is said. The bound (Cramer-Rao) is the least that any method
could have of the same recording: a camera that starts late has seen less, and more than `bound x` cannot be asked.
"""

from __future__ import annotations

import argparse
import time
import traceback
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float64

from benchmarks.clock_faults import BOARD, SMALL_BOARD, ClockFaults, Recorded, recorded
from calib.report.outcome import Outcome, judge
from calib.solve.solve import Calibration, solve
from calib.solve.uncertainty import clock_deviation
from multiview.errors import MultiviewError

__all__ = ["FAULTS", "SCENES", "Tally", "combination", "tried"]

FAULTS = {
    "none": ClockFaults(),
    "variable rate, one camera": ClockFaults(variable=(False, True, False, False)),
    "variable rate, all": ClockFaults(variable=(True,)),
    "5 of 200 frames missing": ClockFaults(missing=(0, 5, 0, 0)),
    "30 beside 15 fps": ClockFaults(fps=(30.0, 15.0)),
    "starts 1.6 and 2.7 s apart": ClockFaults(start=(0.0, 1.6, 2.7, 0.0)),
    "clocks from 0, 5,000 s, epoch": ClockFaults(zero=(0.0, 5000.0, 1.7e9, 5000.0)),
    "AVI with B-frames": ClockFaults(stopped=(0, 2)),
    "capture, 3 % lost": ClockFaults(start=(0.004, 0.017, 0.029, 0.011), zero=(None,), lost=(0.03,)),
}  # fmt: skip
_OFFSET_S = 0.002  # what a time offset may be wrong by
_SIGMAS = 3.0  # times the expected error of a point, beyond which a rig is wrong
# What a recording may be besides: the cameras' clocks and starts differ in all of them.
APART = ClockFaults(start=(0.0, 1.6, 0.9, 0.3), zero=(0.0, 5000.0, 1.7e9, 17.0))
SCENES: dict[str, dict[str, Any]] = {
    "small board": {"board": SMALL_BOARD, "seconds": 20.0},
    "small board, wide room": {"board": SMALL_BOARD, "radius": 5.0, "seconds": 20.0},
    "small board, noise 0.5 px": {"board": SMALL_BOARD, "sigma_px": 0.5, "seconds": 20.0},
    "slowly waved": {"pace": 0.3, "seconds": 40.0},
    "10 s": {"seconds": 10.0},
    "at rest half of the time": {"rests": True, "seconds": 20.0},
    "6 Hz": {"faults": ClockFaults(fps=(6.0,), start=APART.start, zero=APART.zero), "seconds": 40.0},
    "6 beside 30 Hz": {"faults": ClockFaults(fps=(30.0, 6.0), start=APART.start, zero=APART.zero), "seconds": 20.0},
    "16 cameras": {"cameras": 16},
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The study's own arguments."""
    parser.add_argument("--seeds", type=int, default=10, help="recordings of each fault and scene (default 10)")
    parser.add_argument("--faults", nargs="*", choices=list(FAULTS), default=list(FAULTS), metavar="FAULT")
    parser.add_argument("--scenes", nargs="*", choices=list(SCENES), default=list(SCENES), metavar="SCENE")
    parser.add_argument("--combinations", type=int, default=0, help="random ones of all faults (default 0)")
    parser.add_argument("--first", type=int, default=0, help="number of the first combination")
    parser.add_argument("--verbose", action="store_true", help="a row for every recording")


def run(args: argparse.Namespace) -> int:
    """Print a row for every fault, scene and set of combinations."""
    print(
        f"{'':30}{'n':>4}{'error':>8}{'bound':>8}{'error x':>9}{'bound x':>9}{'offset ms':>11}{'left out':>9}"
        f"{'trusted':>8}{'unsaid':>7}{'s':>6}"
    )
    clean = None
    for name in args.faults:
        tally = Tally(name)
        for seed in range(args.seeds):
            tried(recorded(FAULTS[name], seed), tally, f"{name}, seed {seed}", args.verbose)
        clean = clean or tally
        tally.print_row(clean)
    for name in args.scenes:
        tally = Tally(name)
        for seed in range(args.seeds):
            scene = {"faults": APART, **SCENES[name]}
            tried(recorded(scene.pop("faults"), seed, **scene), tally, f"{name}, seed {seed}", args.verbose)
        tally.print_row()
    tally = Tally("combinations")
    for number in range(args.first, args.first + args.combinations):
        tried(combination(number), tally, f"combination {number}", args.verbose)
        if (number + 1) % 20 == 0:
            tally.print_row()
    return 0


@dataclass
class Tally:
    """Figures of several recordings.

    mm of error and of bound, the worst offset's error (s), cameras left out, wrong rigs that are trusted, wrong time
    offsets of which nothing is said.
    """

    name: str
    error: list[float] = field(default_factory=list)
    bound: list[float] = field(default_factory=list)
    offset: list[float] = field(default_factory=list)
    left_out: int = 0
    trusted: int = 0
    unsaid: int = 0
    failed: int = 0
    seconds: float = 0.0

    def print_row(self, clean: Tally | None = None) -> None:
        """RMS over the recordings, and how many times those of the same scenes without the fault.

        These are in units of each clean scene's bound, so that one scene that tells little does not decide.
        """
        error, bound, times = _rms(self.error), _rms(self.bound), ""
        if clean is not None and len(clean.bound) == len(self.error):
            ours, bounds, theirs = (
                _rms(np.array(values) / clean.bound) for values in (self.error, self.bound, clean.error)
            )
            times = f"{ours / theirs:9.2f}{bounds:9.2f}"
        offset_ms, seconds = 1000 * max(self.offset, default=0), self.seconds / max(len(self.error), 1)
        failed = f"  {self.failed} FAILED" if self.failed else ""
        print(
            f"{self.name:30}{len(self.error):4d}{error:8.3f}{bound:8.3f}{times:18}{offset_ms:11.2f}{self.left_out:9d}"
            f"{self.trusted:8d}{self.unsaid:7d}{seconds:6.1f}{failed}",
            flush=True,
        )


def tried(recording: Recorded, tally: Tally, words: str, verbose: bool = False) -> None:
    """Calibrate a recording and add the figures; what is raised is printed and counted."""
    began = time.process_time()
    try:
        found = solve(recording.corners, recording.board, "pinhole5")
    except MultiviewError as error:
        tally.failed += 1
        print(f"{words}: {error}", flush=True)
        return
    except Exception:  # which is what the study looks for
        tally.failed += 1
        print(f"{words}:\n{traceback.format_exc()}", flush=True)
        return
    tally.seconds += time.process_time() - began
    tally.left_out += len(recording.rig) - len(found.cameras)
    if len(found.cameras) > 1:
        tally.error.append(recording.error_mm(found.state, found.cameras))
        tally.bound.append(recording.bound_mm())
        wrong = found.time_offset - recording.clock_offset[list(found.cameras)]
        tally.offset.append(float(np.abs(wrong - wrong[0]).max()))
        outcome = judge(found, recording.corners)
        trusted = outcome.verdict != "record again" and tally.error[-1] > _SIGMAS * outcome.volume.median_mm
        tally.trusted += trusted
        unsaid = _unsaid(wrong, found, outcome)
        tally.unsaid += len(unsaid)
    if verbose and len(found.cameras) > 1:
        figures = f"error {tally.error[-1]:.3f} bound {tally.bound[-1]:.3f} mm, offset {1000 * tally.offset[-1]:.3f} ms"
        marks = f"{' WRONG' if trusted else ''}{''.join(f' {name} UNSAID' for name in unsaid)}"
        print(f"  {words}: {figures}, {outcome.verdict}{marks} {found.left_out or ''}", flush=True)


def _unsaid(wrong: Float64[np.ndarray, " C"], found: Calibration, outcome: Outcome) -> list[str]:
    """Cameras whose time offset is not as well known as the outcome says."""
    wrong = np.abs(wrong - np.median(wrong))  # the first camera may be the one
    off = (wrong > _OFFSET_S) & (wrong > _SIGMAS * clock_deviation(found))
    said = {entry.camera for entry in outcome.verdicts}
    return [
        name
        for name, own in zip(found.names, off, strict=True)
        if own and name not in said and outcome.verdict != "record again"
    ]


def combination(number: int) -> Recorded:
    """A recording with a random choice of everything."""
    rng = np.random.default_rng(5000 + number)
    cameras = int(rng.integers(3, 6))

    def sometimes(values: list[Any], otherwise: Any, share: float = 0.5) -> tuple[Any, ...]:
        return tuple(rng.choice(values, cameras).tolist()) if rng.uniform() < share else (otherwise,)

    clocks = rng.choice(["first frame", "own zeros", "one clock"])
    zero: tuple[float | None, ...] = (None,) if clocks == "one clock" else (0.0,)
    faults = ClockFaults(
        fps=sometimes([30.0, 25.0, 15.0, 29.97], 30.0),
        start=(0.0, *sometimes([0.0, 0.013, 0.5, 1.6, 2.7, 4.0], 0.0, 0.6)[: cameras - 1]),
        zero=tuple(rng.choice([0.0, 5000.0, 1.7e9], cameras).tolist()) if clocks == "own zeros" else zero,
        variable=sometimes([True, False, False], False),
        missing=sometimes([0, 0, 5], 0, 0.4),
        lost=(float(rng.choice([0.0, 0.03])),),
        stopped=sometimes([0, 0, 2], 0, 0.4),
    )
    return recorded(
        faults,
        seed=100 + number,
        cameras=cameras,
        seconds=float(rng.choice([12.0, 16.0])),
        board=SMALL_BOARD if rng.uniform() < 0.2 else BOARD,
        outliers=float(rng.choice([0.0, 0.02])),
    )


def _rms(values: list[float] | Float64[np.ndarray, " n"]) -> float:
    return float(np.sqrt(np.mean(np.square(values)))) if len(values) else float("nan")
