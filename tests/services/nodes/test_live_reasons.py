"""Why nobody comes out of a running studio, from messages as its processes send them."""

from __future__ import annotations

import msgspec
import pytest

from multiview.studio.config import Studio, SyntheticSource
from multiview.studio.stream_fusion import StreamFusion
from multiview.synthetic import Studio as Simulated
from multiview.wire.messages import CameraHealth, Stamp, encode
from multiview.wire.packing import pack_keypoints
from services.nodes.live_reasons import WINDOW_S, LiveReasons
from services.transport.bus import Received


class Stream:
    """A hub's stream of a small studio, in which one second has 25 frames."""

    def __init__(self, simulated: Simulated, skeleton: str) -> None:
        options = {"cameras": 3, "people": 2, "seconds": 0.8, "fps": 25.0, "skeleton": "body25"}
        studio = Studio(skeleton="body25", source=SyntheticSource(options=options))
        self.simulated, self.skeleton = simulated, skeleton
        self.fusion = StreamFusion(studio, simulated.rig)
        self.reasons = LiveReasons(self.fusion, volume=False)
        self.sequence = 0
        self.reasons.update(0.0)

    def send(self, topic: str, message: msgspec.Struct) -> None:
        self.sequence += 1
        received = Received(topic, Stamp(self.sequence, self.sequence, self.sequence), encode(message))
        self.reasons.note(received)
        list(self.fusion.feed(*received))

    def frames(
        self,
        cameras: tuple[int, ...],
        health: CameraHealth | None = None,
        names: tuple[str, ...] = (),
        first: int = 0,
    ) -> None:
        """All frames of these cameras, numbered from `first`, then what each says of itself; `names` are others."""
        names = names or self.simulated.rig.names
        for frame in range(self.simulated.frames):
            for camera in cameras:
                keypoints, name = self.simulated.keypoints(camera, frame), names[camera]
                assert keypoints is not None
                number = first + frame
                header = {"boot_id": 1, "frame": number, "time_ns": number * 40_000_000, "clock": "epoch"}
                self.send(f"keypoints/{name}", pack_keypoints(keypoints, camera=name, skeleton=self.skeleton, **header))
        for camera in cameras:
            name = self.simulated.rig.names[camera]
            sent = first + self.simulated.frames
            known = health or CameraHealth(camera=name, boot_id=1, frames=sent, expected_hz=25.0)
            self.send(f"camera_health/{name}", msgspec.structs.replace(known, camera=name))


def test_live_reasons_say_nothing_while_people_come_out(small_studio: Simulated) -> None:
    stream = Stream(small_studio, "body25")
    stream.frames((0, 1, 2))
    stream.reasons.update(WINDOW_S + 0.1)
    assert (stream.reasons.text, stream.reasons.hopeless) == ("", False)


@pytest.mark.parametrize(
    ("cameras", "skeleton", "expected"),
    [
        ((1,), "body25", "cam02 is the only camera"),
        ((0, 1, 2), "halpe26", "fusion rejects messages: cam01 sends skeleton halpe26"),
    ],
)
def test_live_reasons_name_what_is_hopeless(
    small_studio: Simulated, cameras: tuple[int, ...], skeleton: str, expected: str
) -> None:
    stream = Stream(small_studio, skeleton)
    stream.frames(cameras)
    stream.reasons.update(WINDOW_S + 0.1)
    assert stream.reasons.text.startswith("nobody, because ")
    assert expected in stream.reasons.text
    assert stream.reasons.hopeless


def test_live_reasons_say_how_slow_a_computer_is(small_studio: Simulated) -> None:
    stream = Stream(small_studio, "body25")
    slow = CameraHealth(camera="x", boot_id=1, frames=4, dropped=176, rate_hz=1.2, expected_hz=60.0, detect_ms=800.0)
    stream.frames((0, 1, 2), slow)
    stream.reasons.update(WINDOW_S + 0.1)
    assert "2D detection takes 800 ms a picture, cam01 gives one every 17 ms" in stream.reasons.text


def test_live_reasons_call_no_computer_slow_where_pictures_come_slowly(small_studio: Simulated) -> None:
    """A camera in the dark gives half of what it says, and every one of these pictures is used."""
    stream = Stream(small_studio, "body25")
    dark = CameraHealth(camera="x", boot_id=1, frames=20, rate_hz=6.7, expected_hz=30.0, detect_ms=60.0)
    stream.frames((0, 1, 2), dark)
    stream.reasons.update(WINDOW_S + 0.1)
    assert stream.reasons.text == ""


def test_live_reasons_quote_a_camera_that_sends_nothing(small_studio: Simulated) -> None:
    stream = Stream(small_studio, "body25")
    stream.frames((0, 1))
    note = "cam03: pictures are 640x480, the calibration is for 1920x1080, another shape"
    stream.send("camera_health/cam03", CameraHealth(camera="cam03", boot_id=1, note=note))
    stream.reasons.update(WINDOW_S + 0.1)
    assert stream.reasons.text == f"cam03 sends nothing: {note}"


def test_live_reasons_name_cameras_that_are_exchanged_bit_by_bit(fair_studio: Simulated) -> None:
    """No look at them takes longer than one trial: poses wait meanwhile."""
    stream, said = Stream(fair_studio, fair_studio.skeleton.name), list[str]()
    names = fair_studio.rig.names
    for window in range(4):
        first = fair_studio.frames * window
        stream.frames(tuple(range(len(names))), names=(names[1], names[0], *names[2:]), first=first)
        for second in range(3):
            stream.reasons.update(window * WINDOW_S + second + 1.1)
        said.append(stream.reasons.text)
    assert "are exchanged" not in said[0]
    assert said[-1].startswith(f"{names[0]} and {names[1]} are exchanged")
