"""What the cameras saw, with the lenses through which it is read: the input of every step after the tracklets."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int64

from calib.people.samples import CameraSamples, sample
from calib.people.tracklets import Tracklet
from multiview.cameras.camera import Camera
from multiview.geometry.bundle import Lens

__all__ = ["Scene", "lens_of", "scene_of", "with_lens"]

_GRID_HZ, _HALF_S, _STEP_S = 30.0, 0.1, 0.08


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """Stretches of people in every camera.

    Attributes:
        cameras: Names, sizes and lenses; their poses are not used.
        tracklets: Stretches of each, px.
        samples: The same on a grid of instants, as these lenses show them.
        joints: Names of the skeleton's joints.
        mirrored: Of the skeleton: exchanges left and right.
        grid: s between samples.
        half: s, half the window of the samples.
        step: s between the coefficients of the joints' curves.
    """

    cameras: tuple[Camera, ...]
    tracklets: list[list[Tracklet]]
    samples: list[CameraSamples]
    joints: tuple[str, ...]
    mirrored: Int64[np.ndarray, " J"]
    grid: float
    half: float
    step: float

    @property
    def lenses(self) -> tuple[Lens, ...]:
        """Of the cameras, as the bundle has them."""
        return tuple(map(lens_of, self.cameras))

    def again(self, lenses: tuple[Lens, ...], tracklets: list[list[Tracklet]]) -> Scene:
        """The same with better lenses and stretches."""
        cameras = tuple(with_lens(camera, lens) for camera, lens in zip(self.cameras, lenses, strict=True))
        samples = [sample(camera, own, self.grid, self.half) for camera, own in zip(cameras, tracklets, strict=True)]
        return replace(self, cameras=cameras, tracklets=tracklets, samples=samples)


def scene_of(
    cameras: list[Camera],
    tracklets: list[list[Tracklet]],
    joints: tuple[str, ...],
    mirrored: Int64[np.ndarray, " J"],
    fps: float,
) -> Scene:
    """The scene of recordings.

    Args:
        cameras: With their lenses.
        tracklets: Of each.
        joints: Names of the skeleton's joints.
        mirrored: Of the skeleton.
        fps: Frames per second of the slowest camera.

    Returns:
        The scene, on a grid as fine as the frames allow.
    """
    grid, half, step = max(1 / _GRID_HZ, 1 / fps), max(_HALF_S, 2.2 / fps), max(_STEP_S, 1.2 / fps)
    samples = [sample(camera, own, grid, half) for camera, own in zip(cameras, tracklets, strict=True)]
    return Scene(tuple(cameras), tracklets, samples, joints, mirrored, grid, half, step)


def lens_of(camera: Camera) -> Lens:
    """A camera's intrinsics as the bundle has them."""
    K = camera.K
    return Lens(np.array([K[0, 0], K[1, 1], K[0, 2], K[1, 2]]), np.array(camera.dist), camera.model)


def with_lens(camera: Camera, lens: Lens) -> Camera:
    """A camera with other intrinsics."""
    return replace(camera, K=lens.K, dist=lens.dist)
