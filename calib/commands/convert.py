"""Convert calibration files of other tools to ours, or ours to theirs.

    multiview calibrate convert Calib.toml rig.toml
    multiview calibrate convert rig.toml calibration.toml --to anipose

Formats: multiview (ours), anipose (also FreeMoCap's), caliscope, captury, colmap, easymocap, kalibr, nerfstudio,
opencv_yaml, pose2sim, qualisys (QCA); read only: biocv, matlab, opencap, optitrack (.mcal), vicon (.xcp). The same
points reproject to the same pixels within a millionth; a note names what a format cannot hold, another the distances
between the cameras: check them, as few files say what their unit is.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from multiview.common.counted import counted

if TYPE_CHECKING:
    from multiview.cameras.camera import Rig

_UPRIGHT = 0.7  # the pictures' mean up has at least this share along an axis: cameras that stand upright, or lean
_LIKELY_M = (0.3, 30.0)  # of the two cameras that are farthest apart
# The rotation that takes each axis of the source to z.
_UP = {
    "z": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "y": ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
    "x": ((0, 1, 0), (0, 0, 1), (1, 0, 0)),
    "-z": ((1, 0, 0), (0, -1, 0), (0, 0, -1)),
    "-y": ((1, 0, 0), (0, 0, 1), (0, -1, 0)),
    "-x": ((0, -1, 0), (0, 0, 1), (-1, 0, 0)),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from calib.formats import format_names, written_formats

    parser.add_argument("source", type=Path, help="the file to read, or the folder of a calibration in several files")
    parser.add_argument("target", type=Path, help="the file to write")
    parser.add_argument(
        "--from",
        dest="source_format",
        choices=format_names(),
        help="format of the source (default: determined from its content)",
    )
    parser.add_argument(
        "--to", dest="target_format", choices=written_formats(),
        help="format of the target (default: by suffix: .yaml opencv_yaml, .qca.txt qualisys, .toml multiview)",
    )  # fmt: skip
    parser.add_argument(
        "--unit",
        metavar="UNIT",
        help="the source's unit of length: m, cm, mm, in, ft, or metres per unit, as 0.04 for squares of 4 cm "
        "(default: as the file says, else by the distances between its cameras)",
    )
    parser.add_argument(
        "--up",
        choices=tuple(_UP),
        help="the source's axis that points up; the target's is z (default: z, unless the first camera is the origin)",
    )


def run(args: argparse.Namespace) -> None:
    from calib.formats import format_of, load_format
    from multiview.common.ledger import reading
    from multiview.errors import ConfigError

    if not args.source.exists():
        raise ConfigError(f"{args.source}: no such file")
    source = args.source_format or format_of(args.source)
    rig, remarks = load_format(source).read(reading(args.source), _metres_per_unit(args.unit))
    rig, told = _z_up(rig, args.up)
    remarks += [*told, *_distances(rig)]
    target = args.target_format or _by_suffix(args.target)
    remarks += load_format(target).write(rig, args.target)
    for remark in remarks:
        print(f"Note: {remark}")
    print(f"{counted(len(rig), 'camera')} from {source} to {target}: {args.target}")


def _metres_per_unit(unit: str | None) -> float | None:
    from calib.formats import UNITS_M
    from multiview.errors import ConfigError

    if unit is None or unit in UNITS_M:
        return None if unit is None else UNITS_M[unit]
    try:
        metres = float(unit)
    except ValueError:
        metres = 0.0
    if not 1e-6 <= metres <= 1e6:
        raise ConfigError(f"--unit {unit}: give {', '.join(UNITS_M)} or a positive number of metres per unit")
    return metres


def _z_up(rig: Rig, up: str | None) -> tuple[Rig, list[str]]:
    """The rig with z up, and what is to be said of it: the first camera as the origin knows of no up."""
    import numpy as np

    from multiview.cameras.camera import Rig

    first = rig.cameras[0]
    at_origin = np.allclose(first.R, np.eye(3), atol=1e-6) and np.allclose(first.t, 0.0, atol=1e-6)
    if up is None and (rig.world == "camera" or at_origin):
        return Rig(rig.cameras, "camera"), ["up is unknown: the world is the first camera's; --up says an axis"]
    world = rig.world if rig.world != "camera" else ""
    if up is not None and up != "z":
        turn = np.array(_UP[up], dtype=np.float64)  # z_up_from_source
        rig = Rig(tuple(replace(camera, R=camera.R @ turn.T) for camera in rig.cameras), world)
        return rig, [f"the world is turned: {up} of the source is z"]
    if up is None:
        upright = -np.mean([camera.R[1] for camera in rig.cameras], axis=0)  # up in the pictures, in the world
        axis = max(_UP, key=lambda name: float(np.array(_UP[name])[2] @ upright))
        if axis != "z" and np.array(_UP[axis])[2] @ upright > _UPRIGHT:
            return Rig(rig.cameras, world), [f"z is taken to be up, but the cameras stand as if {axis} were: see --up"]
    return Rig(rig.cameras, world), []


def _distances(rig: Rig) -> list[str]:
    import numpy as np

    centres = np.array([camera.centre for camera in rig.cameras])
    if len(rig) < 2:
        return []
    one, other = np.triu_indices(len(rig), k=1)
    apart = np.linalg.norm(centres[one] - centres[other], axis=1)
    told = f"the cameras are {apart.min():.2f} to {apart.max():.2f} m apart"
    likely = _LIKELY_M[0] <= apart.max() <= _LIKELY_M[1]
    return [told if likely else f"{told}, which is unlikely: check the unit (--unit)"]


def _by_suffix(path: Path) -> str:
    name = path.name.lower()
    known = {
        "intri.yml": "easymocap",
        "transforms.json": "nerfstudio",
        "cameras.txt": "colmap",
        "cameras.bin": "colmap",
        ".calib": "captury",
    }
    for ending, target in known.items():
        if name.endswith(ending):
            return target
    if name.endswith((".yaml", ".yml")):
        return "opencv_yaml"
    return "qualisys" if name.endswith((".qca.txt", ".qca")) else "multiview"
