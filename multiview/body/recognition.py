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

from multiview.body.actor import BONE_LENGTHS, Actor, actor_probabilities, lengths_by_frame
from multiview.body.skeleton import Skeleton
from multiview.data import Track, Tracks
from multiview.errors import ConfigError

__all__ = ["ASSIGN_PROBABILITY", "IdentityLabels", "Recogniser", "assign"]

ASSIGN_PROBABILITY, REVOKE_PROBABILITY = 0.98, 0.5  # to assign a name, and to keep it
_UPDATE_S, _MEMORY_S = 0.5, 10.0
_FRAMES = 30
_MAX_NAMES = 200


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
        self._every = max(1, round(_UPDATE_S * rate_hz))
        self._memory = max(_FRAMES, round(_MEMORY_S * rate_hz))
        self._lengths: dict[int, deque[Float64[np.ndarray, " L"]]] = {}
        self._names: dict[int, str] = {}
        self._until_update = self._every
        self.probabilities: dict[int, Float64[np.ndarray, " A"]] = {}  # the last ones

    def with_names(self, tracks: Tracks) -> Tracks:
        """The same tracks, with the names of known actors."""
        for track in tracks.tracks:
            xyz = np.where(track.pose.filled[:, None], np.nan, track.pose.xyz)
            lengths = self._lengths.setdefault(track.person, deque(maxlen=self._memory))
            lengths.append(lengths_by_frame(self._joints, xyz[None])[0])
        self._until_update -= 1
        if self._until_update <= 0:
            self._until_update = self._every
            self._update([track.person for track in tracks.tracks])
        people = (msgspec.structs.replace(track, name=self._names.get(track.person, "")) for track in tracks.tracks)
        return msgspec.structs.replace(tracks, tracks=tuple(people))

    def _update(self, present: list[int]) -> None:
        """Recompute the probabilities of everyone present."""
        for person in present:
            table = np.array(self._lengths[person])
            often = np.isfinite(table).sum(axis=0) >= _FRAMES
            if often.any():
                middle = np.nanmedian(table[:, often], axis=0)
                names = (name for name, there in zip(BONE_LENGTHS, often, strict=True) if there)
                lengths = dict(zip(names, middle.tolist(), strict=True))
                self.probabilities[person] = actor_probabilities(lengths, self._actors)
        for gone in [person for person in self._lengths if person not in present][:-50]:
            del self._lengths[gone]
        self._names = assign(
            {p: self.probabilities[p] for p in present if p in self.probabilities}, self._actors, self._names
        )


class IdentityLabels:
    """Names that a user assigned to identities; they precede what the bone lengths say."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}

    def set_name(self, person: int, name: str) -> None:
        """Name an identity; another one of this name loses it. An empty name removes it."""
        kept = [(p, n) for p, n in self._names.items() if p != person and n != name]
        self._names = dict([*kept[-_MAX_NAMES:], (person, name)] if name else kept)

    def with_names(self, tracks: Tracks) -> Tracks:
        """The same tracks with these names; no other track has one of them."""
        if not self._names:
            return tracks
        taken = {self._names[track.person] for track in tracks.tracks if track.person in self._names}

        def name(track: Track) -> str:
            return self._names.get(track.person, "" if track.name in taken else track.name)

        return msgspec.structs.replace(
            tracks, tracks=tuple(msgspec.structs.replace(track, name=name(track)) for track in tracks.tracks)
        )


def assign(
    probabilities: dict[int, Float64[np.ndarray, " A"]], actors: Sequence[Actor], before: dict[int, str]
) -> dict[int, str]:
    """Names of people from their probabilities, each name once among those present; `before` are the present names."""
    kept = {person: name for person, name in before.items() if person not in probabilities}  # away: they keep theirs
    candidates = []
    for person, share in probabilities.items():
        for actor, probability in zip(actors, share.tolist(), strict=True):
            own = before.get(person) == actor.name
            if probability >= (REVOKE_PROBABILITY if own else ASSIGN_PROBABILITY):
                candidates.append((own, probability, person, actor.name))
    names: dict[int, str] = {}
    for _, _, person, name in sorted(candidates, reverse=True):
        if person not in names and name not in names.values():
            names[person] = name
    return {person: name for person, name in kept.items() if name not in names.values()} | names
