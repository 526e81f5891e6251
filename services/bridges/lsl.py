"""Lab Streaming Layer: one stream of type MoCap, x y z of every joint for a fixed number of people, for laboratories.

Channels are SLOT:JOINT:AXIS in metres, NaN where the slot is free or the joint is unknown, then one channel SLOT:id for
each slot, NaN where it is free. A track keeps its slot until it is deleted. Samples carry LSL's own time.
"""

from __future__ import annotations

import secrets
from typing import Annotated

import msgspec
import numpy as np

from multiview.body.skeleton import Skeleton
from multiview.common.ranges import between
from multiview.data import Tracks
from multiview.errors import MultiviewError
from services.bridges._slots import SlotAllocator

__all__ = ["Bridge", "Options"]


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str = "multiview"
    """Name of the stream, by which receivers find it."""
    people: Annotated[int, between(1, 256, "people")] = 4
    """Slots in the stream; people beyond them are not sent."""
    studio: str = ""
    """Identity of the studio, so that receivers continue with no other; empty: the hub's, or a new one."""


class Bridge:
    def __init__(self, options: Options, skeleton: Skeleton, rate_hz: float) -> None:
        try:
            import pylsl
        except (ModuleNotFoundError, RuntimeError) as error:
            raise MultiviewError(f"this bridge needs pylsl and liblsl: pip install pylsl ({error})") from None
        self._slots = SlotAllocator(options.people)
        self._joints = len(skeleton.joints)
        count = options.people * (3 * self._joints + 1)
        self.source_id = f"multiview-{options.name}-{options.studio or secrets.token_hex(8)}"
        info = pylsl.StreamInfo(options.name, "MoCap", count, rate_hz, pylsl.cf_float32, self.source_id)
        channels = info.desc().append_child("channels")
        labels = [f"{p}:{joint}:{axis}" for p in range(options.people) for joint in skeleton.joints for axis in "xyz"]
        for label in [*labels, *(f"{p}:id" for p in range(options.people))]:
            channel = channels.append_child("channel")
            channel.append_child_value("label", label)
            channel.append_child_value("unit", "none" if label.endswith(":id") else "meters")
        self._outlet = pylsl.StreamOutlet(info)

    def send(self, tracks: Tracks) -> None:
        slots = self._slots.assign(tracks)
        sample = np.full((self._slots.count, 3 * self._joints), np.nan)
        numbers = np.full(self._slots.count, np.nan)
        for track in tracks.tracks:
            slot = slots.get(track.person)
            if slot is not None:
                sample[slot], numbers[slot] = track.pose.xyz.ravel(), track.person
        self._outlet.push_sample(np.concatenate([sample.ravel(), numbers]).tolist())

    def close(self) -> None:
        del self._outlet
