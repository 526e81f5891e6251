"""Arguments shared by several commands."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Annotated

from multiview.common.names import name_of_file, split_names
from multiview.common.ranges import between, ranged
from multiview.sources import without_parts

__all__ = [
    "add_detector",
    "add_fusion",
    "add_keypoints",
    "add_lifting",
    "add_person_numbers",
    "add_recorded_keypoints",
    "add_rig",
    "add_videos",
    "camera_names",
]


def add_rig(parser: argparse.ArgumentParser, default: str = "") -> None:
    """`--rig`; `default` says which rig is used without it, and it is required where there is none."""
    text = f"calibration of the cameras (default: {default})" if default else "calibration of the cameras (rig.toml)"
    parser.add_argument("--rig", type=Path, required=not default, help=text)


def add_keypoints(parser: argparse.ArgumentParser, required: bool = False, purpose: str = "") -> None:
    """`--keypoints`, a folder of 2D poses; `purpose` says what they are for."""
    text = "folder with one folder of OpenPose JSON per camera" + (f", {purpose}" if purpose else "")
    parser.add_argument("--keypoints", type=Path, metavar="DIR", required=required, help=text)


def add_recorded_keypoints(parser: argparse.ArgumentParser, default_rig: str = "") -> None:
    """`--rig`, `--keypoints`, `--format` and `--skeleton`; the first two are required where there is no other rig."""
    add_rig(parser, default_rig)
    parser.add_argument(
        "--keypoints",
        type=Path,
        metavar="PATH",
        required=not default_rig,
        help="2D poses: folder with one folder of OpenPose JSON per camera, or file or folder of another program",
    )
    parser.add_argument(
        "--format", default="", metavar="NAME", help="what wrote the keypoints (default: found by what is in the files)"
    )
    parser.add_argument(
        "--skeleton", help="name or TOML file of the joints (default: as the files name them; body25 for OpenPose)"
    )


class _Videos(argparse.Action):
    """Leaves out later parts, which are read with the first one."""

    def __call__(self, parser: object, namespace: argparse.Namespace, values: object, option: object = None) -> None:
        assert isinstance(values, list)
        setattr(namespace, self.dest, without_parts(values))


def add_videos(parser: argparse.ArgumentParser, required: bool = True) -> None:
    """`--videos`, and `--cameras`, which names them: see `camera_names`."""
    parser.add_argument(
        "--videos",
        nargs="+",
        required=required,
        action=_Videos,
        metavar="VIDEO",
        help="one video, or folder of images, per camera; CAMERA.1.mp4 ... beside a recorded CAMERA.mp4 belong to it, "
        "as GX020001.MP4 ... do to a GoPro's GX010001.MP4",
    )
    parser.add_argument(
        "--cameras", metavar="A,B,...", help="the videos' cameras, in order (default: the files' names without suffix)"
    )


def camera_names(args: argparse.Namespace) -> list[str]:
    """The camera of each of `--videos`."""
    return split_names(args.cameras) if args.cameras else [name_of_file(Path(video).stem) for video in args.videos]


def add_detector(parser: argparse.ArgumentParser) -> None:
    """`--detector` for videos."""
    parser.add_argument("--detector", default="blazepose", help="2D detector, or your own ./my.py (default blazepose)")


def add_fusion(parser: argparse.ArgumentParser) -> None:
    """What can be said of fusion, which `fusion_choices` reads: the same in every command that fuses recordings."""
    parser.add_argument("--independent", action="store_true", help="fuse every frame independently, without tracking")
    parser.add_argument("--smooth", action="store_true", help="smooth each pose with the whole take")
    parser.add_argument(
        "--refine-cameras",
        action="store_true",
        help="first refine the camera poses from the people they observe, if frames that are held out confirm it",
    )
    parser.add_argument(
        "--no-contacts", dest="contacts", action="store_false", help="do not hold feet still that stand on the floor"
    )
    parser.add_argument(
        "--volume",
        type=ranged(float),
        nargs=6,
        metavar=("X0", "Y0", "Z0", "X1", "Y1", "Z1"),
        help="initiate tracks only in the box between these two corners, m (default: anywhere)",
    )
    parser.add_argument(
        "--max-people",
        type=ranged(int),
        default=0,
        metavar="N",
        help="maximum number of simultaneous people (default: no limit)",
    )


def add_lifting(parser: argparse.ArgumentParser) -> None:
    """`--height` and `--no-floor`: what is known of people whom one camera sees."""
    parser.add_argument(
        "--height",
        type=ranged(Annotated[float, between(0.3, 3.0, "m")]),
        default=0.0,
        metavar="M",
        help="one camera: height of the people, m (default: by the floor, else as adults are)",
    )
    parser.add_argument(
        "--no-floor",
        dest="floor",
        action="store_false",
        help="one camera: people do not stand on the floor of the rig's world (z = 0)",
    )


def add_person_numbers(parser: argparse.ArgumentParser) -> None:
    """`--person`, any number of them."""
    parser.add_argument("--person", type=ranged(int), nargs="+", default=[], metavar="ID", help="only these people")
