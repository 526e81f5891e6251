"""Life cycle of tracks: initiated, confirmed, coasting, held, re-identified or deleted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np
from jaxtyping import Float64

from multiview.cameras.capture_volume import Volume
from multiview.common.ranges import between
from multiview.data import NS_PER_S
from multiview.fusion.state.body_model import Body
from multiview.fusion.state.track_state import People

__all__ = ["Identity", "Tracker", "TrackerOptions"]

STATIC_S = 1.0  # for which who has not moved at all may be a mannequin
MOVED_M = 0.1  # on average over the joints: people move as far within seconds, the noise of a mannequin does not


class TrackerOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When tracks are confirmed, held, recognised and deleted."""

    hold_s: Annotated[float, between(0, 1e6, "s")] = 5.0
    """s. How long an unobserved track is held, to be recognised on return."""
    coast_s: Annotated[float, between(0, 1e6, "s")] = 0.2
    """s. How long an unobserved track is still published."""
    confirmation_frames: Annotated[int, between(1, 1_000_000, "frames")] = 4
    """Frames that a track must be seen by two views before it is confirmed; three views confirm it at once."""
    min_joints: Annotated[int, between(1, 1024, "joints")] = 5
    """Joints that two views agree on, at least, for a track to be initiated."""
    duplicate_distance_m: Annotated[float, between(0, 200, "m")] = 0.15
    """m. Two tracks whose joints lie nearer on average are one person tracked twice."""
    max_walk_m_s: Annotated[float, between(0, 1000, "m/s")] = 2.5
    """m/s. Speed at which a person may have moved on while unobserved."""
    height_tolerance: Annotated[float, between(0, 10)] = 0.15
    """Relative difference of body size up to which a returning person is recognised."""


@dataclass(slots=True, eq=False)
class Identity:
    """The identity of one slot. `number` is 0 until the track is confirmed; times are ns on the tick's clock.

    `lost_ns` is the first tick since `observed_ns` in which no two views measured the track, 0 if there was none.
    `moved` is known only where the number of people is limited: a body that never moves gives way to one that does.
    """

    number: int
    observed_ns: int
    hits: int = 1
    held: bool = False
    confirmed_ns: int = 0
    lost_ns: int = 0
    moved: bool = False


class Tracker:
    """Initiates, confirms, holds, re-identifies and deletes tracks; `people` holds their joints."""

    def __init__(self, body: Body, options: TrackerOptions, volume: Volume = Volume()) -> None:  # noqa: B008  (frozen)
        self.body, self.options, self.volume = body, options, volume
        self.people = People(body)
        self.identities: dict[int, Identity] = {}  # by slot
        self._first: dict[int, Float64[np.ndarray, "K 3"]] = {}  # m; matching joints of each slot's track at its start
        self._other_side = np.arange(len(body.parent))
        self._other_side[body.pairs] = body.pairs[:, ::-1]
        self.next_number = 1

    def active(self) -> list[int]:
        """Slots of all tracks that are not held."""
        return [slot for slot, identity in self.identities.items() if not identity.held]

    def reserve(self, count: int) -> list[int]:
        """Free slots for tracks that may be initiated."""
        free = [slot for slot in range(self.people.slots) if slot not in self.identities]
        while len(free) < count:
            free += range(self.people.slots, 2 * self.people.slots)
            self.people.grow()
        return free[:count]

    def delete_expired(self, time_ns: int) -> None:
        """Delete tracks that were held too long, and unconfirmed ones that were not observed again."""
        hold = int(self.options.hold_s * NS_PER_S)
        coast = int(self.options.coast_s * NS_PER_S)
        for slot, identity in list(self.identities.items()):
            unobserved = time_ns - identity.observed_ns
            if unobserved > hold or (identity.number == 0 and unobserved > coast):
                del self.identities[slot]

    def initiate(self, slot: int, time_ns: int, views: int) -> bool:
        """Begin a track in `slot`, after its first fit, unless it is a duplicate or outside. Whether to publish it.

        Where a track was just lost whom it may be, that one's prediction was wrong: it goes on here at once.
        """
        torso = self.people.state.pos[slot, self.body.torso].mean(axis=0)
        lost = self._nearest(slot, time_ns, self._lost(time_ns), as_fast=True)
        if not self.volume.contains(torso) or self.is_duplicate(slot, lost):
            return False
        if lost is None and not self.has_room(time_ns):
            return False
        identity = self.identities[slot] = Identity(number=0, observed_ns=time_ns)
        self._first[slot] = self.people.state.pos[slot, self.body.matching_joints].copy()
        if lost is not None:
            self.people.keep_speed(lost, slot)
            self._go_on(lost, slot, time_ns)
        elif not self.is_full() and (views >= 3 or self.options.confirmation_frames <= 1):
            self._confirm(slot, time_ns)
        return identity.number > 0

    def _lost(self, time_ns: int) -> list[int]:
        """Slots of the confirmed tracks that are not observed, and were lost a moment ago at most."""
        since = time_ns - int(self.options.coast_s * NS_PER_S)
        return [
            slot for slot, one in self.identities.items() if one.number > 0 and one.lost_ns > 0 and one.lost_ns >= since
        ]

    def _confirm(self, slot: int, time_ns: int) -> None:
        """Give the track the number of the held one that it continues, or a new one."""
        held = self._nearest(slot, time_ns, [s for s, other in self.identities.items() if other.held and other.number])
        if held is not None:
            self._go_on(held, slot, time_ns)
            return
        identity = self.identities[slot]
        identity.confirmed_ns, identity.number = time_ns, self.next_number
        self.next_number += 1

    def _go_on(self, before: int, slot: int, time_ns: int) -> None:
        """The track in `slot` is the one that was in `before`."""
        identity = self.identities[slot]
        identity.confirmed_ns, identity.number = time_ns, self.identities.pop(before).number
        self.people.go_on(before, slot)

    def update(self, slot: int, time_ns: int, views: int, expected: int, refuted: bool = False) -> bool:
        """Account for a frame: `views` views measured the track, `expected` should have. Whether to publish it.

        It is `refuted` if detections were assigned to it in two views at least, of which no joint fitted.
        """
        identity = self.identities[slot]
        options = self.options
        if views >= 2:
            identity.observed_ns, identity.lost_ns = time_ns, 0
            identity.hits += 1
            if self.volume.max_people and not identity.moved:
                identity.moved = self._has_moved(slot)
            if identity.number == 0 and (views >= 3 or identity.hits >= options.confirmation_frames):
                if identity.moved and self.is_full():
                    self._replace_static(slot, time_ns)
                    return False  # the other one is still published in this frame
                if not self.is_full():
                    self._confirm(slot, time_ns)
            return identity.number > 0
        if views == 1 and expected < 4:
            identity.observed_ns = time_ns
            return identity.number > 0
        identity.lost_ns = identity.lost_ns or time_ns
        if time_ns - identity.observed_ns > options.coast_s * NS_PER_S or (views == 0 and (expected >= 3 or refuted)):
            identity.held = True
            return False
        return identity.number > 0

    def is_full(self) -> bool:
        """Whether no more tracks are confirmed, because the volume has its maximum number of people."""
        most = self.volume.max_people
        return 0 < most <= sum(identity.number > 0 and not identity.held for identity in self.identities.values())

    def has_room(self, time_ns: int) -> bool:
        """Whether a track may be initiated: if full, as long as one that never moved may give way to it."""
        return not self.is_full() or bool(self._static(time_ns))

    def _static(self, time_ns: int) -> list[int]:
        """Slots of the confirmed tracks that have not moved for longer than a moment: mannequins, posters."""
        since = time_ns - int(STATIC_S * NS_PER_S)
        known = (slot for slot in self.active() if self.identities[slot].number > 0)
        return [s for s in known if not self.identities[s].moved and self.identities[s].confirmed_ns <= since]

    def _has_moved(self, slot: int) -> bool:
        now = self.people.state.pos[slot, self.body.matching_joints]
        return bool(np.linalg.norm(now - self._first[slot], axis=-1).mean() > MOVED_M)

    def _replace_static(self, slot: int, time_ns: int) -> None:
        """Confirm the track in `slot` in place of a static one, if any; the frames before stay as they were."""
        for static in self._static(time_ns)[:1]:
            for one, moved in ((static, False), (slot, True)):
                was = self.identities[one]
                self.identities[one] = Identity(number=0, observed_ns=was.observed_ns, hits=was.hits, moved=moved)
            self._confirm(slot, time_ns)

    def is_duplicate(self, slot: int, lost: int | None = None) -> bool:
        """Whether the track in `slot` lies on another active one, be it with left and right exchanged, in part or all.

        The one that is `lost` does not count.

        Where cameras contradict each other about the sides, a pose may be a compromise of a body and its mirror image:
        no joint is near another's, but the middles between left and right agree, as those of two bodies never do.
        """
        others = [other for other in self.active() if other not in (slot, lost)]
        pos, matching = self.people.state.pos, self.body.matching_joints
        for joints in (matching, self._other_side[matching]):
            gaps = np.linalg.norm(pos[others][:, joints] - pos[slot, matching], axis=-1).mean(axis=-1)
            if (gaps < self.options.duplicate_distance_m).any():
                return True
        middle = (pos + pos[:, self._other_side]) / 2
        gaps = np.linalg.norm(middle[others][:, matching] - middle[slot, matching], axis=-1).mean(axis=-1)
        return bool((gaps < self.options.duplicate_distance_m / 2).any())

    def _nearest(self, slot: int, time_ns: int, others: list[int], as_fast: bool = False) -> int | None:
        """Of tracks that are not observed any more, the one that most likely continues in `slot`: near enough for the
        time since, of the same size. If they may be `as_fast` as they were, also near where they were seen last.
        """
        best, chosen = np.inf, None
        people, torso = self.people.state, self.body.torso
        here = people.pos[slot, torso].mean(axis=0)
        for other in others:
            unobserved_s = (time_ns - self.identities[other].observed_ns) / NS_PER_S
            ahead = people.vel[other, torso].mean(axis=0) * float(as_fast)
            reach = 0.5 + max(self.options.max_walk_m_s, float(np.linalg.norm(ahead))) * unobserved_s
            away = people.pos[other, torso].mean(axis=0) - here
            distance = min(float(np.linalg.norm(away - ahead * back_s)) for back_s in (0.0, unobserved_s)) / reach
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
