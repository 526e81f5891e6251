"""The viewer shows the latest of the hub's stream, and says what it does not get."""

from __future__ import annotations

import socket
import time

import numpy as np
import pytest

from multiview.data import Keypoints2D, Tracks
from multiview.studio.config import HubOptions
from multiview.wire.messages import Stamp, encode
from multiview.wire.packing import pack_keypoints, pack_tracks
from services.transport.bus import HubSockets
from services.viewer.stream import StreamFeed
from tests.figures import crowd, ring


@pytest.fixture
def options() -> HubOptions:
    holders = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    ports = [holder.getsockname()[1] for holder in holders]
    for holder in holders:
        holder.close()
    return HubOptions(ingest_port=ports[0], publish_port=ports[1], request_port=ports[2])


def _poses(frame: int, cameras: list[str], missing: list[str]) -> tuple[bytes, Tracks]:
    skeleton, tracks = crowd(frame)
    header = {"cameras": cameras, "missing": missing, "skeleton": "coco17", "latency_ns": 4_000_000}
    return encode(pack_tracks(tracks, len(skeleton.joints), arrival_ns=1_000_000_000, **header)), tracks


def test_the_latest_is_shown_and_the_rest_skipped(options: HubOptions) -> None:
    hub, rig = HubSockets(options), ring()
    feed = StreamFeed(options, rig, 17)
    try:
        assert "waiting for fusion" in feed.headline()
        assert feed.tracks() == ()
        names = list(rig.names)
        seen = Keypoints2D(np.full((1, 17, 2), 10.0), np.ones((1, 17)))
        body = encode(pack_keypoints(seen, camera="cam01", boot_id=1, frame=0, time_ns=0, skeleton="coco17"))
        end, sequence = time.monotonic() + 10, 0
        # until the subscriptions have reached the hub: that to keypoints only exists while someone asks for them
        while time.monotonic() < end and not (feed.tracks() and feed.keypoints()):
            for frame in range(30):
                sequence += 1
                poses, tracks = _poses(frame, names[:3], names[3:])
                hub.publish(b"poses", Stamp(sequence, sequence, 1_006_000_000), poses)
                hub.publish(b"keypoints/cam01", Stamp(sequence, sequence, 0), body)
            hub.publish(b"poses", Stamp(sequence + 1, sequence + 1, 0), b"garbage")
            hub.publish(b"poses", Stamp(sequence + 2, sequence + 2, 1_006_000_000), poses)
            time.sleep(0.1)
        shown = feed.tracks()
        assert [track.person for track in shown] == [0, 1, 2]
        np.testing.assert_allclose(shown[1].pose.xyz, tracks.tracks[1].pose.xyz, atol=1e-6)
        assert shown[2].pose.filled.sum() == 2
        assert "latency 10 ms   3 people   3 of 4 cameras" in feed.headline()
        assert feed.camera_states() == dict.fromkeys(names[:3], "alive") | {"cam04": "missing"}
        assert list(feed.keypoints()) == ["cam01"]
        assert feed.tracks() is feed.tracks()
        feed.pause()
        assert "frozen" in feed.headline()
    finally:
        feed.close()
        hub.close()
