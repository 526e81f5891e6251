"""The viewer shows the latest of the hub's stream, and says what it does not get."""

from __future__ import annotations

import numpy as np

from multiview.data import Keypoints2D, Tracks
from multiview.wire.messages import Stamp, encode
from multiview.wire.packing import pack_keypoints, pack_tracks
from services.transport.hub_sockets import HubSockets
from services.viewer.stream import StreamFeed
from tests.figures import crowd, ring
from tests.processes import free_hub, until


def _poses(frame: int, cameras: list[str], missing: list[str]) -> tuple[bytes, Tracks]:
    skeleton, tracks = crowd(frame)
    header = {"cameras": cameras, "missing": missing, "skeleton": "coco17", "latency_ns": 4_000_000}
    return encode(pack_tracks(tracks, len(skeleton.joints), arrival_ns=1_000_000_000, **header)), tracks


def test_viewer_shows_the_latest_and_skips_the_rest() -> None:
    options, rig = free_hub(), ring()
    hub = HubSockets(options)
    feed = StreamFeed(options, rig, 17)
    try:
        assert "waiting for fusion" in feed.headline()
        assert feed.tracks() == ()
        names = list(rig.names)
        seen = Keypoints2D(np.full((1, 17, 2), 10.0), np.ones((1, 17)))
        body = encode(pack_keypoints(seen, camera="cam01", boot_id=1, frame=0, time_ns=0, skeleton="coco17"))
        frames = [_poses(frame, names[:3], names[3:]) for frame in range(30)]

        def look() -> tuple[object, ...]:
            """All at once: what is old is not shown."""
            for number, (poses, _) in enumerate([*frames, (b"garbage", None), frames[-1]]):
                hub.publish(b"poses", Stamp(number, number, 1_006_000_000), poses)
                hub.publish(b"keypoints/cam01", Stamp(number, number, 0), body)
            feed.wait(0.1)
            same = feed.tracks() is feed.tracks()
            return feed.tracks(), feed.headline(), feed.camera_states(), same, feed.keypoints()

        looks = [look()]
        # until the subscriptions have reached the hub: that to keypoints only exists while someone asks for them
        until(lambda: bool(looks.append(look()) or (looks[-1][0] and looks[-1][-1])))
        people, headline, states, same, keypoints = looks[-1]
        assert [track.person for track in people] == [0, 1, 2]
        np.testing.assert_allclose(people[1].pose.xyz, frames[-1][1].tracks[1].pose.xyz, atol=1e-6)
        assert people[2].pose.filled.sum() == 2
        assert "latency 10 ms   3 people   3 of 4 cameras" in headline
        assert states == dict.fromkeys(names[:3], "alive") | {"cam04": "missing"}
        assert list(keypoints) == ["cam01"]
        assert same
        feed.pause()
        assert "frozen" in feed.headline()
    finally:
        feed.close()
        hub.close()
