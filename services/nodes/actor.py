"""`multiview actor`: name a person of a take (`multiview.commands.actor`) or of a running studio."""

from __future__ import annotations

import argparse
import time
from contextlib import closing
from pathlib import Path

import numpy as np

from multiview.commands import actor as of_takes
from multiview.commands.progress import progress_bar
from multiview.common.ranges import Seconds, ranged
from multiview.data import Track
from multiview.errors import ConfigError, MessageError, MultiviewError
from multiview.studio.config import Studio
from multiview.studio.derived import studio_skeleton
from multiview.studio.studio_file import load_studio
from multiview.wire import topics
from multiview.wire.messages import IdentityLabel, PosesMessage, decode, encode
from multiview.wire.packing import unpack_tracks
from services.transport.bus import Sender, Subscriber
from services.transport.keyring import OPERATOR

__all__ = ["add_arguments", "run", "send_identity_label"]

REPLY_TIMEOUT_S = 3.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    of_takes.add_arguments(parser)
    parser.add_argument(
        "--seconds",
        type=ranged(Seconds),
        default=10.0,
        help="live: time of the measurement (default 10; 0: assign the name only)",
    )


def run(args: argparse.Namespace) -> int:
    if args.take is None or args.take.suffix != ".toml":
        return of_takes.run(args)
    return _live(load_studio(args.take, check=False), args.name, args.person, args.seconds, args.folder)


def send_identity_label(sender: Sender, person: int, name: str, timeout_s: float = 0.0) -> bool:
    """Send a person's name to fusion; False if it could not be sent."""
    return sender.send_within(topics.IDENTITY_LABEL, encode(IdentityLabel(person=person, name=name)), timeout_s)


def _live(studio: Studio, name: str, person: int | None, seconds: float, folder: Path | None) -> int:
    """Name a tracked person, then measure and save them; errors list the tracked people."""
    from multiview.body.actor import measure, save_actor
    from multiview.common.names import check_name

    name = check_name(name, "actor")
    skeleton = studio_skeleton(studio)
    with closing(_People(studio, len(skeleton.joints))) as people:
        person = people.choose(person)
        people.set_name(person, name)
        print(f"person {person} is {name} from now on", flush=True)
        if seconds <= 0:
            return 0
        xyz, filled = people.observe(person, seconds)
    actor = measure(name, skeleton.name, skeleton.joints, xyz, filled, studio.name)
    of_takes.show(actor)
    of_takes.compare(actor, folder)
    print(
        f'saved {save_actor(actor, folder)}; with known_actors = ["{name}"] in the studio\'s file they are recognised'
    )
    return 0


class _People:
    """People that a running fusion process tracks."""

    def __init__(self, studio: Studio, joints: int) -> None:
        self._studio, self._joints = studio, joints
        self._subscriber = Subscriber(studio.hub, (topics.POSES,))

    def close(self) -> None:
        self._subscriber.close()

    def choose(self, person: int | None) -> int:
        there = {track.person: track for track in self._tracks(REPLY_TIMEOUT_S)}
        words = ", ".join(f"{p} ({t.name})" if t.name else f"{p}" for p, t in sorted(there.items())) or "nobody"
        if person is None and len(there) == 1:
            return next(iter(there))
        if person is None:
            raise ConfigError(f"give the person's number with --person; present: {words}")
        if person not in there:
            raise ConfigError(f"no person {person} in the room; present: {words}")
        return person

    def set_name(self, person: int, name: str) -> None:
        sender = Sender(self._studio.hub, OPERATOR)
        sent = send_identity_label(sender, person, name, REPLY_TIMEOUT_S)
        sender.close(linger_s=REPLY_TIMEOUT_S)
        end = time.monotonic() + REPLY_TIMEOUT_S
        while sent and time.monotonic() < end:
            if any(track.person == person and track.name == name for track in self._tracks(REPLY_TIMEOUT_S)):
                return
        raise MultiviewError(
            f"fusion did not assign the name to person {person}: the track may have been deleted; try again"
        )

    def observe(self, person: int, seconds: float) -> tuple[np.ndarray, np.ndarray]:
        """Where their joints were (T, J, 3), m, and which were filled (T, J)."""
        poses, began = [], time.monotonic()
        with progress_bar(f"measuring person {person}") as show:
            while (passed := time.monotonic() - began) < seconds:
                poses += [track.pose for track in self._tracks(REPLY_TIMEOUT_S) if track.person == person]
                show(passed / seconds)
        if not poses:
            raise MultiviewError(f"person {person} has left")
        return np.stack([pose.xyz for pose in poses]), np.stack([pose.filled for pose in poses])

    def _tracks(self, timeout_s: float) -> tuple[Track, ...]:
        """The next that come; MultiviewError if none do."""
        end = time.monotonic() + timeout_s
        while (received := self._subscriber.receive(max(0.0, end - time.monotonic()))) is not None:
            try:
                message = decode(received.body)
            except MessageError:
                continue
            if isinstance(message, PosesMessage) and message.joints == self._joints:
                return unpack_tracks(message).tracks
        hub = self._studio.hub
        raise MultiviewError(
            f"no poses from {hub.host}:{hub.publish_port}: start the studio, or check [hub] of the studio file"
        )
