"""A board waved before four cameras, of which one has an unsteady clock: error of the rig, and what no method can beat.

    python -m benchmarks unsteady_clocks [--fps 6 30] [--seeds 10] [--walk 0.02] [--jitter 0.005]

"error" and "bound" are RMS over points of the volume, triangulated by the rig that was found, in mm; the bound
(Cramer-Rao) is that of the solver's own model with the true deviations of the clock known. "constant" is what one
constant offset of every camera gives. The row "steady" is the same recordings with good clocks, where "constant" has
to be equal.
"""

from __future__ import annotations

import argparse
import time
from unittest.mock import patch

import numpy as np

from benchmarks.clock_faults import ClockFaults, Recorded, recorded
from calib.solve import unsteady_clocks
from calib.solve.solve import Calibration, solve
from multiview.timing.clock_noise import STEADY, ClockNoise

__all__ = ["add_arguments", "run"]

_UNSTEADY = 1  # camera


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The study's own arguments."""
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--fps", type=float, nargs="*", default=[6.0, 30.0])
    parser.add_argument("--walk", type=float, default=0.02, help="s per root second")
    parser.add_argument("--jitter", type=float, default=0.005, help="s")
    parser.add_argument("--frames", type=int, default=360, help="of every camera")


def run(args: argparse.Namespace) -> int:
    """Print a row for every recording, and the means."""
    print(f"{'':22}{'error':>8}{'bound':>8}{'constant':>9}{'walk ms':>9}{'jitter ms':>10}{'unsteady':>10}{'s':>7}")
    for fps in args.fps:
        for noise in (ClockNoise(args.walk, args.jitter), STEADY):
            rows = []
            for seed in range(args.first, args.first + args.seeds):
                faults = ClockFaults(fps=(fps,), noise=tuple(noise if c == _UNSTEADY else STEADY for c in range(4)))
                recording = recorded(faults, seed, seconds=args.frames / fps)
                words = f"{fps:g} Hz {'steady' if noise == STEADY else 'unsteady'} {seed}"
                rows.append(_figures(recording, 1 / fps, words))
            square = np.sqrt(np.mean(np.square(np.array(rows)[:, :3]), axis=0))
            mean = np.mean(np.array(rows)[:, 3:], axis=0)
            print(
                f"  all: error / bound {square[0] / square[1]:.2f}, error / constant {square[0] / square[2]:.3f}, "
                f"walk {1000 * mean[0]:.1f} ms per root second, jitter {1000 * mean[1]:.1f} ms",
                flush=True,
            )
    return 0


def _figures(recording: Recorded, knot_s: float, words: str) -> list[float]:
    began = time.process_time()
    found = solve(recording.corners, recording.board, "pinhole5")
    seconds = time.process_time() - began
    constant = found
    if found.unsteady_clocks:
        with patch.object(unsteady_clocks, "_SURE_NATS", np.inf):
            constant = solve(recording.corners, recording.board, "pinhole5")
    noise = {clock.camera: clock.noise for clock in found.unsteady_clocks}
    own = noise.get(_UNSTEADY, STEADY)
    figures = [_error(recording, found), recording.bound_mm(knot_s), _error(recording, constant)]
    print(
        f"{words:22}{figures[0]:8.3f}{figures[1]:8.3f}{figures[2]:9.3f}{1000 * own.walk:9.2f}{1000 * own.jitter:10.2f}"
        f"{' '.join(found.names[c] for c in noise) or '-':>10}{seconds:7.1f}",
        flush=True,
    )
    return [*figures, own.walk, own.jitter]


def _error(recording: Recorded, found: Calibration) -> float:
    return recording.error_mm(found.state, found.cameras)
