"""What region feedback saves, and whether people are lost by it.

    python -m benchmarks regions                                   rendered people, the detector that ships
    python -m benchmarks regions --rig RIG --videos A B ...        real ones, with blazepose; `--detector` for others

The whole loop, frame after frame: detector, fusion, the regions that it expects, and these to the detector a few frames
later, as they come live. People are found where a detection lies on them in a picture that shows them; who they are is
the simulation's truth, or, in real videos, what fusion makes of a search in every frame. One run, one thread.
"""

from __future__ import annotations

import argparse
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from multiview.cameras.camera import Camera, Rig
from multiview.cameras.projected_regions import Regions, expected_regions
from multiview.cameras.rig_file import load_rig
from multiview.data import Keypoints2D, VideoFrame, Views
from multiview.detect import ExpectsPeople, make_detector
from multiview.fusion.pipeline import Pipeline
from multiview.sources import open_source

__all__ = ["add_arguments", "run"]

NEAR = 0.15  # of a person's size in the picture: a detection that lies on them, in the mean over joints
VISIBLE = 0.8  # of the joints inside the picture
SEARCH = {"light": 10, "blazepose": 15}


class Pictures(NamedTuple):
    """A recording that can be played again: `read(camera, frame)`."""

    rig: Rig
    fps: float
    frames: int
    read: Callable[[int, int], np.ndarray]
    truth: list[np.ndarray] | None  # (P, J, 3) of each frame, where known


class Played(NamedTuple):
    found: list[list[Keypoints2D]]  # of each frame, each camera
    tracks: list[np.ndarray]  # (P, J, 3) of each frame
    ms: dict[str, float]  # of each stage, per picture


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=2.0, help="of rendered film (default 2)")
    parser.add_argument("--people", type=int, default=3, help="of rendered film (default 3)")
    parser.add_argument(
        "--lag", type=int, default=3, help="frames from a picture to the regions made of it (default 3)"
    )
    parser.add_argument("--rig", help="calibration of real videos")
    parser.add_argument("--videos", nargs="+", default=[], help="real videos, in the rig's order")
    parser.add_argument("--detector", default="", help="default: light for rendered people, blazepose for real ones")


def run(args: argparse.Namespace) -> None:
    cv2.setNumThreads(1)
    name = args.detector or ("blazepose" if args.videos else "light")
    joints = make_detector(name).skeleton.joints
    pictures = videos(args.rig, args.videos) if args.videos else film(args.people, args.seconds, joints)
    rare = SEARCH.get(name, 10)
    modes: list[tuple[str, dict[str, Any], bool]] = [
        ("search in every frame", {"search_every": 1}, False),
        (f"every {rare}th, else where they were", {"search_every": rare}, False),
        (f"every {rare}th, else where fusion expects them", {"search_every_expected": rare}, True),
    ]
    table = Table("mode", "people found", "in 3D", "ms per picture", "of it searching", box=None, header_style="bold")
    truth = pictures.truth
    for words, options, feedback in modes:
        played = play(pictures, make_detector(name, options), args.lag if feedback else None)
        truth = truth if truth is not None else played.tracks
        seen, in_3d = found_share(played.found, truth, pictures.rig), placed_share(played.tracks, truth)
        total = sum(played.ms.values())
        table.add_row(words, f"{seen:.1%}", f"{in_3d:.1%}", f"{total:.1f}", f"{played.ms.get('search', 0.0):.1f}")
    Console(width=120).print(table)


def play(pictures: Pictures, detector: Any, lag: int | None) -> Played:
    """The closed loop; without `lag` nothing is fed back."""
    pipeline = Pipeline(pictures.rig, detector.skeleton)
    pipeline.warm_up()
    spent: dict[str, int] = {}
    found, tracks = [], []
    told: deque[tuple[int, list[Regions]]] = deque()
    for frame in range(pictures.frames):
        if lag is not None and len(told) > lag - 1:
            made, regions = told.popleft()
            for camera, expected in zip(pictures.rig.names, regions, strict=True):
                assert isinstance(detector, ExpectsPeople)
                detector.expect(camera, expected.after((frame - made) / pictures.fps))
        now = []
        for index, camera in enumerate(pictures.rig.names):
            now += detector.detect([VideoFrame(pictures.read(index, frame), frame, frame, camera)])
            for stage, ns in detector.stage_ns.items():
                spent[stage] = spent.get(stage, 0) + ns
        fused = pipeline.step(Views(frame, round(frame * 1e9 / pictures.fps), tuple(now)))
        told.append((frame, regions_of(pipeline)))
        found.append(now)
        tracks.append(np.array([t.pose.xyz for t in fused.tracks]).reshape(-1, len(detector.skeleton.joints), 3))
    count = pictures.frames * len(pictures.rig)
    return Played(found, tracks, {stage: ns / 1e6 / count for stage, ns in spent.items()})


def regions_of(pipeline: Pipeline) -> list[Regions]:
    state, slots = pipeline.tracker.people.state, [one.slot for one in pipeline.estimates]
    xyz = np.where(state.has_estimate[slots, :, None], state.pos[slots], np.nan)
    return [expected_regions(camera, xyz, state.vel[slots]) for camera in pipeline.rig.cameras]


def found_share(found: list[list[Keypoints2D]], truth: list[np.ndarray], rig: Rig) -> float:
    """Of all people in all pictures, those on whom a detection lies."""
    hits = [
        _lies_on(keypoints, joints)
        for people, detections in zip(truth, found, strict=True)
        for camera, keypoints in zip(rig.cameras, detections, strict=True)
        for joints in _in_picture(camera, people)
    ]
    return float(np.mean(hits))


def placed_share(tracks: list[np.ndarray], truth: list[np.ndarray]) -> float:
    """Of all people in all frames, those whom a track follows within 0.3 m."""
    hits = [
        bool(len(here)) and float(np.nanmin(np.nanmean(np.linalg.norm(here - person, axis=-1), axis=-1))) < 0.3
        for here, people in zip(tracks, truth, strict=True)
        for person in people
    ]
    return float(np.mean(hits))


def _in_picture(camera: Camera, people: np.ndarray) -> Iterator[np.ndarray]:
    for person in people:
        xy = camera.project(person)
        inside = ((xy >= 0) & (xy < np.array(camera.size))).all(axis=-1)
        if inside[np.isfinite(person[:, 0])].mean() >= VISIBLE:
            yield xy


def _lies_on(keypoints: Keypoints2D, joints: np.ndarray) -> bool:
    if not keypoints.people:
        return False
    size = np.linalg.norm(np.nanmax(joints, axis=0) - np.nanmin(joints, axis=0))
    off = np.linalg.norm(keypoints.xy - joints, axis=-1)
    off[np.isnan(off).all(axis=1), 0] = np.inf
    return bool(np.nanmean(off, axis=1).min() < NEAR * size)


def film(people: int, seconds: float, joints: tuple[str, ...]) -> Pictures:
    """Rendered people before four cameras, kept as JPEG."""
    from multiview.synthetic.filming import FPS, film_studio

    studio, rendered = film_studio(4, people, seconds, seed=0)
    kept: dict[tuple[int, int], np.ndarray] = {}
    for camera in range(4):
        for frame in range(studio.frames):
            kept[camera, frame] = np.asarray(cv2.imencode(".jpg", rendered.picture(camera, frame))[1])
    rows = [studio.skeleton.index(joint) for joint in joints]
    truth = [studio.truth.xyz[studio.truth.frame == frame][:, rows] for frame in range(studio.frames)]
    read = lambda camera, frame: np.asarray(cv2.imdecode(kept[camera, frame], cv2.IMREAD_COLOR), np.uint8)
    return Pictures(rendered.rig, FPS, studio.frames, read, truth)


def videos(rig_path: str, paths: list[str]) -> Pictures:
    """Real videos in step; frames are read in order, each camera at its own place."""
    rig = load_rig(rig_path)
    opened: list[tuple[int, Any]] = [(-1, open_source(path)) for path in paths]
    source = opened[0][1]

    def read(camera: int, frame: int) -> np.ndarray:
        at, source = opened[camera]
        if frame <= at:
            source.close()
            at, source = -1, open_source(paths[camera])
        picture = None
        while at < frame:
            picture, at = source.read(), at + 1
        opened[camera] = at, source
        assert picture is not None
        return np.asarray(picture.image)

    return Pictures(rig, source.fps, min(s.frames for _, s in opened), read, None)
