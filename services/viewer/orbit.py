"""A view of the room that turns on a turntable: the horizon stays level, and the mouse moves the point under it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from multiview.cameras.camera import Camera

__all__ = ["Orbit"]

_PITCH_LIMIT = np.deg2rad(89.5)


class Orbit:
    """A view of `target` (m) from `distance` m; `yaw` and `pitch` in rad, `fov` is the vertical field of view, rad.

    `level_from_world` rotates the world so that z is up; the identity where the world has a floor.
    """

    def __init__(
        self, target: Float64[np.ndarray, " 3"], distance: float, level_from_world: Float64[np.ndarray, "3 3"]
    ):
        self.target, self.distance = target, distance
        self.yaw, self.pitch, self.fov = np.deg2rad(-60.0), np.deg2rad(24.0), np.deg2rad(45.0)
        self.level_from_world = level_from_world
        self._camera: Camera | None = None
        self._home = (target.copy(), distance, self.yaw, self.pitch)

    @property
    def through(self) -> str:
        """The camera that is looked through, or nothing."""
        return self._camera.name if self._camera else ""

    def home(self) -> None:
        """Reset the view to the initial one."""
        target, self.distance, self.yaw, self.pitch = self._home
        self.target, self._camera = target.copy(), None

    def top(self) -> None:
        self._camera, self.pitch, self.yaw = None, _PITCH_LIMIT, np.deg2rad(-90.0)

    def front(self) -> None:
        self._camera, self.pitch, self.yaw = None, np.deg2rad(3.0), np.deg2rad(-90.0)

    def look_through(self, camera: Camera) -> None:
        """The picture of a calibrated camera, without its lens distortion."""
        self._camera = camera

    def turn(self, right_px: float, down_px: float) -> None:
        """Drag the room by so many pixels."""
        self._camera = None
        self.yaw -= 0.006 * right_px
        self.pitch = float(np.clip(self.pitch + 0.006 * down_px, -_PITCH_LIMIT, _PITCH_LIMIT))

    def pan(self, right_px: float, down_px: float, height_px: int) -> None:
        """Move the room under the mouse, exactly so at the target's depth."""
        self._camera = None
        metres = 2 * np.tan(self.fov / 2) * self.distance / max(height_px, 1)
        R = self.cam_from_world(height_px)[:3, :3]
        self.target = self.target - metres * (right_px * R[0] + down_px * R[1])

    def zoom(self, steps: float) -> None:
        """Nearer with positive steps, a tenth each."""
        self._camera = None
        self.distance = float(np.clip(self.distance * 0.9**steps, 0.3, 100.0))

    def approach(self, place: Float64[np.ndarray, " 3"], distance: float = 3.5) -> None:
        """Look at `place` from `distance` m at most."""
        self._camera, self.distance = None, min(self.distance, distance)
        self.follow(place, 1.0)

    def follow(self, place: Float64[np.ndarray, " 3"], share: float = 0.15) -> None:
        """Let the target glide towards `place`."""
        if np.isfinite(place).all():
            self.target = self.target + share * (place - self.target)

    def cam_from_world(self, height_px: int) -> Float64[np.ndarray, "4 4"]:
        """The pose of the view, camera axes x right, y down, z forward."""
        pose = np.eye(4)
        if self._camera is not None:
            pose[:3, :3], pose[:3, 3] = self._camera.R, self._camera.t
            return pose
        cp, sp, cy, sy = np.cos(self.pitch), np.sin(self.pitch), np.cos(self.yaw), np.sin(self.yaw)
        forward = np.array([-cp * cy, -cp * sy, -sp])
        right = np.array([-sy, cy, 0.0])
        R = np.stack([right, np.cross(forward, right), forward]) @ self.level_from_world
        pose[:3, :3] = R
        pose[:3, 3] = [0.0, 0.0, self.distance] - R @ self.target
        return pose

    def focal_px(self, width_px: int, height_px: int) -> float:
        """Focal length of the view; a calibrated camera's whole picture fits into the window."""
        if self._camera is not None:
            width, height = self._camera.size
            return float(self._camera.K[1, 1] * min(width_px / width, height_px / height))
        return float(height_px / 2 / np.tan(self.fov / 2))
