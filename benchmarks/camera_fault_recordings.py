"""Recordings of a board by four cameras, some of which do not stay as they are: corners with known truth."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64

from calib.board.board import Board
from calib.corners.corners import Corners
from multiview.cameras.camera import Camera, Rig
from multiview.geometry.rigid import rotation_from_vector
from multiview.synthetic.board import measure, placed_at_random, ring, waved

__all__ = ["BOARD", "FAULTS", "FPS", "FRAMES", "NOISE_PX", "Fault", "Scene", "recorded", "recording"]

BOARD = Board((7, 5), 0.1, 0.075, "DICT_4X4_100")
FRAMES, FPS, NOISE_PX = 120, 10.0, 0.3
_OUTLIERS = 0.01
_READOUT_S = 0.03  # of a rolling shutter


@dataclass(frozen=True, slots=True)
class When:
    """A moment of a fault.

    Attributes:
        second: Of the recording.
        since: s, since the fault began.
        share: Of the recording that is over.
        rng: Of what is random in it.
    """

    second: float
    since: float
    share: float
    rng: np.random.Generator


Change = Callable[[Camera, When], Camera]
Turn = Callable[[Float64[np.ndarray, "m 2"], Float64[np.ndarray, " 2"]], Float64[np.ndarray, "m 2"]]


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one camera.

    Attributes:
        camera: What it has become.
        pixels: Where its corners lie in pictures of some size.
        frames: Which frame is shown in place of frame n, where m was the last one before.
        lasts_s: When it ends; None: not before the end.
        throughout: It has no begin, but is there from the first frame on.
        needs_motion: A board that is held still does not tell.
    """

    camera: Change | None = None
    pixels: Turn | None = None
    frames: Callable[[int, int], int] | None = None
    lasts_s: float | None = None
    throughout: bool = False
    needs_motion: bool = False


def _turned(camera: Camera, vector_rad: Float64[np.ndarray, " 3"], shift_m: float = 0.0) -> Camera:
    """The camera after a turn and a shift to its right."""
    R = rotation_from_vector(vector_rad) @ camera.R
    return replace(camera, R=R, t=-R @ (camera.centre + shift_m * camera.R[0]))


def _zoomed(camera: Camera, factor: float) -> Camera:
    return replace(camera, K=camera.K @ np.diag([factor, factor, 1.0]))


def _bumped(camera: Camera, when: When) -> Camera:
    return _turned(camera, np.array([0, np.radians(2), 0]), 0.03)


def _bumped_twice(camera: Camera, when: When) -> Camera:
    camera = _bumped(camera, when)
    return camera if when.since < 2.5 else _turned(camera, np.array([np.radians(1), 0, 0]), 0.02)


def _trembling(camera: Camera, when: When) -> Camera:
    return _turned(camera, when.rng.normal(0, 0.003, 3))


def _stabilised(camera: Camera, when: When) -> Camera:
    """Cropped by a tenth, and turned against the hand's slow motion."""
    return _zoomed(_turned(camera, 0.01 * np.sin(2.0 * when.second * np.array([1.0, 1.3, 0.7]))), 1.1)


def _wandering(camera: Camera, when: When) -> Camera:
    """The crop alone wanders, by up to twelve pixels."""
    K = camera.K.copy()
    K[:2, 2] += 12 * np.sin(when.since * np.array([1.1, 0.8]))
    return replace(camera, K=K)


def _sagging(camera: Camera, when: When) -> Camera:
    return _turned(camera, np.array([np.radians(1.0) * when.share, 0, 0]))


def _breathing(camera: Camera, when: When) -> Camera:
    return _zoomed(camera, 1 + 0.01 * np.sin(2 * np.pi * when.second / 3))


def _upside_down(xy: Float64[np.ndarray, "m 2"], size: Float64[np.ndarray, " 2"]) -> Float64[np.ndarray, "m 2"]:
    return np.asarray(size - 1 - xy)


def _quarter(xy: Float64[np.ndarray, "m 2"], size: Float64[np.ndarray, " 2"]) -> Float64[np.ndarray, "m 2"]:
    """Turned about the middle of a picture that keeps its size."""
    middle = (size - 1) / 2
    return np.asarray((xy - middle) @ np.array([[0.0, 1.0], [-1.0, 0.0]]) + middle)


def _mirrored(xy: Float64[np.ndarray, "m 2"], size: Float64[np.ndarray, " 2"]) -> Float64[np.ndarray, "m 2"]:
    return np.asarray([size[0] - 1, 0] + xy * [-1, 1])


FAULTS: dict[str, Fault] = {
    "bumped": Fault(_bumped),
    "zoomed": Fault(lambda camera, when: _zoomed(camera, 1.1)),
    "trembling": Fault(_trembling),
    "cropped by a stabiliser": Fault(_stabilised),
    "flipped": Fault(pixels=_upside_down),
    "trembling for 4 s": Fault(_trembling, lasts_s=4.0),
    "bumped twice": Fault(_bumped_twice),
    "bumped, back after 4 s": Fault(_bumped, lasts_s=4.0),
    "sagging by 1 degree": Fault(_sagging, throughout=True),
    "breathing by 1 %": Fault(_breathing, throughout=True),
    "zoomed by 1 %": Fault(lambda camera, when: _zoomed(camera, 1.01)),
    "zoomed by 20 %": Fault(lambda camera, when: _zoomed(camera, 1.2)),
    "quarter turn": Fault(pixels=_quarter),
    "mirrored": Fault(pixels=_mirrored),
    "wandering crop": Fault(_wandering),
    "frozen": Fault(frames=lambda n, m: m),
    "every second frame repeated": Fault(frames=lambda n, m: n - n % 2, throughout=True, needs_motion=True),
}


@dataclass(frozen=True, slots=True)
class Scene:
    """A recording.

    Attributes:
        seed: Of everything.
        faults: Of cameras: what, which one, from when on in s.
        fps: Frames per second.
        seconds: How long.
        moving: The board is waved; else it is held still at many places.
        rolling: Cameras whose shutters roll.
        copied: A camera, and the one whose file it has been given by mistake.
    """

    seed: int
    faults: tuple[tuple[str, int, float], ...] = ()
    fps: float = FPS
    seconds: float = FRAMES / FPS
    moving: bool = False
    rolling: tuple[int, ...] = ()
    copied: tuple[int, int] | None = None


def recorded(seed: int, fault: str | None, who: int = 1, start: float = 0.5) -> tuple[Rig, Corners]:
    """Boards held anywhere, and one of four cameras that is at fault from a share `start` of the recording on.

    Args:
        seed: Of everything.
        fault: One of `FAULTS`; None: no camera is.
        who: The camera.
        start: Of the frames, from 0 to 1.

    Returns:
        The cameras as they were calibrated, and what was seen.
    """
    return recording(Scene(seed, () if fault is None else ((fault, who, start * FRAMES / FPS),)))


def recording(scene: Scene) -> tuple[Rig, Corners]:
    """What the cameras of a scene see.

    Args:
        scene: The scene.

    Returns:
        The cameras as they were calibrated, and what was seen.
    """
    rng = np.random.default_rng(scene.seed)
    rig = ring(4, rng=rng)
    count = round(scene.seconds * scene.fps)
    time = np.arange(count) / scene.fps
    again = copy.deepcopy(rng)
    (R, t), late = placed_at_random(count, rng) if not scene.moving else waved(time, rng), None
    if scene.rolling:
        late = waved(time + _READOUT_S, again)
    parts = [_seen(scene, rig, frame, (R, t), late, rng) for frame in range(count)]
    camera, frames, corner, xy = (np.concatenate(part) for part in zip(*parts, strict=True))
    for fault, who, start in scene.faults:
        camera, frames, corner, xy = _shown(scene, FAULTS[fault], who, start, camera, frames, corner, xy, rng)
    if scene.copied is not None:
        target, source = scene.copied
        of_source, others = camera == source, camera != target
        camera = np.concatenate([camera[others], np.full(of_source.sum(), target)])
        frames, corner = (np.concatenate([one[others], one[of_source]]) for one in (frames, corner))
        xy = np.concatenate([xy[others], xy[of_source]])
    order = np.lexsort((frames, camera))
    columns = (camera[order], frames[order], frames[order] / scene.fps, corner[order], xy[order])
    return rig, Corners(rig.names, tuple(one.size for one in rig.cameras), *columns, BOARD)


Columns = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _seen(
    scene: Scene,
    rig: Rig,
    frame: int,
    poses: tuple[np.ndarray, np.ndarray],
    late: tuple[np.ndarray, np.ndarray] | None,
    rng: np.random.Generator,
) -> Columns:
    """The corners of one frame."""
    second = frame / scene.fps
    cameras = list(rig.cameras)
    for name, who, start in scene.faults:
        fault = FAULTS[name]
        if fault.camera is not None and _during(fault, start, second):
            when = When(second, second - start, second / scene.seconds, rng)
            cameras[who] = fault.camera(cameras[who], when)
    one = (poses[0][frame : frame + 1], poses[1][frame : frame + 1])
    m = measure(Rig(tuple(cameras)), BOARD.points, [one] * len(cameras), rng, NOISE_PX, _OUTLIERS)
    xy = m.xy
    for name, who, start in scene.faults:
        fault = FAULTS[name]
        if fault.pixels is not None and _during(fault, start, second):
            ours = m.camera == who
            xy = np.where(ours[:, None], fault.pixels(xy, np.array(cameras[who].size, dtype=np.float64)), xy)
    if late is not None:
        for who in scene.rolling:
            before, after = (cameras[who].project(BOARD.points @ R[frame].T + t[frame]) for R, t in (poses, late))
            ours = np.flatnonzero(m.camera == who)
            xy = xy.copy()
            row = xy[ours, 1:] / cameras[who].size[1]
            xy[ours] += row * (after - before)[m.corner[ours]]
    size = np.array([one.size for one in rig.cameras])[m.camera]
    kept = ((xy >= -5) & (xy <= size + 5)).all(axis=1)
    return m.camera[kept], np.full(kept.sum(), frame), m.corner[kept], xy[kept]


def _during(fault: Fault, start: float, second: float) -> bool:
    begun = fault.throughout or second >= start - 1e-9
    return begun and (fault.lasts_s is None or second < start + fault.lasts_s - 1e-9)


def _shown(
    scene: Scene,
    fault: Fault,
    who: int,
    start: float,
    camera: np.ndarray,
    frames: np.ndarray,
    corner: np.ndarray,
    xy: np.ndarray,
    rng: np.random.Generator,
) -> Columns:
    """The same where frames are shown again, coded anew, of one camera."""
    if fault.frames is None:
        return camera, frames, corner, xy
    last = int(np.ceil(start * scene.fps - 1e-9))
    ours = camera == who
    own = np.unique(frames[ours])
    if not fault.throughout:  # the picture that stays shows the board
        last = int(own[min(np.searchsorted(own, last), len(own) - 1)])
    parts = [(camera[~ours], frames[~ours], corner[~ours], xy[~ours])]
    for frame in range(round(scene.seconds * scene.fps)):
        source = frame if not fault.throughout and frame <= last else fault.frames(frame, last)
        shown = ours & (frames == source)
        again = xy[shown] + (rng.normal(0, 0.02, (shown.sum(), 2)) if source != frame else 0.0)
        parts.append((camera[shown], np.full(shown.sum(), frame), corner[shown], again))
    camera, frames, corner, xy = (np.concatenate(part) for part in zip(*parts, strict=True))
    return camera, frames, corner, xy
