"""Sources give every frame once, in order, the right way up, with true times; broken ones say what is wrong."""

import threading
import time
from http.server import ThreadingHTTPServer
from itertools import pairwise

import cv2
import numpy as np
import pytest

from multiview.data import VideoFrame
from multiview.errors import SourceError
from multiview.sources import Reader, open_source, stream, video
from tests.footage import MotionJpeg, picture, write_video


def read_all(source):
    frames = []
    while (frame := source.read()) is not None:
        frames.append(frame)
    source.close()
    return frames


def test_a_video_gives_every_frame_at_its_time(tmp_path):
    source = open_source(str(write_video(tmp_path / "cam01.avi")))
    assert (source.name, source.frames, source.fps, source.size, source.live) == ("cam01", 10, 25.0, (64, 48), False)
    frames = read_all(source)
    assert [f.index for f in frames] == list(range(10))
    assert [f.time_ns for f in frames] == [round(i * 1e9 / 25) for i in range(10)]
    assert [f.camera for f in frames] == ["cam01"] * 10
    assert [abs(int(f.image[10, 10, 0]) - (40 + 20 * i)) < 8 for i, f in enumerate(frames)] == [True] * 10


def test_times_beside_a_video_come_first(tmp_path):
    path = write_video(tmp_path / "a.avi", frames=3)
    stamps = tmp_path / "a.timestamps.csv"
    stamps.write_text("frame,time\n0,5.0\n1,5.041\n2,5.079\n")
    assert [f.time_ns for f in read_all(video.Source(path))] == [5_000_000_000, 5_041_000_000, 5_079_000_000]
    for content, complaint in (
        ("frame,time\n0,1.0\n1,0.5\n2,2\n", "must grow"),
        ("frame,seconds\n0,1.0\n", "columns frame,time"),
        ("frame,time\n0,soon\n", "line 2"),
        ("frame,time\n0,0.0\n", "no frame 1"),
    ):
        stamps.write_text(content)
        with pytest.raises(SourceError, match=complaint):
            read_all(video.Source(path))


def test_a_folder_is_numbered_by_its_names(tmp_path):
    for i in (12, 9, 10):
        cv2.imwrite(str(tmp_path / f"take1_{i}.png"), picture(i % 3))
    frames = read_all(open_source(str(tmp_path), "left", fps=10))
    assert [f.index for f in frames] == [9, 10, 12]
    assert [f.time_ns for f in frames] == [900_000_000, 1_000_000_000, 1_200_000_000]
    (tmp_path / "take1_13.png").write_bytes(b"no picture")
    with pytest.raises(SourceError, match=r"take1_13.png cannot be read"):
        read_all(open_source(str(tmp_path)))


def test_bad_sources_say_what_is_wrong(tmp_path):
    (tmp_path / "text.mp4").write_text("hello")
    (tmp_path / "empty").mkdir()
    whole = write_video(tmp_path / "whole.avi", frames=60)
    torn = tmp_path / "torn.avi"
    torn.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    for address, complaint in (
        ("absent.mp4", "there is no source"),
        ("text.mp4", "cannot be opened as a video"),
        ("empty", "holds no pictures"),
        ("torn.avi", r"breaks off after \d+ of 60 frames|cannot be opened"),
        ("97", "webcam 97 does not answer"),
    ):
        with pytest.raises(SourceError, match=complaint):
            read_all(open_source(address, folder=tmp_path))


class Counting:
    """A source of `n` frames that can be held back, and fails at the end if told to."""

    name, live, frames, fps, size = "counting", False, 0, 0.0, (4, 4)

    def __init__(self, n, error=None):
        self.n, self.error, self.i, self.closed, self.skipped = n, error, 0, False, 0

    def read(self):
        if self.i == self.n:
            if self.error:
                raise self.error
            return None
        self.i += 1
        return VideoFrame(np.zeros((4, 4, 3), np.uint8), self.i - 1, self.i, self.name)

    def skip(self):
        self.skipped += self.i < self.n
        return self.read() is not None

    def close(self):
        self.closed = True


def test_every_frame_policy_loses_none():
    source = Counting(50)
    with Reader(source, "every", ahead=3) as reader:
        frames = [reader.read() for _ in range(50)]
        assert [f.index for f in frames] == list(range(50))
        assert reader.read() is None
        assert reader.ended
    assert reader.dropped == 0
    assert source.closed


def test_newest_frame_policy_gives_the_last_and_counts_the_rest():
    with Reader(Counting(50), "newest") as reader:
        deadline = time.monotonic() + 60
        while reader.dropped < 49 and time.monotonic() < deadline:
            time.sleep(0.001)
        assert reader.read().index == 49
        assert reader.dropped == 49


def test_pictures_that_nobody_will_see_are_not_unpacked():
    """A source at 1000 Hz, a user who comes every 30 ms: most frames are skipped, all are counted."""

    class Camera(Counting):
        fps = 1000.0

        def read(self):
            time.sleep(0.001)
            return super().read()

    source, seen = Camera(10**6), []
    with Reader(source, "newest") as reader:
        for _ in range(10):
            seen.append(reader.read().index)
            time.sleep(0.03)
        assert source.skipped > 50
        before = reader.dropped
    assert seen == sorted(set(seen))
    assert before >= seen[-1] + 1 - len(seen)


@pytest.mark.parametrize("kind", ["video", "images"])
def test_a_frame_that_is_skipped_is_counted_and_timed(tmp_path, kind):
    if kind == "video":
        source = video.Source(write_video(tmp_path / "a.avi", frames=6))
    else:
        for i in range(6):
            cv2.imwrite(str(tmp_path / f"{i}.png"), picture(i))
        source = open_source(str(tmp_path), fps=25)
    assert source.skip()
    assert (frame := source.read()).index == 1
    assert [source.skip(), source.skip()] == [True, True]
    assert (frame := source.read()).index == 4
    assert frame.time_ns == 160_000_000
    assert abs(int(frame.image[10, 10, 0]) - 120) < 8
    assert [source.skip(), source.skip(), source.read()] == [True, False, None]


def test_a_video_that_breaks_off_while_skipping_says_so(tmp_path):
    path = write_video(tmp_path / "a.avi", frames=60)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    source = video.Source(path)
    with pytest.raises(SourceError, match=r"breaks off after \d+ of 60"):
        all(source.skip() for _ in range(60))


def test_a_source_of_ones_own_that_lacks_something_is_told_what(tmp_path):
    (tmp_path / "mine.py").write_text("class Source:\n    def __init__(self, name): pass\n    def read(self): pass\n")
    with pytest.raises(SourceError, match=r"has no close, fps, frames, live, name, size, skip"):
        open_source("./mine.py", "cam01", tmp_path)


def test_a_failing_source_fails_in_the_reader_after_its_frames():
    with Reader(Counting(2, SourceError("cut"))) as reader:
        assert [reader.read().index, reader.read().index] == [0, 1]
        with pytest.raises(SourceError, match="cut"):
            reader.read()
        assert reader.ended


def test_a_reader_that_nobody_reads_can_be_closed():
    reader = Reader(Counting(1000), "every", ahead=2)
    reader.close()
    assert not reader._thread.is_alive()


def test_a_stream_that_is_cut_comes_back_and_gives_up_in_the_end():
    server = ThreadingHTTPServer(("127.0.0.1", 0), MotionJpeg)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    source = stream.Source(f"http://127.0.0.1:{server.server_port}/a.mjpg", "net", reconnect_s=0.2)
    frames = [source.read() for _ in range(12)]
    assert [f.index for f in frames] == list(range(12))
    assert all(a.time_ns < b.time_ns for a, b in pairwise(frames))
    assert source.reconnects >= 1
    server.shutdown()
    server.server_close()
    with pytest.raises(SourceError, match=r"has given no picture for \d+ s: .* cannot be opened: connection refused"):
        read_all(source)
    source.close()
