"""`multiview plot TAKE`: plot a take as PNG images, and all of them on one page."""

from __future__ import annotations

import argparse
import base64
import html
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from multiview.commands.arguments import add_keypoints, add_person_numbers, add_rig
from multiview.errors import ConfigError

if TYPE_CHECKING:
    from multiview.cameras.camera import Rig
    from multiview.drawing.plot import CameraErrors
    from multiview.recordings.pose_table import Poses

__all__ = ["add_arguments", "run", "write_plots"]

_DPI = 110
_STYLE = """body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#222}
table{border-collapse:collapse;margin:1rem 0}td,th{padding:.2rem .9rem;border-bottom:1px solid #ddd;text-align:right}
td:first-child,th:first-child{text-align:left}img{width:100%;margin:.5rem 0 1.5rem}"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("take", type=Path, help="a take, its poses.parquet, or the output of `fuse`")
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="folder for the plots (default: plots, beside the poses)"
    )
    parser.add_argument("--joint", default="", help="joint whose trajectory and speed are plotted (default: mid-hip)")
    add_person_numbers(parser)
    add_rig(parser, default="rig.toml beside the poses")
    add_keypoints(parser, purpose="for reprojection errors")


def run(args: argparse.Namespace) -> int:
    from multiview.commands.progress import progress_bar

    with progress_bar("drawing") as progress:
        paths, errors = write_plots(args.take, args.out, args.joint, args.person, args.rig, args.keypoints, progress)
    for path in paths:
        print(path)
    if not errors:
        print("reprojection errors left out: they need the rig, and a take with a recording or --keypoints DIR")
    return 0


def write_plots(
    take: Path,
    out: Path | None,
    joint: str,
    people: list[int],
    rig_path: Path | None,
    keypoints: Path | None,
    progress: Callable[[float], None],
) -> tuple[list[Path], bool]:
    """Plot the poses of a take, and write a page of all plots.

    Args:
        take: Folder of a take, or its poses.parquet.
        out: Folder for the plots; None: `plots` beside the poses.
        joint: Whose trajectory and speed; empty: the middle of the hips.
        people: Numbers of those who are plotted; empty: all.
        rig_path: The cameras; None: rig.toml beside the poses, if it is there.
        keypoints: 2D poses that reprojection errors are taken against; None: those that the take holds.
        progress: Told which share, 0 to 1, is done.

    Returns:
        The files, the page last, and whether reprojection errors are among them.

    Raises:
        ConfigError: There is no such joint, or nobody.
    """
    from multiview.body.skeleton import find_skeleton
    from multiview.cameras.rig_file import load_rig
    from multiview.drawing import plot
    from multiview.drawing.plot_errors import folder_errors, recorded_errors
    from multiview.editing.take_poses import take_poses, take_rig
    from multiview.recordings.resample import ResampleOptions, resample_poses
    from multiview.recordings.take import Take

    poses, table = take_poses(take)
    poses = resample_poses(poses, ResampleOptions(people=tuple(people)))
    if joint and joint not in poses.joints:
        raise ConfigError(f"no joint {joint}; use one of {', '.join(poses.joints)}")
    if not len(poses):
        raise ConfigError(f"{take} holds no people: nothing to plot")
    out = out or table.parent / "plots"
    beside = take_rig(take) if take.is_dir() else table.parent / "rig.toml"
    rig: Rig | None = load_rig(rig_path or beside) if rig_path or beside.is_file() else None
    kept = table.parent / "keypoints"  # of `process --save-keypoints`
    keypoints = keypoints or (kept if kept.is_dir() else None)
    errors: list[CameraErrors] = []
    looking = lambda share: progress(0.6 * share)
    if rig is not None and keypoints is not None:
        errors = folder_errors(poses, rig, find_skeleton(poses.skeleton, table.parent), keypoints, looking)
    elif rig is not None and take.is_dir() and Take(take).recordings():
        errors = recorded_errors(poses, rig, Take(take), looking)
    count = len(poses.people)
    pages: list[tuple[str, str, tuple[float, float], Callable[[Any], None]]] = [
        ("trajectories", "Trajectories", (9, 7), lambda f: plot.trajectories(f, poses, rig, joint)),
        ("speeds", "Speeds", (11, 1.2 + 1.4 * count), lambda f: plot.speeds(f, poses, joint)),
        ("coverage", "Coverage", (11, 1.2 + 1.3 * count), lambda f: plot.coverage(f, poses)),
        ("bone_lengths", "Bone lengths", (11, 1.0 + 2.2 * count), lambda f: plot.bone_lengths(f, poses)),
    ]
    measured = any(len(error.px) for error in errors)
    if measured:
        pages.append(("reprojection", "Reprojection error", (11, 4.5), lambda f: plot.reprojection(f, errors)))
    pictures = {}
    for i, (name, title, size, draw) in enumerate(pages, start=1):
        pictures[title] = _save(out / f"{name}.png", size, draw)
        progress(0.6 + 0.4 * i / len(pages))
    _write_page(out / "index.html", take, poses, errors, pictures)
    return [*pictures.values(), out / "index.html"], measured


def _save(path: Path, size: tuple[float, float], draw: Callable[[Any], None]) -> Path:
    from matplotlib.figure import Figure

    from multiview.common.atomic_file import replacing

    figure = Figure(figsize=size, dpi=_DPI, layout="constrained")
    draw(figure)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")
    return path


def _write_page(path: Path, take: Path, poses: Poses, errors: list[CameraErrors], pictures: dict[str, Path]) -> None:
    """One file that holds everything."""
    from multiview.common.atomic_file import replacing

    title = html.escape(take.resolve().name)
    shown = "".join(
        f'<h2>{html.escape(name)}</h2><img alt="{html.escape(name)}" src="data:image/png;base64,{_base64(picture)}">'
        for name, picture in pictures.items()
    )
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
        f"<h1>{title}</h1>{_people(poses)}{_cameras(errors)}{shown}</html>"
    )
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _base64(picture: Path) -> str:
    return base64.b64encode(picture.read_bytes()).decode("ascii")


def _people(poses: Poses) -> str:
    import numpy as np

    rows = []
    for person in poses.people.tolist():
        own = poses.select(poses.person == person)
        known = np.isfinite(own.xyz[..., 0])
        measured, sigma = known & ~own.filled, own.sigma[known & ~own.filled]
        sigma = sigma[np.isfinite(sigma)]
        cells = (
            poses.names.get(person) or f"person {person}",
            f"{(own.time_ns[-1] - own.time_ns[0]) / 1e9:.1f}",
            f"{len(own)}",
            f"{100 * measured.mean():.1f} %",
            f"{100 * (known & own.filled).mean():.1f} %",
            f"{1e3 * float(np.median(sigma)):.1f}" if len(sigma) else "-",
        )
        rows.append("<tr>" + "".join(f"<td>{html.escape(cell)}" for cell in cells))
    head = ("person", "seconds", "frames", "measured", "filled", "median sigma, mm")
    return "<table><tr>" + "".join(f"<th>{name}" for name in head) + "".join(rows) + "</table>"


def _cameras(errors: list[CameraErrors]) -> str:
    import numpy as np

    rows = [
        f"<tr><td>{html.escape(e.camera)}<td>{np.median(e.px):.2f}<td>{np.quantile(e.px, 0.95):.2f}"
        for e in errors
        if len(e.px)
    ]
    return f"<table><tr><th>camera<th>median error, px<th>95 %, px{''.join(rows)}</table>" if rows else ""
