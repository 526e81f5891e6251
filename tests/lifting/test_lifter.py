"""People of one camera: near the truth, the same number all the time, honest about their errors."""

from dataclasses import replace

import numpy as np
import pytest

from multiview.body.skeleton import load_skeleton
from multiview.cameras.camera import Rig
from multiview.data import Keypoints2D, Views
from multiview.errors import ConfigError
from multiview.lifting.lifter import Lifter, lift_views
from multiview.synthetic import StudioOptions, make_studio

OPTIONS = StudioOptions(cameras=1, people=1, seconds=3.0, seed=4, radius_m=5.0).perfect()


@pytest.fixture(scope="module")
def studio():
    return make_studio(OPTIONS)


def ticks_of(studio):
    return [studio.views(frame) for frame in range(studio.frames)]


def root_relative(xyz, names):
    hips = [names.index(f"{side}_hip") for side in ("left", "right")]
    return xyz - xyz[:, hips].mean(axis=1, keepdims=True)


def poses(ticks):
    assert all(len(tick.tracks) == 1 for tick in ticks[3:])
    return np.stack([tick.tracks[0].pose.xyz for tick in ticks[3:]])


def test_person_of_one_camera_is_lifted_where_the_floor_says(studio) -> None:
    lifter = Lifter(studio.rig, studio.skeleton)
    xyz, true = poses(list(lift_views(lifter, ticks_of(studio)))), studio.truth.xyz[3:]
    names = studio.skeleton.joints
    relative = np.linalg.norm(root_relative(xyz, names) - root_relative(true, names), axis=-1)
    assert relative.mean() < 0.10  # m; a mean pose is off by 0.2
    away = np.linalg.norm(true.mean(axis=1) - studio.rig.cameras[0].centre, axis=-1)
    assert (np.linalg.norm((xyz - true).mean(axis=1), axis=-1) / away).mean() < 0.05


def test_joints_that_are_seen_lie_on_their_rays(studio) -> None:
    tick = list(lift_views(Lifter(studio.rig, studio.skeleton), ticks_of(studio)))[20]
    seen = studio.views(20).keypoints[0]
    off = np.linalg.norm(studio.rig.cameras[0].project(tick.tracks[0].pose.xyz) - seen.xy[0], axis=-1)
    assert np.nanmedian(off) < 10.0  # px


def test_live_steps_know_no_frames_that_follow(studio) -> None:
    ticks, lifter = ticks_of(studio), Lifter(studio.rig, studio.skeleton)
    some = [lifter.step(tick) for tick in ticks[:30]]
    again = Lifter(studio.rig, studio.skeleton)
    more = [again.step(tick) for tick in ticks]
    for one, other in zip(some, more, strict=False):
        assert [track.person for track in one.tracks] == [track.person for track in other.tracks]
        for a, b in zip(one.tracks, other.tracks, strict=True):
            np.testing.assert_array_equal(a.pose.xyz, b.pose.xyz)


def test_two_people_keep_their_numbers_and_one_who_comes_back_has_the_old_one() -> None:
    studio = make_studio(StudioOptions(cameras=1, people=2, seconds=3.0, seed=3, radius_m=6.0, area_m=4.0).perfect())
    ticks = ticks_of(studio)
    lifter = Lifter(studio.rig, studio.skeleton)
    gone = range(40, 55)
    found = []
    for n, tick in enumerate(ticks):
        nobody = Keypoints2D.nobody(len(studio.skeleton.joints))
        found.append(lifter.step(replace(tick, keypoints=(nobody,)) if n in gone else tick))
    assert {track.person for tick in found for track in tick.tracks} == {1, 2}
    assert all(not found[n].tracks for n in gone)
    where = {track.person: track.pose.xyz.mean(axis=0) for track in found[-1].tracks}
    true = studio.truth.xyz[studio.truth.frame == studio.frames - 1].mean(axis=1)
    before = {track.person: track.pose.xyz.mean(axis=0) for track in found[35].tracks}
    start = studio.truth.xyz[studio.truth.frame == 35].mean(axis=1)
    for number in where:
        same = np.linalg.norm(start - before[number], axis=-1).argmin()
        assert np.linalg.norm(true - where[number], axis=-1).argmin() == same


def test_missing_joints_are_filled_and_doubted(studio) -> None:
    wrist = studio.skeleton.index("left_wrist")
    hidden = []
    for tick in ticks_of(studio):
        seen = tick.keypoints[0]
        xy, score = seen.xy.copy(), seen.score.copy()
        xy[:, wrist], score[:, wrist] = np.nan, 0.0
        hidden.append(replace(tick, keypoints=(Keypoints2D(xy, score),)))
    pose = list(lift_views(Lifter(studio.rig, studio.skeleton), hidden))[40].tracks[0].pose
    other = studio.skeleton.index("right_wrist")
    assert pose.filled[wrist]
    assert not pose.filled[other]
    assert (pose.views[wrist], pose.views[other]) == (0, 1)
    assert np.isfinite(pose.xyz[wrist]).all()
    assert np.linalg.eigvalsh(pose.cov[wrist])[1] > 1.5 * np.linalg.eigvalsh(pose.cov[other])[1]


def test_camera_that_knows_no_upright_is_level_and_gives_the_same_posture(studio) -> None:
    camera = studio.rig.cameras[0]
    level = replace(camera, R=np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]]), t=np.zeros(3))
    alone = replace(level, R=np.eye(3))
    ticks = [tick.tracks for tick in lift_views(Lifter(Rig((level,)), studio.skeleton, floor=False), ticks_of(studio))]
    other = [t.tracks for t in lift_views(Lifter(Rig((alone,), "camera"), studio.skeleton), ticks_of(studio))]
    turn = level.R @ np.eye(3)
    for a, b in zip(ticks[5:], other[5:], strict=True):
        np.testing.assert_allclose(a[0].pose.xyz @ turn.T, b[0].pose.xyz, atol=1e-6)
        np.testing.assert_allclose(turn @ a[0].pose.cov @ turn.T, b[0].pose.cov, atol=1e-6)


def test_feet_and_neck_of_larger_skeletons_are_placed_too() -> None:
    studio = make_studio(replace_options(skeleton="halpe26"))
    pose = list(lift_views(Lifter(studio.rig, studio.skeleton), ticks_of(studio)))[30].tracks[0].pose
    true = studio.truth.xyz[30]
    for joint in ("neck", "left_big_toe", "right_heel", "head_top"):
        k = studio.skeleton.index(joint)
        off = pose.xyz[k] - true[k]
        assert off @ np.linalg.solve(pose.cov[k], off) < 25.0
        assert np.linalg.norm(off) < 0.6


def replace_options(**changes):
    return StudioOptions(cameras=1, people=1, seconds=2.0, seed=4, radius_m=5.0, **changes).perfect()


def test_lifter_refuses_animals_and_rigs_of_several_cameras(studio) -> None:
    mouse = replace(load_skeleton("coco17"), size_m=0.06)
    with pytest.raises(ConfigError, match="one camera lifts people"):
        Lifter(studio.rig, mouse)
    with pytest.raises(ConfigError, match="one camera that is calibrated"):
        Lifter(make_studio(StudioOptions(cameras=2, people=1, seconds=0.1)).rig, studio.skeleton)


def test_empty_ticks_give_nobody(studio) -> None:
    lifter = Lifter(studio.rig, studio.skeleton)
    assert lifter.step(Views(0, studio.time_ns(0), (None,))).tracks == ()
    assert list(lift_views(lifter, [])) == []
    unseen = Keypoints2D(np.full((1, 17, 2), np.nan), np.zeros((1, 17)))
    assert lifter.step(Views(1, studio.time_ns(1), (unseen,))).tracks == ()
