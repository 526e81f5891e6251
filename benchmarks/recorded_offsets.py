"""Random recordings in which one camera is late or early: is what `multiview time-offsets` confirms right?

    python -m benchmarks recorded_offsets [--recordings 100]

Three to five cameras, one to three people, 15 to 25 s at 20 to 30 Hz. In turn the true offset is nothing, within the
range that is searched, and beyond it by 15 % to twice as much. "Right" counts recordings in which everything that is
confirmed is within three of its standard deviations, "wrong" the others; "found" those in which the camera that is off
is confirmed, "not found" those in which nothing is.
"""

from __future__ import annotations

import argparse
from collections import Counter

import numpy as np

from multiview.commands.time_offsets_run import CONFIRMED, estimate_time_offsets
from multiview.data import NS_PER_S
from multiview.errors import MultiviewError
from multiview.recordings.recorded_keypoints import Recording
from multiview.synthetic import StudioOptions, make_studio

__all__ = ["add_arguments", "run"]

KINDS = ("none", "within", "beyond")
_SIGMAS = 3.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The study's own arguments."""
    parser.add_argument("--recordings", type=int, default=100, help="default 100")
    parser.add_argument("--first", type=int, default=0, help="number of the first one")


def run(args: argparse.Namespace) -> int:
    """Print what is found of every recording, then a row for each kind."""
    rows: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    for number in range(args.first, args.first + args.recordings):
        kind = KINDS[number % 3]
        outcome, words = _tried(number, kind)
        rows[kind][outcome] += 1
        print(f"{number:4d} {kind:7} {outcome:12} {words}", flush=True)
    print(f"{'true offset':14}{'n':>4}{'right':>7}{'wrong':>7}{'found':>7}{'not found':>11}")
    for kind, counts in rows.items():
        total, wrong = sum(counts.values()), counts["wrong"]
        print(f"{kind:14}{total:4d}{total - wrong:7d}{wrong:7d}{counts['found']:7d}{counts['not found']:11d}")
    return 0


def _tried(number: int, kind: str) -> tuple[str, str]:
    rng = np.random.default_rng(9000 + number)
    cameras, fps = int(rng.integers(3, 6)), float(rng.choice([20.0, 25.0, 30.0]))
    seconds, reach = float(rng.uniform(15, 25)), float(rng.choice([0.3, 0.6, 1.0]))
    size = {
        "none": 0.0,
        "within": float(np.exp(rng.uniform(np.log(0.01), np.log(0.9 * reach)))),
        "beyond": float(rng.uniform(1.15, 2.0) * reach),
    }[kind]
    true, who = size * float(rng.choice([-1, 1])), int(rng.integers(cameras))
    options = StudioOptions(
        cameras=cameras, people=int(rng.integers(1, 4)), seconds=seconds + 6, fps=2 * fps, seed=9000 + number
    )
    studio = make_studio(options)
    times = 3.0 + np.arange(int(seconds * fps)) / fps
    stamps = np.round(times * NS_PER_S).astype(np.int64).tolist()
    recordings = [
        Recording(name, fps, list(range(len(times))), stamps, studio.keypoints_at(c, times + true * (c == who)))
        for c, name in enumerate(studio.rig.names)
    ]
    described = (
        f"{cameras} cameras, {options.people} people, {seconds:.0f} s, {1000 * true:+.0f} of {1000 * reach:.0f} ms:"
    )
    try:
        result = estimate_time_offsets(studio.rig, studio.skeleton, recordings, reach)
    except MultiviewError as error:
        return "not found", f"{described} {error}"
    confirmed = [c for c, words in enumerate(result.found) if words == CONFIRMED]
    wrong = []
    for c in confirmed:
        offset = result.offsets[c]
        miss = abs(offset.offset_s - true * (c == who))
        if miss > _SIGMAS * offset.sigma_s:
            wrong.append(f"{result.rig.names[c]} is off by {1000 * miss:.1f} +- {1000 * offset.sigma_s:.1f} ms")
    outcome = "wrong" if wrong else "found" if who in confirmed else "not found"
    faulty = result.offsets[who]
    said = f"{1000 * faulty.offset_s:+.1f} +- {1000 * faulty.sigma_s:.1f} ms, {result.found[who]}"
    return outcome, f"{described} {said} {'; '.join(wrong)}"
