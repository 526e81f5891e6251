"""From pictures to corners and on to a rig: rendered boards, whose truth is exact; what is odd about them is said."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from calib.board.board import Board
from calib.board.finder import Finder
from calib.board.identify import identify
from calib.corners.detect import detect, search_steps
from calib.corners.pictures import image_folder, video
from multiview.__main__ import main
from multiview.cameras.camera import Camera, Rig
from multiview.cameras.rig_file import load_rig
from multiview.errors import SourceError
from multiview.geometry.rigid import alignment, rotation_from_vector
from multiview.synthetic.board import placed_at_random, render, ring

BOARD = Board((7, 5), 0.1, 0.075, "DICT_4X4_100", legacy=False, inverted=False)
OPEN = replace(BOARD, legacy=None, inverted=None)


def picture(board=BOARD, seed=0, blur=0.7, width=800):
    """One camera, 1.3 m in front of a tilted board, and where its corners are."""
    rng = np.random.default_rng(seed)
    K = width / 800 * np.array([[900.0, 0, 400], [0, 900, 300], [0, 0, 800 / width]])
    camera = Camera("a", (width, width * 3 // 4), K, np.array([-0.1, 0.02, 0, 0, 0]), np.eye(3), np.zeros(3))
    R = rotation_from_vector(rng.uniform(-0.4, 0.4, 3))
    size = np.array(board.squares) * board.square_length
    t = np.array([0, 0, 1.3]) - R @ np.array([*size / 2, 0])
    return render(camera, board.picture(120), size[0], R, t, rng, blur), camera.project(board.points @ R.T + t)


@pytest.mark.slow
def test_corners_are_found_to_a_tenth_of_a_pixel():
    errors = []
    for seed in range(4):
        grey, truth = picture(seed=seed)
        found = Finder(BOARD).find(grey)
        assert found.corner.tolist() == list(range(24))
        errors.append(found.xy - truth)
    assert np.abs(np.mean(errors, axis=(0, 1))).max() < 0.03  # no bias: pixel (0, 0) is the centre of a pixel
    assert np.sqrt(np.mean(np.square(errors))) < 0.1


@pytest.mark.slow
def test_blur_and_glare_are_refused():
    grey, _ = picture(blur=9.0)
    assert len(Finder(BOARD).find(grey).corner) == 0
    grey, truth = picture()
    glare = grey.copy()
    cv2.circle(glare, tuple(np.rint(truth[0]).astype(int).tolist()), 34, 250, -1)
    assert 0 not in Finder(BOARD).find(glare).corner


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shown", "mirrored", "words"),
    [
        (BOARD, False, []),
        (replace(BOARD, inverted=True), False, ["the board is printed inverted (white on black)"]),
        (BOARD, True, ["the images of cam02 are mirrored"]),
        (replace(BOARD, squares=(5, 7)), False, ["the board file says 7x5, the images show 5x7"]),
        (
            replace(BOARD, squares=(8, 6), legacy=True),
            False,
            ["the board file says 7x5, the images show 8x6", "legacy pattern"],
        ),
        (replace(BOARD, dictionary="DICT_5X5_100"), False, ["the images show DICT_5X5_"]),
    ],
    ids=["as stated", "inverted", "mirrored", "turned", "legacy", "dictionary"],
)
def test_the_board_is_identified_and_said(shown, mirrored, words):
    pictures = [picture(shown, seed, width=400)[0] for seed in range(2)]
    flipped = [np.ascontiguousarray(grey[:, ::-1]) for grey in pictures] if mirrored else pictures
    found = identify({"cam01": pictures, "cam02": flipped}, OPEN)
    assert found.seen
    assert found.board.squares == shown.squares
    assert found.board.inverted == shown.inverted
    assert found.board.legacy == shown.legacy
    assert len(found.remarks) == len(words)
    for text, remark in zip(words, found.remarks, strict=True):
        assert text in remark


def test_real_boards_are_found_as_they_are(shared_data):
    folder = shared_data / "cct_charuco/custom_charuco_test_images"
    found = detect([image_folder(folder)], Board((9, 4), 0.1148, 0.09, "DICT_4X4_100"))
    assert len(found.corners) == 68
    assert found.identified.board.legacy
    assert any("legacy" in remark for remark in found.identified.remarks)


def test_what_is_wrong_with_pictures_is_named(tmp_path):
    for name, sizes in (("empty", []), ("mixed", [(80, 60), (64, 48)]), ("plain", [(80, 60)] * 3)):
        (tmp_path / name).mkdir()
        for i, (width, height) in enumerate(sizes):
            cv2.imwrite(str(tmp_path / name / f"{i}.png"), np.full((height, width), 128, np.uint8))
    with pytest.raises(SourceError, match="empty holds no pictures"):
        image_folder(tmp_path / "empty")
    with pytest.raises(SourceError, match=r"1\.png is 64x48, the images before it are 80x60"):
        detect([image_folder(tmp_path / "mixed")], OPEN)
    with pytest.raises(SourceError, match="no board in any image of plain"):
        detect([image_folder(tmp_path / "plain")], OPEN)
    with pytest.raises(SourceError, match="two cameras are named 'plain'"):
        detect([image_folder(tmp_path / "plain")] * 2, OPEN)
    (tmp_path / "cut.mp4").write_bytes(b"\0" * 300)
    with pytest.raises(SourceError, match=r"cut.mp4 cannot be opened as a video"):
        video(tmp_path / "cut.mp4")


@pytest.mark.slow
def test_from_pictures_to_a_rig_by_the_command_line(tmp_path, capsys):
    rng = np.random.default_rng(1)
    rig = Rig(ring(8, radius=1.6, size=(640, 480), focal=430.0, rng=rng).cameras[:3])  # neighbours, an eighth apart
    R, t = placed_at_random(20, rng, reach=0.3, headings=(0.3, 1.3))
    texture = BOARD.picture(100)
    for camera in rig.cameras:
        (tmp_path / camera.name).mkdir()
        for frame, pose in enumerate(zip(R, t, strict=True)):
            path = tmp_path / camera.name / f"frame_{frame:04d}.png"
            cv2.imwrite(str(path), render(camera, texture, 0.7, *pose, rng))
    (tmp_path / "board.toml").write_text(
        'squares = [7, 5]\nsquare_length = 0.1\nmarker_length = 0.075\ndictionary = "DICT_4X4_100"\n'
    )
    board, corners, out = (str(tmp_path / name) for name in ("board.toml", "corners.parquet", "out"))
    folders = [str(tmp_path / name) for name in rig.names]
    assert main(["calibrate", "detect", "--board", board, "--images", *folders, "--fps", "3", "--out", corners]) == 0
    assert main(["calibrate", "solve", "--corners", corners, "--board", board, "--out", out, "--floor", "999"]) == 2
    assert not (tmp_path / "out").exists()
    capsys.readouterr()
    main(["calibrate", "solve", "--corners", corners, "--board", board, "--out", out, "--length", "0,5=0.55"])
    said = capsys.readouterr().out
    assert "RECORD AGAIN: board corner 0 to 5: measured 0.55 m, calibrated 0.5 m (-9.1 %)" in said
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert report["rms_px"] < 0.4
    assert set(report["cameras"]) == set(rig.names)
    page = (tmp_path / "out/report.html").read_text()
    assert "<script" not in page
    assert "http" not in page
    found = load_rig(tmp_path / "out/rig.toml")
    assert found.world == "camera"
    truth = np.stack([camera.centre for camera in rig.cameras])
    centres = np.stack([camera.centre for camera in found.cameras])
    turn, shift = alignment(centres, truth)
    assert np.linalg.norm(centres @ turn.T + shift - truth, axis=1).max() < 0.03


def both_sides(back, thickness=0.01):
    """Pictures of a plate from the front and from behind, and where its corners are in the second."""
    rng = np.random.default_rng(5)
    K = np.array([[900.0, 0, 400], [0, 900, 300], [0, 0, 1]])
    camera = Camera("a", (800, 600), K, np.zeros(5), np.eye(3), np.zeros(3))
    texture = BOARD.picture(120)
    from_behind = np.ascontiguousarray(texture[:, ::-1]) if back == "mirrored" else following_texture()
    R, t = rotation_from_vector(np.array([0.2, 0.3, 0.1])), np.array([-0.35, -0.25, 1.2])
    front, behind = render(camera, texture, 0.7, R, t, rng), render(camera, from_behind, 0.7, R, t, rng)
    # Seen from behind, the plate's x runs from right to left, and its z towards the camera.
    points = replace(BOARD, back=back, thickness=thickness).points[24:] * [-1, 1, 0] + [0.7, 0, 0]
    return front, behind, camera.project(points @ R.T + t)


def following_texture():
    return replace(BOARD, first_marker=BOARD.markers).picture(120)


@pytest.mark.parametrize("back", ["mirrored", "following"])
def test_corners_of_the_back_follow_those_of_the_front(back):
    front, behind, truth = both_sides(back)
    finder = Finder(replace(BOARD, back=back, thickness=0.01))
    assert finder.find(front).corner.tolist() == list(range(24))
    found = finder.find(behind)
    assert sorted(found.corner.tolist()) == list(range(24, 48))
    assert np.abs(found.xy - truth[found.corner - 24]).max() < 0.3


def test_a_mirror_image_on_the_back_is_noticed():
    front, behind, _ = both_sides("mirrored")
    found = identify({"cam01": [front, behind], "cam02": [behind]}, OPEN)
    assert found.board.back == "mirrored"
    assert not found.mirrored
    assert any('write back = "mirrored" into the board file' in remark for remark in found.remarks)


def beside(left, right):
    return np.ascontiguousarray(np.concatenate([left, right], axis=1))


@pytest.mark.slow
def test_two_boards_of_one_print_at_once_are_said_and_left_out(tmp_path):
    one, plain = picture()[0], np.full((600, 800), 118, np.uint8)
    for name, shown in (("some", [beside(one, one), beside(one, plain)]), ("all", [beside(one, one)] * 2)):
        (tmp_path / name).mkdir()
        for i, grey in enumerate(shown):
            cv2.imwrite(str(tmp_path / name / f"{i}.png"), grey)
    found = detect([image_folder(tmp_path / "some")], OPEN)
    assert set(found.corners.frame.tolist()) == {1}
    assert any("two boards of one print at once in 1 of 2 images" in text for text in found.summaries[0].remarks)
    with pytest.raises(SourceError, match="show two of one print at once: keep one in view"):
        detect([image_folder(tmp_path / "all")], OPEN)


def test_slow_cameras_are_searched_as_often_as_fast_ones():
    """A minute at 30, 15 and 60 pictures a second: at most 900 of each, so 15 a second."""
    assert search_steps([(1800, 30.0), (900, 15.0), (3600, 60.0)]) == [2, 1, 4]
    assert search_steps([(1799, 30.0), (1801, 30.0)]) == [3, 3]  # one step for one rate, so that numbers match
    assert search_steps([(100, 25.0)]) == [1]


def test_long_recordings_are_searched_often_enough_to_follow_the_board():
    """Ten minutes: 900 pictures would be one in 0.7 s, between which a waved board turns round."""
    assert search_steps([(18000, 30.0), (9000, 15.0)]) == [4, 2]
