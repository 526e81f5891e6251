"""Cameras and rigs: from metres in the world to pixels in a picture, and back to rays.

`R`, `t` are `cam_from_world`: `x_cam = R @ X_world + t`; camera axes are x right, y down, z forward. Pixel (0, 0) is
the centre of the top-left pixel. `K` and `dist` are in OpenCV's order.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float64

from multiview.data import NS_PER_S
from multiview.errors import ConfigError
from multiview.geometry.lens import COEFFICIENTS, LensModel, distort, distort_with_jacobian, largest_radius, undistort

__all__ = ["MAX_CAMERAS", "UNPLACED", "Camera", "Rig", "too_many_cameras"]

MAX_CAMERAS = 16  # of a rig
UNPLACED = "unplaced"  # the world of a rig of which only names and sizes are known


def too_many_cameras(count: int) -> str:
    """Why a rig cannot have so many cameras.

    Args:
        count: How many.

    Returns:
        A sentence; empty if it can.
    """
    return f"{count} cameras: there may be {MAX_CAMERAS} at most, so leave some out" if count > MAX_CAMERAS else ""


@dataclass(frozen=True, slots=True, eq=False)
class Camera:
    """One calibrated camera.

    Attributes:
        name: Unique in its rig.
        size: Width and height of the pictures, px.
        K: (3, 3) intrinsic matrix, px.
        dist: Distortion coefficients in OpenCV's order: 4, 5, 8, 12 or 14 for "pinhole", 4 for "fisheye".
        R: (3, 3) rotation cam_from_world.
        t: (3,) translation cam_from_world, m.
        model: "pinhole" (Brown's distortion) or "fisheye" (Kannala and Brandt 2006), as in OpenCV.
        time_offset_s: Added to this camera's stamps (s) to bring it in step with the others.
        largest_radius: Normalised distance from the axis beyond which no point has an image; inf where the lens has no
            such limit.

    Raises:
        ValueError: An array has the wrong shape, or the model is unknown.
    """

    name: str
    size: tuple[int, int]
    K: Float64[np.ndarray, "3 3"]
    dist: Float64[np.ndarray, " n"]
    R: Float64[np.ndarray, "3 3"]
    t: Float64[np.ndarray, " 3"]
    model: LensModel = "pinhole"
    time_offset_s: float = 0.0
    largest_radius: float = field(init=False, repr=False)  # normalised; no point further from the axis has an image
    _K_inverse: Float64[np.ndarray, "3 3"] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        for name, shape in (("K", (3, 3)), ("dist", None), ("R", (3, 3)), ("t", (3,))):
            array = np.array(getattr(self, name), dtype=np.float64)
            if shape is not None and array.shape != shape:
                raise ValueError(f"camera {self.name}: {name} has shape {array.shape}, not {shape}")
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        if self.model not in COEFFICIENTS or self.dist.shape not in [(n,) for n in COEFFICIENTS[self.model]]:
            raise ValueError(f"camera {self.name}: no model {self.model!r} with dist of shape {self.dist.shape}")
        object.__setattr__(self, "size", (int(self.size[0]), int(self.size[1])))
        object.__setattr__(self, "largest_radius", largest_radius(self.dist, self.model))
        object.__setattr__(self, "_K_inverse", np.linalg.inv(self.K))

    @property
    def centre(self) -> Float64[np.ndarray, " 3"]:
        """Where the camera is in the world, m."""
        return -self.R.T @ self.t

    @property
    def time_offset_ns(self) -> int:
        """`time_offset_s` to the nanosecond, as stamps are counted."""
        return round(self.time_offset_s * NS_PER_S)

    def project(self, points: Float64[np.ndarray, "*batch 3"]) -> Float64[np.ndarray, "*batch 2"]:
        """Pixels of points in the world, which may lie outside the picture.

        Args:
            points: (..., 3) m, world.

        Returns:
            (..., 2) px; NaN behind the camera and where the lens has no image.
        """
        return self._pixels(distort(self._ideal(points)[0], self.dist, self.model))

    def project_with_jacobian(
        self, points: Float64[np.ndarray, "*batch 3"]
    ) -> tuple[Float64[np.ndarray, "*batch 2"], Float64[np.ndarray, "*batch 2 3"]]:
        """`project`, and the derivative of the pixels by the points.

        Args:
            points: (..., 3) m, world.

        Returns:
            (..., 2) px and (..., 2, 3) px/m.
        """
        ideal, depth = self._ideal(points)
        distorted, by_ideal, _ = distort_with_jacobian(ideal, self.dist, self.model)
        # d (x / z, y / z) by the world = (R[:2] - ideal R[2]) / z
        by_point = (self.R[:2] - ideal[..., :, None] * self.R[2]) / depth[..., None, None]
        return self._pixels(distorted), self.K[:2, :2] @ by_ideal @ by_point

    def undistort(self, xy: Float64[np.ndarray, "*batch 2"]) -> Float64[np.ndarray, "*batch 2"]:
        """Normalised image coordinates (x / z, y / z in the camera, without distortion) of pixels.

        Args:
            xy: (..., 2) px.

        Returns:
            (..., 2), NaN where no ray reaches the pixel.
        """
        xy = np.asarray(xy, dtype=np.float64)
        distorted = xy @ self._K_inverse[:2, :2].T + self._K_inverse[:2, 2]
        return undistort(distorted, self.dist, self.model, self.largest_radius)

    def undistort_with_jacobian(
        self, xy: Float64[np.ndarray, "*batch 2"]
    ) -> tuple[Float64[np.ndarray, "*batch 2"], Float64[np.ndarray, "*batch 2 2"]]:
        """`undistort`, and its derivative by the pixels.

        Args:
            xy: (..., 2) px.

        Returns:
            (..., 2) and (..., 2, 2) 1/px.
        """
        ideal = self.undistort(xy)
        forward = self.K[:2, :2] @ distort_with_jacobian(ideal, self.dist, self.model)[1]
        return ideal, _inverse_2x2(forward)

    def rays(self, xy: Float64[np.ndarray, "*batch 2"]) -> Float64[np.ndarray, "*batch 3"]:
        """Directions in the world of the rays through pixels, from `centre`.

        Args:
            xy: (..., 2) px.

        Returns:
            (..., 3) unit vectors, NaN where no ray reaches the pixel.
        """
        ideal = self.undistort(xy)
        direction = ideal @ self.R[:2] + self.R[2]
        return direction / np.linalg.norm(direction, axis=-1, keepdims=True)

    def rays_with_jacobian(
        self, xy: Float64[np.ndarray, "*batch 2"]
    ) -> tuple[Float64[np.ndarray, "*batch 3"], Float64[np.ndarray, "*batch 3 2"]]:
        """`rays`, and their derivative by the pixels.

        Args:
            xy: (..., 2) px.

        Returns:
            (..., 3) unit vectors and (..., 3, 2) 1/px.
        """
        ideal, by_pixel = self.undistort_with_jacobian(xy)
        direction = ideal @ self.R[:2] + self.R[2]
        length = np.linalg.norm(direction, axis=-1)[..., None]
        ray = direction / length
        across = (self.R[:2].T - ray[..., :, None] * (ray @ self.R[:2].T)[..., None, :]) / length[..., None]
        return ray, across @ by_pixel

    def _ideal(
        self, points: Float64[np.ndarray, "*batch 3"]
    ) -> tuple[Float64[np.ndarray, "*batch 2"], Float64[np.ndarray, "*batch"]]:
        in_camera = np.asarray(points, dtype=np.float64) @ self.R.T + self.t
        depth = np.where(in_camera[..., 2] > 0, in_camera[..., 2], np.nan)
        ideal = in_camera[..., :2] / depth[..., None]
        if self.largest_radius < np.inf:
            outside = np.hypot(ideal[..., 0], ideal[..., 1]) > self.largest_radius
            ideal = np.where(outside[..., None], np.nan, ideal)
        return ideal, depth

    def _pixels(self, distorted: Float64[np.ndarray, "*batch 2"]) -> Float64[np.ndarray, "*batch 2"]:
        return distorted @ self.K[:2, :2].T + self.K[:2, 2]


@dataclass(frozen=True, slots=True, eq=False)
class Rig:
    """The cameras of a studio.

    Attributes:
        cameras: In the order of every array with one entry per camera.
        world: "camera" where the world is the first camera's frame, so that up is unknown; `UNPLACED` where nothing is
            known but names and sizes; else z is up.
    """

    cameras: tuple[Camera, ...]
    world: str = ""

    def __len__(self) -> int:
        return len(self.cameras)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(camera.name for camera in self.cameras)

    def index(self, name: str) -> int:
        """The place of a camera.

        Args:
            name: Its name.

        Returns:
            Its index in `cameras`.

        Raises:
            ConfigError: There is no camera of this name; the message lists those there are.
        """
        if name not in self.names:
            raise ConfigError(f"no camera {name!r} in the rig, which has {', '.join(self.names)}")
        return self.names.index(name)

    @property
    def calibration_hash(self) -> str:
        """16 hexadecimal digits that change with any number of the calibration, and with nothing else."""
        digest = hashlib.sha256()
        for camera in self.cameras:
            digest.update(f"{len(camera.name)}:{camera.name}{camera.size}{camera.model}{len(camera.dist)}".encode())
            for numbers in (camera.K, camera.dist, camera.R, camera.t, np.array([camera.time_offset_s])):
                digest.update((numbers + 0.0).astype("<f8").tobytes())  # + 0.0 makes -0.0 and 0.0 the same bytes
        return digest.hexdigest()[:16]


def _inverse_2x2(m: Float64[np.ndarray, "*batch 2 2"]) -> Float64[np.ndarray, "*batch 2 2"]:
    """Written out because numpy's raises on a singular matrix, and NaN rows are normal here."""
    a, b, c, d = m[..., 0, 0], m[..., 0, 1], m[..., 1, 0], m[..., 1, 1]
    adjugate = np.stack([np.stack([d, -b], axis=-1), np.stack([-c, a], axis=-1)], axis=-2)
    return adjugate / (a * d - b * c)[..., None, None]
