"""Convert calibration files of other tools to ours, or ours to theirs.

    multiview calibrate convert Calib.toml rig.toml
    multiview calibrate convert rig.toml calibration.toml --to anipose

Formats: multiview (ours), anipose (also FreeMoCap's), caliscope, opencv_yaml, pose2sim, qualisys (QCA). The same points
reproject to the same pixels within a millionth; a note names what a format cannot hold.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from calib.formats import format_names

    parser.add_argument("source", type=Path, help="the file to read")
    parser.add_argument("target", type=Path, help="the file to write")
    parser.add_argument(
        "--from",
        dest="source_format",
        choices=format_names(),
        help="format of the source (default: determined from its content)",
    )
    parser.add_argument(
        "--to", dest="target_format", choices=format_names(),
        help="format of the target (default: by suffix: .yaml opencv_yaml, .qca.txt qualisys, .toml multiview)",
    )  # fmt: skip
    parser.add_argument(
        "--unit",
        choices=("m", "cm", "mm"),
        help="the source's unit of length (default: determined from the camera distances)",
    )


def run(args: argparse.Namespace) -> None:
    from dataclasses import replace

    from calib.formats import format_of, load_format
    from multiview.cameras.camera import Rig
    from multiview.common.ledger import reading
    from multiview.errors import ConfigError

    if not args.source.is_file():
        raise ConfigError(f"{args.source}: no such file")
    source = args.source_format or format_of(args.source)
    rig, remarks = load_format(source).read(reading(args.source))
    if args.unit is not None:
        scale, told = _stated(args.unit, remarks)
        rig = Rig(tuple(replace(camera, t=camera.t * scale) for camera in rig.cameras), rig.world)
        remarks = [told]
    target = args.target_format or _by_suffix(args.target)
    remarks += load_format(target).write(rig, args.target)
    for remark in remarks:
        print(f"Note: {remark}")
    print(f"{len(rig)} cameras from {source} to {target}: {args.target}")


def _stated(unit: str, remarks: list[str]) -> tuple[float, str]:
    """What to multiply lengths with that a reader has already taken to be of some unit."""
    taken = 1e-3 if any("to be millimetres" in remark or "are in mm" in remark for remark in remarks) else 1.0
    return {"m": 1.0, "cm": 1e-2, "mm": 1e-3}[unit] / taken, f"lengths are in {unit}, as given"


def _by_suffix(path: Path) -> str:
    name = path.name.lower()
    if name.endswith((".yaml", ".yml")):
        return "opencv_yaml"
    return "qualisys" if name.endswith((".qca.txt", ".qca")) else "multiview"
