"""Places for people in protocols that have a fixed number of them: whoever has one keeps it until they are gone."""

from __future__ import annotations

from multiview.data import Tracks

__all__ = ["Places"]


class Places:
    """Gives the lowest free place to each newcomer; with all places taken, the rest wait in order of their number."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._taken: dict[int, int] = {}

    def of(self, tracks: Tracks) -> dict[int, int]:
        """The place of each person who has one."""
        present = sorted(track.person for track in tracks.tracks)
        self._taken = {person: place for person, place in self._taken.items() if person in present}
        for person in present:
            free = set(range(self.count)) - set(self._taken.values())
            if person not in self._taken and free:
                self._taken[person] = min(free)
        return dict(self._taken)
