"""Somebody who shows a calibration board to the cameras of a simulated studio, as each camera sees it at any time.

Again and again: the board lies on the floor, then it is held here and there where two cameras see it, and in turn close
to each camera.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float64, UInt8

from multiview.cameras.camera import Camera, Rig
from multiview.geometry.rigid import rotation_from_vector
from multiview.synthetic.board import paint

__all__ = ["BoardShow"]

FLOOR_S, REST_S = 4.0, 0.2  # how long the board lies on the floor, and rests at every other place
SETTLED_S = 1.0  # from when on it is said to lie there, for whoever looks at frames that were written a moment ago
BETWEEN, EVERY = 40, 4  # places between cameras before all is repeated; after so many it is shown to one alone
BACKGROUND, NOISE = 118.0, 2.0  # grey levels
STEP = 8  # px between rays
TEXELS = 2000  # of a print's width; more would be averaged for every picture anew


class BoardShow:
    """Pictures of a board in a studio.

    Args:
        rig: The cameras as they are.
        texture: The board's print, grey; None where there is none to be shown.
        width_m: How wide it is.
        seed: Of the places.
    """

    def __init__(self, rig: Rig, texture: UInt8[np.ndarray, "H W"] | None, width_m: float, seed: int = 0) -> None:
        self._texture, self._width_m = _shrunk(texture), width_m
        height, width = (1, 1) if texture is None else texture.shape
        self._seen: dict[str, tuple[int, UInt8[np.ndarray, "H W 3"]]] = {}  # by each camera, at which place
        self._half = np.array([width_m, width_m * height / width, 0.0]) / 2
        rng = np.random.default_rng((seed, 7))
        self._places = []
        for i in range(BETWEEN):
            self._places.append(self._between(rig, i, rng))
            if i % EVERY == EVERY - 1:
                self._places.append(self._shown_to(rig.cameras[i // EVERY % len(rig)], rng))
        near = np.array([*0.5 * _neighbours(rig, 0)[:2], 0.0])  # where two cameras see more than an edge of it
        self._floor = self._centred(np.diag([1.0, -1.0, -1.0]), near)
        shape = [camera.size[::-1] for camera in rig.cameras]
        self._backgrounds = {
            camera.name: _grey(BACKGROUND + NOISE * rng.standard_normal(shape[i], dtype=np.float32))
            for i, camera in enumerate(rig.cameras)
        }
        self._rng = rng

    def on_floor(self, time_s: float) -> bool:
        """Whether the board lies on the floor at a time, and has for a while."""
        return self._texture is not None and SETTLED_S <= time_s % self.period_s < FLOOR_S

    @property
    def period_s(self) -> float:
        """After which all is repeated, s."""
        return FLOOR_S + REST_S * len(self._places)

    def place(self, time_s: float) -> tuple[Float64[np.ndarray, "3 3"], Float64[np.ndarray, " 3"]]:
        """world_from_board at a time; the board's origin is the top left corner of its print."""
        number = self._number(time_s)
        return self._floor if number < 0 else self._places[number]

    def _number(self, time_s: float) -> int:
        """Of the place at a time; -1 on the floor."""
        time_s %= self.period_s
        return -1 if time_s < FLOOR_S else int((time_s - FLOOR_S) / REST_S + 1e-6) % len(self._places)

    def picture(self, camera: Camera, time_s: float) -> UInt8[np.ndarray, "H W 3"]:
        """What a camera sees at a time, BGR; as long as the board rests, it is the same picture."""
        number = self._number(time_s)
        before, picture = self._seen.get(camera.name, (None, None))
        if picture is None or before != number:
            picture = self._picture(camera, time_s)
            self._seen[camera.name] = (number, picture)
        return picture

    def _picture(self, camera: Camera, time_s: float) -> UInt8[np.ndarray, "H W 3"]:
        grey = self._backgrounds[camera.name]
        texture, (R, t) = self._texture, self.place(time_s)
        painted = None if texture is None else paint(camera, texture, self._width_m, R, t, BACKGROUND, 2, STEP)
        if painted is not None:
            (x0, y0, x1, y1), patch = painted
            patch = cv2.GaussianBlur(patch, (0, 0), 0.7)
            noisy = patch + NOISE * self._rng.standard_normal(patch.shape, dtype=np.float32)
            grey = grey.copy()
            grey[y0:y1, x0:x1] = _grey(noisy)
        return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)

    def _centred(self, R: np.ndarray, middle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return R, middle - R @ self._half

    def _between(self, rig: Rig, number: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Before two neighbours, turned to where both see it, but for a tilt."""
        between = _neighbours(rig, number)
        middle = np.array([*rng.uniform(0.1, 0.5) * between[:2], rng.uniform(0.7, 1.5)]) + rng.normal(0, [0.2, 0.2, 0])
        facing = _facing(between - middle) @ rotation_from_vector(rng.normal(0, [0.15, 0.15, 0.4]))
        return self._centred(facing, middle)

    def _shown_to(self, camera: Camera, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Anywhere in a camera's picture, near enough to fill a third of it, turned to it but for a tilt."""
        width, height = camera.size
        ray = camera.rays(np.array([rng.uniform(0.12, 0.88) * width, rng.uniform(0.15, 0.85) * height]))
        facing = camera.R.T @ rotation_from_vector(rng.normal(0, [0.35, 0.35, 0.2]))
        far = 3 * 2 * self._half[0] * camera.K[0, 0] / width
        return self._centred(facing, camera.centre + ray * rng.uniform(0.8, 1.3) * far)


def _neighbours(rig: Rig, number: int) -> Float64[np.ndarray, " 3"]:
    """Half-way between a camera and the next one around the middle."""
    around = sorted((camera.centre for camera in rig.cameras), key=lambda place: float(np.arctan2(place[1], place[0])))
    return np.asarray(around[number % len(rig)] + around[(number + 1) % len(rig)]) / 2


def _facing(towards: Float64[np.ndarray, " 3"]) -> Float64[np.ndarray, "3 3"]:
    """world_from_board of a board held level whose face looks along `towards`."""
    away = -towards / np.linalg.norm(towards)
    right = np.cross(away, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(away, right), away], axis=1)


def _shrunk(texture: UInt8[np.ndarray, "H W"] | None) -> UInt8[np.ndarray, "h w"] | None:
    """A print no finer than the pictures, which show it over half of their width at most."""
    if texture is None or texture.shape[1] <= TEXELS:
        return texture
    size = TEXELS, round(texture.shape[0] * TEXELS / texture.shape[1])
    return np.asarray(cv2.resize(texture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _grey(picture: np.ndarray) -> UInt8[np.ndarray, "H W"]:
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)
