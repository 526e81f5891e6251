"""Recordings from which `calibrate people` can hardly make a rig, or not at all: what it says, and how wrong it is.

python benchmarks/calibration_people_degenerate.py [--only mirrored ...] [--seconds 12]

Every case is a ring of cameras (as `StudioOptions` makes it) whose recordings are spoilt. A line says refused and why,
or the verdict with the worst error over its stated deviation. "good" with more than three deviations is a fault.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from benchmarks.calibration_people import MAX_OFFSET_S, errors, recorded
from calib.people.calibrate import Options, calibrate
from calib.report.people_outcome import judge_people
from multiview.cameras.camera import Camera
from multiview.data import Keypoints2D
from multiview.errors import CalibrationError
from multiview.recordings.recorded_keypoints import Recording
from multiview.synthetic import StudioOptions

Spoilt = Callable[[list[Camera], list[Recording], np.ndarray], list[Recording]]


def _keypoints(recording: Recording, change: Callable[[Keypoints2D], Keypoints2D]) -> Recording:
    return replace(recording, keypoints=[change(k) for k in recording.keypoints])


def mirrored_picture(cameras: list[Camera], recordings: list[Recording], mirrored: np.ndarray) -> list[Recording]:
    """The last camera flips its pictures, as webcams do for selfies; the detector then exchanges the sides."""

    def flipped(k: Keypoints2D) -> Keypoints2D:
        xy = k.xy[:, mirrored].copy()
        xy[..., 0] = cameras[-1].size[0] - 1 - xy[..., 0]
        return Keypoints2D(xy, k.score[:, mirrored])

    return [*recordings[:-1], _keypoints(recordings[-1], flipped)]


def exchanged_sides(cameras: list[Camera], recordings: list[Recording], mirrored: np.ndarray) -> list[Recording]:
    """The last camera has left and right exchanged all the time."""
    swapped = _keypoints(recordings[-1], lambda k: Keypoints2D(k.xy[:, mirrored], k.score[:, mirrored]))
    return [*recordings[:-1], swapped]


def wrong_rate(cameras: list[Camera], recordings: list[Recording], mirrored: np.ndarray) -> list[Recording]:
    """The last camera's stamps run a fifth too fast (30 Hz taken for 25)."""
    times = [round(1.2 * time) for time in recordings[-1].times_ns]
    return [*recordings[:-1], replace(recordings[-1], times_ns=times)]


def shares_nobody(cameras: list[Camera], recordings: list[Recording], mirrored: np.ndarray) -> list[Recording]:
    """The last camera recorded the same people another time: backwards."""
    return [*recordings[:-1], replace(recordings[-1], keypoints=recordings[-1].keypoints[::-1])]


def in_place(cameras: list[Camera], recordings: list[Recording], mirrored: np.ndarray) -> list[Recording]:
    """Everybody seen in one half second, again and again."""
    return [
        replace(r, keypoints=[r.keypoints[min(n % 30, 29 - n % 30)] for n in range(len(r.keypoints))])
        for r in recordings
    ]


def as_it_is(cameras: list[Camera], recordings: list[Recording], mirrored: np.ndarray) -> list[Recording]:
    """Nothing is spoilt; the control."""
    return recordings


CASES: dict[str, tuple[Spoilt, dict[str, object]]] = {
    "control": (as_it_is, {}),
    "mirrored": (mirrored_picture, {}),
    "exchanged": (exchanged_sides, {}),
    "wrong_rate": (wrong_rate, {}),
    "shares_nobody": (shares_nobody, {}),
    "in_place": (in_place, {}),
    "two_opposite": (as_it_is, {"cameras": 2}),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=list(CASES), default=list(CASES))
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--seed", type=int, default=3)
    args = parser.parse_args()
    for name in args.only:
        spoil, changed = CASES[name]
        seconds = args.seconds + 2 * MAX_OFFSET_S + 0.5
        options = StudioOptions(**{"cameras": 3, "people": 1, "seconds": seconds, "seed": args.seed, **changed})  # type: ignore[arg-type]
        studio, recordings, _ = recorded(options, args.seconds)
        cameras = list(studio.rig.cameras)
        try:
            spoilt = spoil(cameras, recordings, studio.skeleton.mirrored)
            found = calibrate(cameras, spoilt, studio.skeleton, Options(max_offset_s=MAX_OFFSET_S, lens_priors={}))
        except CalibrationError as refusal:
            print(f"{name:14} refused: {refusal}", flush=True)
            continue
        outcome = judge_people(found)
        told = [reason for reason in outcome.reasons if "lengths are right" not in reason]
        verdict = "good" if outcome.verdict == "usable" and not told else outcome.verdict
        turns, places, _ = errors(found.rig, studio.rig)
        over = places / np.array([fit.place_sigma_mm for fit in found.cameras])
        print(
            f"{name:14} {verdict} ({'; '.join(told)}): {turns.max():.2f} deg, {places.max():.0f} mm, "
            f"{over.max():.1f} deviations",
            flush=True,
        )


if __name__ == "__main__":
    main()
