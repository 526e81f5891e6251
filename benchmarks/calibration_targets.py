"""From pixels to a rig with every kind of target: rendered for four cameras, written as video, detected and solved.

    python benchmarks/calibration_targets.py [--targets chessboard circles ...] [--cameras 4] [--frames 60]

Prints for each target the error of its points in pixels, and of triangulated points in mm after a rigid alignment: of
points all over the room that the target moved through.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np

from benchmarks.calibration_pixels import triangulation_rms
from calib.board.board import Board
from calib.board.chessboard import Chessboard
from calib.board.circles import Circles
from calib.board.markers import Markers
from calib.board.several import Several
from calib.board.target import Target
from calib.board.wand import Wand
from calib.corners.detect import detect
from calib.corners.pictures import video
from calib.report.outcome import rig_of
from calib.solve.known_lenses import known_lenses
from calib.solve.solve import Calibration, solve
from multiview.cameras.camera import Camera, Rig
from multiview.errors import CalibrationError
from multiview.geometry.rigid import rotation_from_vector
from multiview.synthetic.balls import paint_balls
from multiview.synthetic.board import paint, render, ring, waved

RATE_HZ, BOUND_DRAWS = 6.0, 24
Picture = np.ndarray


@dataclass
class Scene:
    """A target, what every camera's pictures show of it, and where its points are in a frame, m."""

    target: Target
    pictures: Callable[[Camera], Iterator[Picture]]
    points: Callable[[int], np.ndarray]
    path: np.ndarray
    R: np.ndarray = field(default_factory=lambda: np.empty(0))
    t: np.ndarray = field(default_factory=lambda: np.empty(0))


def flat(target: Board | Chessboard | Circles, frames: int, rng: np.random.Generator) -> Scene:
    """A board that is waved."""
    R, t = waved(np.arange(frames) / RATE_HZ, rng, reach=0.45)
    texture = target.picture(120)

    corner = np.array([target.spacing, target.spacing, 0.0]) if isinstance(target, Circles) else np.zeros(3)

    def pictures(camera: Camera) -> Iterator[Picture]:
        for turn, shift in zip(R, t - R @ corner, strict=True):
            yield render(camera, texture, target.size[0], turn, shift, rng)

    return Scene(target, pictures, lambda frame: target.points @ R[frame].T + t[frame], t, R, t)


def charuco(frames: int, rng: np.random.Generator) -> Scene:
    return flat(Board((7, 5), 0.1, 0.075, "DICT_4X4_100"), frames, rng)


def chessboard(frames: int, rng: np.random.Generator) -> Scene:
    return flat(Chessboard((10, 7), 0.06), frames, rng)


def chessboard_symmetric(frames: int, rng: np.random.Generator) -> Scene:
    return flat(Chessboard((9, 7), 0.06), frames, rng)


def circles(frames: int, rng: np.random.Generator) -> Scene:
    return flat(Circles((4, 11), 0.05), frames, rng)


def circles_symmetric(frames: int, rng: np.random.Generator) -> Scene:
    return flat(Circles((9, 6), 0.06, staggered=False), frames, rng)


def two_boards(frames: int, rng: np.random.Generator) -> Scene:
    """Two boards of different prints, waved at once; the nearer one hides the other."""
    one = Board((7, 5), 0.1, 0.075, "DICT_4X4_100", False, False)
    two = Board((6, 5), 0.1, 0.075, "DICT_4X4_100", False, False, first_marker=one.markers)
    shown = [
        replace(scene, t=scene.t + shift)
        for scene, shift in zip(
            (flat(board, frames, rng) for board in (one, two)), ([0.4, 0.0, 0.1], [-0.4, 0.0, -0.1]), strict=True
        )
    ]

    def points(frame: int) -> np.ndarray:
        return np.concatenate([s.target.points @ s.R[frame].T + s.t[frame] for s in shown])

    def pictures(camera: Camera) -> Iterator[Picture]:
        for frame in range(frames):
            far = [float(np.linalg.norm(camera.centre - s.t[frame])) for s in shown]
            grey = np.full(camera.size[::-1], 118.0, dtype=np.float32)
            for i in np.argsort(far)[::-1]:
                board, s = shown[i].target, shown[i]
                painted = paint(camera, board.picture(120), board.size[0], s.R[frame], s.t[frame], np.nan)
                if painted is not None:
                    (x0, y0, x1, y1), patch = painted
                    grey[y0:y1, x0:x1] = np.where(np.isnan(patch), grey[y0:y1, x0:x1], patch)
            grey = cv2.GaussianBlur(grey, (0, 0), 0.7) + 2.0 * rng.standard_normal(grey.shape, dtype=np.float32)
            yield np.clip(np.rint(grey), 0, 255).astype(np.uint8)

    return Scene(Several((one, two)), pictures, points, np.concatenate([s.t for s in shown]))


def sticker(dictionary: str, marker: int, length: float) -> tuple[np.ndarray, float]:
    """A marker with a white edge of one cell, and its width, m."""
    family = cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, dictionary))
    cells = family.markerSize + 2
    return np.pad(family.generateImageMarker(marker, cells * 12), 12, constant_values=255), length * (cells + 2) / cells


def of_stickers(
    markers: Markers,
    frames: int,
    places: Callable[[int], list[tuple[np.ndarray, np.ndarray]]],
    rng: np.random.Generator,
) -> Scene:
    """Markers whose middles are at places (world_from_marker), the nearer ones in front."""
    prints = [sticker(markers.dictionary, marker, markers.marker_length) for marker in markers.markers]

    def pictures(camera: Camera) -> Iterator[Picture]:
        clean, of = np.empty(0), None
        for frame in range(frames):
            if places(frame) is not of:  # what stays in place is painted once
                of = places(frame)
                sharper = 9 if markers.fixed else 3  # three samples make stairs of edges that are nearly level
                clean = painted_over(camera, list(zip(of, prints, strict=True)), sharper)
            grey = clean + 2.0 * rng.standard_normal(clean.shape, dtype=np.float32)
            yield np.clip(np.rint(grey), 0, 255).astype(np.uint8)

    corners = markers.points[:4]

    def points(frame: int) -> np.ndarray:
        return np.concatenate([corners @ R.T + t for R, t in places(frame)])

    return Scene(markers, pictures, points, np.concatenate([points(frame) for frame in range(0, frames, 5)]))


def painted_over(
    camera: Camera, shown: list[tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, float]]], sharper: int
) -> np.ndarray:
    """A picture of prints at places (world_from_print, of its middle), without noise; each pixel is the mean of
    `sharper`^2 samples."""
    grey = np.full(camera.size[::-1], 118.0, dtype=np.float32)
    for (R, t), (texture, width) in sorted(shown, key=lambda one: -float(np.linalg.norm(camera.centre - one[0][1]))):
        painted = paint(camera, texture, width, R, t - R @ np.array([width / 2, width / 2, 0]), np.nan, sharper)
        if painted is not None:
            (x0, y0, x1, y1), patch = painted
            grey[y0:y1, x0:x1] = np.where(np.isnan(patch), grey[y0:y1, x0:x1], patch)
    return cv2.GaussianBlur(grey, (0, 0), 0.7)


def markers_fixed(frames: int, rng: np.random.Generator) -> Scene:
    """AprilTags of 16 cm on the floor and on stands, facing up and tilted every way, 30 cm apart."""
    markers = Markers("DICT_APRILTAG_36h11", 0.16, tuple(range(48)), fixed=True)
    at: list[tuple[np.ndarray, np.ndarray]] = []
    while len(at) < len(markers.markers):
        tilt = rotation_from_vector(np.array([*rng.normal(0, 0.4, 2), rng.uniform(0, 6)]))
        place = rng.uniform([-1.0, -1.0, 0.0], [1.0, 1.0, 1.2])
        if all(np.linalg.norm(place - other) > 0.3 for _, other in at):
            at.append((tilt @ np.diag([1.0, -1.0, -1.0]), place))
    return of_stickers(markers, frames, lambda frame: at, rng)


def markers_on_box(frames: int, rng: np.random.Generator) -> Scene:
    """A cube of 40 cm with four ArUco markers on each side, waved."""
    markers = Markers("DICT_4X4_100", 0.13, tuple(range(24)))
    R, t = waved(np.arange(frames) / RATE_HZ, rng, reach=0.45)
    sides = []
    for turn in ([0, 0, 0], [0, 90, 0], [0, 180, 0], [0, 270, 0], [90, 0, 0], [270, 0, 0]):
        side = rotation_from_vector(np.deg2rad(np.array(turn, dtype=float)))
        sides += [(side, side @ [x, y, -0.2]) for x in (-0.1, 0.1) for y in (-0.1, 0.1)]

    def places(frame: int) -> list[tuple[np.ndarray, np.ndarray]]:
        return [(R[frame] @ side, R[frame] @ place + t[frame]) for side, place in sides]

    return of_stickers(markers, frames, places, rng)


def wand(frames: int, rng: np.random.Generator) -> Scene:
    """Three balls of 5 cm on a stick of 50 cm, waved before lamps and a window; lenses known."""
    target = Wand((0.0, 0.2, 0.5), (0.05, 0.05, 0.05))
    R, t = waved(np.arange(frames) / RATE_HZ, rng, reach=0.45)
    lamps = rng.uniform([-3, -3, 2.0], [3, 3, 2.6], (6, 3))

    def points(frame: int) -> np.ndarray:
        return (target.points - target.points.mean(axis=0)) @ R[frame].T + t[frame]

    def pictures(camera: Camera) -> Iterator[Picture]:
        room = np.full(camera.size[::-1], 60.0, dtype=np.float32)
        room[80:260, 150:300] = 210.0
        paint_balls(room, camera, lamps, np.full(len(lamps), 0.12))
        for frame in range(frames):
            grey = room.copy()
            paint_balls(grey, camera, points(frame), np.array(target.diameters))
            grey = cv2.GaussianBlur(grey, (0, 0), 0.7) + 2.0 * rng.standard_normal(grey.shape, dtype=np.float32)
            yield np.clip(np.rint(grey), 0, 255).astype(np.uint8)

    return Scene(target, pictures, points, t, R, t)


SCENES = {
    scene.__name__: scene
    for scene in (
        charuco,
        chessboard,
        chessboard_symmetric,
        circles,
        circles_symmetric,
        two_boards,
        markers_fixed,
        markers_on_box,
        wand,
    )
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", nargs="+", choices=SCENES, default=list(SCENES))
    parser.add_argument("--cameras", type=int, default=4)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for the videos, used again if they are there")
    args = parser.parse_args()
    for name in args.targets:
        rng = np.random.default_rng(args.seed)
        rig = ring(args.cameras, radius=2.2, size=(1280, 720), focal=800.0, rng=rng)
        scene = SCENES[name](args.frames, rng)
        with tempfile.TemporaryDirectory() as folder:
            files = write_videos((args.keep or Path(folder)) / name, rig, scene)
            start = time.perf_counter()
            found = detect([video(file) for file in files], scene.target)
            detected_s = time.perf_counter() - start
        print(f"{name}: {found.identified.board.words()}; {'; '.join(found.identified.remarks)}")
        corners = found.corners
        off = []
        for camera in (camera for camera in rig.cameras if camera.name in corners.names):
            own = np.flatnonzero(corners.camera == corners.names.index(camera.name))
            truth = np.array([scene.points(corners.frame[i])[corners.corner[i]] for i in own])
            off.append(corners.xy[own] - camera.project(truth))
        everything = np.concatenate(off)
        if isinstance(scene.target, Wand):  # its outlines' middles are not its balls' middles: the solver's part
            everything = everything - everything.mean(axis=0)
        near = np.abs(everything).max(axis=1) < 5
        print(
            f"  {len(near)} points in {[s.boards for s in found.summaries]} pictures, {100 * near.mean():.1f} % near, "
            f"error {everything[near].std():.3f} px per axis, mean {everything[near].mean(axis=0).round(3)}; "
            f"{detected_s:.0f} s"
        )
        start = time.perf_counter()
        board = found.identified.board
        known = known_lenses(corners, board, rig, name) if isinstance(board, Wand) else None
        try:
            result = solve(corners, board, known=known)
        except CalibrationError as error:
            print(f"  refused: {error}", flush=True)
            continue
        # Cameras that saw nothing are not in the table, and others may be left out: truth is found by name.
        used = Rig(tuple(rig.cameras[rig.index(name)] for name in result.names))
        for name, why in result.left_out.items():
            print(f"  {name} is left out: it {why}")
        if len(used) < 2:
            print(f"  only {', '.join(used.names)} could be placed", flush=True)
            continue
        print(
            f"  RMS {result.rms_px:.3f} px over {100 * result.inlier.mean():.2f} %, triangulation RMS "
            f"{triangulation_rms(used, result.state, scene.path):.3f} mm (bound "
            f"{least_rms(used, result, scene.path, everything[near].std()):.3f}); {len(used)} of {len(rig)} cameras; "
            "offsets "
            f"{np.round(1000 * result.time_offset, 2)} ms, true 0; {time.perf_counter() - start:.0f} s",
            flush=True,
        )


def least_rms(rig: Rig, result: Calibration, path: np.ndarray, sigma_px: float) -> float:
    """The same error as the Cramer-Rao bound leaves it: what corners of this noise tell at best, if it is independent,
    with everything free that `solve` frees."""
    bundle = replace(result.bundle, weight=(result.bundle.weight > 0) / sigma_px)
    values, vectors = np.linalg.eigh(bundle.linearised(result.state).shared_covariance())
    spread, still = vectors * np.sqrt(np.clip(values, 0, None)), np.zeros((len(result.state.target_R), 6))
    rng = np.random.default_rng(0)
    solved = as_seen_by(rig.cameras[0], rig_of(result, result.corners.names, result.corners.sizes))
    drawn = (bundle.moved(result.state, spread @ rng.normal(size=len(values)), still) for _ in range(BOUND_DRAWS))
    return float(np.sqrt(np.mean([triangulation_rms(solved, state, path) ** 2 for state in drawn])))


def as_seen_by(camera: Camera, rig: Rig) -> Rig:
    """The same rig in the world in which its first camera is at the place of another one."""
    first = rig.cameras[0]
    R, t = first.R.T @ camera.R, first.R.T @ (camera.t - first.t)
    return Rig(tuple(replace(c, R=c.R @ R, t=c.R @ t + c.t) for c in rig.cameras))


def write_videos(folder: Path, rig: Rig, scene: Scene) -> list[Path]:
    files = [folder / f"{camera.name}.avi" for camera in rig.cameras]
    if all(file.exists() for file in files):
        return files
    folder.mkdir(parents=True, exist_ok=True)
    for file, camera in zip(files, rig.cameras, strict=True):
        writer = cv2.VideoWriter(str(file), cv2.VideoWriter_fourcc(*"MJPG"), RATE_HZ, camera.size, False)
        writer.set(cv2.VIDEOWRITER_PROP_QUALITY, 95)
        for picture in scene.pictures(camera):
            writer.write(picture)
        writer.release()
    return files


if __name__ == "__main__":
    main()
