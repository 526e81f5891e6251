"""Draws the pictures of docs/biomechanics.md: a synthetic walker whose joints are 5 mm off, filtered at 6 Hz.

python docs/make_biomechanics.py
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from multiview.biomechanics.contacts import find_contacts
from multiview.biomechanics.gait import analyse_gait
from multiview.biomechanics.measured_angles import measured_angles
from multiview.biomechanics.movement import movement
from multiview.body.skeleton import load_skeleton
from multiview.common.atomic_file import replacing
from multiview.drawing import gait as draw
from multiview.recordings.pose_table import Poses
from multiview.recordings.resample import ResampleOptions, resample_poses
from multiview.synthetic.anatomy import random_build
from multiview.synthetic.walker import Walker, walker_joints

FPS, SECONDS, SIGMA_M = 60.0, 6.0, 0.005
HERE = Path(__file__).parent


def recorded(sigma_m: float = SIGMA_M) -> Poses:
    """The walker's poses, with joints that are so far off in each axis, m."""
    rng = np.random.default_rng(2)
    joints = load_skeleton("halpe26").joints
    frame = np.arange(round(SECONDS * FPS))
    xyz = walker_joints(Walker(random_build(rng)), frame / FPS, joints)
    ones = np.ones(xyz.shape[:2])
    return Poses(
        frame=frame,
        time_ns=np.round(frame / FPS * 1e9).astype(np.int64),
        utc_ns=0 * frame,
        person=0 * frame,
        xyz=xyz + sigma_m * rng.normal(size=xyz.shape),
        cov=np.tile(sigma_m**2 * np.eye(3), (*xyz.shape[:2], 1, 1)),
        score=ones,
        views=4 * ones.astype(np.int64),
        filled=np.zeros(xyz.shape[:2], dtype=bool),
        joints=joints,
        skeleton="halpe26",
    )


def main() -> None:
    person = movement(resample_poses(recorded(), ResampleOptions(lowpass_hz=6.0)), 0)
    contacts = find_contacts(person)
    gait, angles = analyse_gait(person, contacts), measured_angles(person)
    pictures: dict[str, tuple[tuple[float, float], Callable[[Any], None]]] = {
        "gait_figures.png": ((10, 3.4), lambda figure: draw.figures(figure, person, contacts, gait)),
        "gait_angles.png": ((10, 10), lambda figure: draw.angle_curves(figure, person, gait, angles)),
    }
    for name, (size, drawing) in pictures.items():
        figure = Figure(figsize=size, dpi=80, layout="constrained")
        drawing(figure)
        with replacing(HERE / name) as temporary:
            figure.savefig(temporary, format="png")


if __name__ == "__main__":
    main()
