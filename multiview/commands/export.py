"""`multiview export`: poses as files of other programs."""

from __future__ import annotations

import argparse
from pathlib import Path

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from multiview.export import exporter_names

    parser.add_argument("poses", type=Path, help="poses.parquet of `multiview fuse` or of a take, or its folder")
    parser.add_argument("--to", required=True, metavar="FORMAT", help=", ".join(exporter_names()))
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where to (default: beside the poses)")
    parser.add_argument("--measured-only", action="store_true", help="leave out joints that are filled, not measured")


def run(args: argparse.Namespace) -> int:
    from multiview.export import load_exporter
    from multiview.poses import read_poses

    exporter = load_exporter(args.to)
    poses = read_poses(args.poses)
    if args.measured_only:
        poses = poses.measured_only()
    source = args.poses / "poses.parquet" if args.poses.is_dir() else args.poses
    paths = exporter.write(poses, (args.out or source.parent) / source.stem)
    for path in paths:
        print(path)
    if not paths:
        print(f"{source} holds nobody: nothing to write")
    return 0
