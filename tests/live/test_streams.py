"""Network streams whose key frames are rare start at the first one, and say meanwhile what they wait for."""

from __future__ import annotations

import contextlib
import io
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import pytest

from multiview.data import VideoFrame
from multiview.errors import SourceError
from multiview.recordings.take import begin_take
from multiview.sources import Reader, stream
from multiview.studio.config import CameraSource, Studio
from multiview.studio.studio_file import load_studio
from services.capture import captured, doctor
from tests.footage import digit_of, picture

FPS, KEYS_S, SECONDS = 25, 5, 12
SIZE = (128, 96)


@cache
def pieces() -> list[bytes]:
    """An MPEG transport stream, a piece per frame; every 5 s a key frame."""
    buffer, found, done = io.BytesIO(), [], 0
    with av.open(buffer, "w", format="mpegts", options={"flush_packets": "1"}) as container:
        options = {"preset": "ultrafast", "tune": "zerolatency", "x264-params": f"keyint={FPS * KEYS_S}:scenecut=0"}
        video = container.add_stream("libx264", rate=FPS, options=options)
        assert isinstance(video, av.VideoStream)
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        for number in range(FPS * SECONDS):
            frame = av.VideoFrame.from_ndarray(picture(number, SIZE), format="bgr24")
            frame.pts = number
            container.mux(video.encode(frame.reformat(format="yuv420p")))
            found.append(buffer.getvalue()[done:])
            done = len(buffer.getvalue())
    return found


class SmartCodec(BaseHTTPRequestHandler):
    """A camera with rare key frames: everyone who connects gets its stream from `first` on, as it goes."""

    first = 0

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "video/mp2t")
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            for piece in pieces()[self.first :]:
                self.wfile.write(piece)
                time.sleep(1 / FPS)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def camera() -> Iterator[str]:
    """Its address."""
    pieces()
    server = ThreadingHTTPServer(("127.0.0.1", 0), SmartCodec)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/live.ts"
    server.shutdown()
    server.server_close()
    thread.join()


def test_stream_that_begins_with_its_only_key_frame_starts_at_once(camera: str) -> None:
    source = stream.Source(camera, "net")
    frames = [source.read() for _ in range(30)]
    assert [digit_of(frame.image) for frame in frames if frame] == [i % 10 for i in range(30)]
    assert source.reconnects == 0
    assert source.size == SIZE
    source.close()


def test_stream_that_is_joined_between_key_frames_starts_at_the_next(
    camera: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One second after a key frame: the next one comes 4 s later; what it waits for is said meanwhile."""
    monkeypatch.setattr(SmartCodec, "first", FPS)
    said: set[str] = set()
    began, source = time.monotonic(), stream.Source(camera, "net")
    with Reader(source) as reader:
        while (frame := reader.read(0.1)) is None:
            said.add(source.trouble)
            assert time.monotonic() < began + 10.0
        assert digit_of(frame.image) == FPS * KEYS_S % 10
        assert source.reconnects == 0
        assert source.trouble == ""
    if time.monotonic() > began + 1.0:  # unless opening it took that long
        assert said <= {
            "",
            "it waits for a key frame: set the camera's key frame (I-frame) interval to 1 s, smart codecs off",
        }


def test_stream_that_answers_but_never_shows_anything_ends(camera: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It opens again and again, and each time breaks off before a picture."""
    monkeypatch.setattr(SmartCodec, "first", FPS * (SECONDS - 1))
    began = time.monotonic()
    with pytest.raises(SourceError, match=r"has given no picture for \d+ s|cannot be opened"):
        stream.Source(camera, "net", reconnect_s=1.0).read()
    assert time.monotonic() < began + 60.0


def test_doctor_names_rare_key_frames(camera: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SmartCodec, "first", FPS)
    monkeypatch.setattr(doctor, "SLOW_START_S", 1.0)
    (finding,) = doctor.watch("cam01", CameraSource(address=camera))
    assert finding.verdict == "warn"
    assert "key frame" in finding.advice
    (finding,) = doctor.watch("cam01", CameraSource(address="http://127.0.0.1:9/none"))
    assert finding.verdict == "bad"
    assert "check its address" in finding.advice
    assert "cable" not in finding.advice


def test_doctor_ends_when_a_camera_gives_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "FIRST_PICTURE_S", 0.5)
    (tmp_path / "dumb.py").write_text(
        "import threading\n"
        "class Source:\n"
        "    live, frames, fps, size, trouble = True, 0, 30.0, (64, 48), 'its lens is covered'\n"
        "    def __init__(self, name):\n        self.name = name\n"
        "    def read(self):\n        threading.Event().wait(2.0)\n"
        "    skip = close = read\n"
    )
    (finding,) = doctor.watch("cam01", CameraSource(address=str(tmp_path / "dumb.py")))
    assert finding.verdict == "bad"
    assert finding.seen.startswith("no picture in")
    assert finding.seen.endswith("its lens is covered")


def test_doctor_ends_when_a_stream_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It answers, and then nothing comes: the advice is that for streams, not for cables."""
    monkeypatch.setattr(stream, "OPEN_TIMEOUT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        (finding,) = doctor.watch("cam01", CameraSource(address=f"http://127.0.0.1:{silent.getsockname()[1]}/none"))
    assert finding.verdict == "bad"
    assert finding.advice == doctor.NOT_OPEN["stream"]


def test_capture_waits_for_a_camera_that_says_what_it_waits_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And gives its reason in the end; one that says nothing is given up earlier, one that failed at once."""
    monkeypatch.setattr(captured, "START_S", 0.1)
    monkeypatch.setattr(captured, "LONGEST_START_S", 0.5)
    take = begin_take(tmp_path, "first", datetime.now(UTC), "", "")
    for trouble, error, complaint in (
        ("it waits for a key frame", None, r"no image after \d s from cam01: cam01: it waits for a key frame"),
        ("", None, "from cam01: check that they are on and connected"),
        ("", SourceError("the network is down"), "cam01: the network is down"),
    ):
        camera = captured.CapturedCamera(Silent(trouble, error))
        began = time.monotonic()
        with pytest.raises(SourceError, match=complaint):
            captured.start_together([camera], take)
        assert (time.monotonic() > began + 0.5) == bool(trouble)
        camera.close()


class Silent:
    """A camera that gives no picture until it is closed."""

    name, live, frames, fps, size = "cam01", True, 0, 30.0, (64, 48)

    def __init__(self, trouble: str, error: SourceError | None) -> None:
        self.trouble, self._error, self._ended = trouble, error, threading.Event()

    def read(self) -> VideoFrame | None:
        if self._error is not None:
            raise self._error
        self._ended.wait(2.0)
        return None

    def skip(self) -> bool:
        return self.read() is not None

    def close(self) -> None:
        self._ended.set()


def _network_cameras(folder: Path, count: int) -> Studio:
    lines = [f"[cameras.cam0{k}.source]\ntype = 'camera'\naddress = 'rtsp://10.0.0.{k}/x'\n" for k in range(count)]
    (folder / "studio.toml").write_text("[source]\ntype = 'camera'\naddress = '0'\n" + "".join(lines))
    return load_studio(folder / "studio.toml", check=False)


def test_doctor_looks_at_all_cameras_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is away once all have been asked."""
    together = threading.Barrier(3)

    def open_camera(source: CameraSource, name: str) -> stream.Source:
        together.wait(20.0)
        raise SourceError(f"{name} is away")

    monkeypatch.setattr(doctor, "open_camera", open_camera)
    found = list(doctor.cameras(_network_cameras(tmp_path, 3)))
    assert [finding.what for finding in found] == ["cam00", "cam01", "cam02"]
    assert [finding.seen for finding in found] == ["cam00 is away", "cam01 is away", "cam02 is away"]


def test_doctor_waits_once_for_cameras_that_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ever = threading.Event()

    def open_camera(source: CameraSource, name: str) -> stream.Source:
        ever.wait(60.0)
        raise SourceError("too late")

    monkeypatch.setattr(doctor, "open_camera", open_camera)
    monkeypatch.setattr(doctor, "FIRST_PICTURE_S", 0.1)
    monkeypatch.setattr(doctor, "LOOK_S", 0.1)
    found = list(doctor.cameras(_network_cameras(tmp_path, 2)))
    assert not ever.is_set()
    assert [finding.seen for finding in found] == ["neither a picture nor an error in 0.1 s"] * 2
    ever.set()
