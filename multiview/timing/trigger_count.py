"""Counts of one trigger's pulses by cameras that began to count at different pulses, brought to one count.

A camera counts from the pulse at which it was armed, and does not count one that came while it was busy. Stamps are far
better than half the time between pulses, so they tell by how many pulses two cameras' counts differ.
"""

from __future__ import annotations

from typing import NamedTuple

from multiview.data import NS_PER_S

__all__ = ["TriggerCounts"]

CONTRADICTIONS = 3  # consecutive stamps that tell of another difference than the one in use
SILENT_NS = NS_PER_S  # after which another camera becomes the one that the others are compared with


class _Reference(NamedTuple):
    camera: str
    pulse: int  # in the common count
    time_ns: int


class _Shift:
    """What is added to one camera's count."""

    def __init__(self, boot_id: int) -> None:
        self.boot_id, self.pulses, self.settled, self.contradictions = boot_id, 0, False, 0

    def compare(self, wanted: int) -> None:
        """The first comparison settles it, several that contradict it change it."""
        self.contradictions = self.contradictions + 1 if wanted != self.pulses else 0
        if not self.settled or self.contradictions >= CONTRADICTIONS:
            self.pulses, self.settled, self.contradictions = wanted, True, 0


class TriggerCounts:
    """The common count is that of the first camera."""

    def __init__(self, rate_hz: float) -> None:
        """`rate_hz` is that of the pulses."""
        self._step_ns = NS_PER_S / rate_hz
        self._shifts: dict[str, _Shift] = {}
        self._reference: _Reference | None = None

    def common(self, camera: str, boot_id: int, count: int, time_ns: int | None) -> int:
        """The common count of a frame.

        Args:
            camera: That gave the frame.
            boot_id: Of its run, in which it counts.
            count: Its own.
            time_ns: When it was taken, on the clock of all; None where that is not known: its count is taken as it is.
        """
        shift = self._shifts.get(camera)
        if shift is None or shift.boot_id != boot_id:
            shift = self._shifts[camera] = _Shift(boot_id)
        if time_ns is None:
            return count + shift.pulses
        reference = self._reference
        if reference is None:
            shift.settled = True
        elif reference.camera != camera or not shift.settled:
            shift.compare(reference.pulse + round((time_ns - reference.time_ns) / self._step_ns) - count)
        common = count + shift.pulses
        if reference is None or reference.camera == camera or time_ns - reference.time_ns > SILENT_NS:
            self._reference = _Reference(camera, common, time_ns)
        return common
