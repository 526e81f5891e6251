"""Cameras that speak RTSP: read in order, with a password, again after they broke off, and named when they refuse."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from multiview.errors import SourceError
from multiview.sources import open_source, stream
from tests.footage import digit_of
from tests.live.test_streams import FPS, SIZE, pieces
from tests.rtsp_camera import RtspCamera, rtsp_camera

USER, PASSWORD = "operator", "p@ss:word/1"


@pytest.fixture
def locked() -> Iterator[RtspCamera]:
    with rtsp_camera(RtspCamera(pieces(), FPS, f"{USER}:{PASSWORD}")) as camera:
        yield camera


def with_user(camera: RtspCamera, user: str) -> str:
    return camera.address.replace("://", f"://{user}@")


def test_rtsp_camera_is_read_from_its_first_frame_on() -> None:
    with rtsp_camera(RtspCamera(pieces(), FPS)) as camera:
        source = open_source(camera.address, "cam01")
        frames = [source.read() for _ in range(20)]
        source.close()
    assert source.size == SIZE
    assert [digit_of(frame.image) for frame in frames if frame] == [i % 10 for i in range(20)]
    assert [frame.index for frame in frames if frame] == list(range(20))
    assert camera.players == 1


def test_rtsp_camera_that_sends_by_udp_only_is_read() -> None:
    """TCP is asked for first, since it loses nothing; a camera that refuses it is read all the same."""
    with rtsp_camera(RtspCamera(pieces(), FPS, udp=True)) as camera:
        source = open_source(camera.address, "cam01")
        frames = [source.read() for _ in range(10)]
        source.close()
    assert camera.players == 1
    shown = [digit_of(frame.image) for frame in frames if frame]
    assert all((b - a) % 10 == 1 for a, b in itertools.pairwise(shown))


def test_rtsp_camera_that_hangs_up_is_opened_again() -> None:
    with rtsp_camera(RtspCamera(pieces(), FPS, breaks_after=25)) as camera:
        source = stream.Source(camera.address, "cam01", reconnect_s=30.0)
        frames = [source.read() for _ in range(40)]
        source.close()
    assert camera.players == 2
    assert source.reconnects >= 1
    assert [frame.index for frame in frames if frame] == list(range(40))
    assert digit_of(frames[-1].image) == (digit_of(frames[-2].image) + 1) % 10  # type: ignore[union-attr]


def test_rtsp_camera_with_a_password_is_read(locked: RtspCamera) -> None:
    source = open_source(with_user(locked, f"{USER}:p%40ss%3Aword%2F1"), "cam01")
    assert source.read() is not None
    source.close()


@pytest.mark.parametrize(
    ("user", "path", "said"),
    [
        ("", "live", "401 Unauthorized.*: check user and password"),
        (f"{USER}:secret%40", "live", "401 Unauthorized.*: check user and password"),
        (f"{USER}:p%40ss%3Aword%2F1", "other", "404 Not Found: check its path"),
    ],
)
def test_rtsp_camera_that_refuses_says_why(locked: RtspCamera, user: str, path: str, said: str) -> None:
    address = (with_user(locked, user) if user else locked.address).replace("/live", f"/{path}")
    with pytest.raises(SourceError, match=said) as raised:
        open_source(address, "cam01")
    assert "secret" not in str(raised.value)
    assert "ss%3A" not in str(raised.value)
