"""Detects a camera that was displaced: from one second to the next it would have to rotate to agree with the others.

Every second each camera is asked by how much it alone would have to rotate (rotation_equations.py). No rig is perfect,
so the answer is never zero, and it wanders as people walk about; only a change counts. A camera was displaced when for
two seconds, one after the other, its rotation differs from its own usual one, alike in both, by far more than it ever
did, and when that rotation also explains the disagreement of the other cameras. This takes three others.

A displaced camera is excluded if it rotated by more than the rotation error of this calibration; where all cameras are
off by as much, going without a camera costs more than it helps, and the calibration itself has to be repeated.
Alternatively its keypoints are rotated back by what was found, and no camera is missing.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import reduce

import numpy as np
from jaxtyping import Float64

from multiview.cameras.camera import Rig
from multiview.cameras.observations import PackedRig, Rays, pack
from multiview.cameras.rotate import unrotate_keypoints
from multiview.data import TimeNs, Tracks, Views
from multiview.selfcalib.rotation_equations import RotationNormalEquations, rotation_normal_equations

__all__ = ["ExtrinsicDriftDetector"]

SAMPLE_HZ = 5.0
WINDOW_SAMPLES = 5
MIN_JOINTS = 40  # that a camera must observe in a window to be judged
MIN_WINDOWS = 4  # that tell a camera's usual rotation
MAX_WINDOWS = 120  # in memory, spread over the whole session
MIN_ROTATION_RAD = math.radians(0.2)  # smaller rotations do little harm
DRIFT_FACTOR = 2.0  # times the drift that is usual, which is this quantile of all windows:
DRIFT_QUANTILE = 0.9
MAX_UNEXPLAINED = 0.5  # share of the rotation, at most, that may remain for another camera
MAX_DISAGREEMENT = 0.5  # share of the rotation, at most, by which two windows may differ
NARROW_RAD = math.radians(1.0)  # people who fill less of the image tell nothing of a rotation about the line of sight
MIN_OTHER_CAMERAS = 3
EXCLUSION_FACTOR = (
    2.0  # times the calibration's rotation error: a smaller rotation costs less than excluding the camera
)
SUSPECT_RAD = math.radians(0.3)  # median rotation error: five pixels at a focal length of 1000


class ExtrinsicDriftDetector:
    """Examines every tick given to it.

    `displaced` holds the excluded cameras with the angle of their rotation (rad), `rotated` those that stay in use:
    they rotated by no more than the calibration's error, or their keypoints are corrected by `rotations` (rotation
    vectors, rad). `rotation_error_rad` is the calibration's error, the median over the cameras (0 while unknown).
    """

    def __init__(self, rig: Rig, rate_hz: float, compensate: bool = False) -> None:
        """With `compensate` the keypoints of a displaced camera are rotated back, and no camera is excluded."""
        self.displaced: dict[int, float] = {}
        self.rotated: dict[int, float] = {}
        self.rotations: dict[int, Float64[np.ndarray, " 3"]] = {}
        self._compensate = compensate
        self.rotation_error_rad = 0.0
        self._rig, self._cameras = PackedRig.of(rig), rig.cameras
        self._every = max(1, round(rate_hz / SAMPLE_HZ))
        self._ticks = self._samples = 0
        self._window: RotationNormalEquations | None = None
        self._alive = np.zeros(len(rig), dtype=np.int64)
        # What is usual depends on which cameras there are: each such set has a history of its own.
        self._history: dict[bytes, list[RotationNormalEquations]] = {}
        self._suspect: tuple[int, Float64[np.ndarray, " 3"], RotationNormalEquations] | None = None

    @property
    def calibration_suspect(self) -> bool:
        """Whether the cameras contradict each other, displaced or not: a poor calibration, or another rig's."""
        return self.rotation_error_rad > SUSPECT_RAD

    def apply_corrections(self, views: Views) -> Views:
        """The views without the displaced cameras, or with their keypoints rotated back."""
        if not self.displaced and not self.rotations:
            return views
        kept = [None if c in self.displaced else keypoints for c, keypoints in enumerate(views.keypoints)]
        for c, rotation in self.rotations.items():
            keypoints = kept[c]
            kept[c] = None if keypoints is None else unrotate_keypoints(keypoints, self._cameras[c], rotation)
        return replace(views, keypoints=tuple(kept))

    def warm_up(self) -> None:
        """Compile or load the kernels."""
        nothing = Views(0, TimeNs(0), (None,) * len(self._rig.R))
        rays = pack(nothing, self._rig, 1, np.ones((1, 2)), np.array([0.0, 1.0]))
        rotation_normal_equations(np.empty((0, 1, 3)), np.empty((0, 1), dtype=bool), rays, self._rig)

    def update(self, rays: Rays, tracks: Tracks) -> None:
        """Take in one tick: everything that the cameras observed, and the tracks."""
        self._ticks += 1
        if self._ticks % self._every or not tracks.tracks or not len(rays.info):
            return  # tracks coast for some ticks without any detection
        xyz = np.stack([track.pose.xyz for track in tracks.tracks])
        known = np.stack([(track.pose.score > 0) & ~track.pose.filled for track in tracks.tracks])
        sample = rotation_normal_equations(xyz, known, rays, self._rig)
        self._window = sample if self._window is None else self._window.plus(sample)
        self._alive += rays.alive
        self._samples += 1
        if self._samples == WINDOW_SAMPLES:
            self._judge(self._window, (2 * self._alive > WINDOW_SAMPLES).tobytes())
            self._window, self._samples = None, 0
            self._alive[:] = 0

    def reinstate_camera(self, index: int) -> None:
        """Use this camera again and keep its earlier reference rotation."""
        self.displaced.pop(index, None)
        self.rotated.pop(index, None)
        self.rotations.pop(index, None)

    def _judge(self, window: RotationNormalEquations, alive: bytes) -> None:
        history = self._history.setdefault(alive, [])
        found = self._find_suspect(window, history)
        before, self._suspect = self._suspect, None
        if found is None:
            history.extend([*([before[2]] if before else []), window])
            if len(history) > MAX_WINDOWS:
                del history[1::2]
            return
        index, rotation = found
        angle = _image_shift(rotation, window, index)
        if before and before[0] == index:
            disagreement = _image_shift(rotation - before[1], window, index)
            if disagreement < MAX_DISAGREEMENT * angle:
                self._correct(index, (rotation + before[1]) / 2, angle)
                return
        if before:
            history.append(before[2])
        self._suspect = (index, rotation, window)

    def _correct(self, index: int, rotation: Float64[np.ndarray, " 3"], angle: float) -> None:
        if self._compensate:
            self.rotations[index] = self.rotations.get(index, np.zeros(3)) + rotation
            self.rotated[index] = float(np.linalg.norm(self.rotations[index]))
        elif angle > EXCLUSION_FACTOR * self.rotation_error_rad:
            self.displaced[index] = angle
        else:
            self.rotated[index] = angle
            self._history.clear()  # from now on this is the usual rotation

    def _find_suspect(
        self, window: RotationNormalEquations, history: list[RotationNormalEquations]
    ) -> tuple[int, Float64[np.ndarray, " 3"]] | None:
        """The one camera whose rotation explains what has changed, and that rotation."""
        known = np.array([one.joints >= MIN_JOINTS for one in [*history, window]])
        judged = np.flatnonzero((known[:-1].sum(axis=0) >= MIN_WINDOWS) & known[-1]).tolist()
        if len(judged) < 2:
            return None
        total = reduce(RotationNormalEquations.plus, history)
        usual = _lone_rotations(total)
        self.rotation_error_rad = float(np.median([_image_shift(usual[c], total, c) for c in judged]))
        if len(judged) <= MIN_OTHER_CAMERAS:
            return None
        drift = _lone_rotations(window) - usual
        explained = [drift[c] @ _diagonal_blocks(window)[c] @ drift[c] for c in judged]
        worst = judged[int(np.argmax(explained))]
        angle = _image_shift(drift[worst], window, worst)
        wandered = [
            _image_shift(_lone_rotations(one)[worst] - usual[worst], one, worst)
            for one in history
            if one.joints[worst] >= MIN_JOINTS
        ]
        if angle < max(MIN_ROTATION_RAD, DRIFT_FACTOR * float(np.quantile(wandered, DRIFT_QUANTILE, method="higher"))):
            return None
        for c in set(judged) - {worst}:
            induced = np.linalg.solve(_diagonal_blocks(window)[c], window.H[c, worst] @ drift[worst])
            if _image_shift(drift[c] - induced, window, c) > MAX_UNEXPLAINED * angle:
                return None
        return worst, drift[worst]


def _diagonal_blocks(equations: RotationNormalEquations) -> Float64[np.ndarray, "C 3 3"]:
    """Each camera's own block, regularised where little is seen of a rotation."""
    cameras = np.arange(len(equations.g))
    prior = np.maximum(equations.weight, 1.0) * NARROW_RAD**2
    return equations.H[cameras, cameras] + prior[:, None, None] * np.eye(3)


def _lone_rotations(equations: RotationNormalEquations) -> Float64[np.ndarray, "C 3"]:
    """The rotation of each camera if it alone rotates."""
    return np.linalg.solve(_diagonal_blocks(equations), equations.g[..., None])[..., 0]


def _image_shift(rotation: Float64[np.ndarray, " 3"], equations: RotationNormalEquations, camera: int) -> float:
    """How far a rotation shifts what a camera observed, rad (root mean square)."""
    return math.sqrt(rotation @ equations.shift[camera] @ rotation / equations.weight[camera])
