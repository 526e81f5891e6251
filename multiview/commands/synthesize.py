"""`multiview synthesize`: a studio with known truth as files, to try `fuse` and `evaluate` on."""

from __future__ import annotations

import argparse
from pathlib import Path

from multiview.errors import ConfigError

__all__ = ["add_arguments", "run"]

_NUMBERS = {
    "cameras": (int, "how many cameras (5)"),
    "people": (int, "how many people (4)"),
    "seconds": (float, "how long (20)"),
    "fps": (float, "frames per second (30)"),
    "seed": (int, "another number gives another studio (0)"),
    "skeleton": (str, "joints that the cameras find (coco17)"),
    "sigma-px": (float, "error of the keypoints, px (4)"),
    "correlation": (float, "of the error from frame to frame, 0 to 1 (0)"),
    "leaving": (int, "how many people go out for three seconds and return (0)"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="made; must be empty or not exist")
    parser.add_argument("--options", type=Path, metavar="TOML", help="a synthetic.toml to start from")
    for name, (kind, meaning) in _NUMBERS.items():
        parser.add_argument(f"--{name}", type=kind, metavar="X", help=meaning)
    parser.add_argument("--layout", choices=["ring", "row"], help="cameras all around (default) or along one side")
    parser.add_argument("--perfect", action="store_true", help="no noise, no occlusion, nothing goes wrong")


def run(args: argparse.Namespace) -> int:
    import msgspec
    from rich.console import Console
    from rich.progress import Progress

    from multiview.common.toml import decode_toml
    from multiview.synthetic import StudioOptions, make_studio
    from multiview.synthetic.folder import write_studio

    if args.out.exists() and (not args.out.is_dir() or any(args.out.iterdir())):
        raise ConfigError(f"{args.out} is not an empty folder; name one that does not exist yet")
    options = decode_toml(args.options, StudioOptions) if args.options else StudioOptions()
    names = [*(name.replace("-", "_") for name in _NUMBERS), "layout"]
    given = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    options = msgspec.structs.replace(options, **given)
    studio = make_studio(options.perfect() if args.perfect else options)
    console = Console(stderr=True)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("cameras", total=studio.frames * len(studio.rig))
        write_studio(studio, args.out, lambda frames: progress.advance(task, frames))
    people = f"{options.people} people, {len(studio.rig)} cameras, {studio.frames} frames"
    print(f"{people} in {args.out}. Next:")
    folder, skeleton = args.out, options.skeleton
    print(
        f"  multiview fuse --rig {folder}/rig.toml --keypoints {folder}/keypoints --skeleton {skeleton}"
        f" --fps {options.fps:g} --out {folder}/poses"
    )
    print(f"  multiview evaluate --truth {folder}/gt.npz --poses {folder}/poses")
    return 0
