"""How many frames of real people get 2D poses live, and what each process takes for them.

Videos of one or two people are fitted into 1280 x 720, played forwards and backwards at 30 Hz as cameras are, and run
as a whole studio: a worker per camera, hub, fusion, recorder. Of the frames that are due between the first seconds and
the end, it counts those whose 2D poses are in the take, how evenly they come, and in how many instants all cameras have
one, how many poses come of it, and how long after a frame's exposure the hub has its pose. CPU time, which other
programs on the machine do not change much, says what two quiet cores would do.

    multiview calibrate convert Calib_qualisys.toml rig.toml
    python -m benchmarks live_video --rig rig.toml --videos cam01.mp4 cam02.mp4 cam03.mp4 cam04.mp4 [--hands 3.6]

With `--hands MS`, BlazePose spends so much on hands a frame (`hands_lite`), and it says how often in a second the hand
of each side is seen by one view at least, and by two. Compare with a run without for what bodies lose by it.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from multiview.body.hands import hand_indices
from multiview.body.skeleton import load_skeleton
from multiview.cameras.camera import Rig
from multiview.cameras.rig_file import load_rig, save_rig
from multiview.common.names import name_of_file
from multiview.common.video_writer import VideoWriter
from multiview.sources import open_source
from multiview.studio.studio_file import load_studio
from multiview.wire.messages import CameraHealth, KeypointsMessage, PosesMessage, decode
from multiview.wire.packing import unpack_keypoints
from services.supervise.launch import Launch

SIZE, FPS, FIRST_S = (1280, 720), 30.0, 4.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The study's own arguments."""
    parser.add_argument("--rig", type=Path, required=True)
    parser.add_argument("--videos", nargs="+", required=True, help="named as the rig's cameras")
    parser.add_argument("--detector", default="blazepose")
    parser.add_argument("--people", type=int, default=1, help="the detector's max_people")
    parser.add_argument("--hands", type=float, metavar="MS", help="time for hands a frame (blazepose)")
    parser.add_argument("--seconds", type=float, default=20.0)


def run(args: argparse.Namespace) -> int:
    """Print the shares of frames, and the CPU time of each process."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rig, fitted = load_rig(args.rig), []
        for video in args.videos:
            camera = rig.cameras[rig.index(name_of_file(Path(video).stem))]
            scale, left = _film(video, folder / f"{camera.name}.mp4", args.seconds)
            K = np.diag([scale, scale, 1.0]) @ camera.K + np.array([[0, 0, left], [0, 0, 0], [0, 0, 0]])
            fitted.append(replace(camera, K=K, size=SIZE))
        save_rig(Rig(tuple(fitted)), folder / "rig.toml")
        (folder / "studio.toml").write_text(
            f'rig = "rig.toml"\n[recorder]\ndirectory = "{folder}"\n[source]\ntype = "camera"\n'
            f'address = "{folder}/{{camera}}.mp4"\ndetector = "{args.detector}"\n'
            f"options = {{{_options(args)}}}\n"
            "[hub]\ningest_port = 0\npublish_port = 0\nrequest_port = 0\n"
        )
        print(f"load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        before = _cpu_s()
        with Launch(load_studio(folder / "studio.toml"), take="live", viewer=False) as launch:
            launch.start()
            launch.wait(timeout_s=args.seconds + 60.0)
            took = {label: cpu - before.get(label, 0.0) for label, cpu in _cpu_s().items()}
        assert launch.take is not None
        records = list(launch.take.records())
        _report(records, [camera.name for camera in fitted], args.seconds, took)
        _report_poses(records)
        if args.hands is not None:
            _report_hands(records, args.seconds)
    print(f"load of the machine after: {os.getloadavg()[0]:.1f}")
    return 0


def _options(args: argparse.Namespace) -> str:
    """The detector's, as TOML."""
    hands = f", hands = true, hands_lite = true, hands_budget_ms = {args.hands:g}" if args.hands is not None else ""
    return f"max_people = {args.people}{hands}"


def _report_hands(records, seconds: float) -> None:  # type: ignore[no-untyped-def]
    """How often each hand is seen, of all people together, after the first seconds."""
    views: dict[tuple[str, int], int] = {}
    for record in records:
        message = decode(record.body)
        if not isinstance(message, KeypointsMessage) or message.frame < FIRST_S * FPS:
            continue
        skeleton, score = load_skeleton(message.skeleton), unpack_keypoints(message).score
        for side in ("left", "right"):
            hand = hand_indices(skeleton, side)
            if hand is not None and (score[:, hand] > 0).any():
                views[side, message.frame] = views.get((side, message.frame), 0) + 1
    for side in ("left", "right"):
        one, two = (sum(n >= least for (s, _), n in views.items() if s == side) for least in (1, 2))
        passed = seconds - FIRST_S
        print(f"{side} hand: seen {one / passed:.1f} times a second by a view, {two / passed:.1f} by two or more")


def _report_poses(records) -> None:  # type: ignore[no-untyped-def]
    """How often there is a pose of somebody after the first seconds, and how late it is."""
    arrivals, late_ms = [], []
    for record in records:
        message = decode(record.body)
        if isinstance(message, PosesMessage) and message.people:
            arrivals.append(record.stamp.arrival_ns)
            late_ms.append(1e-6 * (message.latency_ns + record.stamp.arrival_ns - message.arrival_ns))
    at = (np.array(arrivals) - min(arrivals, default=0)) * 1e-9
    steady = at >= FIRST_S
    if not steady.any():
        print("poses: none")
        return
    p50, p99 = np.percentile(np.array(late_ms)[steady], [50, 99])
    rate = steady.sum() / (at.max() - FIRST_S)
    print(f"poses: {rate:.1f} times a second, at the hub {p50:.0f} ms after exposure (p99 {p99:.0f})")


def _film(video: str, path: Path, seconds: float) -> tuple[float, float]:
    """Fit a video into the size, every frame at the rate, there and back; the scale, and where its left edge is, px."""
    source = open_source(video)
    step = max(1, round(source.fps / FPS))
    pictures = [frame.image for frame in iter(source.read, None) if frame.index % step == 0]
    source.close()
    scale = min(SIZE[0] / source.size[0], SIZE[1] / source.size[1])
    small = [cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) for picture in pictures]
    left = (SIZE[0] - small[0].shape[1]) // 2
    there_and_back = small + small[-2:0:-1]
    with VideoWriter(path, SIZE, FPS) as writer:
        for number in range(round(seconds * FPS)):
            canvas = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
            one = there_and_back[number % len(there_and_back)]
            canvas[: one.shape[0], left : left + one.shape[1]] = one
            writer.write(canvas)
    return scale, left + (scale - 1) / 2


def _report(records, cameras: list[str], seconds: float, took: dict[str, float]) -> None:  # type: ignore[no-untyped-def]
    frames: dict[str, dict[int, int]] = {camera: {} for camera in cameras}
    notes: dict[str, str] = {}
    for record in records:
        message = decode(record.body)
        if isinstance(message, KeypointsMessage):
            frames[message.camera][message.frame] = message.people
        elif isinstance(message, CameraHealth) and message.note:
            notes[message.camera] = message.note
    first, last = round(FIRST_S * FPS), round(seconds * FPS)
    due = last - first
    print(
        f"{'camera':8} {'frames with 2D poses':>21} {'with somebody':>14} {'longest gap':>12}  last words of its worker"
    )
    for camera, found in frames.items():
        there = sorted(frame for frame in found if frame >= first)
        gap = max(np.diff([first, *there, last]), default=0)
        somebody = sum(found[frame] > 0 for frame in there)
        print(
            f"{camera:8} {100 * len(there) / due:20.1f}% {100 * somebody / due:13.1f}% {gap:7} frames  "
            f"{notes.get(camera, '')}"
        )
    together = set.intersection(*(set(found) for found in frames.values()))
    detected = sum(len(found) for found in frames.values())
    together = {frame for frame in together if frame >= first}
    instants = {frame for found in frames.values() for frame in found if frame >= first}
    steps = np.diff(sorted(together))
    step = int(np.median(steps)) if len(steps) else 0
    print(
        f"instants with all cameras: {100 * len(together) / due:.1f} % of the frames, "
        f"{100 * len(together) / max(1, len(instants)):.1f} % of the instants that any camera has; "
        f"{100 * np.mean(steps == step) if len(steps) else 0:.0f} % of them are {step} frames after the one before"
    )
    total = sum(took.values())
    for label, cpu in sorted(took.items(), key=lambda row: -row[1]):
        print(f"  {label:28} {cpu:7.1f} s of CPU")
    per_frame = 1e3 * total / max(1, detected)
    print(f"{total:.1f} s of CPU with the start, {per_frame:.1f} ms per frame with 2D poses")


def _cpu_s() -> dict[str, float]:
    """CPU time so far of each process that this one started, by its last words, s."""
    found: dict[str, float] = {}
    mine = {os.getpid()}
    for entry in sorted((e for e in Path("/proc").iterdir() if e.name.isdigit()), key=lambda e: int(e.name)):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            words = (entry / "cmdline").read_text().replace("\0", " ").split()
        except OSError:
            continue
        if int(fields[1]) in mine and int(entry.name) not in mine:
            mine.add(int(entry.name))
            found[f"{entry.name} {' '.join(words[-2:])[-20:]}"] = (int(fields[11]) + int(fields[12])) / os.sysconf(
                "SC_CLK_TCK"
            )
    return found
