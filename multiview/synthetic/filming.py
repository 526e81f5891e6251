"""A rendered recording of a synthetic studio: videos of people, and pictures of a board that calibrates the cameras."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import cv2
import msgspec
import numpy as np
from jaxtyping import Float64

from multiview.cameras.camera import Camera, Rig
from multiview.common.atomic_file import writing
from multiview.common.names import file_name
from multiview.common.video_writer import VideoWriter
from multiview.geometry.rigid import rotation_from_vector
from multiview.synthetic.board import waved
from multiview.synthetic.body import HANDS, JOINTS
from multiview.synthetic.film import Film, Poster
from multiview.synthetic.options import StudioOptions
from multiview.synthetic.studio import Studio, make_studio

__all__ = ["FPS", "SIZE", "film_board", "film_people", "film_studio"]

SIZE, FPS = (1280, 720), 20.0
SQUARES, SQUARE_M, MARKER_M, DICTIONARY = (6, 5), 0.15, 0.115, "DICT_4X4_250"
WAVED, SHOWN = 80, 10  # pictures of the board waved in the middle, and of it shown to each camera close by
PX_PER_SQUARE = 48

Progress = Callable[[float], object]  # is told the share, 0 to 1, that is done


def film_studio(cameras: int, people: int, seconds: float, seed: int) -> tuple[Studio, Film]:
    """The simulated people and the film of them."""
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
        layout="ring" if cameras > 3 else "row",  # two cameras that face each other never see the same side of a board
    )
    studio = make_studio(options)
    same_people = make_studio(msgspec.structs.replace(options, skeleton="blazepose75"))
    return studio, Film(studio.rig, _joints(studio, JOINTS), seed, _joints(same_people, HANDS))


def _joints(studio: Studio, names: tuple[str, ...]) -> Float64[np.ndarray, "F P J 3"]:
    """Everyone's joints of these names in every frame, m."""
    xyz = np.full((studio.frames, studio.options.people, len(names), 3), np.nan)
    wanted = [studio.skeleton.index(name) for name in names]
    xyz[studio.truth.frame, studio.truth.actor] = studio.truth.xyz[:, wanted]
    return xyz


def _each(frames: int, cameras: int, work: Callable[[int, int], object], progress: Progress) -> None:
    """Call `work(camera, frame)` for all of them, a camera per thread."""
    done = count(1)

    def one(camera: int) -> None:
        for frame in range(frames):
            work(camera, frame)
            progress(next(done) / (frames * cameras))

    with ThreadPoolExecutor(min(cameras, os.cpu_count() or 1)) as pool:
        list(pool.map(one, range(cameras)))


def film_people(film: Film, frames: int, folder: Path, progress: Progress = lambda share: None) -> list[Path]:
    """One video per camera, with its frame times beside it."""
    folder.mkdir(parents=True)
    paths = [writing(folder / f"{file_name(name)}.mp4") for name in film.rig.names]
    writers = [VideoWriter(path, SIZE, FPS) for path in paths]
    _each(frames, len(paths), lambda c, f: writers[c].write(film.picture(c, f)), progress)
    for writer, path in zip(writers, paths, strict=True):
        writer.close()
        rows = "".join(f"{frame},{frame / FPS:.9f}\n" for frame in range(frames))
        writing(path.with_suffix(".timestamps.csv")).write_text("frame,time\n" + rows, encoding="utf-8")
    return paths


def film_board(film: Film, folder: Path, seed: int, progress: Progress = lambda share: None) -> int:
    """A folder of pictures per camera: the board waved through the room; it lies on the floor in the returned frame."""
    posters = _posters(film.rig, seed)
    for name in film.rig.names:
        (folder / file_name(name)).mkdir(parents=True)
    writing(folder / "board.toml").write_text(
        f"squares = {list(SQUARES)}\nsquare_length = {SQUARE_M}\nmarker_length = {MARKER_M}\n"
        f'dictionary = "{DICTIONARY}"\n',
        encoding="utf-8",
    )

    def shoot(camera: int, frame: int) -> None:
        path = writing(folder / file_name(film.rig.names[camera]) / f"{frame:04d}.jpg")
        cv2.imwrite(str(path), film.picture(camera, -1 - frame, posters[frame]), [cv2.IMWRITE_JPEG_QUALITY, 95])

    _each(len(posters), len(film.rig), shoot, progress)
    return len(posters) - 1


def _posters(rig: Rig, seed: int) -> list[Poster]:
    """What one does with a board: wave it in the middle, show it to each camera, lay it on the floor."""
    dictionary = cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, DICTIONARY))
    board = cv2.aruco.CharucoBoard(SQUARES, SQUARE_M, MARKER_M, dictionary)
    texture = np.asarray(board.generateImage((SQUARES[0] * PX_PER_SQUARE, SQUARES[1] * PX_PER_SQUARE)), np.uint8)
    density = PX_PER_SQUARE / SQUARE_M
    rng = np.random.default_rng((seed, 3))
    R, t = waved(np.arange(WAVED) * 0.4, rng, reach=1.2)
    places = [(R[i], t[i]) for i in range(WAVED)]
    for camera in rig.cameras:
        places += [_shown_to(camera, rng) for _ in range(SHOWN)]
    nearer = 0.4 * np.mean([camera.centre[:2] for camera in rig.cameras], axis=0)  # to cameras that stand on one side
    x, y = nearer + np.array([-0.45, 0.4])
    places.append((np.diag([1.0, -1.0, -1.0]), np.array([x, y, 0.0])))
    return [Poster(texture, density, R, t) for R, t in places]


def _shown_to(camera: Camera, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """world_from_board of a board held anywhere in a camera's picture, turned to it but for a tilt."""
    width, height = camera.size
    ray = camera.rays(np.array([rng.uniform(0.12, 0.88) * width, rng.uniform(0.15, 0.85) * height]))
    facing = np.stack([camera.R[0], camera.R[1], camera.R[2]], axis=1)
    R = facing @ rotation_from_vector(rng.normal(0, [0.35, 0.35, 0.2]))
    middle = camera.centre + ray * rng.uniform(1.7, 3.0)
    return R, middle - R @ np.array([SQUARES[0] * SQUARE_M / 2, SQUARES[1] * SQUARE_M / 2, 0.0])
