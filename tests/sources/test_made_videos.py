"""Videos of every kind that cameras and programs write, made here: every command reads them right, or refuses them."""

from __future__ import annotations

import gc
import logging
import os
import re
import struct
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.codec import hwaccel

from calib.corners.pictures import video as board_video
from multiview.common.ledger import ledger
from multiview.data import VideoFrame
from multiview.errors import ConfigError, SourceError
from multiview.sources import _hardware, open_source, video_start
from multiview.sources._video_reader import decoding_threads
from tests.footage import beside, digit_of, picture

FRAMES, FPS, SIZE = 14, 25, (64, 48)
EVEN = tuple(i / FPS for i in range(FRAMES))
UNEVEN = tuple(np.cumsum([0.0, *np.random.default_rng(4).uniform(0.4, 2.5, FRAMES - 1)]) / FPS)
QUIET = {"x265-params": "log-level=none"}
TABLE = (Path(__file__).parents[2] / "docs" / "video_files.md").read_text(encoding="utf-8")


@beside
def made(
    path: Path,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    seconds: Iterable[float] = EVEN,
    size: tuple[int, int] = SIZE,
    rate: Fraction | int = FPS,
    pictures: Callable[[int, tuple[int, int]], np.ndarray] = picture,
    options: dict[str, str] | None = None,
    container: dict[str, str] | None = None,
    kind: str | None = None,
    full_range: bool = False,
    timecode: str = "",
    created: str = "",
) -> Path:
    """A video with a picture at each of these times."""
    with av.open(str(path), "w", format=kind, container_options=container or {}) as out:
        stream = out.add_stream(codec, rate=rate, options=options or {})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        stream.codec_context.color_range = 2 if full_range else 0
        stream.metadata.update({"timecode": timecode} if timecode else {})
        out.metadata.update({"creation_time": created} if created else {})
        unit = Fraction(1, 90_000) if tuple(seconds) != EVEN else Fraction(1, 1) / rate
        stream.codec_context.time_base = unit
        for number, time in enumerate(seconds):
            frame = av.VideoFrame.from_ndarray(pictures(number, size), format="bgr24")
            frame = frame.reformat(format=pixels, dst_color_range=2 if full_range else None)
            frame.pts, frame.time_base = round(time / unit), unit
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def copied(path: Path, to: Path, shift_s: float, options: dict[str, str]) -> Path:
    """The same frames, shown earlier or later; what is then before 0 is cut by an edit list."""
    with av.open(str(path)) as source, av.open(str(to), "w", container_options=options) as out:
        there = source.streams.video[0]
        stream = out.add_stream_from_template(there)
        for packet in source.demux(there):
            if packet.dts is not None and packet.pts is not None:
                assert there.time_base is not None
                shift = round(shift_s / there.time_base)
                packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, stream
                out.mux(packet)
    return to


def flat(number: int, size: tuple[int, int]) -> np.ndarray:
    """A picture that looks the same however it is turned."""
    return np.full((size[1], size[0], 3), 40 + 20 * (number % 10), np.uint8)


def turned(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """The same video, with this matrix of display in its header."""
    data = bytearray(path.read_bytes())
    a, b, c, d = (one << 16 for one in matrix)
    struct.pack_into(">9i", data, data.index(b"tkhd") + 44, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


def verdict(path: Path) -> str:
    """What comes of a file, as the table of docs/video_files.md says it."""
    try:
        source = open_source(str(path))
        frames = list(iter(source.read, None))
    except SourceError as error:
        words = str(error).replace(str(path), "the file")
        return "refused: " + re.sub(r"after \d+ of \d+", "after N of M", words)
    starts = " and ".join(start.kind for start in video_start(path))
    size = f"{frames[0].image.shape[1]} x {frames[0].image.shape[0]}"
    return f"{len(frames)} frames, {size}, {source.fps:.5g} Hz" + (f"; its {starts} read" if starts else "")


def is_in_table(kind: str, path: Path, more: str = "") -> bool:
    return f"| {kind} | {verdict(path)}{more} |" in TABLE


def shown(path: Path) -> list[VideoFrame]:
    return shown_by(path, "")


def shown_by(path: Path, hardware: str) -> list[VideoFrame]:
    source = open_source(str(path), hardware=hardware)
    frames = list(iter(source.read, None))
    source.close()
    return frames


KINDS: dict[str, Callable[[Path], Path]] = {
    "H.264": lambda folder: made(folder / "a.mp4"),
    "H.264 with frames out of order": lambda folder: made(folder / "a.mp4", options={"bf": "3", "g": "7"}),
    "H.264 out of order in AVI": lambda folder: made(folder / "a.avi", options={"bf": "2"}),
    "H.264, full range": lambda folder: made(folder / "a.mp4", pixels="yuvj420p", full_range=True),
    "HEVC of 10 bits": lambda folder: made(folder / "a.mp4", "libx265", "yuv420p10le", options=QUIET),
    "HEVC as Apple names it": lambda folder: made(folder / "a.mov", "libx265", options=QUIET),
    "MJPEG": lambda folder: made(folder / "a.avi", "mjpeg", "yuvj420p"),
    "ProRes": lambda folder: made(folder / "a.mov", "prores_ks", "yuv422p10le"),
    "AV1": lambda folder: made(folder / "a.mkv", "libsvtav1"),
    "VP9 of odd size": lambda folder: made(folder / "a.webm", "libvpx-vp9", size=(67, 51)),
    "MPEG-2": lambda folder: made(folder / "a.mpg", "mpeg2video"),
    "transport stream": lambda folder: made(folder / "a.ts"),
    "uncompressed": lambda folder: made(folder / "a.avi", "rawvideo", "bgr24"),
    "lossless grey": lambda folder: made(folder / "a.mkv", "ffv1", "gray"),
    "wrong suffix": lambda folder: made(folder / "a.avi", kind="mov"),
    "no suffix": lambda folder: made(folder / "a", kind="matroska"),
    "spaces and letters": lambda folder: made(folder / "Kamera 1 – größe 東.mp4"),
    "signs": lambda folder: made(folder / "cam:1 50%02d #[x].mp4"),
    "upper case": lambda folder: made(folder / "GOPR0001.MP4"),
    "turned by 90 degrees": lambda folder: turned(made(folder / "a.mov", pictures=flat), (0, 1, -1, 0)),
    "turned by 180 degrees": lambda folder: turned(made(folder / "a.mov", pictures=flat), (-1, 0, 0, -1)),
    "turned by 270 degrees": lambda folder: turned(made(folder / "a.mp4", pictures=flat), (0, -1, 1, 0)),
    "timecode and time of creation": lambda folder: made(
        folder / "a.mov", timecode="10:00:00:05", created="2024-05-01T12:00:03Z"
    ),
    "start later than its sound would": lambda folder: copied(
        made(folder / "whole.mp4"), folder / "a.mp4", 0.5, {"use_editlist": "1"}
    ),
}


SIZES = {"VP9 of odd size": (67, 51), "turned by 90 degrees": SIZE[::-1], "turned by 270 degrees": SIZE[::-1]}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_video_of_every_kind_gives_its_pictures_and_times(kind: str, tmp_path: Path) -> None:
    path = KINDS[kind](tmp_path)
    frames = shown(path)
    assert [digit_of(frame.image) for frame in frames] == [number % 10 for number in range(FRAMES)]
    assert [frame.time_ns for frame in frames] == [round(i * 1e9 / FPS) for i in range(FRAMES)]
    width, height = SIZES.get(kind, SIZE)
    assert frames[0].image.shape == (height, width, 3)
    assert is_in_table(kind, path)
    board = list(board_video(path).read())
    assert [(one.frame, round(one.time * 1e9)) for one in board] == [(one.index, one.time_ns) for one in frames]


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.ts", "a.webm"])
def test_times_of_a_variable_rate_are_the_containers(name: str, tmp_path: Path) -> None:
    path = made(tmp_path / name, "libvpx-vp9" if name.endswith("webm") else "libx264", seconds=UNEVEN)
    found = np.array([frame.time_ns for frame in shown(path)]) / 1e9
    assert np.abs(found - UNEVEN).max() <= 1e-3
    assert is_in_table(f"variable rate, {name[2:].upper()}", path, "; times within 1 ms")
    np.testing.assert_allclose([one.time for one in board_video(path).read()], found, atol=1e-9)


@pytest.mark.parametrize("rate", [Fraction(24000, 1001), 24, Fraction(30000, 1001), 50, Fraction(60000, 1001), 240])
def test_rate_is_the_cameras(rate: Fraction | int, tmp_path: Path) -> None:
    times = tuple(float(i / Fraction(rate)) for i in range(30))
    source = open_source(str(made(tmp_path / "a.mp4", seconds=times, rate=rate)))
    assert source.fps == pytest.approx(float(rate), rel=1e-6)
    assert source.frames == 30
    np.testing.assert_allclose([frame.time_ns / 1e9 for frame in iter(source.read, None)], times, atol=2e-5)
    (row,) = (line for line in TABLE.splitlines() if line.startswith("| rates of "))
    assert f"{float(rate):.5g}" in row


def corner(number: int, size: tuple[int, int]) -> np.ndarray:
    """Bright at the top left."""
    image = np.full((size[1], size[0], 3), 30, np.uint8)
    image[: size[1] // 2, : size[0] // 2] = 200
    return image


@pytest.mark.parametrize("pixels", ["yuv420p", "bgr24"])
@pytest.mark.parametrize(
    ("matrix", "bright"),
    [
        ((1, 0, 0, 1), (0, 0)),
        ((0, 1, -1, 0), (0, 1)),  # a quarter to the right: the top left is shown at the top right
        ((-1, 0, 0, -1), (1, 1)),
        ((0, -1, 1, 0), (1, 0)),
        ((-1, 0, 0, 1), (0, 1)),  # mirrored, as some front cameras record
        ((0, 1, 1, 0), (0, 0)),
    ],
)
def test_pictures_are_upright(
    matrix: tuple[int, int, int, int], bright: tuple[int, int], pixels: str, tmp_path: Path
) -> None:
    codec = "libx264" if pixels == "yuv420p" else "rawvideo"
    path = turned(made(tmp_path / "a.mov", codec, pixels, pictures=corner, seconds=EVEN[:3]), matrix)
    image = shown(path)[0].image
    assert image.shape[:2] == (SIZE[::-1] if matrix[0] else SIZE)
    quarters = [[image[y, x, 0] for x in (5, -6)] for y in (5, -6)]
    assert np.argwhere(np.array(quarters) > 100).tolist() == [list(bright)]


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize(("codec", "pixels"), [("libx264", "yuv420p"), ("libx265", "yuv420p10le")])
def test_black_and_white_stay_so_in_either_range(codec: str, pixels: str, full_range: bool, tmp_path: Path) -> None:
    def chess(number: int, size: tuple[int, int]) -> np.ndarray:
        image = np.zeros((size[1], size[0], 3), np.uint8)
        image[:, : size[0] // 2] = 255
        return image

    options = QUIET if codec == "libx265" else {}
    path = made(tmp_path / "a.mp4", codec, pixels, EVEN[:3], pictures=chess, options=options, full_range=full_range)
    image = shown(path)[0].image
    assert (image[:, :24] >= 248).all()  # limited range taken for full would give 235 and 16, the other way round 255
    assert (image[:, -24:] <= 4).all()


PATCHES = np.array([[200, 80, 60], [40, 180, 90], [30, 60, 210], [128, 128, 128], [235, 220, 20]], float)  # RGB
WEIGHTS = {"BT.601": (5, 0.299, 0.114), "BT.709": (1, 0.2126, 0.0722), "BT.2020": (9, 0.2627, 0.0593)}
HLG, PRIMARIES_2020 = 18, 9  # as phones record it
EXACT = {"libx264": {"qp": "0"}, "libx265": {"x265-params": "log-level=none:lossless=1"}}


@beside
def patches(path: Path, codec: str, pixels: str, matrix: str, full_range: bool) -> Path:
    """A picture of each colour, of whose code values the standards say how they follow from RGB."""
    number, red, blue = WEIGHTS[matrix]
    bits = 10 if "10" in pixels else 8
    unit = 2 ** (bits - 8)
    r, g, b = PATCHES.T / 255
    y = red * r + (1 - red - blue) * g + blue * b
    cb, cr = (b - y) / 2 / (1 - blue), (r - y) / 2 / (1 - red)
    luma, chroma, black = (2**bits - 1,) * 2 + (0,) if full_range else (219 * unit, 224 * unit, 16 * unit)
    codes = [black + luma * y, 128 * unit + chroma * cb, 128 * unit + chroma * cr]
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=FPS, options=EXACT.get(codec, {}))
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = *SIZE, pixels
        context = stream.codec_context
        context.color_range, context.colorspace = 2 if full_range else 1, number
        if matrix == "BT.2020":
            context.color_primaries, context.color_trc = PRIMARIES_2020, HLG
        for index in range(len(PATCHES)):
            frame = av.VideoFrame(*SIZE, pixels)
            frame.color_range, frame.colorspace = context.color_range, number
            for plane, code in zip(frame.planes, codes, strict=True):
                kind = np.uint16 if bits > 8 else np.uint8
                plane.update(np.full(plane.buffer_size // kind().itemsize, round(code[index]), kind).tobytes())
            frame.pts = index
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("name", "codec", "pixels", "matrix", "ranges"),
    [
        ("a.mp4", "libx264", "yuv420p", "BT.601", "limited and full"),
        ("a.mp4", "libx264", "yuv420p", "BT.709", "limited and full"),
        ("a.mp4", "libx265", "yuv420p10le", "BT.709", "limited and full"),
        ("a.mov", "libx265", "yuv420p10le", "BT.2020", "limited and full"),
        ("a.mov", "prores_ks", "yuv422p10le", "BT.709", "limited"),
        ("a.avi", "mjpeg", "yuvj420p", "BT.601", "full"),
    ],
)
def test_colours_are_within_two_levels(
    name: str, codec: str, pixels: str, matrix: str, ranges: str, tmp_path: Path
) -> None:
    """Rounding of Y and of one of Cb and Cr to 8 bits costs up to 1.6 levels, that of the result half a one."""
    for one in ranges.split(" and "):
        path = patches(tmp_path / f"{one}{name}", codec, pixels, matrix, one == "full")
        for frame, patch in zip(shown(path), PATCHES, strict=True):
            np.testing.assert_allclose(frame.image[20:28, 28:36].reshape(-1, 3), np.tile(patch[::-1], (64, 1)), atol=2)
    words = f"{codec.removeprefix('lib').removesuffix('_ks')}, {10 if '10' in pixels else 8} bits, {matrix}"
    assert f"| {words} | colours within 2 levels in {ranges} range |" in TABLE


def test_video_that_was_trimmed_by_an_edit_list_is_whole(tmp_path: Path) -> None:
    """As phones trim: the frames before the cut are in the file, and are not shown."""
    whole = made(tmp_path / "whole.mp4", options={"g": "10", "bf": "0"}, seconds=[i / 25 for i in range(50)])
    path = copied(whole, tmp_path / "a.mp4", -0.48, {"use_editlist": "1", "avoid_negative_ts": "disabled"})
    frames = shown(path)
    assert [digit_of(frame.image) for frame in frames] == [number % 10 for number in range(12, 50)]
    np.testing.assert_allclose([frame.time_ns / 1e9 for frame in frames], np.arange(38) / 25, atol=2e-5)
    assert open_source(str(path)).frames == 38
    assert is_in_table("trimmed by an edit list", path)


def test_interlaced_video_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with av.open(str(tmp_path / "a.mpg"), "w") as out:
        stream = out.add_stream("mpeg2video", rate=FPS)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.codec_context.flags |= av.codec.context.Flags.interlaced_dct
        for number in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(picture(number), format="bgr24").reformat(format="yuv420p")
            frame.pts = number
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    with caplog.at_level(logging.WARNING):
        open_source(str(tmp_path / "a.mpg")).close()
    (said,) = (record.getMessage() for record in caplog.records)
    assert said.startswith(f"{tmp_path / 'a.mpg'} is interlaced: of each frame's two fields one picture is made")
    assert said.endswith("set the camera to progressive")
    assert is_in_table("interlaced MPEG-2", tmp_path / "a.mpg", "; said to be interlaced")


def cut(path: Path, share: float) -> Path:
    path.write_bytes(path.read_bytes()[: round(path.stat().st_size * share)])
    return path


def sound_of(path: Path) -> Path:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=48_000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 48_000, 0
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def texture(number: int, size: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 255, (size[1], size[0], 3)).astype(np.uint8)


BROKEN: dict[str, tuple[Callable[[Path], Path], str]] = {
    "zero length": (lambda folder: written(folder / "a.mp4", b""), "it is empty"),
    "text": (lambda folder: written(folder / "a.mp4", b"hello\n" * 100), "cannot be opened as a video"),
    "zeros": (lambda folder: written(folder / "a.mov", bytes(5000)), "cannot be opened as a video"),
    "sound": (lambda folder: sound_of(folder / "a.mp4"), "it has no video"),
    "cut off, its index last": (lambda folder: cut(made(folder / "a.mp4"), 0.6), "cannot be opened as a video"),
    "cut off, its index first": (
        lambda folder: cut(made(folder / "a.mp4", container={"movflags": "faststart"}, pictures=texture), 0.6),
        r"breaks off after \d+ of 14 frames",
    ),
    "cut off, without an index": (
        lambda folder: cut(made(folder / "a.mkv", pictures=texture, seconds=UNEVEN), 0.6),
        r"breaks off after \d+ of \d+ frames",
    ),
    "cut off, uncompressed": (
        lambda folder: cut(made(folder / "a.avi", "rawvideo", "bgr24", pictures=texture), 0.5),
        r"breaks off after [67] of 14 frames",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_video_is_refused_in_one_sentence(kind: str, tmp_path: Path) -> None:
    make, words = BROKEN[kind]
    path = make(tmp_path)
    with pytest.raises(SourceError, match=words) as raised:
        shown(path)
    assert str(raised.value).startswith(str(path))
    assert "\n" not in str(raised.value)
    assert is_in_table(kind, path)


def test_damaged_packets_are_counted(tmp_path: Path) -> None:
    """What they hide does not end the video, and is said."""
    path = made(tmp_path / "a.mkv", "ffv1", "yuv420p", pictures=texture, options={"slicecrc": "1", "g": "1"})
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    place = data.index(packets[4])
    data[place : place + len(packets[4])] = bytes(len(packets[4]))
    path.write_bytes(data)
    with ledger() as entries:
        frames = shown(path)
    if len(frames) < FRAMES:
        assert entries.missing == [f"{path}: {FRAMES - len(frames)} of its packets are damaged and gave no picture"]
    assert len(frames) >= FRAMES - 1
    assert "| a damaged packet in the middle | the others' pictures; the damaged ones counted |" in TABLE


def test_frames_are_let_go_as_they_are_read(tmp_path: Path) -> None:
    """Not when Python next collects cycles, which may be a hundred pictures later."""
    source = open_source(str(made(tmp_path / "a.mp4", seconds=[i / 25 for i in range(60)])))
    gc.collect()
    gc.disable()
    try:
        assert sum(1 for _ in iter(source.read, None)) == 60
        assert sum(type(one) is av.VideoFrame for one in gc.get_objects()) <= 2
    finally:
        gc.enable()
    source.close()


def test_hardware_that_is_not_there_is_said_once_and_the_pictures_are_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a computer that has a device, the same test compares its pictures with the processor's."""
    path = made(tmp_path / "a.mp4", pictures=texture)
    plain = shown(path)
    _hardware._say.cache_clear()
    with caplog.at_level(logging.WARNING):
        for asked in (open_source(str(path), hardware="auto"), open_source(str(path), hardware="auto")):
            frames = list(iter(asked.read, None))
            assert [frame.time_ns for frame in frames] == [frame.time_ns for frame in plain]
            for one, other in zip(frames, plain, strict=True):
                if caplog.records:
                    np.testing.assert_array_equal(one.image, other.image)
                else:
                    assert np.abs(one.image.astype(int) - other.image).max() <= 3
    words = ['hardware = "auto": no device here decodes h264; the processor does']
    assert [record.getMessage() for record in caplog.records] in ([], words)
    monkeypatch.setenv("MULTIVIEW_HARDWARE", "abacus")
    with pytest.raises(ConfigError, match=r'hardware = "abacus": FFmpeg has .* here; or "auto", "off"'):
        open_source(str(path))


def test_hardware_that_cannot_be_opened_falls_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device whose driver refuses, and one that decodes other codecs only."""
    path, opened = made(tmp_path / "a.mp4"), []
    real = av.open

    def refused(*words: object, **options: object) -> object:
        accelerated = options.pop("hwaccel", None)
        opened.append(accelerated is not None)
        if accelerated is not None:
            raise PermissionError(1, "refused") if len(opened) == 1 else NotImplementedError("no such codec")
        return real(*words, **options)

    monkeypatch.setattr(hwaccel, "hwdevices_available", lambda: ["cuda", "vaapi"])
    monkeypatch.setattr(av, "open", refused)
    assert len(shown_by(path, "auto")) == FRAMES
    assert opened == [True, True, False]


@pytest.mark.parametrize(
    ("cores", "videos", "threads"), [(1, 1, 1), (2, 1, 2), (64, 1, 8), (2, 4, 1), (4, 2, 1), (8, 4, 1), (16, 4, 3)]
)
def test_videos_read_at_once_leave_the_detector_a_core(
    cores: int, videos: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    monkeypatch.delenv("MULTIVIEW_CORES", raising=False)
    assert decoding_threads(videos) == threads
    monkeypatch.setenv("MULTIVIEW_CORES", "1")  # a batch's job
    assert decoding_threads(videos) == 1
