"""`multiview demo`: run a simulated studio through the real processes and sockets, and report its errors.

Everything but the cameras is real: one worker per camera sends 2D keypoints through the hub to fusion and
the recorder. The cameras are simulated, so the true joints are known and the errors can be stated in millimetres.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from multiview.common.counted import counted
from multiview.common.ranges import Seconds, ranged

if TYPE_CHECKING:
    from multiview.recordings.pose_table import Poses
    from multiview.recordings.take import Take
    from multiview.studio.config import Studio

CAMERAS, PEOPLE, FPS = 4, 3, 30.0

PAGES = "http://127.0.0.1:8420"  # of `multiview studio`


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder for the take (default demo)")
    parser.add_argument("--seconds", type=ranged(Seconds), default=10.0, help="length of the simulation (default 10)")
    parser.add_argument("--cameras", type=ranged(int), default=CAMERAS, help=f"simulated cameras (default {CAMERAS})")
    parser.add_argument("--people", type=ranged(int), help=f"simulated people (default {PEOPLE}; 2 with --pixels)")
    parser.add_argument("--seed", type=ranged(int), default=1, help="random seed of the simulation (default 1)")
    parser.add_argument(
        "--pixels",
        action="store_true",
        help="run the full chain on rendered images: board calibration, 2D detection with the bundled network, fusion",
    )
    parser.add_argument("--no-viewer", action="store_true", help="do not open the 3D viewer")
    parser.add_argument("--no-video", action="store_true", help="do not draw the video, which takes the longest")


def run(args: argparse.Namespace) -> int:
    from multiview.common.json_file import write_json
    from multiview.recordings.pose_table import write_poses
    from services.demo.live_take import play, read_take

    if args.people is None:
        args.people = 2 if args.pixels else PEOPLE
    if args.pixels:
        from services.demo import pixels

        return pixels.run(args)

    studio = demo_studio(args)
    cameras, people = counted(args.cameras, "camera"), counted(args.people, "person", "people")
    print(f"A simulated studio: {cameras}, {people}, {args.seconds:g} s at {FPS:g} fps.")
    take = play(studio, args.seconds + 60.0, not args.no_viewer)
    poses, latency, fps = read_take(take)
    write_poses(poses, take.poses)
    figures = measure(studio, poses, latency, fps)
    write_json(take.folder / "summary.json", figures)
    files = _pictures(studio, poses, take, not args.no_video)
    _print(figures, take, files)
    return 0


def demo_studio(args: argparse.Namespace) -> Studio:
    """A ring of cameras around people who walk, pass each other, turn and reach, with realistic detection errors."""
    from multiview.studio.config import HubOptions, RecorderOptions, Studio, SyntheticSource
    from multiview.studio.derived import synthetic_options

    options: dict[str, Any] = {
        "cameras": args.cameras,
        "people": args.people,
        "seconds": args.seconds,
        "fps": FPS,
        "seed": args.seed,
        "size": [1280, 720],
        "area_m": 3.0,
        "person_px": 340.0,
    }
    source = SyntheticSource(options=options)
    synthetic_options(source)  # rejects invalid options before any process starts
    return Studio(
        name="demo",
        skeleton="coco17",
        source=source,
        hub=HubOptions(ingest_port=0, publish_port=0, request_port=0),
        recorder=RecorderOptions(directory=str(args.out.resolve())),
    )


def measure(studio: Studio, poses: Poses, latency_ms: list[float], fps: float) -> dict[str, Any]:
    """Figures of the summary, by name."""
    import numpy as np

    from multiview.commands.evaluate import report
    from multiview.evaluation.metrics import compare
    from multiview.studio.config import SyntheticSource
    from multiview.studio.derived import synthetic_options
    from multiview.synthetic import make_studio

    assert isinstance(studio.source, SyntheticSource)
    simulated = make_studio(synthetic_options(studio.source))
    figures = report(compare(simulated.truth, poses))
    return {
        "ticks": len(latency_ms),
        "frames": simulated.frames,
        "fps": fps,
        "latency_ms": {"median": float(np.median(latency_ms)), "p99": float(np.percentile(latency_ms, 99))},
        "people": len(poses.people),
        "mean_error_mm": figures["mpjpe_mm"],
        "errors_mm": figures["errors_mm"]["all"],
        "recall_percent": figures["recall"],
        "precision_percent": figures["precision"],
        "identity_switches": figures["identity_switches"],
        "filled_percent": 100.0 - figures["measured"],
        "inside_90_ellipsoid_percent": figures["inside_90_ellipsoid"],
    }


def _pictures(studio: Studio, poses: Poses, take: Take, video: bool) -> dict[str, Path]:
    """The video, if wanted, the top view and, where it can be drawn, a picture of the 3D viewer."""
    from multiview.cameras.rig_file import load_rig
    from multiview.studio.config import SyntheticSource
    from multiview.studio.derived import synthetic_options
    from multiview.synthetic import make_studio
    from services.demo.pictures import room_from_above, skeleton_video, viewer_snapshot

    assert isinstance(studio.source, SyntheticSource)
    simulated, rig = make_studio(synthetic_options(studio.source)), load_rig(take.rig)
    files = {"take": take.folder, "poses": take.poses}
    if video:
        files["video"] = skeleton_video(simulated, rig, poses, take.folder / "skeletons.mp4")
    files["top view"] = room_from_above(rig, poses, take.folder / "top_view.png")
    snapshot = viewer_snapshot(take.folder, take.folder / "viewer.png")
    if snapshot is not None:
        files["3D view"] = snapshot
    return files


def _print(figures: dict[str, Any], take: Take, files: dict[str, Path]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from multiview.common.console import plain_console

    table = Table(box=box.SIMPLE_HEAD, show_header=False, title="Against the ground truth")

    def row(name: str, value: str, remark: str = "") -> None:
        table.add_row(name, Text(value, "bold"), Text(remark, "dim"))

    errors, latency = figures["errors_mm"], figures["latency_ms"]
    row(
        "mean error",
        f"{figures['mean_error_mm']:.1f} mm",
        f"median {errors['median']:.1f}, 99 % within {errors['p99']:.0f}, worst {errors['worst']:.0f} mm",
    )
    row("identity switches", f"{figures['identity_switches']}", f"{figures['people']} identities were assigned")
    found = f"precision {figures['precision_percent']:.1f} %"
    row(
        "people found",
        f"{figures['recall_percent']:.1f} %",
        f"{found}; {figures['filled_percent']:.1f} % of joints filled",
    )
    row("rate", f"{figures['fps']:.1f} fps", f"{figures['ticks']} of {figures['frames']} frames fused")
    row(
        "latency",
        f"{latency['median']:.0f} ms",
        f"p99 {latency['p99']:.0f} ms, from the exposure to the poses at the hub",
    )
    console = plain_console(highlight=False)
    console.print(table)
    width = max(map(len, files))
    for name, path in files.items():
        console.print(f"  {name:{width}}  {path}", soft_wrap=True)
    console.print(f"\nView it in 3D:  multiview viewer {take.folder}", soft_wrap=True)
    page = f"{PAGES}/takes/{quote(take.folder.name, safe='')}"
    console.print(f"In a browser:   multiview studio {take.folder.parent}   then {page}", soft_wrap=True)
