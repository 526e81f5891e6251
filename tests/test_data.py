"""Frames' numbers and times are types of their own at the borders where one could be taken for the other."""

from __future__ import annotations

from typing import Any, get_type_hints

import pytest

from calib.corners.corners import BoardViews, Corners
from calib.corners.pictures import Picture
from calib.solve.extrinsics import ViewPoses
from calib.solve.solve import Calibration
from calib.solve.timeline import Timeline, rising_times
from calib.solve.track import Track
from multiview.commands.draw_run import Overlay
from multiview.data import FrameNumber, FrameNumbers, TimeNs, Times, TimesNs, Tracks, VideoFrame, Views
from multiview.recordings.number_times import NumberTimes
from multiview.recordings.pose_motion import PoseMotion
from multiview.recordings.pose_table import Poses
from multiview.recordings.recorded_keypoints import Recording
from multiview.sources import Timestamps
from multiview.timing.sync_buffer import SyncBuffer

SCALARS = [
    (VideoFrame, {"index": FrameNumber, "time_ns": TimeNs}),
    (Views, {"time_ns": TimeNs}),
    (Tracks, {"time_ns": TimeNs}),
    (Picture, {"frame": FrameNumber}),
    (Recording, {"frames": list[FrameNumber], "times_ns": list[TimeNs]}),
    (Timestamps.time_ns, {"frame": FrameNumber, "return": TimeNs | None}),
    (NumberTimes.time_ns, {"return": TimeNs}),
    (NumberTimes.frames, {"return": list[FrameNumber]}),
    (PoseMotion.at, {"time_ns": TimeNs}),
    (PoseMotion.covers, {"time_ns": TimeNs}),
    (Overlay.time_ns, {"return": TimeNs}),
    (Overlay.time_of, {"number": FrameNumber, "return": TimeNs | None}),
    (SyncBuffer.add, {"time_ns": TimeNs}),
]
ARRAYS = [
    (Corners, {"frame": FrameNumbers, "time": Times}),
    (BoardViews, {"frame": FrameNumbers, "time": Times}),
    (ViewPoses, {"frame": FrameNumbers, "time": Times}),
    (Track, {"frame": FrameNumbers, "time": Times}),
    (Calibration, {"frame": FrameNumbers}),
    (Timeline, {"time": Times}),
    (rising_times, {"frame": FrameNumbers, "time": Times, "return": Times}),
    (Poses, {"frame": FrameNumbers, "time_ns": TimesNs, "utc_ns": TimesNs}),
]


@pytest.mark.parametrize(("where", "types"), [*SCALARS, *ARRAYS])
def test_frame_numbers_and_times_are_two_types_wherever_they_meet(where: Any, types: dict[str, Any]) -> None:
    hints = get_type_hints(where)
    assert {name: hints[name] for name in types} == types
