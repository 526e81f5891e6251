"""`multiview demo --pixels`: the full chain on rendered images.

Four cameras record a rendered room: first a moving board, from which they are calibrated, then people, whose 2D poses
the network that ships with multiview detects. Only images leave the simulation; the ground truth serves only for the
final comparison, after the calibrated cameras have been aligned with the true ones.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from multiview.common.json_file import write_json
from multiview.errors import MultiviewError

if TYPE_CHECKING:
    from multiview.cameras.camera import Rig
    from multiview.recordings.ground_truth import Truth
    from multiview.recordings.pose_table import Poses
    from multiview.studio.config import Studio
    from multiview.synthetic import Studio as SyntheticStudio

__all__ = ["on_true_cameras", "pixel_studio", "run"]


def run(args: argparse.Namespace) -> int:
    """Render, calibrate, detect, fuse, compare."""
    from multiview.commands.progress import progress_bar
    from multiview.synthetic.filming import SIZE, film_board, film_people, film_studio
    from services.demo.live_take import play, read_take

    began = time.monotonic()
    folder = args.out / f"pixels-{time.strftime('%Y%m%d-%H%M%S')}"
    folder.mkdir(parents=True)
    simulated, film = film_studio(args.cameras, args.people, args.seconds, args.seed)
    print(
        f"A rendered studio: {args.cameras} cameras of {SIZE[0]} x {SIZE[1]}, {args.people} people, {args.seconds:g} s."
    )
    with progress_bar("filming people") as show:
        videos = film_people(film, simulated.frames, folder / "videos", show)
    with progress_bar("filming the board") as show:
        floor = film_board(film, folder / "board", args.seed, show)
    rig = _calibrate(film.rig, folder / "board", floor)
    studio = pixel_studio(rig, videos, folder)
    take = play(studio, args.seconds * 4 + 120, not args.no_viewer)
    poses, latency, rate = read_take(take)
    figures = _figures(simulated, rig, film.rig, poses)
    figures |= {"latency_ms": float(np.median(latency)), "rate_fps": rate, "seconds": time.monotonic() - began}
    from multiview.cameras.rig_file import load_rig
    from multiview.recordings.pose_table import write_poses

    write_poses(poses, take.poses)
    write_json(folder / "summary.json", figures)
    if not args.no_video:
        words = ("--rig", rig, "--poses", take.poses, "--videos", *videos, "--out", folder / "overlay")
        overlay = _multiview("draw", *words)
        print(overlay.strip().splitlines()[-1] if overlay.strip() else "")
    _print(figures, load_rig(rig), folder, take.folder)
    return 0


def _calibrate(true_rig: Rig, folder: Path, floor: int) -> Path:
    """Calibrate the rig from the images of the board alone."""
    board, corners = folder / "board.toml", folder / "corners.parquet"
    images = [folder / name for name in true_rig.names]
    print(_multiview("calibrate", "detect", "--board", board, "--images", *images, "--out", corners).strip())
    solve = ("calibrate", "solve", "--corners", corners, "--board", board, "--out", folder.parent / "rig")
    print(_multiview(*solve, "--floor", str(floor), "--no-offsets").strip())
    return folder.parent / "rig" / "rig.toml"


def _multiview(*words: object) -> str:
    """Run one of our own commands in a separate process; returns its output."""
    command = [sys.executable, "-m", "multiview", *map(str, words)]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode not in (0, 1):
        last = (result.stderr.strip() or "it printed nothing").splitlines()[-1]
        raise MultiviewError(f"`multiview {words[0]} {words[1]}` failed: {last}")
    return result.stdout


def pixel_studio(rig: Path, videos: list[Path], folder: Path) -> Studio:
    """A studio whose workers detect people in every frame of the videos."""
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
        f"\nAgainst the ground truth: mean error {figures['mean_error_mm']:.1f} mm (median {errors['median']:.1f}, "
        f"p99 {errors['p99']:.0f}), people found {figures['recall_percent']:.1f} %, {figures['identity_switches']} "
        f"identity switches among {figures['people']}, {figures['seconds']:.0f} s in all."
    )
    for what, path in (("overlay", folder / "overlay"), ("rig", folder / "rig"), ("take", take)):
        print(f"  {what:8} {path}")
