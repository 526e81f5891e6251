"""Feet that stand stay where they are, feet that swing are left alone, and what is stated of both is honest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from multiview.body.skeleton import load_skeleton
from multiview.data import Tracks
from multiview.fusion.pipeline import Pipeline
from multiview.fusion.planted_feet import foot_joints
from multiview.fusion.smoother import Smoothed
from multiview.synthetic.options import StudioOptions
from multiview.synthetic.studio import Studio, make_walker_studio
from tests.biomechanics.walking import Walker, walker

FPS = 30.0


@pytest.fixture(scope="module")
def walk() -> tuple[Walker, Studio]:
    person = replace(walker(2), start=-2.0 * np.array([np.cos(0.5), np.sin(0.5)]))
    options = StudioOptions(people=1, seconds=3.0, fps=FPS, seed=2, skeleton="halpe26", correlation=0.85)
    return person, make_walker_studio(options, person)


def fused(studio: Studio, contacts: bool = True, lag: int = 0, block: int = 1) -> list[Tracks]:
    pipeline = Pipeline(studio.rig, studio.skeleton, contacts=contacts)
    if not lag:
        return [pipeline.step(studio.views(frame)) for frame in range(studio.frames)]
    smoothed = Smoothed(pipeline, lag, block)
    return [tick for frame in range(studio.frames) for tick in smoothed.step(studio.views(frame))] + smoothed.finish()


class Seen:
    """Heels and toes as they were fused, and the truth: places, errors, contacts; all (T, 4) or (T, 4, 3)."""

    def __init__(self, person: Walker, studio: Studio, ticks: list[Tracks]) -> None:
        time_s = np.arange(studio.frames) / FPS
        points = [(side, kind) for side in ("left", "right") for kind in ("heel", "toe")]
        joints = [studio.skeleton.index(f"{side}_{'big_' * (kind == 'toe')}{kind}") for side, kind in points]
        self.planted = np.stack([person.planted(side, time_s)[kind] for side, kind in points], axis=1)
        self.true = studio.truth.xyz[:, joints]
        poses = [tick.tracks[0].pose for tick in ticks]
        self.xyz = np.stack([pose.xyz[joints] for pose in poses])
        self.cov = np.stack([pose.cov[joints] for pose in poses])
        none = np.zeros(len(joints), dtype=bool)
        self.contact = np.stack([none if pose.contact is None else pose.contact[joints] for pose in poses])
        self.speed = np.linalg.norm(np.gradient(self.true, axis=0), axis=-1) * FPS

    def slide_m_s(self) -> float:
        step = np.linalg.norm(np.diff(self.xyz, axis=0), axis=-1) * FPS
        return float(np.median(step[self.planted[1:] & self.planted[:-1]]))

    def rmse_m(self) -> float:
        return float(np.sqrt(((self.xyz - self.true)[5:] ** 2).sum(-1).mean()))

    def normalised_error(self) -> float:
        off = (self.xyz - self.true)[5:][self.contact[5:]]
        scaled = np.linalg.solve(self.cov[5:][self.contact[5:]], off[..., None])[..., 0]
        return float((off * scaled).sum(-1).mean() / 3)


def test_feet_planted_stand_still_live(walk: tuple[Walker, Studio]) -> None:
    """Shown places move by 10 mm/s at most while a point stands; without contacts they jump by noise."""
    on, off = Seen(*walk, fused(walk[1])), Seen(*walk, fused(walk[1], contacts=False))
    assert on.slide_m_s() < 0.015 < 0.1 < off.slide_m_s()
    assert on.rmse_m() < off.rmse_m()
    assert 0.5 < on.normalised_error() < 2.0


def test_feet_planted_stand_still_smoothed(walk: tuple[Walker, Studio]) -> None:
    on, off = (Seen(*walk, fused(walk[1], contacts, lag=200)) for contacts in (True, False))
    assert on.slide_m_s() < 0.005 < 0.05 < off.slide_m_s()
    assert on.rmse_m() < off.rmse_m()
    assert 0.5 < on.normalised_error() < 2.0
    swings = ~on.planted
    assert on.contact[swings].mean() < 0.02
    assert on.contact[on.planted].mean() > 0.55


def test_feet_that_swing_are_in_no_contact(walk: tuple[Walker, Studio]) -> None:
    seen = Seen(*walk, fused(walk[1]))
    assert seen.contact[seen.speed > 0.3].mean() < 0.02
    assert seen.contact[seen.speed > 1.0].mean() < 0.005


def test_feet_leave_other_joints_alone(walk: tuple[Walker, Studio]) -> None:
    """Contacts change what is shown of feet, and nothing else by a single bit."""
    others = np.setdiff1d(np.arange(26), foot_joints(walk[1].skeleton))
    for one, other in zip(fused(walk[1]), fused(walk[1], contacts=False), strict=True):
        assert other.tracks[0].pose.contact is None
        for name in ("xyz", "cov", "score", "views", "filled"):
            a, b = getattr(one.tracks[0].pose, name)[others], getattr(other.tracks[0].pose, name)[others]
            assert a.tobytes() == b.tobytes()


def test_feet_stand_without_a_floor(walk: tuple[Walker, Studio]) -> None:
    """The same walk in a world that lies on its side: the bodies say where up is."""
    person, studio = walk
    turn = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
    cameras = tuple(replace(camera, R=camera.R @ turn.T) for camera in studio.rig.cameras)
    pipeline = Pipeline(replace(studio.rig, cameras=cameras, world="camera"), studio.skeleton, contacts=True)
    ticks = [pipeline.step(studio.views(frame)) for frame in range(studio.frames)]
    for tick in ticks:
        tick.tracks[0].pose.xyz[:] = tick.tracks[0].pose.xyz @ turn
    seen = Seen(person, studio, ticks)
    assert seen.contact[seen.planted].mean() > 0.5
    assert seen.slide_m_s() < 0.015


def test_feet_smoothed_window_by_window_are_those_of_the_whole_take(walk: tuple[Walker, Studio]) -> None:
    whole, windows = Seen(*walk, fused(walk[1], lag=200)), Seen(*walk, fused(walk[1], lag=60, block=7))
    assert (whole.contact == windows.contact).mean() > 0.99
    assert np.quantile(np.linalg.norm(whole.xyz - windows.xyz, axis=-1), 0.98) < 1e-3


def test_feet_are_heels_toes_and_ankles_of_people() -> None:
    def names(skeleton: str) -> set[str]:
        found = load_skeleton(skeleton)
        return {found.joints[j].partition("_")[2] for j in foot_joints(found)}

    assert names("coco17") == {"ankle"}
    assert names("body25") == {"ankle", "heel", "big_toe", "small_toe"}
    assert names("blazepose33") == {"ankle", "heel", "foot_index"}


def test_feet_of_somebody_else_in_the_same_place_begin_anew(walk: tuple[Walker, Studio]) -> None:
    """After a reset nobody stands until they have stood for a while."""
    studio = walk[1]
    pipeline = Pipeline(studio.rig, studio.skeleton, contacts=True)
    for frame in range(30):
        pipeline.step(studio.views(frame))
    pipeline.reset()
    again = pipeline.step(studio.views(30)).tracks
    assert all(track.pose.contact is not None and not track.pose.contact.any() for track in again)


def test_ankles_alone_are_let_go_as_the_shank_leans_ahead() -> None:
    """Persistent errors hide how an ankle rises; the leg above it tells."""
    person = replace(walker(5), start=-2.0 * np.array([np.cos(0.5), np.sin(0.5)]))
    options = StudioOptions(people=1, seconds=3.0, fps=FPS, seed=5, skeleton="coco17", correlation=0.85)
    studio = make_walker_studio(options, person)
    ankles = [studio.skeleton.index(f"{side}_ankle") for side in ("left", "right")]
    true = studio.truth.xyz[:, ankles]
    speed = np.linalg.norm(np.gradient(true, axis=0), axis=-1) * FPS
    contact = np.zeros(speed.shape, dtype=bool)
    for tick in fused(studio):
        found = tick.tracks[0].pose.contact if tick.tracks else None
        if found is not None:
            contact[tick.tick] = found[ankles]
    assert contact[speed > 0.3].mean() < 0.01
    assert contact[speed < 0.05].mean() > 0.5
