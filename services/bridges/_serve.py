"""`multiview bridge NAME studio.toml`: send live poses to another program by a protocol of `services/bridges`."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any

from multiview.body.skeleton import Skeleton, load_skeleton
from multiview.common.plugins import load_plugin, plugin_names, plugin_options
from multiview.common.toml import convert
from multiview.errors import MessageError
from multiview.studio.config import frame_rate, load_studio
from multiview.wire import topics
from multiview.wire.messages import PosesMessage, decode
from multiview.wire.packing import unpack_tracks
from services.bridges import LiveBridge
from services.runtime.process import Stopping, begin_service
from services.transport.bus import Subscriber

__all__ = ["bridge_names", "open_bridge"]


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
    bridge = open_bridge(args.bridge, plugin_options(args.option), skeleton, frame_rate(studio))
    subscriber = Subscriber(studio.hub, (topics.POSES,))
    logging.info("sending the poses of the hub at %s:%d", studio.hub.host, studio.hub.publish_port)
    try:
        while not stopping:
            received = subscriber.receive(0.2)
            for later in subscriber.drain():
                received = later  # whoever falls behind skips
            if received is None:
                continue
            try:
                message = decode(received.body)
            except MessageError:
                continue
            if isinstance(message, PosesMessage) and message.joints == len(skeleton.joints):
                bridge.send(unpack_tracks(message))
    finally:
        bridge.close()
        subscriber.close()


def bridge_names() -> tuple[str, ...]:
    """Names of the available protocols."""
    return plugin_names("services.bridges")


def open_bridge(name: str, options: dict[str, Any], skeleton: Skeleton, rate_hz: float) -> LiveBridge:
    """Load a bridge by name; ConfigError lists the available ones, or names an unknown option."""
    module = load_plugin("services.bridges", name, "Options", "Bridge")
    bridge: LiveBridge = module.Bridge(convert(options, module.Options, f"bridge {name}"), skeleton, rate_hz)
    return bridge
