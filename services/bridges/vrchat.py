"""VRChat's trackers over OSC: hips, chest, feet, knees and elbows of one person, for avatars without worn trackers.

Axes are Unity's: left-handed, x to the right, y up, z forward; positions in metres, rotations as angles in degrees
about x, y and z, done in the order z, x, y. The head is sent too: VRChat aligns the room by that of the headset.
https://docs.vrchat.com/docs/osc-trackers
"""

from __future__ import annotations

import logging
from typing import Annotated, Any

import msgspec
import numpy as np
from scipy.spatial.transform import Rotation

from multiview.body.frames import YUP_FROM_WORLD
from multiview.body.kinematics import Humanoid, Motion, forward_kinematics, world_rotations
from multiview.body.skeleton import Skeleton
from multiview.common.ranges import between
from multiview.data import Track, Tracks
from services.bridges._learned_person import LearnedPerson
from services.bridges._osc import OscSender, unity_place, unity_quaternion

__all__ = ["Bridge", "Options"]

# Tracker: the bone that it is on. VRChat finds out by itself which is which, as they stand in a T-pose.
_BONES = {
    "1": "Hips",
    "2": "UpperChest",
    "3": "LeftFoot",
    "4": "RightFoot",
    "5": "LeftLowerLeg",
    "6": "RightLowerLeg",
    "7": "LeftLowerArm",
    "8": "RightLowerArm",
    "head": "Head",
}


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    host: str = "127.0.0.1"
    """Computer or headset that VRChat runs on."""
    port: Annotated[int, between(1, 65535)] = 9000
    """UDP port of VRChat."""
    person: str = ""
    """Name of the person to send; empty: whoever is there longest."""
    learn_s: Annotated[float, between(0, 3600, "s")] = 3.0
    """s. Time in which the bone lengths of a new person are measured."""


class Bridge:
    def __init__(self, options: Options, skeleton: Skeleton, rate_hz: float) -> None:
        self._options, self._skeleton, self._rate_hz = options, skeleton, rate_hz
        self._osc = OscSender(options.host)
        self._number = -1
        self._person: LearnedPerson | None = None
        logging.info("trackers go to %s by UDP, port %d; nobody confirms that it arrives", options.host, options.port)

    def send(self, tracks: Tracks) -> None:
        track = self._chosen(tracks)
        if track is None or not np.isfinite(track.pose.xyz).any():
            return
        if self._person is None or track.person != self._number:
            self._number = track.person
            self._person = LearnedPerson(self._skeleton, self._rate_hz, self._options.learn_s)
        rest, motion = self._person.solve(track)
        self._osc.send(self._osc.bundle(self._trackers(rest, motion)), self._options.port)

    def close(self) -> None:
        self._osc.close()

    def _chosen(self, tracks: Tracks) -> Track | None:
        """The person of that name, else who was sent before, else who is there longest."""
        if self._options.person:
            return next((track for track in tracks.tracks if track.name == self._options.person), None)
        same = next((track for track in tracks.tracks if track.person == self._number), None)
        return same or min(tracks.tracks, key=lambda track: track.person, default=None)

    def _trackers(self, rest: Humanoid, motion: Motion) -> list[Any]:
        """Messages of every bone whose place and direction are known in this frame, or were before."""
        places, world = forward_kinematics(rest, motion), YUP_FROM_WORLD @ world_rotations(rest, motion)[0]
        names = [bone.name for bone in rest.bones]
        messages = []
        for tracker, bone_name in _BONES.items():
            if bone_name not in names:
                continue
            place = unity_place(YUP_FROM_WORLD @ places[bone_name][0])
            quaternion = unity_quaternion(world[names.index(bone_name)])
            y, x, z = Rotation.from_quat(quaternion).as_euler("YXZ", degrees=True, suppress_warnings=True).tolist()
            messages.append(self._osc.message(f"/tracking/trackers/{tracker}/position", *place.tolist()))
            messages.append(self._osc.message(f"/tracking/trackers/{tracker}/rotation", x, y, z))
        return messages
