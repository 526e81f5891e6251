"""What every command that fuses recordings can be told: `fuse`, `process` and `batch` take the same options."""

from __future__ import annotations

import argparse
import math

import msgspec

from multiview.cameras.capture_volume import Volume
from multiview.errors import ConfigError

__all__ = ["FusionChoices", "fusion_choices"]

ANYWHERE = (-math.inf,) * 3 + (math.inf,) * 3


class FusionChoices(msgspec.Struct, frozen=True, kw_only=True):
    """Options of fusion, as `add_fusion` has them and as JSON can hold them; ConfigError where they are contradictory.

    Attributes:
        independent: Fuse every frame on its own.
        smooth: Correct each pose with the whole recording.
        refine_cameras: Correct the cameras from the people first.
        contacts: Keep feet still that stand on the floor.
        box: Two corners (m) of where people may appear; None: anywhere.
        max_people: At most so many at a time; 0: any number.
    """

    independent: bool = False
    smooth: bool = False
    refine_cameras: bool = False
    contacts: bool = True
    box: tuple[float, float, float, float, float, float] | None = None
    max_people: int = 0

    def __post_init__(self) -> None:
        if self.smooth and self.independent:
            raise ConfigError("--smooth and --independent exclude each other: choose one")
        self.volume()

    def volume(self) -> Volume:
        """Where people may appear, and how many.

        Returns:
            The volume.

        Raises:
            ConfigError: That is nowhere.
        """
        corners = self.box or ANYWHERE
        try:
            return Volume(corners[:3], corners[3:], self.max_people)
        except ValueError as error:
            raise ConfigError(f"--volume, --max-people: {error}") from None


def fusion_choices(args: argparse.Namespace) -> FusionChoices:
    """What was given of the options of `add_fusion`.

    Args:
        args: The arguments.

    Returns:
        The choices.

    Raises:
        ConfigError: Two exclude each other, or people may appear nowhere.
    """
    return FusionChoices(
        independent=args.independent,
        smooth=args.smooth,
        refine_cameras=args.refine_cameras,
        contacts=args.contacts,
        box=tuple(args.volume) if args.volume else None,
        max_people=args.max_people,
    )
