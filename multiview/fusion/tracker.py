"""Identities: who is born, who is held while nobody sees them, who returns, and who was never there."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np

from multiview.cameras.capture_volume import Volume
from multiview.data import NS_PER_S
from multiview.fusion.state.body_model import Body
from multiview.fusion.state.track_state import People

__all__ = ["Identity", "Tracker", "TrackerOptions"]


class TrackerOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When tracks are confirmed, held, recognised and deleted."""

    hold_s: float = 5.0
    """s. How long an unobserved track is held, to be recognised on return."""
    coast_s: float = 0.2
    """s. How long an unobserved track is still published."""
    confirmation_frames: int = 4
    """Frames that a track must be seen by two views before it is confirmed; three views confirm it at once."""
    min_joints: int = 5
    """Joints that two views agree on, at least, for a track to be initiated."""
    duplicate_distance_m: float = 0.15
    """m. Two tracks whose joints lie nearer on average are one person tracked twice."""
    max_walk_m_s: float = 2.5
    """m/s. Speed at which a person may have moved on while unobserved."""
    height_tolerance: float = 0.15
    """Relative difference of body size up to which a returning person is recognised."""


@dataclass(slots=True, eq=False)
class Identity:
    """One slot's person. `number` is 0 until they are believed in; times are ns on the tick's clock."""

    number: int
    seen_ns: int
    hits: int = 1
    held: bool = False
    believed_ns: int = 0


class Tracker:
    """Keeps who is who; `people` holds their joints."""

    def __init__(self, body: Body, options: TrackerOptions, volume: Volume = Volume()) -> None:  # noqa: B008  (frozen)
        self.body, self.options, self.volume = body, options, volume
        self.people = People(body)
        self.identities: dict[int, Identity] = {}  # by slot
        self.next_number = 1

    def active(self) -> list[int]:
        """Slots of everyone who is not merely held."""
        return [slot for slot, who in self.identities.items() if not who.held]

    def reserve(self, count: int) -> list[int]:
        """Free slots for people who may be born."""
        free = [slot for slot in range(self.people.slots) if slot not in self.identities]
        while len(free) < count:
            free += range(self.people.slots, 2 * self.people.slots)
            self.people.grow()
        return free[:count]

    def forget(self, time_ns: int) -> None:
        """Let go of those who were held too long, and of those not yet believed in whom nobody saw again."""
        hold = int(self.options.hold_s * NS_PER_S)
        coast = int(self.options.coast_s * NS_PER_S)
        for slot, who in list(self.identities.items()):
            away = time_ns - who.seen_ns
            if away > hold or (who.number == 0 and away > coast):
                del self.identities[slot]

    def born(self, slot: int, time_ns: int, views: int) -> bool:
        """Someone stands in `slot` whom nobody predicted, after their first fit; whether to publish them."""
        torso = self.people.state.pos[slot, self.body.torso].mean(axis=0)
        if self.full() or not self.volume.contains(torso) or self.duplicate(slot):
            return False
        who = self.identities[slot] = Identity(number=0, seen_ns=time_ns)
        if views >= 3 or self.options.confirmation_frames <= 1:
            self._believe(slot, time_ns)
        return who.number > 0

    def _believe(self, slot: int, time_ns: int) -> None:
        """Someone is there: give them the number of the held person whom they are, or a new one."""
        who = self.identities[slot]
        who.believed_ns = time_ns
        returned = self._recognise(slot, time_ns)
        if returned is None:
            who.number = self.next_number
            self.next_number += 1
        else:
            who.number = self.identities.pop(returned).number
            self.people.remember_bones(returned, slot)

    def seen(self, slot: int, time_ns: int, views: int, expected: int) -> bool:
        """Account for a frame: `views` views measured the person, `expected` should have. Whether to publish them."""
        who = self.identities[slot]
        options = self.options
        if views >= 2:
            who.seen_ns = time_ns
            who.hits += 1
            if who.number == 0 and not self.full() and (views >= 3 or who.hits >= options.confirmation_frames):
                self._believe(slot, time_ns)
            return who.number > 0
        if views == 1 and expected < 4:
            who.seen_ns = time_ns
            return who.number > 0
        if time_ns - who.seen_ns > options.coast_s * NS_PER_S or (views == 0 and expected >= 3):
            who.held = True
            return False
        return who.number > 0

    def full(self) -> bool:
        """Whether nobody more is believed in: as many are there as may be."""
        most = self.volume.max_people
        return 0 < most <= sum(who.number > 0 and not who.held for who in self.identities.values())

    def duplicate(self, slot: int) -> bool:
        """Whether the person in `slot` stands in another active one."""
        others = [other for other in self.active() if other != slot]
        joints = self.people.state.pos[:, self.body.matching_joints]
        gaps = np.sqrt(((joints[others] - joints[slot]) ** 2).sum(axis=-1)).mean(axis=-1)
        return bool((gaps < self.options.duplicate_distance_m).any())

    def _recognise(self, slot: int, time_ns: int) -> int | None:
        """The held person who most likely is the newborn: near enough for the time away, of the same size."""
        best, chosen = np.inf, None
        people, torso = self.people.state, self.body.torso
        here = people.pos[slot, torso].mean(axis=0)
        for other, who in self.identities.items():
            if not who.held or who.number == 0:
                continue
            away = (time_ns - who.seen_ns) / NS_PER_S
            reach = 0.5 + self.options.max_walk_m_s * away
            distance = float(np.linalg.norm(people.pos[other, torso].mean(axis=0) - here)) / reach
            bones = (people.length[slot] > 0.1) & (people.length[other] > 0.1)
            size = (
                float(np.log(people.length[slot, bones].sum() / people.length[other, bones].sum()))
                if bones.any()
                else 0.0
            )
            cost = distance * distance + (size / self.options.height_tolerance) ** 2
            if distance < 1.0 and abs(size) < self.options.height_tolerance and cost < best:
                best, chosen = cost, other
        return chosen
