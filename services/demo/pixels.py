"""`multiview demo --pixels`: the whole chain, starting from pictures.

Four cameras film a rendered room: first a board that is waved, which calibrates them, then people, whom pose workers
look for with the network that ships with multiview. Nothing from the simulation goes past the pictures; the truth is
only what the result is compared with, after the calibrated cameras have been laid over the true ones.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from multiview.errors import MultiviewError, SourceError
from multiview.geometry.rigid import rotation_from_vector

if TYPE_CHECKING:
    from multiview.cameras.camera import Camera, Rig
    from multiview.recordings.ground_truth import Truth
    from multiview.recordings.pose_table import Poses
    from multiview.studio.config import Studio
    from multiview.synthetic import Studio as SyntheticStudio
    from multiview.synthetic.film import Film, Poster

__all__ = ["film_studio", "on_true_cameras", "pixel_studio", "run"]

SIZE, FPS = (1280, 720), 20.0
SQUARES, SQUARE_M, MARKER_M, DICTIONARY = (6, 5), 0.15, 0.115, "DICT_4X4_250"
WAVED, SHOWN = 80, 10  # pictures of the board waved in the middle, and of it shown to each camera close by
PX_PER_SQUARE = 48


def run(args: argparse.Namespace) -> int:
    """Film, calibrate, look, fuse, compare."""
    from services.demo.live_take import play, read_take

    began = time.monotonic()
    folder = args.out / f"pixels-{time.strftime('%Y%m%d-%H%M%S')}"
    folder.mkdir(parents=True)
    simulated, film = film_studio(args.cameras, args.people, args.seconds, args.seed)
    print(
        f"A rendered studio: {args.cameras} cameras of {SIZE[0]} x {SIZE[1]}, {args.people} people, {args.seconds:g} s."
    )
    videos = _film_people(film, simulated.frames, folder / "videos")
    _film_board(film, folder / "board", args.seed)
    rig = _calibrate(film.rig, folder / "board")
    studio = pixel_studio(rig, videos, folder)
    take = play(studio, args.seconds * 4 + 120, not args.no_viewer)
    poses, latency, rate = read_take(take)
    figures = _figures(simulated, rig, film.rig, poses)
    figures |= {"latency_ms": float(np.median(latency)), "rate_fps": rate, "seconds": time.monotonic() - began}
    from multiview.cameras.rig_file import load_rig
    from multiview.recordings.pose_table import write_poses

    write_poses(poses, take.poses)
    (folder / "summary.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")
    overlay = _multiview("draw", "--rig", rig, "--poses", take.poses, "--videos", *videos, "--out", folder / "overlay")
    print(overlay.strip().splitlines()[-1] if overlay.strip() else "")
    _print(figures, load_rig(rig), folder, take.folder)
    return 0


def film_studio(cameras: int, people: int, seconds: float, seed: int) -> tuple[SyntheticStudio, Film]:
    """The simulated people and the film of them."""
    from multiview.synthetic import StudioOptions, make_studio
    from multiview.synthetic.film import Film

    options = StudioOptions(
        cameras=cameras,
        people=people,
        seconds=seconds,
        fps=FPS,
        seed=seed,
        skeleton="halpe26",
        size=SIZE,
        area_m=2.6,
        person_px=340.0,
        passing_m=0.9,
    )
    studio = make_studio(options)
    joints = np.full((studio.frames, people, 26, 3), np.nan)
    joints[studio.truth.frame, studio.truth.actor] = studio.truth.xyz
    return studio, Film(studio.rig, joints, seed)


def _each(count: int, label: str, work: Callable[[int, int], object], cameras: int) -> None:
    """`work(camera, frame)` for all of them, a camera per thread, under one progress bar."""
    from rich.progress import Progress

    with Progress(transient=True) as bar, ThreadPoolExecutor(min(cameras, os.cpu_count() or 1)) as pool:
        task = bar.add_task(label, total=count * cameras)

        def one(camera: int) -> None:
            for frame in range(count):
                work(camera, frame)
                bar.advance(task)

        list(pool.map(one, range(cameras)))


def _film_people(film: Film, frames: int, folder: Path) -> list[Path]:
    """One video per camera, with its frame times beside it."""
    folder.mkdir()
    paths = [folder / f"{name}.mp4" for name in film.rig.names]
    writers = [cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, SIZE) for path in paths]
    if not all(writer.isOpened() for writer in writers):
        raise SourceError(f"{folder}: this OpenCV cannot write MP4 video")
    _each(frames, "filming people", lambda c, f: writers[c].write(film.picture(c, f)), len(paths))
    for writer, path in zip(writers, paths, strict=True):
        writer.release()
        rows = "".join(f"{frame},{frame / FPS:.9f}\n" for frame in range(frames))
        path.with_suffix(".timestamps.csv").write_text("frame,time\n" + rows, encoding="utf-8")
    return paths


def _film_board(film: Film, folder: Path, seed: int) -> None:
    """A folder of pictures per camera: the board waved through the room, at last lying on the floor."""
    posters = _posters(film.rig, seed)
    for name in film.rig.names:
        (folder / name).mkdir(parents=True)
    (folder / "board.toml").write_text(
        f"squares = {list(SQUARES)}\nsquare_length = {SQUARE_M}\nmarker_length = {MARKER_M}\n"
        f'dictionary = "{DICTIONARY}"\n',
        encoding="utf-8",
    )

    def shoot(camera: int, frame: int) -> None:
        path = folder / film.rig.names[camera] / f"{frame:04d}.jpg"
        cv2.imwrite(str(path), film.picture(camera, -1 - frame, posters[frame]), [cv2.IMWRITE_JPEG_QUALITY, 95])

    _each(len(posters), "filming the board", shoot, len(film.rig))


def _posters(rig: Rig, seed: int) -> list[Poster]:
    """What one does with a board: wave it in the middle, show it to each camera, lay it on the floor."""
    from multiview.synthetic.board import waved
    from multiview.synthetic.film import Poster

    dictionary = cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, DICTIONARY))
    board = cv2.aruco.CharucoBoard(SQUARES, SQUARE_M, MARKER_M, dictionary)
    texture = np.asarray(board.generateImage((SQUARES[0] * PX_PER_SQUARE, SQUARES[1] * PX_PER_SQUARE)), np.uint8)
    density = PX_PER_SQUARE / SQUARE_M
    rng = np.random.default_rng((seed, 3))
    R, t = waved(np.arange(WAVED) * 0.4, rng, reach=1.2)
    places = [(R[i], t[i]) for i in range(WAVED)]
    for camera in rig.cameras:
        places += [_shown_to(camera, rng) for _ in range(SHOWN)]
    places.append((np.diag([1.0, -1.0, -1.0]), np.array([-0.45, 0.4, 0.0])))
    return [Poster(texture, density, R, t) for R, t in places]


def _shown_to(camera: Camera, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """world_from_board of a board held anywhere in a camera's picture, turned to it but for a tilt."""
    width, height = camera.size
    ray = camera.rays(np.array([rng.uniform(0.12, 0.88) * width, rng.uniform(0.15, 0.85) * height]))
    facing = np.stack([camera.R[0], camera.R[1], camera.R[2]], axis=1)
    R = facing @ rotation_from_vector(rng.normal(0, [0.35, 0.35, 0.2]))
    middle = camera.centre + ray * rng.uniform(1.7, 3.0)
    return R, middle - R @ np.array([SQUARES[0] * SQUARE_M / 2, SQUARES[1] * SQUARE_M / 2, 0.0])


def _calibrate(true_rig: Rig, folder: Path) -> Path:
    """The rig, from the pictures of the board alone."""
    board, corners = folder / "board.toml", folder / "corners.parquet"
    images = [folder / name for name in true_rig.names]
    print(_multiview("calibrate", "detect", "--board", board, "--images", *images, "--out", corners).strip())
    solve = ("calibrate", "solve", "--corners", corners, "--board", board, "--out", folder.parent / "rig")
    print(_multiview(*solve, "--floor", str(WAVED + SHOWN * len(true_rig)), "--no-offsets").strip())
    return folder.parent / "rig" / "rig.toml"


def _multiview(*words: object) -> str:
    """One of our own commands, in a process of its own; what it printed."""
    command = [sys.executable, "-m", "multiview", *map(str, words)]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode not in (0, 1):
        last = (result.stderr.strip() or "it said nothing").splitlines()[-1]
        raise MultiviewError(f"`multiview {words[0]} {words[1]}` failed: {last}")
    return result.stdout


def pixel_studio(rig: Path, videos: list[Path], folder: Path) -> Studio:
    """A studio whose workers look at the videos, every frame of them."""
    from multiview.studio.config import CameraSource, HubOptions, RecorderOptions, Studio

    address = str(videos[0].parent.resolve() / "{camera}.mp4")
    return Studio(
        name="pixels",
        rig=str(rig.resolve()),
        skeleton="coco17",
        source=CameraSource(address=address, detector="light", speed=0.0),
        hub=HubOptions(ingest_port=0, publish_port=0, request_port=0),
        recorder=RecorderOptions(directory=str(folder.resolve())),
    )


def on_true_cameras(truth: Truth, true_rig: Rig, rig: Rig) -> Truth:
    """The truth in the calibrated rig's world: moved rigidly so that the cameras' places agree best (Kabsch, 1976)."""
    a = np.stack([camera.centre for camera in true_rig.cameras])
    b = np.stack([camera.centre for camera in rig.cameras])
    u, _, vt = np.linalg.svd((a - a.mean(0)).T @ (b - b.mean(0)))
    # Few cameras in a ring leave a mirror image open; a rotation is meant.
    R = vt.T @ np.diag([1, 1, np.sign(np.linalg.det(vt.T @ u.T))]) @ u.T
    return replace(truth, xyz=truth.xyz @ R.T + (b.mean(0) - R @ a.mean(0)), bound=None)


def _figures(simulated: SyntheticStudio, rig: Path, true_rig: Rig, poses: Poses) -> dict[str, Any]:
    from multiview.cameras.rig_file import load_rig
    from multiview.commands.evaluate import report
    from multiview.evaluation.metrics import compare

    calibrated = load_rig(rig)
    figures = report(compare(on_true_cameras(simulated.truth, true_rig, calibrated), poses))
    return {
        "mean_error_mm": figures["mpjpe_mm"],
        "errors_mm": figures["errors_mm"],
        "recall_percent": figures["recall"],
        "precision_percent": figures["precision"],
        "identity_switches": figures["identity_switches"],
        "people": len(poses.people),
        "frames": simulated.frames,
    }


def _print(figures: dict[str, Any], rig: Rig, folder: Path, take: Path) -> None:
    errors = figures["errors_mm"]["all"]
    print(
        f"\nAgainst the known truth: mean error {figures['mean_error_mm']:.1f} mm (median {errors['median']:.1f}, "
        f"p99 {errors['p99']:.0f}), people found {figures['recall_percent']:.1f} %, {figures['identity_switches']} "
        f"identity switches among {figures['people']}, {figures['seconds']:.0f} s in all."
    )
    for what, path in (("overlay", folder / "overlay"), ("rig", folder / "rig"), ("take", take)):
        print(f"  {what:8} {path}")
