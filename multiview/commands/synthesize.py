"""`multiview synthesize`: create a synthetic recording with ground truth, as keypoints or rendered film."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from multiview.common.counted import counted
from multiview.errors import ConfigError

__all__ = ["add_arguments", "run"]

_NUMBERS = {
    "cameras": (int, "number of cameras (5)"),
    "people": (int, "number of people (4)"),
    "seconds": (float, "duration (20)"),
    "fps": (float, "frames per second (30)"),
    "seed": (int, "random seed (0)"),
    "skeleton": (str, "skeleton of the simulated detectors (coco17)"),
    "sigma-px": (float, "standard deviation of the keypoint error, px (4)"),
    "correlation": (float, "correlation of the error from frame to frame, 0 to 1 (0)"),
    "leaving": (int, "number of people who leave for three seconds and return (0)"),
}
_OF_FILMS = {"cameras": 4, "people": 1, "seconds": 6.0, "seed": 1}  # what --film lets one choose, with the defaults


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="folder to create; must be empty or not exist"
    )
    parser.add_argument("--options", type=Path, metavar="TOML", help="synthetic.toml with further options")
    for name, (kind, meaning) in _NUMBERS.items():
        parser.add_argument(f"--{name}", type=kind, metavar="X", help=meaning)
    parser.add_argument(
        "--motion",
        type=Path,
        metavar="FILE",
        help="one person plays this recorded motion: BVH, or JSON as of DeepMimic; --seconds is its length by default",
    )
    parser.add_argument("--layout", choices=["ring", "row"], help="cameras on all sides (default) or along one side")
    parser.add_argument("--perfect", action="store_true", help="no noise, no occlusion, no faults")
    parser.add_argument(
        "--film",
        action="store_true",
        help="render videos of people and images of a calibration board instead of keypoints, to try the full chain; "
        "can be combined with --cameras, --people, --seconds and --seed",
    )


def run(args: argparse.Namespace) -> int:
    import msgspec
    from rich.progress import Progress

    from multiview.common.console import plain_console
    from multiview.common.toml import decode_toml
    from multiview.synthetic import StudioOptions, make_studio
    from multiview.synthetic.folder import write_studio
    from multiview.synthetic.recorded_motion import read_motion
    from multiview.synthetic.studio import make_motion_studio

    if args.out.exists() and (not args.out.is_dir() or any(args.out.iterdir())):
        raise ConfigError(f"{args.out} is not an empty folder; name a new one")
    if args.film:
        return _film(args)
    options = decode_toml(args.options, StudioOptions) if args.options else StudioOptions()
    names = [*(name.replace("-", "_") for name in _NUMBERS), "layout"]
    given = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    options = msgspec.structs.replace(options, **given)
    options = options.perfect() if args.perfect else options
    if args.motion:
        motion = read_motion(args.motion)
        if args.people not in (None, 1):
            raise ConfigError("--motion is of one person: leave --people out")
        if args.seconds is None:
            options = msgspec.structs.replace(options, seconds=motion.seconds)
        studio = make_motion_studio(options, motion)
    else:
        studio = make_studio(options)
    console = plain_console(stderr=True)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("cameras", total=studio.frames * len(studio.rig))
        write_studio(studio, args.out, lambda frames: progress.advance(task, frames))
    options = studio.options
    people = (
        f"{counted(options.people, 'person', 'people')}, {counted(len(studio.rig), 'camera')}, {studio.frames} frames"
    )
    print(f"{people} in {args.out}. Next:")
    folder, skeleton = args.out, options.skeleton
    print(
        f"  multiview fuse --rig {folder}/rig.toml --keypoints {folder}/keypoints --skeleton {skeleton}"
        f" --fps {options.fps:g} --out {folder}/poses"
    )
    print(f"  multiview evaluate --truth {folder}/gt.npz --poses {folder}/poses")
    return 0


def _film(args: argparse.Namespace) -> int:
    """Videos and pictures of a rendered studio, and what to do with them."""
    from multiview.commands.progress import progress_bar
    from multiview.synthetic.filming import film_board, film_people, film_studio

    fixed = [*(name for name in _NUMBERS if name not in _OF_FILMS), "options", "motion", "layout", "perfect"]
    if given := [name for name in fixed if getattr(args, name.replace("-", "_"))]:
        raise ConfigError(
            f"--{given[0]} cannot be combined with --film; with it use only --{', --'.join(_OF_FILMS)} can be set"
        )
    chosen: dict[str, Any] = {name: getattr(args, name) or default for name, default in _OF_FILMS.items()}
    studio, film = film_studio(**chosen)
    with progress_bar("filming the board") as show:
        floor = film_board(film, args.out / "board", chosen["seed"], show)
    with progress_bar("filming people") as show:
        videos = film_people(film, studio.frames, args.out / "walk", show)
    folder, names = args.out, film.rig.names
    print(
        f"{counted(len(names), 'camera')}, {floor + 1} images of a board and {studio.frames} frames of people "
        f"in {folder}. Next:"
    )
    print(
        f"  multiview calibrate detect --board {folder}/board/board.toml --images "
        + " ".join(f"{folder}/board/{name}" for name in names)
        + f" --out {folder}/corners.parquet\n"
        f"  multiview calibrate solve --corners {folder}/corners.parquet --board {folder}/board/board.toml"
        f" --floor {floor} --out {folder}/rig\n"
        f"  multiview process --rig {folder}/rig/rig.toml --videos {' '.join(map(str, videos))} --detector light"
        f" --out {folder}/poses\n"
        f"  multiview export {folder}/poses --to bvh"
    )
    return 0
