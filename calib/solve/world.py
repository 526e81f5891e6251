"""The world of a rig: its origin, axes and floor, from a board on the floor or from gravity."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64

from calib.board.target import Target, middles_of
from calib.board.wand import Wand
from calib.solve.solve import Calibration
from multiview.cameras.camera import Rig
from multiview.data import FrameNumber
from multiview.errors import CalibrationError, ConfigError

__all__ = ["World", "world_from_camera"]

_MIN_CORNERS = 4


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """`world_from_camera` (R, t) for the solved rig's first camera, and the name that the rig file bears."""

    R: Float64[np.ndarray, "3 3"]
    t: Float64[np.ndarray, " 3"]
    name: str

    def applied(self, rig: Rig) -> Rig:
        """The same rig in this world."""
        moved = (replace(c, R=c.R @ self.R.T, t=c.t - c.R @ self.R.T @ self.t) for c in rig.cameras)
        return Rig(tuple(moved), self.name)


def world_from_camera(
    calibration: Calibration,
    rig: Rig,
    board: Target,
    floor: FrameNumber | None,
    gravity: str | None,
    floor_camera: str | None = None,
) -> World:
    """World z up, from a frame with the board on the floor, or from gravity in one camera (CAM=X,Y,Z); else the first
    camera's axes. The floor's origin is the board's corner, x along its rows; gravity keeps the first camera's place,
    which looks along y. `floor` counts the frames of `floor_camera`, or of whichever has the board in it. Raises
    ConfigError, CalibrationError.
    """
    if floor is not None and gravity is not None:
        raise ConfigError("give --floor or --gravity, not both")
    if floor is not None and isinstance(board, Wand):
        raise ConfigError("--floor: a wand on the floor does not say which way is up; give --gravity, or neither")
    if floor is not None:
        camera = None if floor_camera is None else rig.index(floor_camera)
        return _on_floor(calibration, board, floor, camera)
    if gravity is not None:
        return _by_gravity(rig, gravity)
    return World(np.eye(3), np.zeros(3), "camera")


def _on_floor(calibration: Calibration, board: Target, frame: FrameNumber, camera: int | None) -> World:
    """By the first camera that shows the board in a frame of this number: numbers of other cameras may be of other
    times."""
    bundle = calibration.bundle
    shown = (bundle.weight > 0).sum(axis=1) >= _MIN_CORNERS
    if camera is not None:
        shown &= bundle.camera == camera
    views = np.flatnonzero(shown & (calibration.frame == frame))
    if not len(views):
        numbers = np.unique(calibration.frame[shown])
        near = numbers[np.abs(numbers - frame).argsort()[:3]]
        raise CalibrationError(
            f"no board was found in frame {frame}, as --floor says; the nearest with one are {sorted(near.tolist())}"
        )
    motion = bundle.motion(calibration.state, views[:1])
    R, t = motion.R[0], motion.t[0]
    # The board's z points into the floor; turn about x so that it points up. The bundle's board is centred.
    up_from_board = np.diag([1.0, -1.0, -1.0])
    first = int((calibration.row[views[0]] >= 0).argmax())  # of the points of this board
    origin = t - R @ middles_of(board)[first]
    world_R = up_from_board @ R.T
    return World(world_R, -world_R @ origin, "floor")


def _by_gravity(rig: Rig, text: str) -> World:
    try:
        name, numbers = text.rsplit("=", 1)
        down = np.array([float(n) for n in numbers.split(",")])
        if down.shape != (3,) or not np.linalg.norm(down) > 0:
            raise ValueError
    except ValueError:
        raise ConfigError(f"--gravity {text!r}: expected CAM=X,Y,Z, as in cam01=0.02,0.98,0.17") from None
    camera, first = rig.cameras[rig.index(name)], rig.cameras[0]
    up = -camera.R.T @ (down / np.linalg.norm(down))
    forward = first.R[2] - (first.R[2] @ up) * up
    if np.linalg.norm(forward) < 1e-3:  # it looks straight up or down: any heading will do
        forward = first.R[1] - (first.R[1] @ up) * up
    forward /= np.linalg.norm(forward)
    R = np.stack([np.cross(forward, up), forward, up])
    return World(R, -R @ first.centre, "gravity")
