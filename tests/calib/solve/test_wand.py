"""A rig from a wand: within its stated deviation of the truth, in scale as well, with cameras out of step."""

import json
from dataclasses import replace

import numpy as np
import pytest

from calib.board.wand import Wand
from calib.corners.corners import Corners, write_corners
from calib.report.links import ENOUGH_BOARDS
from calib.report.outcome import judge
from calib.solve.check import check_rig
from calib.solve.known_lenses import known_lenses
from calib.solve.solve import solve
from calib.solve.wand import outline_middle
from multiview.__main__ import main
from multiview.cameras.camera import Rig
from multiview.cameras.rig_file import save_rig
from multiview.errors import CalibrationError
from multiview.geometry.bundle import Lens
from multiview.geometry.rigid import rotation_from_vector
from multiview.synthetic.board import ring, waved
from tests.calib.solve.pose_errors import normalised_squares

WAND = Wand((0.0, 0.4, 1.0), (0.1, 0.1, 0.1))
SIGMA = 0.05  # px
LATE_S = 0.011


def lens_of(camera):
    K = camera.K
    return Lens(np.array([K[0, 0], K[1, 1], K[0, 2], K[1, 2]]), camera.dist, camera.model)


def seen_wand(rig, rng, wand=WAND, frames=45, late=(0.0, 0.0, 0.0), fps=25.0):
    """What a finder gives: middles of outlines, with noise; `late` added to the cameras' stamps is the truth."""
    columns = []
    for c, camera in enumerate(rig.cameras):
        R, t = waved(np.arange(frames) / fps + late[c], np.random.default_rng(7))
        balls = (wand.points - wand.points.mean(axis=0)) @ np.swapaxes(R, -1, -2) + t[:, None]
        xy = outline_middle(lens_of(camera), balls @ camera.R.T + camera.t, np.array(wand.diameters) / 2)
        whole = ((xy > 0) & (xy < camera.size)).all(axis=(1, 2))
        frame, ball = np.divmod(np.arange(len(wand.balls) * frames), len(wand.balls))
        kept = whole[frame]
        noisy = xy.reshape(-1, 2)[kept] + rng.normal(0, SIGMA, (kept.sum(), 2))
        columns.append((np.full(kept.sum(), c), frame[kept], ball[kept], noisy))
    camera, frame, ball, xy = (np.concatenate(column) for column in zip(*columns, strict=True))
    return Corners(rig.names, tuple(one.size for one in rig.cameras), camera, frame, frame / fps, ball, xy, wand)


@pytest.fixture(scope="module")
def recorded():
    rng = np.random.default_rng(3)
    rig = Rig(ring(6, radius=4.0, rng=rng).cameras[:3])
    return rig, seen_wand(rig, rng, late=(0.0, LATE_S, -LATE_S))


@pytest.fixture(scope="module")
def solved(recorded):
    rig, corners = recorded
    return solve(corners, WAND, known=known_lenses(corners, WAND, rig, "rig.toml"))


def test_wand_gives_rig_and_offsets_within_their_stated_deviations(recorded, solved):
    rig, _ = recorded
    assert solved.cameras == (0, 1, 2)
    # The mean of twelve normalised squares is 1 +- 0.41.
    assert np.mean(list(normalised_squares(rig, solved))) < 1 + 4 * 0.41
    late = np.array([0.0, LATE_S, -LATE_S])
    assert (np.abs(solved.time_offset - late)[1:] < 4 * solved.offset_sigma[1:]).all()
    assert (solved.offset_sigma[1:] < 0.002).all()
    assert 0.8 * SIGMA < solved.sigma.mean() < 1.2 * SIGMA
    outcome = judge(solved, solved.corners)
    assert all(link.boards > ENOUGH_BOARDS for link in outcome.links)
    assert not outcome.verdicts
    assert outcome.verdict == "good", outcome.reasons
    for _, _, angle, metres in solved.loops:
        assert angle < np.radians(5)
        assert metres < 0.3


@pytest.mark.parametrize("wand", [WAND, Wand((0.0, 0.8), (0.12, 0.08))])
def test_wand_says_the_scale_by_its_length(recorded, wand):
    rig = recorded[0]
    corners = seen_wand(rig, np.random.default_rng(4), wand, frames=20, fps=6.0)
    longer = Wand(tuple(1.1 * x for x in wand.balls), tuple(1.1 * d for d in wand.diameters))
    found = [solve(corners, one, None, False, known_lenses(corners, one, rig, "rig.toml")) for one in (wand, longer)]
    apart = [np.linalg.norm(one.state.R[1].T @ one.state.t[1]) for one in found]
    true = np.linalg.norm(rig.cameras[1].centre - rig.cameras[0].centre)
    assert apart[0] == pytest.approx(true, rel=1e-3)
    assert apart[1] == pytest.approx(1.1 * true, rel=1e-3)


def test_outline_middle_is_that_of_the_ellipse_of_a_pinhole():
    lens = Lens(np.array([1000.0, 1000, 0, 0]), np.zeros(5))
    ball = np.array([[1.2, 0.9, 1.5], [0, 0, 2.0]])
    radius = np.array([0.1, 0.1])
    theta, alpha = np.arctan2(1.5, 1.5), np.arcsin(0.1 / np.linalg.norm(ball[0]))
    expected = 1000 * (np.tan(theta + alpha) + np.tan(theta - alpha)) / 2 * np.array([0.8, 0.6])
    np.testing.assert_allclose(outline_middle(lens, ball, radius), [expected, [0, 0]], atol=0.02)  # 48 sides
    assert np.linalg.norm(expected - lens.project(ball[0])) > 4  # far from nothing


def test_wand_alone_tells_no_lens(recorded):
    with pytest.raises(CalibrationError, match="--lenses"):
        solve(recorded[1], WAND)


@pytest.mark.slow
def test_wand_by_the_command_line_with_lenses_of_a_file(recorded, tmp_path, capsys):
    rig, corners = recorded
    write_corners(corners, tmp_path / "wand.parquet")
    save_rig(rig, tmp_path / "lenses.toml")
    command = ["calibrate", "solve", "--corners", str(tmp_path / "wand.parquet"), "--out", str(tmp_path / "rig")]
    assert main([*command, "--lenses", str(tmp_path / "lenses.toml")]) == 0
    report = json.loads((tmp_path / "rig" / "report.json").read_text())
    assert report["verdict"] in ("good", "usable")
    assert report["world"] == "camera"
    capsys.readouterr()
    assert main([*command, "--lenses", str(tmp_path / "lenses.toml"), "--floor", "3"]) == 2
    assert "which way is up" in capsys.readouterr().err
    save_rig(Rig(rig.cameras[:2]), tmp_path / "two.toml")
    assert main([*command, "--lenses", str(tmp_path / "two.toml")]) == 2
    assert f"has no lens of {rig.names[2]}" in capsys.readouterr().err


@pytest.mark.slow
def test_check_with_a_wand_names_the_camera_that_moved(recorded):
    rig, corners = recorded
    assert check_rig(rig, corners, WAND).right
    R = rotation_from_vector(np.array([0.01, 0.01, 0])) @ rig.cameras[2].R
    displaced = replace(rig.cameras[2], R=R, t=-R @ rig.cameras[2].centre)
    outcome = check_rig(Rig((*rig.cameras[:2], displaced)), corners, WAND)
    assert [camera.name for camera in outcome.moved] == [rig.names[2]]
