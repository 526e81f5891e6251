"""Random studios: does `calibrate people` ever call a rig good whose errors exceed what it states?

python benchmarks/calibration_people_studies.py [--count 200] [--first 1]

Two to eight cameras, one to four people, 5 to 60 s, keypoints with 2 to 8 px of noise, lenses known. Every line is one
studio: refused and why, or the verdict with errors over their stated deviations.
"""

from __future__ import annotations

import argparse

import numpy as np

from benchmarks.calibration_people import MAX_OFFSET_S, deviations, errors, recorded, turn_between_deg
from calib.people.calibrate import Options, calibrate
from calib.report.people_outcome import judge_people
from multiview.errors import CalibrationError
from multiview.synthetic import StudioOptions

TOO_FAR = 3.0  # stated deviations


def drawn(seed: int) -> tuple[StudioOptions, float]:
    """A studio, and how long it records."""
    rng = np.random.default_rng(seed)
    seconds = float(np.exp(rng.uniform(np.log(5), np.log(60))))
    return StudioOptions(
        cameras=int(rng.integers(2, 9)),
        people=int(rng.integers(1, 5)),
        seconds=seconds + 2 * MAX_OFFSET_S + 0.5,
        sigma_px=float(rng.uniform(2, 8)),
        correlation=float(rng.choice([0.0, 0.85])),
        seed=seed,
    ), seconds


def tried(seed: int) -> tuple[str, bool]:
    """A line about one studio, and whether it was called good wrongly."""
    options, seconds = drawn(seed)
    head = (
        f"{seed:4d}: {options.cameras} cameras, {options.people} people, {seconds:4.1f} s, {options.sigma_px:.1f} px, "
    )
    head += f"correlation {options.correlation:.2f}: "
    studio, recordings, _ = recorded(options, seconds)
    known = Options(max_offset_s=MAX_OFFSET_S, lens_priors={})
    try:
        found = calibrate(list(studio.rig.cameras), recordings, studio.skeleton, known)
    except CalibrationError as refusal:
        return f"{head}refused: {refusal}", False
    outcome = judge_people(found)
    if options.cameras == 2:
        wrong = f"turn between them {turn_between_deg(found.rig, studio.rig):.3f} deg"
    else:
        turns, places, _ = errors(found.rig, studio.rig)
        wrong = f"turn {turns.max():.3f} deg, place {places.max():.1f} mm"
    worst = deviations(found, studio.rig)
    # The scale is an average of people, and is said to be: without it the verdict could be good.
    told = [reason for reason in outcome.reasons if "lengths are right" not in reason]
    verdict = "good" if outcome.verdict == "usable" and not told else outcome.verdict
    text = f"{head}{verdict}; {wrong}, {worst:.1f} deviations at worst"
    return text, verdict == "good" and worst > TOO_FAR


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--first", type=int, default=1)
    args = parser.parse_args()
    wrong = 0
    for seed in range(args.first, args.first + args.count):
        text, bad = tried(seed)
        wrong += bad
        print(f"{text}{'  WRONGLY GOOD' if bad else ''}", flush=True)
    print(f"{wrong} of {args.count} were wrongly called good")


if __name__ == "__main__":
    main()
