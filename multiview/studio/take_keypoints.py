"""The 2D poses that a take recorded, camera by camera, each with its time on the common clock."""

from __future__ import annotations

from pathlib import Path

from multiview.body.skeleton import Skeleton
from multiview.cameras.camera import Rig
from multiview.cameras.rig_file import load_rig
from multiview.data import FrameNumber, Keypoints2D, TimeNs, Views
from multiview.recordings.recorded_keypoints import Recording
from multiview.recordings.take import Take
from multiview.studio.rerun import with_other_rig
from multiview.studio.stream_fusion import StreamFusion
from multiview.studio.take_studio import take_studio
from multiview.timing.sync_buffer import SyncBuffer

__all__ = ["take_keypoints"]


class _KeypointCollector(SyncBuffer):
    """Collects frames with their mapped times instead of synchronising them."""

    def __init__(self, cameras: int, rate_hz: float) -> None:
        super().__init__(cameras, rate_hz)
        self.frames: list[list[tuple[TimeNs, Keypoints2D]]] = [[] for _ in range(cameras)]

    def add(self, camera: int, time_ns: TimeNs, keypoints: Keypoints2D, arrival_ns: int) -> list[Views]:
        self.frames[camera].append((time_ns, keypoints))
        return []

    def end_of_stream(self, camera: int, arrival_ns: int) -> list[Views]:
        return []


def take_keypoints(take: Take, rig_path: Path | None = None) -> tuple[Rig, Skeleton, list[Recording]]:
    """What live fusion would get, `time_offset_s` added; a camera that sent nothing has no frames.

    Rejections, clocks and worker runs are those of live fusion. `rig_path` is a corrected rig instead of the take's.
    """
    rig, studio = load_rig(rig_path or take.rig), take_studio(take)
    corrected = rig_path is not None and rig_path.resolve() != take.rig.resolve()
    fusion = StreamFusion(with_other_rig(studio) if corrected else studio, rig)
    collector = fusion.sync = _KeypointCollector(len(rig), fusion.sync.rate_hz)
    for record in take.records():
        for _ in fusion.feed(*record):
            pass
    recordings = []
    for camera, frames in zip(rig.cameras, collector.frames, strict=True):
        offset = camera.time_offset_ns
        by_time: dict[TimeNs, Keypoints2D] = {}
        for time_ns, keypoints in sorted(frames, key=lambda frame: frame[0]):
            by_time.setdefault(time_ns, keypoints)  # of one stamp the first, as in live fusion
        numbers = [FrameNumber(number) for number in range(len(by_time))]
        recording = Recording(camera.name, collector.rate_hz, numbers, list(by_time), list(by_time.values()))
        recordings.append(recording.moved(offset))
    return rig, fusion.skeleton, recordings
