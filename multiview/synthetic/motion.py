"""How a synthetic person moves: the posture of every part at every instant, from the path and what they do on it.

The gait follows the joint angles of level walking in Winter, Biomechanics and Motor Control of Human Movement (2009),
chapter 4, as sums of smooth bumps over the cycle; the phase advances with the distance walked.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from multiview.synthetic.anatomy import Build, Posture, joint_positions
from multiview.synthetic.gestures import with_gestures
from multiview.synthetic.hands import finger_rotations
from multiview.synthetic.options import Gesture
from multiview.synthetic.paths import Paths, smoothed

__all__ = ["posture_of"]

_FEET = ("left_heel", "left_big_toe", "right_heel", "right_big_toe")


def posture_of(
    paths: Paths,
    person: int,
    build: Build,
    fps: float,
    rng: np.random.Generator,
    fingers: bool = False,
    gestures: Sequence[Gesture] = (),
) -> Posture:
    """The posture of `person` along their path, feet on the floor; `fingers` move where they are asked for."""
    of_hands = rng.spawn(1)[0]  # whatever the hands do, the rest of the body does the same
    speed = paths.speed[person]
    walk = np.clip(speed / 0.5, 0, 1)
    walk = walk * walk * (3 - 2 * walk)
    step = 0.41 * build.height * np.sqrt(np.clip(speed, 0.2, None) / 1.3)
    phase = rng.uniform() + np.cumsum(np.where(walk > 0, speed, 0) / fps / (2 * step))
    rotation = _standing(len(speed), fps, rng)
    _add(rotation, _walking(phase, walk, step / build.height))
    _add(rotation, _sitting(paths.sit[person], fps))
    _add(rotation, _reaching(paths.reach[person], paths.reach_height[person]))
    matrices = {part: _euler(angles) for part, angles in rotation.items()}
    heading = _euler(np.stack([np.zeros_like(speed), np.zeros_like(speed), paths.heading[person]], axis=-1))
    matrices["pelvis"] = heading @ matrices["pelvis"]
    if fingers:
        matrices |= finger_rotations(len(speed), fps, of_hands)
    posture = Posture(np.zeros((len(speed), 3)), matrices)
    if gestures:
        posture = with_gestures(posture, build, gestures, person, fps, of_hands)
    return _on_the_floor(posture, paths.position[person], build, fps)


def _euler(angles: Float64[np.ndarray, "T 3"]) -> Float64[np.ndarray, "T 3 3"]:
    """Rotations from (bend forwards about y, lean about x, turn about z), rad: turn, then bend, then lean."""
    (cb, cl, ct), (sb, sl, st) = np.cos(angles.T), np.sin(angles.T)
    rows = [
        [ct * cb, ct * sb * sl - st * cl, ct * sb * cl + st * sl],
        [st * cb, st * sb * sl + ct * cl, st * sb * cl - ct * sl],
        [-sb, cb * sl, cb * cl],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def _add(angles: dict[str, np.ndarray], more: dict[str, np.ndarray]) -> None:
    for part, values in more.items():
        angles[part] = angles[part] + values


def _wander(rng: np.random.Generator, instants: int, seconds: float, fps: float, amplitude: float) -> np.ndarray:
    """A smooth random angle with a standard deviation of `amplitude` degrees that changes within `seconds`."""
    noise = smoothed(rng.normal(size=instants), seconds * fps, mode="wrap")
    return np.asarray(noise * (np.deg2rad(amplitude) * np.sqrt(2 * np.sqrt(np.pi) * seconds * fps)))


def _standing(instants: int, fps: float, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Arms a little out and bent; everything sways, the head looks about, the hands talk."""

    def angles(bend: float, lean: float, turn: float, amplitudes: tuple[float, float, float]) -> np.ndarray:
        mean = np.deg2rad([bend, lean, turn])
        sway = [_wander(rng, instants, 0.6, fps, amplitude) for amplitude in amplitudes]
        return np.asarray(mean + np.stack(sway, axis=-1))

    standing = {
        "pelvis": angles(2, 0, 0, (1, 1, 2)),
        "torso": angles(2, 0, 0, (3, 2, 4)),
        "head": angles(5, 0, 0, (6, 4, 18)),
    }
    for side, sign in (("left", 1), ("right", -1)):
        standing[f"{side}_upper_arm"] = angles(-5, sign * 9, 0, (7, 3, 8))
        standing[f"{side}_forearm"] = angles(-22, 0, 0, (9, 0, 12))
        standing[f"{side}_hand"] = angles(0, 0, 0, (8, 6, 0))
        standing[f"{side}_thigh"] = angles(-2, sign * 3, sign * 4, (1, 1, 2))
        standing[f"{side}_shank"] = angles(5, 0, 0, (1, 0, 0))
        standing[f"{side}_foot"] = angles(-3, -sign * 3, sign * 4, (0, 0, 0))
    return standing


def _bump(phase: np.ndarray, centre: float, width: float) -> np.ndarray:
    """A smooth bump of height 1 once in a cycle."""
    return np.asarray(np.exp((np.cos(2 * np.pi * (phase - centre)) - 1) / (2 * np.pi * width) ** 2))


def _hip(phase: np.ndarray) -> np.ndarray:
    """From 1 at heel strike to -1 just after half the cycle, and back."""
    part = phase % 1.0
    x = np.pi * np.where(part < 0.53, part / 0.53, 1 + (part - 0.53) / 0.47)
    return np.asarray((np.cos(x) + np.cos(3 * x) / 12) / (1 + 1 / 12))


def _walking(phase: np.ndarray, walk: np.ndarray, step: np.ndarray) -> dict[str, np.ndarray]:
    """Heel strike of the left foot at phase 0, of the right at 0.5; `step` as a fraction of the height."""
    swing = np.arcsin(np.clip(step / (2 * 0.49), 0, 0.6))

    def of(bend: np.ndarray, lean: np.ndarray | float = 0.0, turn: np.ndarray | float = 0.0) -> np.ndarray:
        zero = np.zeros_like(walk)
        return np.stack([bend * walk, (lean + zero) * walk, (turn + zero) * walk], axis=-1)

    cycle = 2 * np.pi * phase
    gait = {
        "pelvis": of(np.deg2rad(2) + 0 * walk, np.deg2rad(3) * np.sin(cycle), -np.deg2rad(5) * np.cos(cycle)),
        "torso": of(np.deg2rad(3) + 0 * walk, -np.deg2rad(3) * np.sin(cycle), np.deg2rad(9) * np.cos(cycle)),
        "head": of(-np.deg2rad(4) + 0 * walk, 0.0, -np.deg2rad(4) * np.cos(cycle)),
    }
    for side, offset in (("left", 0.0), ("right", 0.5)):
        own = phase + offset
        hip = np.deg2rad(6) + swing * _hip(own)
        knee = np.deg2rad(14) * _bump(own, 0.14, 0.05) + np.deg2rad(54) * _bump(own, 0.73, 0.085)
        ankle = -np.deg2rad(15) * _bump(own, 0.62, 0.05) + np.deg2rad(9) * _bump(own, 0.42, 0.09)
        arm = 0.85 * swing * np.cos(2 * np.pi * (own + 0.5))
        gait[f"{side}_thigh"] = of(-hip)
        gait[f"{side}_shank"] = of(knee)
        gait[f"{side}_foot"] = of(-ankle)
        gait[f"{side}_upper_arm"] = of(-arm)
        gait[f"{side}_forearm"] = of(-np.deg2rad(8) - 0.5 * np.clip(arm, 0, None))
    return gait


def _sitting(sit: np.ndarray, fps: float) -> dict[str, np.ndarray]:
    """Thighs level, shanks upright; the torso leans forward on the way down and up."""
    on_the_way = smoothed(np.abs(np.gradient(sit)) * fps / 1.4, 0.15 * fps, mode="reflect")
    zero = np.zeros_like(sit)

    def bend(angle: np.ndarray) -> np.ndarray:
        return np.stack([angle, zero, zero], axis=-1)

    posture = {"torso": bend(np.deg2rad(32) * on_the_way - np.deg2rad(4) * sit)}
    for side in ("left", "right"):
        posture[f"{side}_thigh"] = bend(-np.deg2rad(82) * sit)
        posture[f"{side}_shank"] = bend(np.deg2rad(86) * sit)
        posture[f"{side}_foot"] = bend(-np.deg2rad(4) * sit)
        posture[f"{side}_upper_arm"] = bend(-np.deg2rad(28) * sit)
        posture[f"{side}_forearm"] = bend(-np.deg2rad(35) * sit)
    return posture


def _reaching(reach: Float64[np.ndarray, "T 2"], height: Float64[np.ndarray, " T"]) -> dict[str, np.ndarray]:
    """One arm or both raised by `height` rad, the torso going with it."""
    zero = np.zeros(len(reach))
    both = reach.sum(axis=1)
    posture = {
        "torso": np.stack([np.deg2rad(7) * both, zero, np.deg2rad(14) * (reach[:, 1] - reach[:, 0])], axis=-1),
        "head": np.stack([np.deg2rad(-12) * np.clip(both, 0, 1) * (height - 1), zero, zero], axis=-1),
    }
    for column, (side, sign) in enumerate((("left", 1), ("right", -1))):
        raised = reach[:, column]
        posture[f"{side}_upper_arm"] = np.stack([-raised * height, sign * np.deg2rad(8) * raised, zero], axis=-1)
        posture[f"{side}_forearm"] = np.stack([np.deg2rad(12) * raised, zero, zero], axis=-1)
    return posture


def _on_the_floor(posture: Posture, position: Float64[np.ndarray, "T 2"], build: Build, fps: float) -> Posture:
    """Put the pelvis where the path says and as high as the feet want it."""
    feet = joint_positions(build, posture, _FEET)
    sharpness = 60.0  # 1/m; a soft minimum, so that no foot comes down with a jerk
    lowest = -np.log(np.exp(-sharpness * (feet[..., 2] + 1)).mean(axis=1)) / sharpness - 1
    height = smoothed(-lowest, 0.02 * fps)
    return Posture(np.column_stack([position, height]), posture.rotation)
