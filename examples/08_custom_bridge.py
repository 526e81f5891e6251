"""Send live people to a program of your own protocol: here JSON lines over UDP.

    multiview bridge examples/08_custom_bridge.py studio.toml --option port=9100

A bridge file has `Options` and a class `Bridge` with `send` and `close`; `send` is called once per tick and must not
wait.
"""

import json
import socket

import msgspec

from multiview.body.skeleton import Skeleton
from multiview.data import Tracks


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    host: str = "127.0.0.1"
    port: int = 9100


class Bridge:
    def __init__(self, options: Options, skeleton: Skeleton, rate_hz: float) -> None:
        self._joints = skeleton.joints
        self._address = options.host, options.port
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def send(self, tracks: Tracks) -> None:
        people = {
            track.person: dict(zip(self._joints, track.pose.xyz.round(4).tolist(), strict=True))
            for track in tracks.tracks
        }
        self._socket.sendto(json.dumps({"time_ns": tracks.time_ns, "people": people}).encode(), self._address)

    def close(self) -> None:
        self._socket.close()
