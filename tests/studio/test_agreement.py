"""Cameras that were exchanged, turned or mirrored after the calibration are named; cameras that are right never are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from multiview.cameras.rig_file import load_rig
from multiview.data import Keypoints2D, Views
from multiview.geometry.rigid import rotation_from_vector
from multiview.keypoint_formats import open_keypoints
from multiview.recordings.recorded_keypoints import folder_views
from multiview.studio.agreement import disagreement
from multiview.synthetic import Studio, StudioOptions, make_studio

Change = Callable[[Studio, list[Keypoints2D | None]], None]


def studio(cameras: int, people: int, seed: int = 0) -> Studio:
    return make_studio(StudioOptions(cameras=cameras, people=people, seconds=8.0, fps=5.0, seed=seed))


def changed(made: Studio, change: Change) -> list[Views]:
    """All its views, with what the cameras saw changed in place."""
    found = []
    for frame in range(made.frames):
        seen = list(made.views(frame).keypoints)
        change(made, seen)
        found.append(replace(made.views(frame), keypoints=tuple(seen)))
    return found


def nothing(made: Studio, seen: list[Keypoints2D | None]) -> None:
    """As it was."""


def exchange(made: Studio, seen: list[Keypoints2D | None]) -> None:
    seen[0], seen[1] = seen[1], seen[0]


def go_round(made: Studio, seen: list[Keypoints2D | None]) -> None:
    seen[0], seen[1], seen[2] = seen[1], seen[2], seen[0]


def turn(made: Studio, seen: list[Keypoints2D | None]) -> None:
    assert seen[1] is not None
    seen[1] = replace(seen[1], xy=np.array(made.rig.cameras[1].size) - 1.0 - seen[1].xy)


def mirror(made: Studio, seen: list[Keypoints2D | None]) -> None:
    """As a detector sees a mirrored picture: everybody's left hand is a right one."""
    assert seen[0] is not None
    order, wide = made.skeleton.mirrored, made.rig.cameras[0].size[0]
    xy = seen[0].xy[:, order].copy()
    xy[..., 0] = wide - 1.0 - xy[..., 0]
    seen[0] = replace(seen[0], xy=xy, score=seen[0].score[:, order])


def exchange_and_turn(made: Studio, seen: list[Keypoints2D | None]) -> None:
    turn(made, seen)
    seen[0], seen[3] = seen[3], seen[0]


@pytest.mark.parametrize(
    ("cameras", "people", "change", "expected"),
    [
        (2, 1, exchange, ["cam01 and cam02 are exchanged"]),
        (3, 2, exchange, ["cam01 and cam02 are exchanged"]),
        (4, 1, exchange, ["cam01 and cam02 are exchanged"]),
        (8, 3, exchange, ["cam01 and cam02 are exchanged"]),
        (3, 1, go_round, ["cameras are mixed up, cam03 sees what cam01 should"]),
        (4, 2, turn, ["cam02's pictures are upside down"]),
        (3, 2, mirror, ["cam01's pictures are mirrored"]),
        (6, 2, exchange_and_turn, ["cam01 and cam04 are exchanged", "cam02's pictures are upside down"]),
    ],
)
def test_disagreement_names_what_is_wrong(cameras: int, people: int, change: Change, expected: list[str]) -> None:
    made = studio(cameras, people)
    said = disagreement(made.rig, made.skeleton, changed(made, change))
    assert len(said) == len(expected)
    for line, beginning in zip(said, expected, strict=True):
        assert line.startswith(beginning)


def test_disagreement_names_a_camera_that_nothing_explains() -> None:
    made, other = studio(4, 2), studio(4, 2, seed=5)

    def of_another_recording(made: Studio, seen: list[Keypoints2D | None]) -> None:
        seen[2] = next(strangers)

    strangers = iter([other.keypoints(2, frame) for frame in reversed(range(other.frames))])
    (said,) = disagreement(made.rig, made.skeleton, changed(made, of_another_recording))
    assert said.startswith("cam03 sees people, but not where the others see them")


@pytest.mark.parametrize(("cameras", "people"), [(2, 1), (3, 2), (4, 4), (6, 5)])
def test_disagreement_is_none_where_cameras_are_right(cameras: int, people: int) -> None:
    for seed in range(3):
        made = studio(cameras, people, seed)
        assert disagreement(made.rig, made.skeleton, changed(made, nothing)) == []


def test_disagreement_is_none_where_a_camera_sees_others_alone() -> None:
    """A camera that looks elsewhere, at people whom nobody else sees, is right."""
    made = studio(4, 1)

    def elsewhere(made: Studio, seen: list[Keypoints2D | None]) -> None:
        rng = np.random.default_rng(0)
        seen[3] = Keypoints2D(rng.uniform(0, 1000, (1, 17, 2)), np.full((1, 17), 0.9))

    away = made.rig.cameras[3]
    R = away.R * np.array([[-1.0], [1.0], [-1.0]])  # turned round
    rig = replace(made.rig, cameras=(*made.rig.cameras[:3], replace(away, R=R, t=-R @ away.centre)))
    assert disagreement(rig, made.skeleton, changed(made, elsewhere)) == []


@pytest.mark.parametrize("turn_deg", [0.0, 0.2, 1.0, 2.0])
def test_disagreement_names_a_camera_that_was_knocked_with_its_rotation(turn_deg: float) -> None:
    """From half a degree on; until then it does little harm."""
    made = studio(4, 2)
    camera = made.rig.cameras[1]
    R = rotation_from_vector(np.radians([0.0, turn_deg, 0.0])) @ camera.R
    cameras = list(made.rig.cameras)
    cameras[1] = replace(camera, R=R, t=-R @ camera.centre)
    said = disagreement(replace(made.rig, cameras=tuple(cameras)), made.skeleton, changed(made, nothing))
    assert len(said) == (turn_deg > 0.5)
    for line in said:
        assert line.startswith("cam02 is rotated by ")
        assert float(line.split()[4]) == pytest.approx(turn_deg, rel=0.15)


def test_disagreement_names_no_camera_of_real_rigs(shared_data: Path) -> None:
    """Nor are detectors so wrong, whose errors are much alike in all cameras."""
    for name in ("shelf_easy", "shelf_hard"):
        rig = load_rig(shared_data / name / "rig.toml")
        opened = open_keypoints(shared_data / name / "keypoints", rig, "body25", "")
        views = list(folder_views(opened.source, rig, 25.0)[0])
        assert disagreement(rig, opened.skeleton, views[::2]) == []
