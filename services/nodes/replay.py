"""Play a take back to subscribers at its original pace, or rerun fusion on it.

Playback replaces the hub: same ports, order and stamps. With `--out` nothing is played: the recorded 2D keypoints pass
through the same fusion as live, as fast as possible, and give the same poses bit for bit (see `--check`).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import msgspec

from multiview.body.skeleton import find_skeleton, save_own_skeleton
from multiview.common.ranges import ranged
from multiview.editing.edit_take import carry_edits
from multiview.errors import SourceError
from multiview.recordings.pose_table import Poses, write_poses
from multiview.recordings.take import Take, open_take
from multiview.studio.config import HubOptions
from multiview.studio.rerun import compare, rerun_fusion
from multiview.studio.stream_fusion import FusedTick
from multiview.studio.studio_file import load_studio
from multiview.studio.take_studio import recorded_poses, take_studio
from multiview.wire.packing import unpack_tracks
from services.runtime.process import Stopping, begin_service
from services.transport.hub_sockets import HubSockets


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("take", type=Path, help="the take's folder")
    parser.add_argument("--speed", type=ranged(float), default=1.0, help="multiple of the original pace (default 1)")
    parser.add_argument("--studio", type=Path, help="use this studio file's [hub] ports and [pipeline] instead")
    parser.add_argument("--rig", type=Path, help="fuse with this rig, such as rig.refined.toml (default: the take's)")
    parser.add_argument("--out", type=Path, help="do not play: fuse the recorded keypoints into OUT/poses.parquet")
    parser.add_argument("--check", action="store_true", help="do not play: fuse, and compare with the recorded poses")


def run(args: argparse.Namespace) -> int:
    take = open_take(args.take)
    if args.speed <= 0:
        raise SourceError(
            f"--speed {args.speed:g}: must be more than 0 (to rerun fusion as fast as possible, use --out)"
        )
    if not take.recordings():
        next(take.records())  # which says what is there instead
    if args.check or args.out:
        return _offline(take, args)
    hub = load_studio(args.studio, check=False).hub if args.studio else HubOptions()
    begin_service("replay")
    if not take.recordings():
        next(take.records())  # which says what is there instead
    print(
        f"{take.folder} is played at {args.speed:g} x on tcp://{hub.host}:{hub.publish_port}; Ctrl-C ends it",
        flush=True,
    )
    messages = play(take, hub, args.speed, Stopping())
    print(f"{messages} messages played")
    return 0


def play(take: Take, hub: HubOptions, speed: float, stopping: Stopping) -> int:
    """Publish every record with its own stamp when it is due; how many. ConfigError if a port is in use."""
    sockets = HubSockets(hub)
    stopping.wait(0.5)  # subscribers that were waiting connect again
    began_ns, first_ns, count = time.monotonic_ns(), None, 0
    for record in take.records():
        first_ns = record.stamp.arrival_ns if first_ns is None else first_ns
        due_ns = began_ns + round((record.stamp.arrival_ns - first_ns) / speed)
        if stopping.wait((due_ns - time.monotonic_ns()) / 1e9):
            break
        sockets.wait(0.0)
        sockets.guard()
        sockets.follow_permissions()
        sockets.publish(record.topic.encode(), record.stamp, record.body)
        count += 1
    sockets.close()
    return count


def _offline(take: Take, args: argparse.Namespace) -> int:
    studio = None
    if args.studio:
        other = load_studio(args.studio, check=False)
        studio = msgspec.structs.replace(take_studio(take), pipeline=other.pipeline, volume=other.volume)
    fused = list(rerun_fusion(take, studio, args.rig))
    if not fused:
        raise SourceError(f"{take.folder}: no keypoints recorded; give a take recorded with workers")
    if args.out:
        skeleton = find_skeleton(fused[0].message.skeleton, take.folder)
        save_own_skeleton(skeleton, args.out)
        # As they were sent and recorded, so that they are the same in every bit.
        poses = Poses.from_tracks((unpack_tracks(f.message) for f in fused), skeleton)
        write_poses(poses, args.out / "poses.parquet")
        print(f"{len(fused)} ticks -> {args.out / 'poses.parquet'}")
        if words := carry_edits(take.folder, args.out, poses):
            print(words)
    if not args.check:
        return 0
    return _check(take, fused)


def _check(take: Take, fused: list[FusedTick]) -> int:
    """Compare with the poses in the recording, and these with what it says it held."""
    stream = take.stream()
    recorded = list(recorded_poses(stream))
    same, differ, alone = compare(fused, recorded)
    print(f"{same} ticks identical, {differ} different, {alone} in only one of the two")
    missing = sum(part.missing_ticks or 0 for part in stream.parts)
    if stream.lines():
        held = f"{len(recorded) + missing} ticks" if missing else f"more than {len(recorded)} ticks"
        print(f"the recording held {held}: what is missing in it can be neither fused nor compared")
    if len(starts := {message.boot_id for message in recorded}) > 1:
        print(f"fusion was started {len(starts)} times while it was recorded: here it runs through, so poses differ")
    return 0 if same and not differ and not alone and not stream.lines() else 1
