"""A face of 68 landmarks whose lids and lips are put where they are."""

from __future__ import annotations

import numpy as np

from multiview.body.skeleton import load_skeleton

JOINTS = load_skeleton("coco133").joints
_EYE_M, _MOUTH_M = 0.03, 0.045


def face(left: float = 1.0, right: float = 1.0, mouth: float = 0.0, open_eye: float = 0.30) -> np.ndarray:
    """(J, 3) m: how far eyes are open, as a share of an open eye; and the mouth, of its width; turned in the room."""
    xyz = np.full((len(JOINTS), 3), np.nan)

    def put(x: float, y: float, *landmarks: int) -> None:
        for i in landmarks:
            xyz[JOINTS.index(f"face_{i}")] = (x, 0.0, y)

    for corners, upper, lower, x, wide in (
        ((36, 39), (37, 38), (41, 40), -0.03, right),  # the person's right eye is the picture's left one
        ((42, 45), (43, 44), (47, 46), 0.03, left),
    ):
        half = wide * open_eye * _EYE_M / 2
        for corner, sign in zip(corners, (-1, 1), strict=True):
            put(x + sign * _EYE_M / 2, 0.0, corner)
        for (above, below), sign in zip(zip(upper, lower, strict=True), (-1, 1), strict=True):
            put(x + sign * 0.005, half, above)
            put(x + sign * 0.005, -half, below)
    for corner, sign in ((60, -1), (64, 1)):
        put(sign * _MOUTH_M / 2, -0.07, corner)
    for (above, below), x in (((61, 67), -0.01), ((62, 66), 0.0), ((63, 65), 0.01)):
        put(x, -0.07 + mouth * _MOUTH_M / 2, above)
        put(x, -0.07 - mouth * _MOUTH_M / 2, below)
    return xyz @ np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0].T + [1.0, 2.0, 1.6]
