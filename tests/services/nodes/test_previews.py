"""Small pictures are sent while they are asked for, at the rate that is asked for, and fit into a message."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from multiview.studio.config import HubOptions
from multiview.wire import topics
from multiview.wire.messages import MAX_PICTURE, Message, PreviewRequest, Stamp, encode
from services.nodes import previews
from services.nodes.previews import Previews, jpeg
from services.transport.bus import Received


class Stub:
    """What a subscriber has received."""

    def __init__(self, *_: object) -> None:
        self.messages: list[bytes] = []

    def drain(self) -> list[Received]:
        received = [Received(topics.PREVIEW_REQUEST, Stamp(0, 0, 0), body) for body in self.messages]
        self.messages.clear()
        return received

    def close(self) -> None:
        pass


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Stub:
    stub = Stub()
    monkeypatch.setattr(previews, "Subscriber", lambda *_: stub)
    return stub


def sent_at(asked: Previews, camera: str, times: np.ndarray) -> list[float]:
    return [float(t) for t in times if asked.due(camera, float(t)) is not None]


def ask(stub: Stub, message: Message) -> None:
    stub.messages.append(encode(message))


def test_previews_end_when_nobody_asks_again(stub: Stub) -> None:
    asked = Previews(HubOptions(), "cam01")
    times = np.arange(0, 10, 1 / 64)
    assert sent_at(asked, "cam01", times) == []
    ask(stub, PreviewRequest(rate_hz=4.0, seconds=2.0))
    sent = sent_at(asked, "cam01", 20 + times)
    assert len(sent) == 8  # 4 Hz for 2 s, whatever the camera's rate is
    assert sent[-1] < 22.0
    assert np.diff(sent).min() >= 0.25


def test_previews_are_of_the_cameras_that_are_asked_for(stub: Stub) -> None:
    asked = Previews(HubOptions(), "cam01")
    ask(stub, PreviewRequest(cameras=["cam02"], width=960))
    ask(stub, PreviewRequest(cameras=["cam01", "cam02"], width=320, seconds=1.0))
    assert asked.due("cam03", 0.0) is None
    assert asked.due("cam01", 0.0) == PreviewRequest(cameras=["cam01", "cam02"], width=320, seconds=1.0)
    stub.messages.append(b"nonsense")
    assert asked.due("cam01", 0.5) is not None
    assert asked.due("cam01", 1.5) is None


def test_preview_is_small() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1080, 1920, 3), dtype=np.uint8)
    assert cv2.imdecode(np.frombuffer(jpeg(noise, 320), np.uint8), cv2.IMREAD_COLOR).shape == (180, 320, 3)
    assert 0 < len(jpeg(noise, 960)) <= MAX_PICTURE  # noise is the worst that JPEG can be given
    assert cv2.imdecode(np.frombuffer(jpeg(noise[:90, :160], 320), np.uint8), cv2.IMREAD_COLOR).shape == (90, 160, 3)
