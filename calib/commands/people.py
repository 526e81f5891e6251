"""Compute the rig from people who walk, without a board.

    multiview calibrate people --videos cam01.mp4 cam02.mp4 cam03.mp4 --lenses lenses.toml --height 178 --out rig
    multiview calibrate people --keypoints keypoints --skeleton body25 --fps 25 --lenses lenses.toml --out rig
    multiview calibrate people takes/first --out rig

One to four people walk through the whole room for half a minute, near and far, and turn around; they need not be
matched, and the cameras may have been started up to --max-offset seconds apart. Lenses come from a calibration file of
any format that `convert` reads (its poses are not used); a missing one is guessed and then estimated, within one or two
percent of focal length.

Lengths are those of the tallest person's stature (--height; --height-of says who else's), of a saved person's bones
(--actor), of a distance between two lenses (--distance), or of people on average, within about 6 %.

Writes OUT/rig.toml, OUT/report.html and OUT/report.json. The exit code is 1 if the rig must not be used; what cannot
give a rig at all is refused. With --against RIG it names cameras that no longer stand where that rig has them, and the
exit code is then 1, too; its lenses are taken unless --lenses gives others. With --known RIG the cameras of that rig
stay where they are, with its world, lengths and lenses, and the others are added: record two of it or more together
with the new ones.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from multiview.common.ranges import FrameRate, ranged

if TYPE_CHECKING:
    from calib.people.calibrate import Options
    from calib.people.lens_freedom import LensGuess
    from calib.people.pairs import PairPose
    from calib.people.solved_rig import PeopleCalibration
    from multiview.body.skeleton import Skeleton
    from multiview.cameras.camera import Camera, Rig
    from multiview.recordings.recorded_keypoints import Recording

_STATURE_CM = (80.0, 230.0)
_MAX_OFFSET_S = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("take", type=Path, nargs="?", help="a take, with recorded keypoints or with videos")
    parser.add_argument(
        "--keypoints", type=Path, metavar="DIR", help="folder with one folder of OpenPose JSON per camera"
    )
    parser.add_argument(
        "--skeleton", default="body25", help="name or TOML file of the keypoints' joints (default body25)"
    )
    parser.add_argument(
        "--fps", type=ranged(FrameRate), default=30.0, help="frames per second of the keypoints (default 30)"
    )
    parser.add_argument("--videos", nargs="+", metavar="VIDEO", help="one video per camera")
    parser.add_argument("--detector", default="blazepose", help="2D detector for videos (default blazepose)")
    parser.add_argument(
        "--cameras", metavar="A,B,...", help="names of the videos' cameras, in order; of keypoints: only these cameras"
    )
    parser.add_argument(
        "--lenses", type=Path, metavar="FILE", help="rig or lens file, in any format that `convert` reads; by names"
    )
    parser.add_argument(
        "--fov", metavar="DEG", help="field of view across the longer side of cameras without a known lens, their "
        "35 mm equivalent (26mm), or a name of configs/lenses.toml (default 65)",
    )  # fmt: skip
    parser.add_argument("--size", metavar="WxH", help="size of the pictures of keypoints without a known lens")
    parser.add_argument("--height", type=ranged(float), metavar="CM", help="stature of the tallest person")
    parser.add_argument(
        "--height-of", default="tallest", choices=("tallest", "shortest", "first"),
        help="whose stature --height is; first: who is seen first (default tallest)",
    )  # fmt: skip
    parser.add_argument(
        "--actor", metavar="NAME", help="lengths by the bones of this person, whom `multiview actor` saved"
    )
    parser.add_argument(
        "--distance", nargs=3, metavar=("CAM", "CAM", "M"), help="measured distance between two cameras' lenses"
    )
    parser.add_argument(
        "--shared-start", action="store_true", help="the cameras were started together: search no larger time offsets"
    )
    parser.add_argument(
        "--max-offset", type=ranged(float), default=1.0, metavar="S", help="largest time offset of a camera (default 1)"
    )
    parser.add_argument(
        "--against", type=Path, metavar="RIG", help="rig.toml to check: cameras that no longer stand there are named"
    )
    parser.add_argument(
        "--known", type=Path, metavar="RIG", help="rig.toml that grows: its cameras stay, the others are added"
    )
    parser.add_argument(
        "--pairs", type=Path, metavar="FILE", help="also write as JSON which pairs of cameras agree on somebody, even "
        "where no rig comes out",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the rig and the report")


def run(args: argparse.Namespace) -> int:
    from calib.people.calibrate import calibrate
    from calib.report.people_outcome import judge_people, summary_words
    from calib.report.people_report import write_people_reports
    from multiview.cameras.rig_file import load_rig, save_rig
    from multiview.commands.progress import progress_bar

    start = time.perf_counter()
    against = load_rig(args.against) if args.against else None
    known = load_rig(args.known) if args.known else None
    cameras, recordings, skeleton, priors, notes = _read(args)
    options = _options(args, [camera.name for camera in cameras], priors, known)
    with progress_bar("calibrating from people") as show:
        calibration = calibrate(
            cameras, recordings, skeleton, options, lambda what, share: show(_SHARES[what](share)),
            lambda pairs: _write_pairs(args.pairs, [camera.name for camera in cameras], pairs),
        )  # fmt: skip
    outcome = judge_people(calibration)
    seconds = time.perf_counter() - start
    args.out.mkdir(parents=True, exist_ok=True)
    write_people_reports(args.out, outcome, tuple(notes), seconds)
    save_rig(outcome.rig if known is None else _grown(known, outcome.rig), args.out / "rig.toml")

    print(f"{outcome.verdict.upper()}: {'; '.join(outcome.reasons)}")
    for text in outcome.advice:
        print(f"  {text}")
    print(f"{summary_words(calibration.cameras, calibration)}, computed in {seconds:.1f} s")
    scale, ground = calibration.scale, calibration.ground
    print(f"lengths: {scale.how}" + (f", within {100 * scale.sigma:.1f} %" if scale.sigma else ""))
    if ground is not None:
        up = f", up within {ground.sigma_deg:.1f} degrees" if ground.sigma_deg else ""
        print(f"up and floor: {ground.how}{up}")
    for note in notes:
        print(f"Note: {note}")
    offsets = [fit for fit in calibration.cameras if abs(fit.offset_s) > 3 * fit.offset_sigma_s > 0]
    if offsets:
        print("time offsets: " + ", ".join(f"{fit.name} by {1000 * fit.offset_s:+.1f} ms" for fit in offsets))
    for fit in calibration.cameras:
        if abs(fit.drift_ppm) > 4 * fit.drift_sigma_ppm > 0:
            print(
                f"{fit.name}: its clock drifts by {fit.drift_ppm:+.0f} millionths against that of "
                f"{calibration.clock}; the time offset is that in the middle of the recording"
            )
    print(f"{args.out / 'rig.toml'}, {args.out / 'report.html'}, {args.out / 'report.json'}")
    right = against is None or _checked(calibration, against, args.against)
    return 1 if outcome.verdict == "record again" or not right else 0


def _write_pairs(path: Path | None, names: list[str], pairs: list[PairPose]) -> None:
    from calib.people.checks import agrees
    from multiview.common.json_file import write_json

    if path is None:
        return
    found = [{"a": names[pair.a], "b": names[pair.b], "agree": agrees(pair)} for pair in pairs]
    write_json(path, found)


def _grown(known: Rig, found: Rig) -> Rig:
    """The known cameras in their order, those that were not recorded as they were, then the new ones."""
    old = [found.cameras[found.index(c.name)] if c.name in found.names else c for c in known.cameras]
    return replace(known, cameras=(*old, *(camera for camera in found.cameras if camera.name not in known.names)))


def _checked(calibration: PeopleCalibration, against: Rig, path: Path) -> bool:
    """Say which cameras of a rig moved; whether none did."""
    import numpy as np

    from calib.people.compare import compare_rigs

    turn, place = (np.array([getattr(fit, name) for fit in calibration.cameras]) for name in (
        "turn_sigma_deg", "place_sigma_mm"))  # fmt: skip
    compared = compare_rigs(calibration.rig, turn, place, against)
    if compared.mixed_up:
        print(f"NOT RIGHT: {compared.mixed_up}")
    elif not compared.moved:
        print(f"RIGHT: {', '.join(compared.held)} stand where {path} has them")
        return True
    for camera in compared.moved:
        print(
            f"NOT RIGHT: {camera.name} is {camera.place_mm:.0f} mm (+-{camera.place_sigma_mm:.0f}) and "
            f"{camera.turn_deg:.1f} degrees (+-{camera.turn_sigma_deg:.1f}) from where {path} has it"
        )
    if compared.moved and not compared.certain:
        print("NOT RIGHT: too few cameras agree with each other to tell which of them moved: calibrate anew")
    elif compared.moved and compared.held:
        print(f"{', '.join(compared.held)} still agree with each other")
    return False


# What share of the whole work is done when a step has done this share of its own.
_SHARES = {
    "following people in each camera": lambda share: 0.05 * share,
    "relating pairs of cameras": lambda share: 0.05 + 0.45 * share,
    "placing cameras": lambda share: 0.5 + 0.2 * share,
    "adjusting everything": lambda share: 0.7 + 0.3 * share,
}


def _options(args: argparse.Namespace, names: list[str], priors: dict[str, LensGuess], known: Rig | None) -> Options:
    from calib.people.calibrate import Options
    from multiview.body.actor import load_actor
    from multiview.errors import ConfigError

    lengths = [name for name in ("height", "distance", "actor") if getattr(args, name) is not None]
    if len(lengths) > 1:
        raise ConfigError(f"give --{lengths[0]} or --{lengths[1]}, not both")
    if known is not None and (given := [name for name in (*lengths, "against") if getattr(args, name)]):
        raise ConfigError(f"give --known or --{given[0]}, not both: the known rig holds the lengths and its cameras")
    if known is not None and not set(names) - set(known.names):
        raise ConfigError(f"{args.known} has all of {', '.join(names)}: to check them, give it as --against")
    if args.height is not None and not _STATURE_CM[0] <= args.height <= _STATURE_CM[1]:
        raise ConfigError(f"--height {args.height:g}: give a stature from {_STATURE_CM[0]:g} to {_STATURE_CM[1]:g} cm")
    if not 0 < args.max_offset <= _MAX_OFFSET_S:
        raise ConfigError(f"--max-offset {args.max_offset:g}: give a number of seconds from 0 to {_MAX_OFFSET_S:g}")
    distance = None
    if args.distance is not None:
        a, b, text = args.distance
        for name in (a, b):
            if name not in names:
                raise ConfigError(f"--distance: there is no camera {name!r}; there are {', '.join(names)}")
        try:
            metres = float(text)
        except ValueError:
            metres = 0.0
        if a == b or not 0.05 <= metres <= 200.0:
            raise ConfigError(f"--distance {a} {b} {text}: give two cameras and a number of metres from 0.05 to 200")
        distance = (a, b, metres)
    return Options(
        max_offset_s=0.0 if args.shared_start else args.max_offset,
        height_m=None if args.height is None else args.height / 100,
        distance=distance,
        lens_priors=priors,
        known=known,
        whose=args.height_of,
        actor=None if args.actor is None else load_actor(args.actor),
    )


def _fov_deg(args: argparse.Namespace) -> float | None:
    from calib.people.field_of_view import field_of_view_deg

    return None if args.fov is None else field_of_view_deg(args.fov)


_Inputs = tuple["list[Camera]", "list[Recording]", "Skeleton", "dict[str, LensGuess]", list[str]]


def _read(args: argparse.Namespace) -> _Inputs:
    """Cameras with lenses, and keypoints with times, from wherever they are."""
    from multiview.errors import ConfigError

    given = [name for name in ("take", "keypoints", "videos") if getattr(args, name)]
    if len(given) != 1:
        raise ConfigError("name one recording: a take, --keypoints DIR or --videos A B ...")
    if args.take:
        return _from_take(args)
    return _from_videos(args, args.videos) if args.videos else _from_folders(args)


def _known_lenses(args: argparse.Namespace) -> Rig | None:
    from calib.commands.lens_file import read_lenses

    lenses = args.lenses or args.against or args.known
    return None if lenses is None else read_lenses(lenses)


def _from_folders(args: argparse.Namespace) -> _Inputs:
    from calib.people.lenses import lenses_for
    from multiview.body.skeleton import load_skeleton
    from multiview.cameras.camera import Rig
    from multiview.common.names import split_names
    from multiview.errors import ConfigError, SourceError
    from multiview.recordings.keypoint_folder import open_keypoint_folders
    from multiview.recordings.recorded_keypoints import folder_recordings

    if not args.keypoints.is_dir():
        raise SourceError(f"{args.keypoints}: no such folder of keypoints (one folder per camera)")
    folders = sorted(path.name for path in args.keypoints.iterdir() if path.is_dir() and not path.name.startswith("."))
    names = [name.removesuffix("_json") for name in folders]
    if not names:
        raise SourceError(f"{args.keypoints} has no folder of a camera; expected {args.keypoints / 'cam01'} and others")
    known = _known_lenses(args)
    wanted = split_names(args.cameras) if args.cameras else names
    for name in wanted:
        if name not in names:
            raise ConfigError(f"--cameras: {args.keypoints} has no camera {name!r}; it has {', '.join(names)}")
    size = _size(args.size) if args.size else None
    # Cameras that are left out need no lens; any size lets their folders be named.
    sizes = [size if name in wanted else size or (1920, 1080) for name in names]
    cameras, priors, told = lenses_for(names, sizes, known, _fov_deg(args))
    skeleton = load_skeleton(args.skeleton)
    rig = Rig(tuple(cameras))
    recordings = folder_recordings(open_keypoint_folders(args.keypoints, rig, skeleton), rig, args.fps)
    chosen = [names.index(name) for name in wanted]
    return [cameras[c] for c in chosen], [recordings[c] for c in chosen], skeleton, priors, told


def _size(text: str) -> tuple[int, int]:
    from multiview.errors import ConfigError

    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal() and 16 <= int(width) <= 65536 and 16 <= int(height) <= 65536):
        raise ConfigError(f"--size {text}: give width and height in pixels, as in 1920x1080")
    return int(width), int(height)


def _from_videos(args: argparse.Namespace, videos: list[str]) -> _Inputs:
    from calib.people.lenses import lenses_for
    from multiview.cameras.camera import Rig
    from multiview.commands.process_run import detect_all
    from multiview.common.names import name_of_file, split_names
    from multiview.detect import make_detector
    from multiview.errors import ConfigError
    from multiview.sources import open_source, without_parts

    videos = without_parts(videos)
    names = split_names(args.cameras) if args.cameras else [name_of_file(Path(video).stem) for video in videos]
    if len(names) != len(videos):
        raise ConfigError(f"--cameras names {len(names)} cameras for {len(videos)} videos: name each one")
    if twice := [name for name in names if names.count(name) > 1]:
        raise ConfigError(f"two videos are of camera {twice[0]}: name the cameras with --cameras")
    known = _known_lenses(args)
    detector = make_detector(args.detector, {})
    sources = [open_source(video, name, fps=0.0) for video, name in zip(videos, names, strict=True)]
    cameras, priors, told = lenses_for(names, [source.size for source in sources], known, _fov_deg(args))
    recordings, _ = detect_all(Rig(tuple(cameras)), sources, [detector])
    told += [f"{r.camera}: {r.trouble}; the frames before were used" for r in recordings if r.trouble]
    return cameras, recordings, detector.skeleton, priors, told


def _from_take(args: argparse.Namespace) -> _Inputs:
    from calib.people.lenses import lenses_for
    from multiview.errors import SourceError
    from multiview.recordings.take import open_take
    from multiview.studio.take_keypoints import take_keypoints

    take = open_take(args.take)
    if take.rig.exists():
        rig, skeleton, recordings = take_keypoints(take)
        if any(recording.frames for recording in recordings):
            known = _known_lenses(args) or _placed(rig)
            sizes: list[tuple[int, int] | None] = [camera.size for camera in rig.cameras]
            cameras, priors, told = lenses_for(list(rig.names), sizes, known, _fov_deg(args))
            stamps = [r.moved(-camera.time_offset_ns) for r, camera in zip(recordings, rig.cameras, strict=True)]
            return cameras, stamps, skeleton, priors, told
    videos = sorted(str(path) for path in take.videos.glob("*.mp4"))
    if not videos:
        raise SourceError(f"{take.folder} has neither keypoints nor videos: record with workers or --video")
    return _from_videos(args, videos)


def _placed(rig: Rig) -> Rig | None:
    """A take's rig, whose lenses are known; None where the studio had none yet."""
    from multiview.cameras.camera import UNPLACED

    return None if rig.world == UNPLACED else rig
