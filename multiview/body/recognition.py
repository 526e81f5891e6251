"""Names for identities: who of the known actors each person in the room is, from their bone lengths over time.

A name stays with an identity, which the tracker keeps through crossings and short absences, until the lengths speak
clearly against it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import msgspec
import numpy as np
from jaxtyping import Float64

from multiview.body.actor import LENGTHS, Actor, lengths_of, probabilities
from multiview.body.skeleton import Skeleton
from multiview.data import Track, Tracks
from multiview.errors import ConfigError

__all__ = ["GIVE", "GivenNames", "Recogniser", "assign"]

GIVE, TAKE_BACK = 0.98, 0.5  # the probability from which a name is given, and below which it is taken back
_LOOK_S, _MEMORY_S = 0.5, 10.0
_FRAMES = 30
_MOST_GIVEN = 200  # names that are remembered


class Recogniser:
    """Sees every tick in order; its answers are a function of them alone."""

    def __init__(self, actors: Sequence[Actor], skeleton: Skeleton, rate_hz: float) -> None:
        """ConfigError if an actor was measured with another skeleton."""
        for actor in actors:
            if actor.skeleton != skeleton.name:
                raise ConfigError(
                    f"actor {actor.name} was measured with skeleton {actor.skeleton}, the studio's is {skeleton.name}: "
                    f"measure them again with `multiview actor {actor.name} TAKE`"
                )
        self._actors, self._joints = tuple(actors), skeleton.joints
        self._every = max(1, round(_LOOK_S * rate_hz))
        self._memory = max(_FRAMES, round(_MEMORY_S * rate_hz))
        self._seen: dict[int, deque[Float64[np.ndarray, " L"]]] = {}
        self._names: dict[int, str] = {}
        self._until_look = self._every
        self.shares: dict[int, Float64[np.ndarray, " A"]] = {}  # the last probabilities

    def named(self, tracks: Tracks) -> Tracks:
        """The same people, with the names of those who are known."""
        for track in tracks.tracks:
            xyz = np.where(track.pose.filled[:, None], np.nan, track.pose.xyz)
            seen = self._seen.setdefault(track.person, deque(maxlen=self._memory))
            seen.append(lengths_of(self._joints, xyz[None])[0])
        self._until_look -= 1
        if self._until_look <= 0:
            self._until_look = self._every
            self._look([track.person for track in tracks.tracks])
        people = (msgspec.structs.replace(track, name=self._names.get(track.person, "")) for track in tracks.tracks)
        return msgspec.structs.replace(tracks, tracks=tuple(people))

    def _look(self, present: list[int]) -> None:
        """Weigh the lengths of everyone present again."""
        for person in present:
            table = np.array(self._seen[person])
            often = np.isfinite(table).sum(axis=0) >= _FRAMES
            if often.any():
                middle = np.nanmedian(table[:, often], axis=0)
                names = (name for name, there in zip(LENGTHS, often, strict=True) if there)
                lengths = dict(zip(names, middle.tolist(), strict=True))
                self.shares[person] = probabilities(lengths, self._actors)
        for gone in [person for person in self._seen if person not in present][:-50]:
            del self._seen[gone]
        self._names = assign({p: self.shares[p] for p in present if p in self.shares}, self._actors, self._names)


class GivenNames:
    """Names that somebody gave to people of these numbers; they go before what the lengths of bones say."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}

    def give(self, person: int, name: str) -> None:
        """From now on; whoever had the name before loses it. An empty name takes back what was given."""
        kept = [(p, n) for p, n in self._names.items() if p != person and n != name]
        self._names = dict([*kept[-_MOST_GIVEN:], (person, name)] if name else kept)

    def named(self, tracks: Tracks) -> Tracks:
        """The same people by these names; nobody else has one of them."""
        if not self._names:
            return tracks
        taken = {self._names[track.person] for track in tracks.tracks if track.person in self._names}

        def name(track: Track) -> str:
            return self._names.get(track.person, "" if track.name in taken else track.name)

        return msgspec.structs.replace(
            tracks, tracks=tuple(msgspec.structs.replace(track, name=name(track)) for track in tracks.tracks)
        )


def assign(
    shares: dict[int, Float64[np.ndarray, " A"]], actors: Sequence[Actor], before: dict[int, str]
) -> dict[int, str]:
    """Names of people from their probabilities, each name once among those present; `before` are names they have."""
    kept = {person: name for person, name in before.items() if person not in shares}  # away: they keep theirs
    claims = []
    for person, share in shares.items():
        for actor, probability in zip(actors, share.tolist(), strict=True):
            own = before.get(person) == actor.name
            if probability >= (TAKE_BACK if own else GIVE):
                claims.append((own, probability, person, actor.name))
    names: dict[int, str] = {}
    for _, _, person, name in sorted(claims, reverse=True):
        if person not in names and name not in names.values():
            names[person] = name
    return {person: name for person, name in kept.items() if name not in names.values()} | names
