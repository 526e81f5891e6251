"""A worker hears how often the other cameras of its machine can be looked at."""

from __future__ import annotations

import pytest

from multiview.studio.config import HubOptions
from multiview.wire import topics
from multiview.wire.messages import CameraHealth, Stamp, encode
from services.nodes import shared_pace
from services.nodes.shared_pace import SharedPace
from services.transport.bus import Received


class Stub:
    """What a subscriber has received."""

    def __init__(self) -> None:
        self.messages: list[CameraHealth] = []

    def drain(self) -> list[Received]:
        topic = lambda message: topics.topic_of(topics.CAMERA_HEALTH, message.camera)
        received = [Received(topic(message), Stamp(0, 0, 0), encode(message)) for message in self.messages]
        self.messages.clear()
        return received

    def close(self) -> None:
        pass


def test_shared_pace_is_that_of_the_slowest_other_camera_heard_of_late(monkeypatch: pytest.MonkeyPatch) -> None:
    stub = Stub()
    monkeypatch.setattr(shared_pace, "Subscriber", lambda *_: stub)
    pace = SharedPace(HubOptions(), ["cam01", "cam02"], "here")
    assert pace.level(0.0) == 0
    stub.messages += [
        CameraHealth(camera="cam01", boot_id=1, machine="here", skip=9),  # its own
        CameraHealth(camera="cam03", boot_id=1, machine="here", skip=2),
        CameraHealth(camera="cam04", boot_id=1, machine="here", skip=1),
        CameraHealth(camera="cam05", boot_id=1, machine="elsewhere", skip=7),
    ]
    assert pace.level(1.0) == 2
    assert pace.level(3.9) == 2
    stub.messages.append(CameraHealth(camera="cam04", boot_id=1, machine="here", skip=1))
    assert pace.level(4.1) == 1  # cam03 has been silent for three seconds
    stub.messages.append(CameraHealth(camera="cam04", boot_id=1, machine="here", state="finished", skip=1))
    assert pace.level(4.3) == 0
