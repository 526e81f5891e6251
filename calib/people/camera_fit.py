"""How well one camera of a rig from people is known."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CameraFit"]


@dataclass(frozen=True, slots=True)
class CameraFit:
    """How well one camera is known.

    Attributes:
        name: Its name.
        observations: Keypoints that the rig rests on.
        rejected: Keypoints that were rejected.
        median_px: Usual reprojection error.
        noise_px: Usual deviation of a keypoint's coordinate.
        used_share: Of the time in which it saw somebody, the share in which another camera agreed on who.
        turn_sigma_deg: Deviation of its orientation, after the best alignment of the rigs.
        place_sigma_mm: Deviation of its place, likewise.
        offset_s: Added to its stamps.
        offset_sigma_s: 0 for the first.
        drift_ppm: By how much the offset grows, in millionths; 0 where the recording is too short to tell.
        drift_sigma_ppm: 0 where it was not estimated.
        focal_sigma_px: 0 where the lens was known.
        lens: What was free of it, in words.
    """

    name: str
    observations: int
    rejected: int
    median_px: float
    noise_px: float
    used_share: float
    turn_sigma_deg: float
    place_sigma_mm: float
    offset_s: float
    offset_sigma_s: float
    drift_ppm: float
    drift_sigma_ppm: float
    focal_sigma_px: float
    lens: str
