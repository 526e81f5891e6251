"""Time, not a frame's number, says which views belong together: every fault of numbers and clocks that recordings have.

Truth is exact; corners have Gaussian noise, so that errors have the size that the covariance predicts.
"""

from dataclasses import dataclass, field

import numpy as np
import pytest

from calib.board.board import Board
from calib.corners.corners import Corners
from calib.report.outcome import judge, rig_of
from calib.solve import group_fit
from calib.solve.motion import motion_offset
from calib.solve.shared_motion import shared_motion
from calib.solve.solve import solve
from calib.solve.timeline import rising_times
from calib.solve.track import Track
from calib.solve.uncertainty import triangulated, volume_error
from multiview.cameras.camera import Rig
from multiview.errors import CalibrationError
from multiview.geometry.rigid import alignment
from multiview.synthetic.board import measure, placed_at_random, ring, waved

BOARD = Board((7, 5), 0.1, 0.075, "DICT_4X4_100")
CAMERAS = 3


@dataclass
class Faults:
    """What is wrong with a recording of three cameras: `start` s of the first frame, `zero` s of the clock then."""

    fps: tuple[float, ...] = (30.0,) * CAMERAS
    start: tuple[float, ...] = (0.0,) * CAMERAS
    zero: tuple[float, ...] = (0.0,) * CAMERAS
    variable: bool = False
    lost: float = 0.0
    missing: int = 0
    zeroed: int = 0  # last stamps that the container says are 0
    true_offset: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        offset = np.array(self.start) - np.array(self.zero)
        self.true_offset = offset - offset[0]


def recorded(faults: Faults, seed: int = 1, seconds: float = 12.0):
    rng = np.random.default_rng(seed)
    rig = ring(CAMERAS, radius=3.0, rng=rng)
    times, poses = [], []
    for c, (fps, start) in enumerate(zip(faults.fps, faults.start, strict=True)):
        count = int((seconds - start) * fps)
        time = start + np.arange(count) / fps
        if faults.variable and c == 1:
            time = start + np.cumsum(rng.uniform(0.7, 1.3, count)) / fps
        kept = rng.uniform(size=count) >= faults.lost
        if c == 1:
            kept[rng.choice(np.arange(20, count - 20), faults.missing, replace=False)] = False
        times.append(time[kept])
        poses.append(waved(time[kept], np.random.default_rng(seed + 1000)))
    return rig, _table(rig, times, poses, faults, rng)


def _table(rig, times, poses, faults: Faults, rng) -> Corners:
    parts = []
    for c, camera in enumerate(rig.cameras):
        m = measure(Rig((camera,)), BOARD.points, [poses[c]], rng)
        stamps = times[c] - faults.start[c] + faults.zero[c]
        if c == 1 and faults.zeroed:
            stamps[-faults.zeroed :] = 0.0
        parts.append((np.full(len(m.frame), c), m.frame, stamps[m.frame], m.corner, m.xy))
    sizes = tuple(camera.size for camera in rig.cameras)
    return Corners(rig.names, sizes, *(np.concatenate(column) for column in zip(*parts, strict=True)))


def error_mm(rig, found) -> float:
    """RMS of points of the volume, triangulated by the found rig from where the true one sees them."""
    points = np.random.default_rng(0).uniform([-0.5, -0.5, 0.7], [0.5, 0.5, 1.5], (100, 3))
    pixels = [rig.cameras[c].project(points) for c in found.cameras]
    measured = triangulated(found.state, pixels, np.ones((len(pixels), len(points)), dtype=bool))
    R, t = alignment(measured, points)
    return float(1000 * np.sqrt(((measured @ R.T + t - points) ** 2).sum(axis=1).mean()))


FAULTS = {
    "variable rate, and frames missing": Faults(variable=True, missing=5, zeroed=3),
    "30 beside 15 fps": Faults(fps=(30.0, 15.0, 30.0), zero=(0.0, 5000.0, 1.7e9)),
    "starts 1.6 and 2.7 s apart": Faults(start=(0.0, 1.6, 2.7)),
    "3 % lost, stamped by one clock": Faults(lost=0.03, start=(0.004, 0.021, 0.032), zero=(0.004, 0.021, 0.032)),
    "all together": Faults((30.0, 25.0, 15.0), (0.0, 1.1, 0.4), (1.7e9, 0.0, 5000.0), True, 0.03, 5, 2),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_times_put_views_together_whatever_the_numbers(name):
    faults = FAULTS[name]
    rig, corners = recorded(faults)
    found = solve(corners, BOARD, "pinhole5")
    assert found.cameras == (0, 1, 2)
    assert np.abs(found.time_offset - faults.true_offset).max() < 0.002
    assert (np.abs(found.time_offset - faults.true_offset)[1:] < 4 * found.offset_sigma[1:] + 1e-6).all()
    expected = volume_error(found, corners.sizes).median_mm  # of points between the boards; the outermost are worse
    assert error_mm(rig, found) < 3 * expected
    assert found.inlier.mean() > 0.99


@pytest.mark.slow
def test_times_are_enough_where_offsets_are_not_estimated():
    faults = FAULTS["3 % lost, stamped by one clock"]
    rig, corners = recorded(faults)
    found = solve(corners, BOARD, "pinhole5", offsets=False)
    assert (found.time_offset == 0).all()
    assert error_mm(rig, found) < 3 * volume_error(found, corners.sizes).median_mm


@pytest.mark.slow
def test_a_choice_of_instants_is_of_cameras_that_started_apart():
    faults = FAULTS["starts 1.6 and 2.7 s apart"]
    rig, corners = recorded(faults)
    found = solve(corners, BOARD, "pinhole5", max_instants=96, keep_frame=int(corners.frame.min()))
    assert len(found.corners) < 0.7 * len(corners)
    assert corners.frame.min() in found.frame
    assert found.inlier.mean() > 0.99
    assert np.abs(found.time_offset - faults.true_offset).max() < 0.002
    assert error_mm(rig, found) < 3 * volume_error(found, corners.sizes).median_mm


@pytest.mark.slow
def test_a_camera_that_shares_no_instant_is_left_out_though_others_have_time_offsets():
    rng = np.random.default_rng(3)
    rig = ring(3, radius=3.0, rng=rng)
    time = np.arange(120) / 15
    early, late = waved(time, np.random.default_rng(3)), waved(time + 100, np.random.default_rng(4))
    m = measure(rig, BOARD.points, [early, early, late], rng)
    stamp = m.frame / 15 + np.where(m.camera == 2, 100.0, 0.0)
    sizes = tuple(camera.size for camera in rig.cameras)
    corners = Corners(rig.names, sizes, m.camera, m.frame, stamp, m.corner, m.xy)
    found = solve(corners, BOARD, "pinhole5")
    assert found.cameras == (0, 1)
    assert list(found.left_out) == ["cam03"]
    assert "shares no board with the other cameras" in found.left_out["cam03"]
    assert found.offset_sigma[1] > 0
    assert judge(found, corners).verdict != "good"


@pytest.mark.slow
def test_photographs_belong_together_by_their_numbers_whatever_the_clocks():
    rng = np.random.default_rng(5)
    rig = ring(3, radius=2.5, rng=rng)
    m = measure(rig, BOARD.points, [placed_at_random(40, rng)] * 3, rng)
    stamp = m.frame * 5.0 + np.array([0.0, 5000.0, 1.7e9])[m.camera]
    sizes = tuple(camera.size for camera in rig.cameras)
    corners = Corners(rig.names, sizes, m.camera, m.frame, stamp, m.corner, m.xy)
    found = solve(corners, BOARD, "pinhole5")
    assert found.cameras == (0, 1, 2)
    assert error_mm(rig, found) < 3 * volume_error(found, corners.sizes).median_mm
    offsets = [camera.time_offset_s for camera in rig_of(found, corners.names, corners.sizes).cameras]
    np.testing.assert_allclose(offsets, [0.0, -5000.0, -1.7e9])


def test_numeric_trouble_is_a_calibration_error_in_one_line(monkeypatch):
    def fails(*_):
        raise np.linalg.LinAlgError("12-th leading minor not positive definite")

    _, corners = recorded(Faults(), seconds=2.0)
    monkeypatch.setattr(group_fit, "_robust", fails)
    with pytest.raises(CalibrationError, match=r"no solution \(12-th leading minor not positive definite\)") as caught:
        solve(corners, BOARD, "pinhole5")
    assert "\n" not in str(caught.value)


def track(camera, start: float, count: int, board: Board = BOARD, fps: float = 25.0, depth: float = 0.0) -> Track:
    """One motion in the axes of a camera that has a clock of its own; `depth` is the noise of distances, a share."""
    time = start + np.arange(count) / fps
    R, t = waved(time, np.random.default_rng(9))
    t = (t @ camera.R.T + camera.t) * (1 + depth * np.random.default_rng(count).normal(size=(count, 1)))
    points = board.points - board.points.mean(axis=0)
    return Track.of(np.arange(count), np.arange(count), time - start, camera.R @ R, t, points)


@pytest.mark.slow
@pytest.mark.parametrize("true", [0.0, 1.6, -47.3])
def test_motion_tells_how_clocks_differ_minutes_apart(true):
    rig = ring(2).cameras
    found = motion_offset(track(rig[0], 50.0, 500), track(rig[1], 50.0 + true, 1500))
    assert found[0] == pytest.approx(true, abs=0.005)


@pytest.mark.parametrize(("fps", "beside"), [(25.0, 25.0), (6.0, 6.0), (30.0, 6.0)])
def test_directions_tell_how_clocks_differ_though_distances_are_uncertain(fps, beside):
    """A board of 30 cm, five metres away: a single camera's distances are off by centimetres, the motion by nothing."""
    rig, small = ring(2, radius=5.0).cameras, Board((7, 5), 0.045, 0.033, "DICT_4X4_100")
    a = track(rig[0], 50.0, round(15 * fps), small, fps, depth=0.01)
    b = track(rig[1], 50.7, round(15 * beside), small, beside, depth=0.01)
    found = shared_motion(a, b, 0.5)
    assert found.sure
    assert found.offset == pytest.approx(0.7, abs=0.002)
    assert found.error_rad < 5e-4


@pytest.mark.slow
def test_other_motions_are_not_taken_for_one():
    """Wrong differences by seconds, over seconds: what is left of them is more than a board's way from view to view."""
    rig = ring(2).cameras
    a, b = track(rig[0], 50.0, 500), track(rig[1], 50.0, 500)
    found = [shared_motion(a, b, offset) for offset in np.arange(-15, 15.5, 0.5)]
    assert [entry.offset for entry in found if entry.sure and abs(entry.offset) > 0.002] == []
    assert sum(entry.sure for entry in found) >= 1


@pytest.mark.slow
def test_a_difference_is_judged_by_the_views_that_are_shared_there():
    """Two cameras that saw the board together for half a second: what a wrong difference shared tells nothing of it."""
    rig = ring(2).cameras
    a, b = track(rig[0], 50.0, 200), track(rig[1], 57.5, 200)  # 8 s each
    found = [shared_motion(a, b, offset) for offset in np.arange(6.3, 7.5, 0.15)]
    exact = [entry for entry in found if entry.exact]
    assert len(exact) >= 3
    np.testing.assert_allclose([entry.offset for entry in exact], 7.5, atol=0.005)
    assert np.ptp([entry.moments for entry in exact]) < 0.04 / 0.3  # the same views but for one; a moment lasts 0.3 s


def test_stamps_that_fall_are_mended_by_their_neighbours():
    frame = np.array([0, 1, 2, 4, 5, 6, 7])
    time = np.array([5.0, 5.04, 5.08, 5.16, 0.0, 5.24, 0.0])
    np.testing.assert_allclose(rising_times(frame, time), 5 + 0.04 * frame)
    sound = np.array([0.0, 0.03, 0.07, 0.2, 0.21, 0.3, 0.4])
    assert rising_times(frame, sound) is sound
