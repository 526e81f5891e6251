"""What the arms of synthetic people do besides swinging: clap, cross before the chest, meet behind the back.

A gesture says where the wrists go in the torso's frame, as fractions of the body height, and how the hands are held
there; the elbow follows, on the side where it was. Nothing changes while no gesture is on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from multiview.synthetic.anatomy import Build, Posture, arm_offsets
from multiview.synthetic.options import Gesture
from multiview.synthetic.paths import smoothed

__all__ = ["with_gestures"]

_PAUSE_S, _HELD_S, _CHANGE_S = 1.0, 2.0, 0.12
_CLAPS_HZ, _CLAP_REACH, _IMPACT_S = 1.6, 0.06, 0.02

Vector = tuple[float, float, float]


class _Hold(NamedTuple):
    """Of the left arm: wrist, elbow's side, where the fingers point and where the back of the hand looks."""

    wrist: Vector
    elbow: Vector
    fingers: Vector
    back: Vector


_HOLDS: dict[str, tuple[_Hold, _Hold]] = {  # of the left arm and of the right one, the latter mirrored
    "clap": (_Hold((0.20, 0.016, 0.13), (0.02, 0.2, 0.05), (0.9, 0.0, 0.5), (0.0, 1.0, 0.0)),) * 2,
    "cross": (
        _Hold((0.125, -0.07, 0.125), (0.06, 0.2, 0.05), (-0.1, -1.0, 0.2), (1.0, -0.1, 0.2)),
        _Hold((0.09, -0.06, 0.10), (0.06, 0.2, 0.05), (-0.1, -1.0, 0.2), (1.0, -0.1, 0.2)),
    ),
    "behind": (
        _Hold((-0.10, -0.005, -0.02), (-0.12, 0.2, 0.06), (-0.1, -0.8, -0.5), (1.0, 0.0, 0.0)),
        _Hold((-0.125, -0.01, 0.0), (-0.12, 0.2, 0.06), (-0.1, -0.8, -0.5), (1.0, 0.0, 0.0)),
    ),
}


def with_gestures(
    posture: Posture, build: Build, gestures: Sequence[Gesture], first: int, fps: float, rng: np.random.Generator
) -> Posture:
    """The posture with these gestures in turn, from the `first` on, each held for two seconds."""
    clock = np.arange(len(posture.pelvis)) / fps + rng.uniform(0, _PAUSE_S)
    period = _PAUSE_S + _HELD_S
    which = (np.floor(clock / period).astype(int) + first) % len(gestures)
    on = smoothed((clock % period >= _PAUSE_S).astype(np.float64), _CHANGE_S * fps)[:, None]
    clapping = smoothed((np.array(gestures)[which] == "clap").astype(np.float64), _CHANGE_S * fps)
    apart = _CLAP_REACH * clapping * smoothed(np.abs(np.sin(np.pi * _CLAPS_HZ * clock)), _IMPACT_S * fps)
    rotation = dict(posture.rotation)
    for column, (side, sign) in enumerate((("left", 1.0), ("right", -1.0))):
        holds = np.array([_HOLDS[name][column] for name in gestures])
        holds[:, :, 1] *= sign
        hold = smoothed(holds[which], _CHANGE_S * fps, axis=0)
        hold[:, 0, 1] += sign * apart
        rotation |= _arm(posture, build, side, hold, on)
    return Posture(posture.pelvis, rotation)


def _arm(
    posture: Posture, build: Build, side: str, hold: Float64[np.ndarray, "T 4 3"], on: Float64[np.ndarray, "T 1"]
) -> dict[str, Float64[np.ndarray, "T 3 3"]]:
    """The rotations of an arm that is on its way, by the share `on`, from its posture to a hold."""
    from scipy.spatial.transform import Rotation  # slow to import, and most people make no gestures

    sign = 1.0 if side == "left" else -1.0
    shoulder, to_elbow, to_wrist = arm_offsets(build, side)
    upper = posture.rotation[f"{side}_upper_arm"]
    fore = upper @ posture.rotation[f"{side}_forearm"]
    hand = fore @ posture.rotation[f"{side}_hand"]
    elbow = shoulder + upper @ to_elbow
    wrist = elbow + fore @ to_wrist
    wrist = wrist + on * (build.height * hold[:, 0] - wrist)
    elbow = elbow + on * (build.height * hold[:, 1] - elbow)
    elbow, wrist = _reached(shoulder, elbow, wrist, float(np.linalg.norm(to_elbow)), float(np.linalg.norm(to_wrist)))
    held = _frame(hold[:, 2], sign * hold[:, 3])
    hinge = np.cross(wrist - elbow, elbow - shoulder)
    hinge /= np.linalg.norm(hinge, axis=1, keepdims=True)
    new_upper = _frame(elbow - shoulder, upper[:, :, 1] + on * (hinge - upper[:, :, 1]))
    new_fore = _frame(wrist - elbow, fore[:, :, 1] + on * (held[:, :, 1] - fore[:, :, 1]))
    turn = Rotation.from_matrix(hand.swapaxes(1, 2) @ held).as_rotvec()
    new_hand = hand @ Rotation.from_rotvec(on * turn).as_matrix()
    return {
        f"{side}_upper_arm": new_upper,
        f"{side}_forearm": new_upper.swapaxes(1, 2) @ new_fore,
        f"{side}_hand": new_fore.swapaxes(1, 2) @ new_hand,
    }


def _reached(
    shoulder: Float64[np.ndarray, " 3"],
    elbow: Float64[np.ndarray, "T 3"],
    wrist: Float64[np.ndarray, "T 3"],
    upper_m: float,
    fore_m: float,
) -> tuple[Float64[np.ndarray, "T 3"], Float64[np.ndarray, "T 3"]]:
    """Elbow and wrist with an arm's lengths, as near as can be to those that are wished."""
    way = wrist - shoulder
    wished = np.linalg.norm(way, axis=1, keepdims=True)
    distance = np.clip(wished, abs(upper_m - fore_m) + 1e-3, upper_m + fore_m - 1e-6)
    way = way / wished
    along = (upper_m**2 - fore_m**2 + distance**2) / (2 * distance)
    out = elbow - shoulder
    out = out - np.sum(out * way, axis=1, keepdims=True) * way
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    reached = shoulder + along * way + np.sqrt(np.maximum(upper_m**2 - along**2, 0.0)) * out
    return reached, shoulder + distance * way


def _frame(down: Float64[np.ndarray, "T 3"], left: Float64[np.ndarray, "T 3"]) -> Float64[np.ndarray, "T 3 3"]:
    """Axes of a part that hangs along `down`, its y as near to `left` as that allows."""
    z = -down / np.linalg.norm(down, axis=1, keepdims=True)
    y = left - np.sum(left * z, axis=1, keepdims=True) * z
    y /= np.linalg.norm(y, axis=1, keepdims=True)
    return np.stack([np.cross(y, z), y, z], axis=-1)
