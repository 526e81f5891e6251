"""Reprojection errors are those that were put in, of the joints and people that they are about."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from multiview.cameras.observations import PackedRig, pack
from multiview.cameras.reprojection import reprojection_errors, residuals_px
from multiview.data import Keypoints2D, Tracks, Views
from tests.figures import crowd, ring

RIG = ring(3)
SKELETON, TICK = crowd()
XYZ = np.stack([track.pose.xyz for track in TICK.tracks])
MEASURED = np.stack([~track.pose.filled for track in TICK.tracks])
OFFSET_PX = {"cam01": (0.0, 0.0), "cam02": (3.0, 4.0), "cam03": (0.0, -12.0)}


def views(people: slice = slice(None)) -> Views:
    """Everyone as each camera sees them, off by OFFSET_PX."""
    keypoints = []
    for camera in RIG.cameras:
        xy = camera.project(XYZ[people]) + OFFSET_PX[camera.name]
        keypoints.append(Keypoints2D(xy, np.ones(xy.shape[:2])))
    return Views(TICK.tick, TICK.time_ns, tuple(keypoints))


def test_reprojection_errors_are_the_offsets_of_measured_joints() -> None:
    errors = reprojection_errors(RIG, [views()], [TICK])
    for name, offset in OFFSET_PX.items():
        assert len(errors.px[name]) == MEASURED.sum()
        np.testing.assert_allclose(errors.px[name], np.hypot(*offset), atol=1e-9)
        assert errors.median(name) == pytest.approx(np.hypot(*offset), abs=1e-9)
    assert errors.median() == pytest.approx(5.0)


def test_reprojection_errors_are_those_of_the_same_person() -> None:
    """Of people without a detection of their own, no other's is taken: theirs is more than 100 px away."""
    assert len(reprojection_errors(RIG, [views(slice(0, 1))], [TICK]).px["cam01"]) == MEASURED[0].sum()
    swapped = replace(views(), keypoints=tuple(_reversed(keypoints) for keypoints in views().keypoints))
    errors = reprojection_errors(RIG, [swapped], [TICK])
    np.testing.assert_allclose(errors.px["cam02"], 5.0, atol=1e-9)


def _reversed(keypoints: Keypoints2D | None) -> Keypoints2D:
    assert keypoints is not None
    return Keypoints2D(keypoints.xy[::-1], keypoints.score[::-1])


def test_reprojection_errors_leave_out_joints_of_one_view_and_those_not_found() -> None:
    pose = TICK.tracks[0].pose
    lone = pose.views.copy()
    lone[:4] = 1
    tracks = Tracks(0, 0, (msgspec.structs.replace(TICK.tracks[0], pose=msgspec.structs.replace(pose, views=lone)),))
    seen = views(slice(0, 1))
    for keypoints in seen.keypoints:
        assert keypoints is not None
        keypoints.xy[0, 10] = np.nan
    assert len(reprojection_errors(RIG, [seen], [tracks]).px["cam01"]) == 17 - 4 - 1


def test_reprojection_errors_of_nothing_are_none() -> None:
    nothing = Views(TICK.tick, TICK.time_ns, (None, Keypoints2D.nobody(17), views().keypoints[2]))
    errors = reprojection_errors(RIG, [nothing], [TICK])
    assert [len(errors.px[name]) for name in RIG.names[:2]] == [0, 0]
    assert errors.median("cam01") == 0.0
    assert errors.median("cam03") == pytest.approx(12.0)


def test_residuals_are_the_median_offsets_of_the_rays_that_people_rest_on() -> None:
    packed, joints = PackedRig.of(RIG), len(SKELETON.joints)
    rays = pack(views(), packed, joints, np.ones((joints, 2)), np.array([0.0, 1.0]))
    table = np.full((3, 3, joints), -1)
    for c in range(3):
        for person in range(3):
            table[person, c] = (rays.first[c] + person) * joints + np.arange(joints)
    found = residuals_px(RIG, packed, rays, table, XYZ)
    assert found == {name: pytest.approx(np.hypot(*offset), abs=1e-6) for name, offset in OFFSET_PX.items()}
    table[:, 1] = -1  # nobody rests on what the second camera saw
    assert set(residuals_px(RIG, packed, rays, table, XYZ)) == {"cam01", "cam03"}
