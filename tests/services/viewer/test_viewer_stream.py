"""The viewer shows the latest of the hub's stream, and says what it does not get."""

from __future__ import annotations

import numpy as np

from multiview.data import Keypoints2D, Tracks
from multiview.wire.messages import CameraHealth, ServiceHealth, Stamp, encode
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


def test_viewer_alarms_while_something_is_not_recorded() -> None:
    options = free_hub()
    hub, number = HubSockets(options), 0
    feed = StreamFeed(options, ring(), 17)
    recorder = lambda **texts: ServiceHealth(service="recorder", boot_id=1, texts=texts)

    def after(topic: str, message: CameraHealth | ServiceHealth, wanted: str) -> None:
        """Said again and again, as services do: the first may come before the subscription has reached the hub."""

        def shown() -> bool:
            nonlocal number
            number += 1
            hub.publish(topic.encode(), Stamp(number, number, 0), encode(message))
            feed.wait(0.05)
            hub.guard()
            return feed.alarm() == wanted

        until(shown)

    try:
        after(
            "service_health/recorder", recorder(error="cannot write: No space"), "NOT RECORDED: cannot write: No space"
        )
        lost = CameraHealth(camera="cam01", boot_id=1, note="video is being lost: No space")
        both = "NOT RECORDED: cannot write: No space   cam01: video is being lost: No space"
        after("camera_health/cam01", lost, both)
        slow = CameraHealth(camera="cam01", boot_id=1, note="the detector takes 90 ms")  # which is no loss
        after("camera_health/cam01", slow, "NOT RECORDED: cannot write: No space")
        after("service_health/recorder", recorder(), "")
        full = {"service": "recorder", "boot_id": 1, "texts": {"disk": "full in about 9 min: make room"}}
        short = ServiceHealth(**full, values={"disk_minutes": 9.0})  # type: ignore[arg-type]
        after("service_health/recorder", short, "disk full in about 9 min: make room")
        assert "waiting for fusion" in feed.headline()
    finally:
        feed.close()
        hub.close()
