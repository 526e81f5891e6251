"""Recordings from which `calibrate people` can hardly make a rig, or not at all: what it says, and how wrong it is.

python benchmarks/calibration_people_degenerate.py [--only mirrored ...] [--seconds 12]

Every case is a ring of cameras (as `StudioOptions` makes it) whose recordings are spoilt. A line says refused and why,
or the verdict with the worst error over its stated deviation. "good" with more than three deviations is a fault.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np

from benchmarks.calibration_people import MAX_OFFSET_S, deviations, recorded, times_bound
from calib.people.calibrate import Options, calibrate
from calib.report.people_outcome import judge_people
from multiview.cameras.camera import Camera
from multiview.data import Keypoints2D
from multiview.errors import CalibrationError
from multiview.recordings.recorded_keypoints import Recording
from multiview.synthetic import StudioOptions
from multiview.synthetic.paths import Paths, simulate_paths

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


def nobody_moves(cameras: list[Camera], recordings: list[Recording], mirrored: np.ndarray) -> list[Recording]:
    """Everybody stands like a statue."""
    return [replace(r, keypoints=[r.keypoints[0]] * len(r.keypoints)) for r in recordings]


def empty_folder(cameras: list[Camera], recordings: list[Recording], mirrored: np.ndarray) -> list[Recording]:
    """The last camera recorded nothing."""
    return [*recordings[:-1], replace(recordings[-1], frames=[], times_ns=[], keypoints=[])]


def _on_a_line(*about: Any) -> Paths:
    """To and fro along one line."""
    paths = simulate_paths(*about)
    along = np.stack([paths.position[..., 0], np.zeros_like(paths.position[..., 1])], axis=-1)
    heading = np.where(np.gradient(along[..., 0], axis=1) > 0, 0.0, np.pi)
    return replace(paths, position=along, heading=heading)


CASES: dict[str, tuple[Spoilt, dict[str, object]]] = {
    "control": (as_it_is, {}),
    "line": (as_it_is, {}),
    "one_place": (as_it_is, {"area_m": 0.1}),
    "nobody_moves": (nobody_moves, {}),
    "empty_folder": (empty_folder, {}),
    "one_camera": (as_it_is, {"cameras": 1}),
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
        with patch("multiview.synthetic.studio.simulate_paths", _on_a_line if name == "line" else simulate_paths):
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
        print(
            f"{name:14} {verdict} ({'; '.join(told)}): {times_bound(found.rig, studio, args.seconds):.1f} x the bound "
            f"of the recording as it was, {deviations(found, studio.rig):.1f} stated deviations at worst",
            flush=True,
        )


if __name__ == "__main__":
    main()
