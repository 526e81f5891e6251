"""A frame that was sought is the one that is reached by reading: same number, same time, same picture."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from multiview.errors import SourceError
from multiview.sources import Seekable, open_source
from tests.footage import picture

FRAMES, FPS = 90, 25
STEADY = [40 * i for i in range(FRAMES)]  # ms
VARIABLE = list(np.cumsum([33 if i % 7 else 82 for i in range(FRAMES)]))


def write(path: Path, codec: str, times_ms: list[int], options: dict[str, str], pixels: str = "yuv420p") -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=FPS, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 128, 96, pixels
        if codec != "mjpeg":
            stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for number, time_ms in enumerate(times_ms):
            frame = av.VideoFrame.from_ndarray(picture(number, (128, 96)), format="bgr24").reformat(format=pixels)
            frame.pts = number if codec == "mjpeg" else int(time_ms)
            frame.time_base = Fraction(1, FPS if codec == "mjpeg" else 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "codec", "times_ms", "options"),
    [
        ("b_frames.mp4", "libx264", STEADY, {"g": "12", "bf": "3"}),
        ("variable.mkv", "libx264", VARIABLE, {"g": "30", "bf": "2"}),
        ("one_key_frame.mp4", "libx264", STEADY, {"g": "1000", "bf": "3"}),
        ("open_gop.mp4", "libx264", STEADY, {"g": "12", "bf": "3", "x264-params": "open-gop=1"}),
        ("fragments.mp4", "libx264", STEADY, {"g": "12", "movflags": "frag_keyframe+empty_moov"}),
        ("jpegs.avi", "mjpeg", STEADY, {}),
    ],
)
def test_seek_is_reading_up_to_there(name, codec, times_ms, options, tmp_path):
    path = write(tmp_path / name, codec, times_ms, options, "yuvj420p" if codec == "mjpeg" else "yuv420p")
    read = list(iter(open_source(str(path)).read, None))
    assert len(read) == FRAMES
    for first in (1, 31, 36, 60, FRAMES - 1):
        source = open_source(str(path))
        assert isinstance(source, Seekable)
        assert source.seek(first)
        for expected in read[first : first + 5]:
            frame = source.read()
            assert frame is not None
            assert (frame.index, frame.time_ns) == (expected.index, expected.time_ns)
            np.testing.assert_array_equal(frame.image, expected.image)
        source.close()


def test_seek_beyond_the_end_begins_anew(tmp_path):
    path = write(tmp_path / "v.mp4", "libx264", STEADY, {"g": "12"})
    source = open_source(str(path))
    assert isinstance(source, Seekable)
    assert not source.seek(FRAMES)
    frame = source.read()
    assert frame is not None
    assert frame.index == 0
    source.close()


def test_seek_in_a_torn_video_ends_as_reading_it(tmp_path):
    path = write(tmp_path / "v.mkv", "libx264", STEADY, {"g": "12"})
    whole = open_source(str(path))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    whole.close()
    ends = []
    for first in (0, 20):
        source = open_source(str(path))
        assert not first or (isinstance(source, Seekable) and source.seek(first))
        numbers = []
        with pytest.raises(SourceError, match="breaks off") as told:
            numbers.extend(frame.index for frame in iter(source.read, None))
        ends.append((numbers[-1], str(told.value)))
        source.close()
    assert ends[0] == ends[1]
