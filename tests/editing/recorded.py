"""A take as a recorder writes it: keypoints of every camera, and what fusion made of them."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from multiview.cameras.rig_file import dumps
from multiview.editing.edit_list import EDITS
from multiview.editing.take_poses import EDITED
from multiview.recordings.mcap_log import Record, RecordingWriter
from multiview.recordings.pose_table import ROW_ARRAYS, Poses
from multiview.recordings.take import Take, begin_take, finish_take
from multiview.studio.config import Studio, SyntheticSource
from multiview.studio.stream_fusion import StreamFusion
from multiview.studio.studio_file import studio_text
from multiview.studio.take_studio import take_studio
from multiview.synthetic import Studio as Simulation
from multiview.wire.messages import EndOfStream, Stamp, encode
from multiview.wire.packing import pack_keypoints

START_NS = 1_760_000_000_123_456_789  # since 1970, where seconds in a float no longer hold every ns


def record(folder: Path, simulation: Simulation, name: str = "walk") -> Take:
    """The simulation, recorded while it was fused."""
    options = {"cameras": len(simulation.rig), "fps": simulation.fps}
    studio = Studio(skeleton=simulation.skeleton.name, source=SyntheticSource(options=options))
    take = begin_take(folder, name, datetime(2026, 1, 2, tzinfo=UTC), dumps(simulation.rig), studio_text(studio))
    fusion, writer, number = StreamFusion(take_studio(take), simulation.rig), RecordingWriter(take.next_recording()), 0

    def write(topic: str, message: msgspec.Struct, time_ns: int) -> None:
        nonlocal number
        one = Record(topic, Stamp(number, number, time_ns), encode(message))
        number += 1
        writer.write(one)
        for fused in fusion.feed(*one):
            write("poses", fused.message, time_ns)

    for frame in range(simulation.frames):
        time_ns = START_NS + simulation.time_ns(frame)
        for camera, called in enumerate(simulation.rig.names):
            keypoints = simulation.keypoints(camera, frame)
            if keypoints is not None:
                header = {"boot_id": 1, "frame": frame, "time_ns": time_ns, "clock": "epoch"}
                message = pack_keypoints(keypoints, camera=called, skeleton=simulation.skeleton.name, **header)
                write(f"keypoints/{called}", message, time_ns)
    for called in simulation.rig.names:
        write(f"keypoints/{called}", EndOfStream(camera=called, boot_id=1), time_ns)
    writer.close()
    return finish_take(take)


def bits(poses: Poses) -> str:
    """A hash of every bit of poses."""
    found = hashlib.sha256()
    for name in ROW_ARRAYS:
        found.update(f"{name} {getattr(poses, name).dtype}".encode())
        found.update(getattr(poses, name).tobytes())
    found.update(repr((poses.joints, poses.skeleton, sorted(poses.names.items()))).encode())
    return found.hexdigest()


def recorded_bits(folder: Path) -> dict[str, str]:
    """A hash of every file of a take but its edits."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    own = [path for path in files if path != folder / EDITS and folder / EDITED not in path.parents]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in own}
