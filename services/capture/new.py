"""Find the cameras of this machine, and write a studio file for them that runs.

    multiview new                                   webcams, industrial cameras, or the videos that lie here
    multiview new studio --cameras rtsp://10.0.0.5/1 rtsp://10.0.0.6/1

Every line of the file says what it is for. Without any camera it is a simulated studio, to try the rest with.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from multiview.cameras.camera import too_many_cameras
from multiview.cameras.rig_file import load_rig
from multiview.common.atomic_file import VIDEO_SUFFIXES, replacing
from multiview.common.counted import counted
from multiview.common.names import name_fault, name_of_file
from multiview.errors import ConfigError, MultiviewError
from multiview.models.card import load_card, model_file
from multiview.sources import (
    Reader,
    device_addresses,
    is_file_address,
    is_webcam,
    open_source,
    webcam_modes,
    without_parts,
)
from multiview.studio.studio_file import load_studio

__all__ = ["Found", "camera_lines", "find_cameras", "next_steps", "studio_file"]

WEBCAMS = 8  # numbers that are tried where the system does not list its cameras
PATIENCE_S = 5.0  # until a camera's first picture


class Found(NamedTuple):
    """One camera: its name, where it is, and what it gives."""

    name: str
    address: str
    what: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = __doc__
    parser.add_argument("folder", type=Path, nargs="?", default=Path(), help="folder for studio.toml (default: here)")
    parser.add_argument("--cameras", nargs="+", metavar="ADDRESS", help="webcam numbers, rtsp:// addresses or videos")
    parser.add_argument("--name", default="", help="name of the studio (default: that of the folder)")


def run(args: argparse.Namespace) -> None:
    folder: Path = args.folder
    path = folder / "studio.toml"
    if path.exists():
        raise ConfigError(f"{path} exists: correct it, or name another folder")
    name = args.name or folder.resolve().name
    name = name if not name_fault(name) else "studio"
    cameras = list(find_cameras(folder, args.cameras))
    if fault := too_many_cameras(len(cameras)):
        raise ConfigError(f"{path}: {fault}")
    for camera in cameras:
        print(f"{camera.name}: {camera.what} ({camera.address})")
    rig = next((rig for rig in ("rig.toml", "rig/rig.toml") if (folder / rig).is_file()), "")
    if rig and cameras:
        _check_names(folder / rig, cameras)
    with replacing(path) as temporary:
        temporary.write_text(studio_file(name, cameras, rig), encoding="utf-8")
    load_studio(path, check=False)
    print(
        f"{path}: {counted(len(cameras), 'camera')}"
        if cameras
        else f"no camera found here; {path} is a simulated studio"
    )
    for step in next_steps(path, cameras, rig):
        print(f"next: {step}")


def find_cameras(folder: Path, addresses: list[str] | None = None) -> Iterator[Found]:
    """The cameras that were named, else the videos in a folder or its `videos`, else the cameras of this machine.

    Args:
        folder: Where the studio file will lie.
        addresses: Of cameras, each of which must answer.

    Yields:
        Those that give a picture.

    Raises:
        SourceError: A named camera does not.
    """
    if addresses:
        for number, address in enumerate(without_parts(addresses), 1):
            is_file = is_file_address(address) and Path(address).exists()
            stem = name_of_file(Path(address).stem)
            name = stem if is_file and not name_fault(stem) else f"cam{number:02}"
            yield Found(name, _relative(address, folder) if is_file else address, _look(address))
        return
    here = [folder / "videos", folder]
    videos = next((found for place in here if (found := _videos(place))), [])
    for video in videos:
        yield Found(name_of_file(video.stem), _relative(str(video), folder), _look(str(video)))
    number = 0
    for webcam in [] if videos else _connected():
        try:
            what = _look(webcam)
        except MultiviewError:
            continue
        number += 1
        yield Found(f"cam{number:02}", lasting_address(webcam), what)


def _videos(folder: Path) -> list[Path]:
    return without_parts(sorted(path for path in folder.glob("*") if path.suffix.lower() in VIDEO_SUFFIXES))


def _relative(address: str, folder: Path) -> str:
    """As the studio file names it, whose paths start where it lies."""
    return Path(os.path.relpath(address, folder)).as_posix()


def _connected() -> list[str]:
    """Webcams, then industrial cameras."""
    return [*_webcams(), *device_addresses()]


def _webcams() -> list[str]:
    if sys.platform == "linux":  # where a number that is not there costs a line of the system's on stderr
        return sorted((p.name.removeprefix("video") for p in Path("/dev").glob("video*")), key=lambda n: (len(n), n))
    return [str(number) for number in range(WEBCAMS)]


def lasting_address(webcam: str, places: Path = Path("/dev/v4l/by-path")) -> str:
    """That of the plug in which a webcam is: its number may be another one's tomorrow.

    Args:
        webcam: Its address.
        places: Where the system names the plugs (Linux).

    Returns:
        A path; the address itself where the system does not say, or it is no webcam's number.
    """
    if webcam.isdigit():
        for place in sorted(places.glob("*")) if places.is_dir() else ():
            if place.resolve().name == f"video{webcam}":
                return str(place)
    return webcam


def _look(address: str) -> str:
    """What a source gives; SourceError if it gives nothing."""
    with Reader(open_source(address)) as reader:
        frame = reader.read(PATIENCE_S)
        if frame is None:
            raise ConfigError(f"{address} gives no picture within {PATIENCE_S:g} s: check the camera, or its address")
        height, width = frame.image.shape[:2]
        return f"{width}x{height}" + (f" at {reader.source.fps:.0f} Hz" if reader.source.fps else "") + _modes(address)


def _modes(address: str) -> str:
    """How many modes a webcam has, and its largest; nothing where that is not known."""
    modes = webcam_modes(address) if is_webcam(address) else []
    return f"; {counted(len(modes), 'mode')}, up to {'x'.join(map(str, modes[0].size))}" if modes else ""


def _check_names(rig: Path, cameras: list[Found]) -> None:
    unknown = [camera.name for camera in cameras if camera.name not in load_rig(rig).names]
    if unknown:
        raise ConfigError(
            f"{rig} has no camera {', '.join(unknown)}; it has {', '.join(load_rig(rig).names)}: name the files so, or "
            "move the rig away"
        )


def _detector() -> tuple[str, str]:
    """The detector to begin with, and a word on it: the best for people whose weights are here."""
    name, card = load_card("blazepose")
    try:
        for file in card.files:
            model_file(name, file, check=False)
    except ConfigError:
        return "light", "ships with multiview; better on real people: multiview models fetch blazepose"
    return "blazepose", "`multiview models list` shows the others"


def _text(value: str) -> str:
    """A TOML string: its escapes are those of JSON."""
    return json.dumps(value, ensure_ascii=False)


def studio_file(name: str, cameras: list[Found], rig: str = "") -> str:
    """The text of a studio file, every line with its meaning.

    Args:
        name: Of the studio.
        cameras: None makes it a simulated one.
        rig: The calibrated cameras, relative to the file; empty where there are none yet.

    Returns:
        TOML.
    """
    head = [
        "# A studio: its cameras, and what is done with their pictures. configs/studio.toml of multiview shows every",
        "# option; `multiview doctor studio.toml` says what is amiss, `multiview run studio.toml` runs it.",
        "version = 1",
        f"name = {_text(name)}  # takes are named after it",
    ]
    tail = ["", "[recorder]", 'directory = "takes"  # every run is recorded there', ""]
    if not cameras:
        simulated = [
            "",
            "[source]  # no camera was found: simulated people. With cameras: `multiview new` in another folder",
            'type = "synthetic"',
            "loop = true  # until Ctrl-C",
            "",
            "[source.options]",
            "cameras = 4",
            "size = [1280, 720]",
            "person_px = 227.0  # how tall people are in the middle of the pictures",
            "people = 2",
            "seconds = 20.0",
        ]
        return "\n".join([*head, *simulated, *tail])
    if rig:
        head.append(f"rig = {_text(rig)}  # where the cameras stand, from `multiview calibrate solve`")
    else:
        head.append(
            'rig = "rig/rig.toml"  # not there yet: `calibrate solve ... --out rig` writes it, or `run`, from people'
        )
    lines = [*head]
    for camera in cameras:
        lines += camera_lines(camera)
    return "\n".join([*lines, *tail])


def camera_lines(camera: Found) -> list[str]:
    """The lines of a studio file that describe a camera."""
    detector, remark = _detector()
    return [
        "",
        f"[cameras.{_text(camera.name)}.source]  # {camera.what}",
        'type = "camera"',
        f"address = {_text(camera.address)}",
        f'detector = "{detector}"  # {remark}',
    ]


def next_steps(path: Path, cameras: list[Found], rig: str) -> Iterator[str]:
    """The commands that lead on from a new studio file.

    Args:
        path: Of the file.
        cameras: Those in it.
        rig: As of `studio_file`.

    Yields:
        Each command, some with a remark.
    """
    if cameras and not rig:
        folder = path.parent
        steps = {
            f"multiview capture {path} --preview": "is everybody in the picture?",
            f"multiview calibrate board --out {folder / 'board'}": f"record it, detect, solve --out {folder / 'rig'}",
            f"multiview run {path} --height 178": "or without a board: walk, and it calibrates from people",
        }
        width = max(map(len, steps))
        yield from (f"{command:{width}}  # {remark}" for command, remark in steps.items())
    yield f"multiview doctor {path}"
    yield f"multiview run {path}"
