"""Slots for protocols with a fixed number of people: a track keeps its slot until it is deleted."""

from __future__ import annotations

from multiview.data import Tracks

__all__ = ["SlotAllocator"]


class SlotAllocator:
    """Assigns the lowest free slot to each new person; without a free slot, people wait in the order of their ids."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._assigned: dict[int, int] = {}

    def assign(self, tracks: Tracks) -> dict[int, int]:
        """The slot of each person that has one."""
        present = sorted(track.person for track in tracks.tracks)
        self._assigned = {person: slot for person, slot in self._assigned.items() if person in present}
        for person in present:
            free = set(range(self.count)) - set(self._assigned.values())
            if person not in self._assigned and free:
                self._assigned[person] = min(free)
        return dict(self._assigned)
