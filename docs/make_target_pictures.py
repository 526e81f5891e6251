"""Writes docs/targets.png, what calibration uses and what is found of it: `python docs/make_target_pictures.py`."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from calib.board.board import Board
from calib.board.chessboard import Chessboard
from calib.board.circles import Circles
from calib.board.markers import Markers
from calib.board.target import Target, finder_of
from multiview.cameras.camera import Camera
from multiview.geometry.rigid import rotation_from_vector
from multiview.synthetic.board import paint

WIDTH, HEIGHT = 420, 320
CAMERA = Camera(
    "a", (WIDTH, HEIGHT), np.array([[420.0, 0, 210], [0, 420, 160], [0, 0, 1]]), np.zeros(5), np.eye(3), np.zeros(3)
)
GREEN = (60, 160, 30)


def main() -> None:
    """Four panels, one beside the other."""
    panels = [board(Board((7, 5), 0.1, 0.075, "DICT_4X4_100", False, False)), board(Chessboard((8, 5), 0.09))]
    panels += [board(Circles((4, 9), 0.07)), box()]
    picture = np.concatenate([np.pad(panel, ((0, 0), (0, 6), (0, 0)), constant_values=255) for panel in panels], axis=1)
    cv2.imwrite(str(Path(__file__).parent / "targets.png"), picture, [cv2.IMWRITE_PNG_COMPRESSION, 9])


def board(target: Board | Chessboard | Circles) -> np.ndarray:
    """A board held at a slant."""
    R = rotation_from_vector(np.array([0.25, -0.45, 0.1]))
    t = np.array([0.0, 0.0, 1.0]) - R @ (np.array([*target.size, 0.0]) / 2)
    return found(target, [(target.picture(80), target.size[0], R, t)])


def box() -> np.ndarray:
    """A box with a marker on each side."""
    family = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_APRILTAG_36h11)
    markers = Markers("DICT_APRILTAG_36h11", 0.3, (0, 1, 2))
    turn = rotation_from_vector(np.array([-0.5, 0.0, 0.0])) @ rotation_from_vector(np.array([0.0, 0.7, 0.0]))
    sides = (
        [0.0, 0.0, 0.0],
        [0.0, -np.pi / 2, 0.0],
        [np.pi / 2, 0.0, 0.0],
        [-np.pi / 2, 0.0, 0.0],
        [0.0, np.pi / 2, 0.0],
    )
    prints = []
    for i, side in enumerate(sides):
        R = turn @ rotation_from_vector(np.array(side))
        middle = np.array([0.0, 0.0, 1.4]) + R @ [0.0, 0.0, -0.2]
        texture = np.pad(family.generateImageMarker(i, 160), 20, constant_values=255)
        prints.append((texture, 0.375, R, middle - R @ [0.1875, 0.1875, 0.0]))
    prints.sort(key=lambda one: -float(np.linalg.norm(one[3] + one[2] @ [0.1875, 0.1875, 0.0])))
    return found(Markers(markers.dictionary, 0.3, tuple(range(5))), prints)


def found(target: Target, prints: list[tuple[np.ndarray, float, np.ndarray, np.ndarray]]) -> np.ndarray:
    """A picture of prints, with the points that are found in it."""
    grey = np.full((HEIGHT, WIDTH), 150.0, np.float32)
    for texture, width, R, t in prints:
        painted = paint(CAMERA, texture, width, R, t, np.nan)
        if painted is not None:
            (x0, y0, x1, y1), patch = painted
            grey[y0:y1, x0:x1] = np.where(np.isnan(patch), grey[y0:y1, x0:x1], patch)
    picture = np.clip(np.rint(cv2.GaussianBlur(grey, (0, 0), 0.7)), 0, 255).astype(np.uint8)
    shown = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR)
    for x, y in np.rint(16 * finder_of(target).find(picture).xy).astype(int).tolist():
        cv2.circle(shown, (x, y), 5 * 16, GREEN, 2, cv2.LINE_AA, 4)
    return np.asarray(shown)


if __name__ == "__main__":
    main()
