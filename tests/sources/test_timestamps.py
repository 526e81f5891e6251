"""Times of frames: one reader of timestamps files for every command, and containers that say wrong or no times."""

import codecs

import av
import numpy as np
import pytest

from calib.corners.pictures import image_folder
from calib.corners.pictures import video as board_video
from multiview.errors import SourceError
from multiview.sources import ContainerTimes, open_source, read_timestamps
from tests.footage import picture, write_video

MS = 1_000_000
PLAIN = "frame,time\n0,5.0\n1,5.04\n2,5.08\n3,5.12\n"
SAME = {
    "plain": PLAIN.encode(),
    "byte order mark": PLAIN.encode("utf-8-sig"),
    "UTF-16": PLAIN.encode("utf-16"),
    "UTF-16, big-endian": codecs.BOM_UTF16_BE + PLAIN.encode("utf-16-be"),
    "UTF-16 without a mark": PLAIN.encode("utf-16-le"),
    "unsorted": b"frame,time\n2,5.08\n0,5.0\n3,5.12\n1,5.04\n",
    "a row missing": b"frame,time\n0,5.0\n1,5.04\n3,5.12\n",
    "milliseconds": b"frame,time\n0,5000\n1,5040\n2,5080\n3,5120\n",
    "nanoseconds": b"frame,time\n0,5000000000\n1,5040000000\n2,5080000000\n3,5120000000\n",
    "semicolons and decimal commas": b"Frame;Time\r\n0;5,0\r\n1;5,04\r\n2;5,08\r\n3;5,12\r\n",
    "more columns, blank lines": b"time, frame ,note\n\n5.0,0,a\n5.04,1,b\n5.08,2,\n\n5.12,3,\n",
    "counted from 1": b"frame,time\n1,5.0\n2,5.04\n3,5.08\n4,5.12\n",
}


def times_of(source):
    found = []
    while (frame := source.read()) is not None:
        found.append(frame.time_ns)
    source.close()
    return found


@pytest.mark.parametrize("form", SAME)
def test_a_timestamps_file_means_the_same_to_process_and_to_detect(tmp_path, form):
    path = write_video(tmp_path / "a.avi", frames=4)
    (tmp_path / "a.timestamps.csv").write_bytes(SAME[form])
    expected = [5000 * MS + 40 * MS * i for i in range(4)]
    np.testing.assert_allclose(times_of(open_source(str(path))), expected, atol=2)
    np.testing.assert_allclose([p.time * 1e9 for p in board_video(path).read()], expected, atol=2)


WRONG = {
    "frame,time\n0,1.0\n1,0.5\n": "frame 0 has 1 and frame 1 has 0.5",
    "frame,time\n0,1.0\n0,2.0\n": "line 3: frame 0 has two times, 1 and 2",
    "frame,time\n0,soon\n": "line 2: '0', 'soon' are no numbers",
    "frame,time\n0,inf\n": "line 2: '0', 'inf' are no numbers",
    "frame,time\n0,nan\n": "line 2",
    "frame,time\n0,1e300\n": "line 2",
    "frame,seconds\n0,1.0\n": "needs the columns frame,time and has frame,seconds",
    "": "has none",
    "frame,time\n": "holds no row",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_a_timestamps_file_cannot_mean_is_said_with_its_place(tmp_path, text):
    path = write_video(tmp_path / "a.avi", frames=4)
    (tmp_path / "a.timestamps.csv").write_text(text)
    for read in (lambda: open_source(str(path)), lambda: board_video(path)):
        with pytest.raises(SourceError) as caught:
            read()
        assert WRONG[text] in str(caught.value)
        assert "\n" not in str(caught.value)
    (tmp_path / "a.timestamps.csv").write_bytes(b"frame,time\n\xff\xe9\x80")
    with pytest.raises(SourceError, match="is not text"):
        board_video(path)


def test_times_of_slow_motion_stay_as_they_are_written(tmp_path):
    """240 pictures a second in a container that plays 30: no unit of time, but a true rate."""
    stamps = tmp_path / "t.csv"
    stamps.write_text("frame,time\n" + "".join(f"{i},{i / 240:.6f}\n" for i in range(10)))
    assert read_timestamps(stamps, fps=30.0).time_ns(9) == round(9e9 / 240, -3)


def test_pictures_of_the_board_have_the_times_beside_them(tmp_path):
    import cv2

    for i in (3, 4, 5):
        cv2.imwrite(str(tmp_path / f"p{i}.png"), picture(i))
    (tmp_path / "._p3.png").write_bytes(b"left by a file manager")
    (tmp_path / "timestamps.csv").write_text("frame,time\n3,7.0\n4,7.5\n5,9.0\n")
    assert [p.time for p in image_folder(tmp_path).read()] == [7.0, 7.5, 9.0]
    assert times_of(open_source(str(tmp_path))) == [7000 * MS, 7500 * MS, 9000 * MS]


def encoded(path, codec, seconds, b_frames):
    """A video with a picture at each of these times; stamps of 1/90000 s where the container has any."""
    from fractions import Fraction

    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.max_b_frames = b_frames
        if path.suffix != ".avi":
            stream.codec_context.time_base = Fraction(1, 90000)
        for i, time in enumerate(seconds):
            frame = av.VideoFrame.from_ndarray(picture(i % 10), format="bgr24")
            if path.suffix != ".avi":
                frame.pts, frame.time_base = round(time * 90000), Fraction(1, 90000)
            for packet in stream.encode(frame):
                out.mux(packet)
        for packet in stream.encode(None):
            out.mux(packet)
    return path


@pytest.mark.parametrize(
    ("name", "within_ms"), [("variable.mp4", 1.01), ("variable.mkv", 1.01), ("constant.mkv", 0.001), ("b.avi", 0.001)]
)
def test_true_times_of_a_container_are_kept_and_missing_ones_follow_the_rate(tmp_path, name, within_ms):
    count = np.arange(40)
    seconds = count / 30
    if name.startswith("variable"):
        seconds = np.cumsum(np.random.default_rng(0).uniform(0.7, 1.35, 40)) / 30
        seconds -= seconds[0]
    path = encoded(tmp_path / name, "mpeg4" if name == "b.avi" else "libx264", seconds, b_frames=2)
    by_process = np.array(times_of(open_source(str(path)))) / 1e9
    by_detect = np.array([p.time for p in board_video(path).read()])
    assert np.abs(by_process - seconds).max() * 1e3 < within_ms
    np.testing.assert_allclose(by_detect, by_process, atol=1e-9)  # of one zero, so that an offset holds in both
    third = [p.time for p in board_video(path).read(3)]
    np.testing.assert_allclose(third, by_detect[::3], atol=1e-9)


def test_stamps_that_stop_go_on_at_the_rate_from_the_last():
    container = ContainerTimes(25.0)
    given = [0.066, 0.106, 0.146, 0.386, 0.0, None]  # five pictures are missing before the fourth
    expected = [0, 40, 80, 320, 360, 400]
    assert [round(container.next_ns(stamp) / 1e6) for stamp in given] == expected
    silent = ContainerTimes(25.0)
    assert [silent.next_ns(None) for _ in range(3)] == [0, 40 * MS, 80 * MS]
