"""report.html has every picture with its text as text, refers to nothing outside itself, and escapes every name."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from calib.board.board import Board
from calib.corners.corners import Corners
from calib.report.outcome import judge
from calib.report.report_page import page
from calib.solve.solve import solve
from multiview.synthetic.board import measure, placed_at_random, ring

BOARD = Board((7, 5), 0.1, 0.075, "DICT_4X4_100")
ODD_NAME = "<b> & $x$"


class Texts(HTMLParser):
    """What stands in a page, by the element that it stands in."""

    def __init__(self):
        super().__init__()
        self.open, self.found, self.pictures = [], {}, 0

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.pictures += tag == "svg"

    def handle_endtag(self, tag):
        while self.open.pop() != tag:
            pass

    def handle_data(self, data):
        self.found.setdefault(self.open[-1] if self.open else "", []).append(data)


@pytest.fixture(scope="module")
def solved():
    rng = np.random.default_rng(4)
    rig = ring(3, focal=1100, rng=rng)
    m = measure(rig, BOARD.points, [placed_at_random(40, rng)] * 3, rng, 0.3, 0.05)
    names, sizes = (*rig.names[:2], ODD_NAME), tuple(camera.size for camera in rig.cameras)
    corners = Corners(names, sizes, m.camera, m.frame, m.frame / 30.0, m.corner, m.xy)
    calibration = solve(corners, BOARD)
    return judge(calibration, corners), calibration, corners


def read(html):
    texts = Texts()
    texts.feed(html)
    return texts


@pytest.mark.slow
def test_report_page_shows_every_picture_with_its_text(solved):
    outcome, calibration, corners = solved
    texts = read(page(outcome, calibration, corners, BOARD, ()))
    assert texts.pictures == 4  # time offsets need a moving board
    assert outcome.rig.names == corners.names
    for name in corners.names:
        assert texts.found["text"].count(name) == 4  # in both views of the rig, and on both sides of the table of pairs
        assert sum(text.startswith(f"{name}: ") for text in texts.found["text"]) == 1
        assert sum(text.startswith(f"{name}, px") for text in texts.found["text"]) == 1
        assert name in texts.found["td"]
    shared = [str(link.boards) for link in outcome.links]
    assert all(texts.found["text"].count(count) >= 2 for count in shared)


@pytest.mark.slow
def test_report_page_shows_time_offsets(solved):
    outcome, calibration, corners = solved
    late = [replace(entry, time_offset_s=0.0125, time_offset_sigma_s=0.001) for entry in outcome.cameras]
    texts = read(page(replace(outcome, cameras=tuple(late)), calibration, corners, BOARD, ()))
    assert texts.pictures == 5
    assert texts.found["text"].count("+12.5 ms") == 3


@pytest.mark.slow
def test_report_page_refers_to_nothing_outside(solved):
    html = page(*solved, BOARD, ("<script>alert(1)</script>",))
    assert "<script" not in html
    assert "http" not in html
    assert "<b> &" not in html
    for target in re.findall(r'(?:href|src)="([^"]*)"', html):
        assert target.startswith(("#", "data:image/png;base64,", "data:image/jpeg;base64,"))


def test_report_page_of_a_single_camera():
    rng = np.random.default_rng(5)
    rig = ring(2, focal=1100, rng=rng)
    m = measure(rig, BOARD.points, [placed_at_random(40, rng)] * 2, rng, 0.3, 0.0)
    own = m.camera == 0
    columns = (m.camera[own], m.frame[own], m.frame[own] / 30.0, m.corner[own], m.xy[own])
    corners = Corners(rig.names[:1], (rig.cameras[0].size,), *columns)
    calibration = solve(corners, BOARD)
    texts = read(page(judge(calibration, corners), calibration, corners, BOARD, ()))
    assert texts.pictures == 4
    assert not any("expected error" in text for text in texts.found["text"])
