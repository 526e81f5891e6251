"""Markers whose places nobody measured: rig and places are those of the truth, within the stated deviation."""

import json

import numpy as np
import pytest

from calib.board.markers import Markers
from calib.corners.at_rest import at_rest
from calib.corners.corners import Corners
from calib.report.outcome import judge
from calib.report.report import write_reports
from calib.solve.solve import solve
from multiview.cameras.camera import Rig
from multiview.geometry.rigid import alignment, rotation_from_vector
from multiview.synthetic.board import ring
from tests.calib.solve.pose_errors import normalised_squares

SIGMA = 0.05  # px


def seen_markers(rig, places, markers, frames, rng):
    """A table of what cameras see of markers that face them, and the true corners."""
    truth = np.stack([markers.points[:4] @ R.T + t for R, t in places])
    columns = []
    for c, camera in enumerate(rig.cameras):
        xy = camera.project(truth.reshape(-1, 3)).reshape(-1, 4, 2)
        towards = camera.centre - truth.mean(axis=1)
        towards /= np.linalg.norm(towards, axis=1, keepdims=True)
        faces = -np.einsum("mi,mi->m", np.stack([R[:, 2] for R, _ in places]), towards) > 0.4
        own = np.flatnonzero(faces & ((xy > 0) & (xy < camera.size)).all(axis=(1, 2)))
        for frame in range(frames):
            noisy = xy[own] + rng.normal(0, SIGMA, (len(own), 4, 2))
            columns.append(
                (
                    np.full(4 * len(own), c),
                    np.full(4 * len(own), frame),
                    (4 * own[:, None] + np.arange(4)).ravel(),
                    noisy.reshape(-1, 2),
                )
            )
    camera, frame, corner, xy = (np.concatenate(column) for column in zip(*columns, strict=True))
    sizes = tuple(one.size for one in rig.cameras)
    return Corners(rig.names, sizes, camera, frame, frame / 10, corner, xy), truth


@pytest.mark.slow
def test_markers_in_the_room_give_the_rig_and_their_places(tmp_path):
    rng = np.random.default_rng(2)
    rig = Rig(ring(6, radius=2.5, rng=rng).cameras[:3])
    markers = Markers("DICT_APRILTAG_36h11", 0.15, tuple(range(40)), fixed=True)
    places = []
    for _ in markers.markers:
        tilt = rotation_from_vector(np.array([*rng.normal(0, 0.4, 2), rng.uniform(0, 6)]))
        places.append((tilt @ np.diag([1.0, -1.0, -1.0]), rng.uniform([-0.8, -0.8, 0], [0.8, 0.8, 1.0])))
    corners, truth = seen_markers(rig, places, markers, 4, rng)
    found = solve(corners, markers, "pinhole5")
    assert found.cameras == (0, 1, 2)
    assert (
        np.mean(list(normalised_squares(rig, found))) < 1 + 4 * 0.41
    )  # the mean of twelve normalised squares is 1 +- 0.41
    outcome = judge(found, found.corners)
    assert not outcome.verdicts
    write_reports(tmp_path, outcome, found, found.corners, markers, (), 1.0)
    told = json.loads((tmp_path / "report.json").read_text())["markers"]
    assert len(told) > 20
    known = np.concatenate([truth[int(marker)] for marker in told])
    solved = np.concatenate(list(told.values()))
    R, t = alignment(solved, known)
    assert np.linalg.norm(solved @ R.T + t - known, axis=1).mean() < 0.004


def test_pictures_of_things_at_rest_are_averaged_but_for_what_was_hidden():
    xy = np.array([[10.0, 10], [10.2, 10], [9.8, 10], [10.1, 10], [9.9, 10], [80.0, 10]])
    none = np.zeros(6, dtype=np.int64)
    table = Corners(("a",), ((100, 100),), none, np.arange(6), np.arange(6) / 10, none, xy)
    one = at_rest(table)
    assert len(one) == 1
    np.testing.assert_allclose(one.xy, [[10.0, 10.0]], atol=1e-9)
