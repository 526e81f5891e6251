"""Faults of frames and clocks through real files: from videos of a rendered board to a rig, by the command line."""

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from calib.board.board import Board
from calib.board.board_file import write_board
from multiview.__main__ import main
from multiview.cameras.camera import Rig
from multiview.cameras.rig_file import load_rig
from multiview.common.video_writer import VideoWriter
from multiview.geometry.rigid import alignment, rotation_from_vector
from multiview.synthetic.board import render, ring, waved

BOARD = Board((5, 4), 0.15, 0.112, "DICT_4X4_50", legacy=False, inverted=False)
FPS, SECONDS = 15.0, 8.0
SIZE = (640, 480)
REACH, TOWARDS = 0.5, 0.55  # m, rad
STARTS, CLOCK = (0.0, 0.4, 1.1), 1000.0  # s; the second camera's clock says so when the first one starts


def facing_the_cameras(time):
    """A board waved by somebody who does not turn round."""
    R, t = waved(time, np.random.default_rng(5), reach=REACH)
    first, _ = waved(np.zeros(1), np.random.default_rng(5))
    heading = np.arctan2(-first[0, 1, 2], -first[0, 0, 2]) + 2 * np.pi * 0.15 * time
    return rotation_from_vector((TOWARDS - heading)[:, None] * np.array([0.0, 0.0, 1.0])) @ R, t


def pictures_of(camera, time, rng):
    texture, (width, _) = BOARD.picture(80), np.array(BOARD.squares) * BOARD.square_length
    for R, t in zip(*facing_the_cameras(time), strict=True):
        grey = render(camera, texture, float(width), R, t, rng, sharper=2)
        yield cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)


def encode(path, images, time=None):
    """H.264 with B-frames, which in AVI leave the last stamps 0; other containers say when."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=int(FPS), options={"crf": "16", "preset": "veryfast", "bf": "2"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        if time is not None:
            stream.codec_context.time_base = Fraction(1, 90000)
        for i, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            if time is not None:
                frame.pts, frame.time_base = round((time[i] - time[0]) * 90000), Fraction(1, 90000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


@pytest.mark.slow
def test_videos_with_three_faults_give_the_rig_and_the_clocks(tmp_path):
    """AVI with B-frames, a capture that lost frames with its times beside it, and a phone's variable rate."""
    rng = np.random.default_rng(7)
    rig = Rig(ring(8, 2.0, SIZE, 480.0, (-0.05, 0.01, 0.0, 0.0, 0.0), rng).cameras[:3])
    count = int(SECONDS * FPS)
    steady = np.arange(count) / FPS
    encode(tmp_path / "cam01.avi", pictures_of(rig.cameras[0], steady, rng))

    kept = STARTS[1] + steady[(rng.uniform(size=count) > 0.05) & (steady < SECONDS - STARTS[1])]
    with VideoWriter(tmp_path / "cam02.mp4", SIZE, FPS) as video:
        for image in pictures_of(rig.cameras[1], kept, rng):
            video.write(image)
    rows = [f"{i},{CLOCK + time:.6f}" for i, time in enumerate(kept)]
    (tmp_path / "cam02.timestamps.csv").write_text("\n".join(["frame,time", *rows]))

    varying = STARTS[2] + np.cumsum(rng.uniform(0.7, 1.3, int(count - STARTS[2] * FPS))) / FPS
    encode(tmp_path / "cam03.mkv", pictures_of(rig.cameras[2], varying, rng), varying)

    write_board(BOARD, tmp_path / "board.toml")
    videos = [str(tmp_path / name) for name in ("cam01.avi", "cam02.mp4", "cam03.mkv")]
    corners, board = str(tmp_path / "corners.parquet"), str(tmp_path / "board.toml")
    assert main(["calibrate", "detect", "--board", board, "--videos", *videos, "--out", corners]) == 0
    main(["calibrate", "solve", "--corners", corners, "--out", str(tmp_path / "rig"), "--model", "pinhole5"])

    found = load_rig(tmp_path / "rig" / "rig.toml")
    assert found.names == rig.names
    truth = [0.0, -CLOCK, varying[0]]
    np.testing.assert_allclose([camera.time_offset_s for camera in found.cameras], truth, atol=0.002)
    points = np.random.default_rng(0).uniform([-0.3, -0.3, 0.8], [0.3, 0.3, 1.4], (100, 3))
    centres = np.stack([camera.centre for camera in rig.cameras])
    R, t = alignment(np.stack([camera.centre for camera in found.cameras]), centres)
    for true, camera in zip(rig.cameras, found.cameras, strict=True):
        there = (points - t) @ R  # in the world that was found
        # Eight seconds of three small pictures tell no more; views matched by number would be off by 30 px.
        assert np.abs(camera.project(there) - true.project(points)).mean() < 4.0
