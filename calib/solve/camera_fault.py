"""What is wrong with a camera in a recording of the board, and when."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

__all__ = ["CameraFault", "Cause", "Findings"]

_SLIGHT_PX = 0.4  # what lenses and boards that are not quite as modelled, and shutters that roll, may cause as well


class Cause(Enum):
    """What is wrong with a camera."""

    CHANGED = "moved, turned, zoomed or trembling, or its times are wrong"
    FLIPPED = "its images are turned by much, or mirrored"
    HANGS = "it shows one picture on and on"
    REPEATS = "it shows pictures twice"
    COPY = "its pictures are those of another camera"


@dataclass(frozen=True, slots=True)
class CameraFault:
    """One camera that disagrees with the others for some time.

    Attributes:
        camera: Index among the calibration's cameras.
        start_between_s: Two views that enclose its change with near certainty, by the camera's own stamps; None: from
            the beginning.
        end_between_s: The same of when it was as before again; None: to the end.
        px: Typical disagreement, px.
        cause: What is wrong.
        share: Of the camera's views that lie in the span.
        alternative: Another camera that explains it as well, where there are too few to tell, or whose pictures they
            are; None otherwise.
        sure: More than one moment tells of it; else one picture that is wrong may be all there is.
    """

    camera: int
    start_between_s: tuple[float, float] | None
    end_between_s: tuple[float, float] | None
    px: float
    cause: Cause
    share: float
    alternative: int | None = None
    sure: bool = True

    @property
    def start_s(self) -> float | None:
        """The middle of what is known of its begin."""
        return None if self.start_between_s is None else sum(self.start_between_s) / 2

    @property
    def end_s(self) -> float | None:
        """The same of its end."""
        return None if self.end_between_s is None else sum(self.end_between_s) / 2

    @property
    def slight(self) -> bool:
        """No larger than what good recordings hold as well."""
        return self.cause is Cause.REPEATS or (self.cause is Cause.CHANGED and self.px < _SLIGHT_PX)

    @property
    def decisive(self) -> bool:
        """Whether it is enough to mistrust the rig."""
        return self.sure and not self.slight


@dataclass(frozen=True, slots=True)
class Findings:
    """What is wrong with a recording.

    Attributes:
        faults: Of cameras, the worst first.
        same_print: The board seems to bear one print on both sides: cameras before and behind it contradict each other.
    """

    faults: tuple[CameraFault, ...] = ()
    same_print: bool = False
