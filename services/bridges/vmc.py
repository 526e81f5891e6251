"""VMC over OSC: bone rotations for VSeeFace, VNyan, Unity and Unreal plugins. One port per person.

Slot n sends to `port + n`. Axes are Unity's: left-handed, x to the right, y up, z forward; positions in metres,
rotations as quaternions x y z w relative to the parent. A packet has less than `mtu` bytes; each begins with the state
and the time. Bone lengths are those of the actor of that name, otherwise medians of the joints observed in `learn_s`.
Of a skeleton whose face has 68 landmarks, eyes and mouth are sent as blend shapes.
https://protocol.vmc.info/english
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np

from multiview.body.expressions import EXPRESSIONS, FaceReader
from multiview.body.frames import YUP_FROM_WORLD
from multiview.body.kinematics import HIERARCHY
from multiview.body.skeleton import Skeleton
from multiview.common.counted import counted
from multiview.common.package_data import package_file
from multiview.common.ranges import between
from multiview.common.toml import decode_toml
from multiview.data import Track, Tracks
from multiview.errors import ConfigError
from services.bridges._learned_person import LearnedPerson
from services.bridges._osc import OscSender, unity_place, unity_quaternion
from services.bridges._slots import SlotAllocator

__all__ = ["Bridge", "Options"]


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    host: str = "127.0.0.1"
    """Host of the receiving program."""
    port: Annotated[int, between(1, 65535)] = 39539
    """UDP port of the first person; each further person has the next port."""
    people: Annotated[int, between(1, 256, "people")] = 4
    """Slots; people beyond them are not sent."""
    mtu: Annotated[int, between(576, 65507, "bytes")] = 1400
    """bytes. Size of the largest packet."""
    learn_s: Annotated[float, between(0, 3600, "s")] = 3.0
    """s. Time in which the bone lengths of a new person are measured."""
    bones: str = ""
    """TOML file that renames bones and expressions; empty: configs/bridges/vmc.toml."""


class _Names(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    bones: dict[str, str]
    expressions: dict[str, str] = {}


class Bridge:
    def __init__(self, options: Options, skeleton: Skeleton, rate_hz: float) -> None:
        self._options, self._skeleton, self._rate_hz = options, skeleton, rate_hz
        path = Path(options.bones) if options.bones else package_file("bridges", "vmc.toml")
        names = decode_toml(path, _Names)
        self._names, self._expressions = names.bones, names.expressions
        for what, given, known in (("bone", names.bones, HIERARCHY), ("expression", names.expressions, EXPRESSIONS)):
            if unknown := sorted(set(given) - set(known)):
                raise ConfigError(f"{path}: unknown {what} {', '.join(unknown)}; use one of {', '.join(known)}")
        self._osc = OscSender(options.host)
        self._slots = SlotAllocator(options.people)
        self._people: dict[int, LearnedPerson] = {}
        self._faces: dict[int, FaceReader] = {}
        last = options.port + options.people - 1
        logging.info(
            "VMC goes to %s by UDP, ports %d to %d, one person each; nobody confirms that it arrives",
            options.host,
            options.port,
            last,
        )

    def send(self, tracks: Tracks) -> None:
        slots = self._slots.assign(tracks)
        self._people = {person: state for person, state in self._people.items() if person in slots}
        self._faces = {person: face for person, face in self._faces.items() if person in slots}
        for track in tracks.tracks:
            slot = slots.get(track.person)
            if slot is None:
                most = counted(self._options.people, "person", "people")
                self._osc.tell_once(f"more than {most}: the others are not sent (option people)")
            if slot is None or not np.isfinite(track.pose.xyz).any():
                continue
            if track.person not in self._people:
                self._people[track.person] = LearnedPerson(self._skeleton, self._rate_hz, self._options.learn_s)
                self._faces[track.person] = FaceReader(self._skeleton.joints, 1 / self._rate_hz)
            for packet in self._packets(track, tracks.time):
                self._osc.send(packet, self._options.port + slot)

    def close(self) -> None:
        self._osc.close()

    def _packets(self, track: Track, time_s: float) -> list[bytes]:
        """Bundles below the MTU, each whole by itself."""
        head = [self._osc.message("/VMC/Ext/OK", 1), self._osc.message("/VMC/Ext/T", time_s)]
        packets, parts, size = [], list(head), sum(len(part.dgram) + 4 for part in head)
        for part in [*self._bones(track), *self._blend_shapes(track)]:
            if size + len(part.dgram) + 4 + 16 > self._options.mtu:
                packets.append(self._osc.bundle(parts))
                parts, size = list(head), sum(len(p.dgram) + 4 for p in head)
            parts.append(part)
            size += len(part.dgram) + 4
        return [*packets, self._osc.bundle(parts)]

    def _bones(self, track: Track) -> list[Any]:
        person = self._people[track.person]
        rest, motion = person.solve(track)
        local = motion.local[0].copy()
        local[0] = YUP_FROM_WORLD @ local[0]
        places = np.stack([bone.offset for bone in rest.bones])
        places[0] = YUP_FROM_WORLD @ motion.root[0]
        places, rotations = unity_place(places), person.local_sign(unity_quaternion(local))
        messages = [self._osc.message("/VMC/Ext/Root/Pos", "root", 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)]
        for bone, place, rotation in zip(rest.bones, places.tolist(), rotations.tolist(), strict=True):
            if bone.name in self._names:
                messages.append(self._osc.message("/VMC/Ext/Bone/Pos", self._names[bone.name], *place, *rotation))
        return messages

    def _blend_shapes(self, track: Track) -> list[Any]:
        """Values of expressions, and the message that applies them."""
        values = self._faces[track.person].read(track.pose.xyz, track.pose.cov)
        messages = [
            self._osc.message("/VMC/Ext/Blend/Val", self._expressions[name], value)
            for name, value in values.items()
            if name in self._expressions
        ]
        return [*messages, self._osc.message("/VMC/Ext/Blend/Apply")] if messages else []
