"""What it costs that nothing keeps the cameras in step, and whether a camera that is late is found.

    python -m benchmarks unsynchronised [--seeds 0-9] [--seconds 60] [--late 25]

Eight cameras at 59.94, 60 and 29.97 Hz with clocks of their own (50 ppm), 2 % of frames lost and 3 ms of jitter watch
people who walk at 1.5 m/s. Their messages go, in simulated time, through the real fusion: clock map, sync buffer,
pipeline. The same studio seen by cameras in step, with exact times, is the yardstick.

`added` is the root mean square distance between the two results, joint by joint, with perfect keypoints: all of it is
timing. With noise, `noisy` is the error of both, and `more` the root of the difference of their squares. Then one
camera, another in each seed, stamps `--late` ms late: what is said of it after 20 and after 60 s, and what is said of
the others. `--none` leaves all in step: whatever is then advised is wrong.
"""

from __future__ import annotations

import argparse
import logging
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64
from rich import box
from rich.console import Console
from rich.progress import track as progress
from rich.table import Table

from benchmarks.accuracy import seeds
from benchmarks.wide import wide_console
from multiview.data import NS_PER_S
from multiview.studio.config import RecorderOptions
from multiview.studio.config import Studio as Settings
from multiview.studio.stream_fusion import FusedTick, StreamFusion
from multiview.synthetic import Studio, StudioOptions, make_studio
from multiview.synthetic.unsynchronised import HUB_S, Arrival, CameraTiming, TimingFaults, arrivals, random_timings
from multiview.timing.sync_buffer import SyncOptions
from multiview.wire.messages import Stamp, encode
from multiview.wire.packing import pack_keypoints

__all__ = ["add_arguments", "run"]

RATE_HZ = 60.0
SETTLED_S = 3.0  # clocks and identities are known by then
IN_STEP = TimingFaults(drops=0.0, jitter_s=0.0, drift_ppm=0.0, offset_s=0.0)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=seeds, default=list(range(10)), metavar="0-9", help="first and last (0-9)")
    parser.add_argument("--seconds", type=float, default=61.0, help="of each studio (61)")
    parser.add_argument("--people", type=int, default=4, help="how many walk (4)")
    parser.add_argument("--late", type=float, default=25.0, help="ms, how late one camera stamps (25)")
    parser.add_argument("--none", action="store_true", help="no camera is late")
    parser.add_argument("--correlation", type=float, default=0.85, help="of the noise, frame to frame (0.85)")
    parser.add_argument("--only", choices=("added", "late"), help="only one half")


def studio_of(seed: int, seconds: float, people: int, correlation: float) -> Studio:
    """Eight cameras, and people who walk at 1.5 m/s."""
    options = StudioOptions(
        cameras=8,
        people=people,
        seconds=seconds,
        fps=RATE_HZ,
        seed=seed,
        only_walking=True,
        pace_m_s=(1.5, 1.5),
        correlation=correlation,
    )
    return make_studio(options)


def perfect(studio: Studio) -> Studio:
    """The same people, seen without error."""
    return make_studio(studio.options.perfect())


def fuser_of(studio: Studio) -> StreamFusion:
    settings = Settings(
        skeleton=studio.skeleton.name, sync=SyncOptions(rate_hz=RATE_HZ), recorder=RecorderOptions(enabled=False)
    )
    return StreamFusion(settings, studio.rig)


def body_of(studio: Studio, arrival: Arrival) -> tuple[str, bytes]:
    """Topic and message as a worker would have sent them."""
    name = studio.rig.names[arrival.camera]
    if arrival.probe is not None:
        return f"clock/{name}", encode(arrival.probe)
    assert arrival.keypoints is not None
    message = pack_keypoints(
        arrival.keypoints,
        camera=name,
        boot_id=arrival.camera + 1,
        frame=arrival.frame,
        time_ns=arrival.stamp_ns,
        clock="worker",
        size=studio.rig.cameras[arrival.camera].size,
        calibration="",
        skeleton=studio.skeleton.name,
    )
    return f"keypoints/{name}", encode(message)


class Found(NamedTuple):
    """Joints by tick and actor, m; NaN where not measured."""

    xyz: Float64[np.ndarray, "T P J 3"]
    truth: Float64[np.ndarray, "T P J 3"]


def fuse(studio: Studio, fusion: StreamFusion, came: list[Arrival]) -> list[FusedTick]:
    """All of it, in order."""
    out = []
    for number, arrival in enumerate(came):
        topic, body = body_of(studio, arrival)
        out += fusion.feed(topic, Stamp(number, number, arrival.arrival_ns), body)
    return out


def found(studio: Studio, ticks: list[FusedTick]) -> Found:
    """Who is whom by place: nearest on the mean joint, within 0.3 m."""
    times = np.arange(studio.frames) / RATE_HZ
    truth = studio.true_at(times)
    xyz = np.full_like(truth, np.nan)
    for fused in ticks:
        frame = round((fused.tracks.time_ns / NS_PER_S - HUB_S) * RATE_HZ)
        if not 0 <= frame < len(xyz):
            continue
        for track in fused.tracks.tracks:
            off = np.nanmean(np.linalg.norm(track.pose.xyz - truth[frame], axis=-1), axis=-1)
            actor = int(np.nanargmin(off))
            if off[actor] < 0.3:
                xyz[frame, actor] = np.where(track.pose.filled[:, None], np.nan, track.pose.xyz)
    return Found(xyz, truth)


def rms_mm(difference: Float64[np.ndarray, "T P J 3"]) -> float:
    late = difference[round(SETTLED_S * RATE_HZ) :]
    return 1e3 * float(np.sqrt(np.nanmean((late**2).sum(axis=-1))))


def both_ways(studio: Studio, seed: int) -> tuple[Found, Found, float]:
    """Unsynchronised and in step, and the share of ticks that came out."""
    faults, rng = TimingFaults(), np.random.default_rng([seed, 1])
    came = arrivals(studio, random_timings(8, faults, rng), faults, rng)
    apart = fuse(studio, fuser_of(studio), came)
    in_step = [CameraTiming(RATE_HZ, 0.0)] * 8
    together = fuse(studio, fuser_of(studio), arrivals(studio, in_step, IN_STEP, np.random.default_rng([seed, 2])))
    return found(studio, apart), found(studio, together), len(apart) / len(together)


def run_added(args: argparse.Namespace) -> None:
    table = Table(title="added error from timing, mm rms", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("seed", "added", "median", "p99", "noisy", "in step", "more", "ticks %"):
        table.add_column(column, justify="right")
    seconds = min(args.seconds, 20.0)
    for seed in progress(args.seeds, "added", console=Console(stderr=True), transient=True):
        studio = studio_of(seed, seconds, args.people, args.correlation)
        clean, exact, share = both_ways(perfect(studio), seed)
        off = 1e3 * np.linalg.norm(clean.xyz - exact.xyz, axis=-1)[round(SETTLED_S * RATE_HZ) :]
        noisy, still, _ = both_ways(studio, seed)
        errors = [rms_mm(f.xyz - f.truth) for f in (noisy, still)]
        more = np.sqrt(max(0.0, errors[0] ** 2 - errors[1] ** 2))
        figures = (rms_mm(clean.xyz - exact.xyz), np.nanmedian(off), np.nanpercentile(off, 99), *errors, more)
        table.add_row(str(seed), *(f"{figure:.2f}" for figure in figures), f"{100 * share:.1f}")
    wide_console().print(table)


def run_late(args: argparse.Namespace) -> None:
    late_s = 0.0 if args.none else args.late / 1e3
    table = Table(
        title="nobody is late" if args.none else f"one camera {args.late:g} ms late",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for column in (
        "seed",
        "camera",
        "20 s: ms",
        "off by",
        "60 s: ms",
        "off by",
        "advised at s",
        "others, worst",
        "false",
    ):
        table.add_column(column, justify="right")
    for seed in progress(args.seeds, "late", console=Console(stderr=True), transient=True):
        studio, faults, rng = (
            studio_of(seed, args.seconds, args.people, args.correlation),
            TimingFaults(),
            np.random.default_rng([seed, 1]),
        )
        timings, camera = random_timings(8, faults, rng), seed % 8
        timings[camera] = timings[camera]._replace(stamp_delay_s=late_s)
        said = listen(studio, fuser_of(studio), arrivals(studio, timings, faults, rng), camera, not args.none)
        cells = []
        for second in (20, 60):
            at = said.at.get(second)
            cells += ["-", "-"] if at is None else [f"{-1e3 * at:.1f}", f"{1e3 * (-at - late_s):+.1f}"]
        advised = "-" if said.advised_s is None else f"{said.advised_s:.0f}"
        table.add_row(str(seed), studio.rig.names[camera], *cells, advised, f"{said.others_ms:.1f} ms", str(said.false))
    wide_console().print(table)


class LateCameraResult(NamedTuple):
    """Of the late camera: the offset believed after so many seconds, and when it was advised; of the others: the
    largest offset believed after ten seconds, and how many were ever falsely confirmed."""

    at: dict[int, float]
    advised_s: float | None
    others_ms: float
    false: int


def listen(studio: Studio, fusion: StreamFusion, came: list[Arrival], camera: int, is_late: bool) -> LateCameraResult:
    at: dict[int, float] = {}
    advised, worst, confirmed = None, 0.0, set[int]()
    assert fusion.time_offsets is not None
    for number, arrival in enumerate(came):
        topic, body = body_of(studio, arrival)
        for fused in fusion.feed(topic, Stamp(number, number, arrival.arrival_ns), body):
            second = fused.tracks.time_ns / NS_PER_S - HUB_S
            latest = fusion.time_offsets.latest
            if latest and second > 10:
                others = [abs(late.offset_s) for c, late in enumerate(latest) if c != camera or not is_late]
                worst = max(worst, 1e3 * max(others))
            if latest and second <= 60.5:
                at[int(second)] = latest[camera].offset_s
            confirmed |= fusion.time_offsets.confirmed.keys()
            if advised is None and camera in fusion.time_offsets.confirmed:
                advised = second
    return LateCameraResult(at, advised, worst, len(confirmed - ({camera} if is_late else set())))


def run(args: argparse.Namespace) -> int:
    logging.disable(logging.WARNING)  # the advice is in the table
    if args.only != "late":
        run_added(args)
    if args.only != "added":
        run_late(args)
    return 0
