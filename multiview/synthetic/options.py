"""What a synthetic studio is like; every field can be set from a TOML file or the command line."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from multiview.cameras.camera import MAX_CAMERAS
from multiview.common.ranges import FrameRate, Seed, above, between

__all__ = ["Gesture", "StudioOptions"]

Gesture = Literal["clap", "cross", "behind"]

Count = Annotated[int, between(0, 100, "people")]
Metres = Annotated[float, between(0, 1000, "m")]
Pixels = Annotated[float, between(0, 10_000, "px")]
Milliseconds = Annotated[float, between(0, 1e7, "ms")]
Speed = Annotated[float, above(0, 20, "m/s")]
Side = Annotated[int, between(16, 16384, "px")]
Share = Annotated[float, Meta(ge=0, lt=1)]  # a whole one would leave nothing


class StudioOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A studio, its people, and all that goes wrong when cameras watch them.

    Shares are probabilities per detection, joint or frame. The defaults are a fair day: noise, occlusion and a few of
    everything; `perfect()` has none of it.
    """

    cameras: Annotated[int, between(1, MAX_CAMERAS, "cameras")] = 5
    """How many."""
    people: Count = 4
    """How many."""
    seconds: Annotated[float, above(0, 86_400, "s")] = 20.0
    """How long."""
    fps: FrameRate = 30.0
    """Frames per second of every camera."""
    seed: Seed = 0
    """Of all random numbers."""
    skeleton: str = "coco17"
    """Of the detectors."""

    layout: Literal["ring", "row"] = "ring"
    """Cameras in a ring around the floor, or in a row along one side."""
    size: tuple[Side, Side] = (1920, 1080)
    """Pictures, px."""
    area_m: Metres = 0.0
    """Side of the square that people move in; 0 chooses 2.5 + 0.8 sqrt(people)."""
    radius_m: Metres = 0.0
    """Of the ring, or distance of the row; 0 chooses 0.7 area + 2.2."""
    person_px: Annotated[float, above(0, 10_000, "px")] = 340.0
    """Height of a person of 1.7 m in the middle of the area, which sets the focal length."""
    distortion: bool = True
    """Whether lenses have barrel distortion."""

    pace_m_s: tuple[Speed, Speed] = (0.8, 1.4)
    """How fast people walk, m/s: each at their own pace between these."""
    only_walking: bool = False
    """Whether people walk all the time, and never stand, sit, reach or turn."""
    gestures: tuple[Gesture, ...] = ()
    """What people do with their arms, in turn: "clap", "cross" them before the chest, "behind" the back."""
    passing_m: Metres = 0.4
    """How close the axes of two bodies come when people pass."""
    leaving: Count = 0
    """How many people go out for three seconds and return."""

    sigma_px: Pixels = 4.0
    """Root mean square error of a coordinate of a visible joint; by joint, score and size it differs around this."""
    correlation: Share = 0.0
    """Of the error from one frame to the next, AR(1); 0 is white noise."""
    size_exponent: Annotated[float, between(0, 10)] = 0.5
    """How the error grows with the size of a person in the picture; 0 is not at all, 1 in proportion."""
    outliers: Share = 0.03
    """Share of joints found 50 to 200 px from where they are."""
    missing_joints: Share = 0.05
    """Share of joints not found, besides those hidden or outside the picture."""
    missed_people: Share = 0.02
    """Share of people not found."""
    swaps: Share = 0.01
    """Share of people whose left and right are swapped."""
    hand_swaps: Share = 0.0
    """Share of people whose hands are swapped, and nothing else, while they are near each other in the picture."""
    false_positives: Share = 0.05
    """False people as a share of true ones."""
    merged: Share = 0.02
    """Share of pairs of people close together in a picture of whom a part is taken for the other's."""
    occlusion: bool = True
    """Whether bodies hide what is behind them."""
    hidden_detected: Share = 0.5
    """Share of hidden joints that are found all the same, with a larger error and a lower score."""
    burst_frames: Annotated[int, between(1, 1_000_000, "frames")] = 3
    """How many frames a fault (outlier, missing joint, missed person, swap, false positive, merger) lasts."""

    frame_drops: Share = 0.0
    """Share of a camera's frames that never arrive."""
    phase_ms: Milliseconds = 0.0
    """Cameras that are not triggered together expose up to this long after the tick, each by its own constant."""
    clock_offset_ms: Milliseconds = 0.0
    """How far, at most, a camera's clock is ahead or behind."""
    clock_drift_ppm: Annotated[float, between(0, 100_000, "ppm")] = 0.0
    """How much, at most, a camera's clock runs fast or slow."""

    def perfect(self) -> StudioOptions:
        """The same studio and people, seen without any error; nothing is hidden.

        Returns:
            StudioOptions without noise, faults, occlusion or clocks of their own.
        """
        none = dict.fromkeys(
            (
                "sigma_px",
                "outliers",
                "missing_joints",
                "missed_people",
                "swaps",
                "hand_swaps",
                "false_positives",
                "merged",
                "frame_drops",
                "phase_ms",
            ),
            0.0,
        )
        return msgspec.structs.replace(self, occlusion=False, clock_offset_ms=0.0, clock_drift_ppm=0.0, **none)
