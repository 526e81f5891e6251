"""`multiview bridge NAME studio.toml`: send live poses to another program by a protocol of `services/bridges`."""

from __future__ import annotations

import argparse
import logging
import time
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from multiview.body.skeleton import Skeleton, load_skeleton
from multiview.common.plugins import load_plugin, plugin_names, plugin_options
from multiview.common.toml import convert
from multiview.errors import MessageError
from multiview.studio.config import Studio
from multiview.studio.derived import frame_rate, studio_rig
from multiview.studio.identity import studio_id
from multiview.studio.studio_file import load_studio
from multiview.wire import topics
from multiview.wire.messages import PosesMessage, decode
from multiview.wire.packing import unpack_tracks
from services.bridges import LiveBridge, StudioBridge
from services.bridges._pictures import LivePictures
from services.runtime.process import Stopping, begin_service
from services.transport.bus import RequestClient, Subscriber
from services.transport.requests import Status, StatusReply, request

__all__ = ["Remarks", "bridge_names", "open_bridge", "poses_of"]

REPLY_TIMEOUT_S = 1.0
SILENT_S = 5.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bridge", help=", ".join(bridge_names()) + ", or your own ./my.py")
    parser.add_argument("studio", type=Path, help="the studio file")
    parser.add_argument(
        "--option", action="append", default=[], metavar="KEY=VALUE", help="option of the bridge; may be repeated"
    )


def run(args: argparse.Namespace) -> None:
    studio = load_studio(args.studio, check=False)
    begin_service(f"bridge {args.bridge}", studio.logging.json)
    stopping = Stopping()
    skeleton = load_skeleton(studio.skeleton)
    bridge = open_bridge(args.bridge, plugin_options(args.option), skeleton, frame_rate(studio), _identity(studio))
    pictures = _pictures(studio, bridge)
    subscriber = Subscriber(studio.hub, (topics.POSES, *([f"{topics.PREVIEW}/"] if pictures is not None else [])))
    logging.info("sending the poses of the hub at %s:%d", studio.hub.host, studio.hub.publish_port)
    remarks = Remarks(f"no poses from it: is the studio running (multiview run {args.studio})?", time.monotonic())
    try:
        while not stopping:
            first, poses = subscriber.receive(0.2), None
            for received in chain([] if first is None else [first], subscriber.drain()):
                if received.topic == topics.POSES:
                    poses = received  # whoever falls behind skips
                elif pictures is not None and received.topic.startswith(topics.PREVIEW):
                    pictures.pass_on(received.body)
            if pictures is not None:
                pictures.ask()
            if poses is None:
                remarks.nothing_came(time.monotonic())
                continue
            try:
                message = poses_of(poses.body, skeleton)
            except MessageError as error:
                remarks.once(f"poses that cannot be sent: {error}")
                continue
            remarks.came(time.monotonic())
            tracks = unpack_tracks(message)
            bridge.send(tracks)
            if pictures is not None:
                pictures.remember(tracks)
    finally:
        if pictures is not None:
            pictures.close()
        bridge.close()
        subscriber.close()


def _pictures(studio: Studio, bridge: LiveBridge) -> LivePictures | None:
    """The studio's cameras for a bridge that shows them; None where it wants no pictures."""
    if not isinstance(bridge, StudioBridge):
        return None
    cameras = studio_rig(studio).cameras
    bridge.show_cameras(cameras)
    return LivePictures(studio.hub, cameras, bridge) if bridge.pictures_hz else None


@dataclass(slots=True)
class Remarks:
    """Log lines about why nothing is sent, each once.

    Attributes:
        silence: What is said when nothing has come for `SILENT_S`.
        last_s: When something came last, or the waiting began.
    """

    silence: str
    last_s: float
    _said: set[str] = field(default_factory=set)

    def nothing_came(self, now_s: float) -> None:
        """Say so where it has lasted."""
        if now_s - self.last_s > SILENT_S:
            self.once(self.silence)

    def came(self, now_s: float) -> None:
        """Poses: after a silence that was named, the next one is named again."""
        self.last_s = now_s
        if self.silence in self._said:
            self._said.discard(self.silence)
            logging.info("poses are coming")

    def once(self, line: str) -> None:
        """Log a warning, unless it has been logged."""
        if line not in self._said:
            self._said.add(line)
            logging.warning("%s", line)


def poses_of(body: bytes, skeleton: Skeleton) -> PosesMessage:
    """The poses in a message; MessageError if there are none, or of another skeleton than the studio file's."""
    message = decode(body)
    if not isinstance(message, PosesMessage):
        raise MessageError("a message of another kind")
    if message.joints != len(skeleton.joints):
        raise MessageError(
            f"they have {message.joints} joints, {skeleton.name} has {len(skeleton.joints)}: give the file with which "
            "the studio runs"
        )
    return message


def _identity(studio: Studio) -> str:
    """What the hub says; without a reply, what it would say on this machine."""
    client = RequestClient(studio.hub)
    status = request(client, Status(), StatusReply, REPLY_TIMEOUT_S)
    client.close()
    return status.studio_id if status is not None and status.studio_id else studio_id(studio)


def bridge_names() -> tuple[str, ...]:
    """Names of the available protocols."""
    return plugin_names("services.bridges")


def open_bridge(name: str, options: dict[str, Any], skeleton: Skeleton, rate_hz: float, studio: str = "") -> LiveBridge:
    """Load a bridge by name; ConfigError lists the available ones, or names an unknown option.

    `studio` is the studio's identity, for bridges that have an option of this name.
    """
    module = load_plugin("services.bridges", name, "Options", "Bridge")
    if studio and "studio" in module.Options.__struct_fields__:
        options = {"studio": studio, **options}
    bridge: LiveBridge = module.Bridge(convert(options, module.Options, f"bridge {name}"), skeleton, rate_hz)
    return bridge
