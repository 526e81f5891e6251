"""An edited take in a browser: its times count from the take's start, and its errors are those of its cameras."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np

from multiview.editing.edit_take import add_edit
from multiview.editing.edits import make_edit
from multiview.synthetic import Studio
from services.dashboard.take_errors import error_bytes
from services.dashboard.take_list import playback_bytes
from tests.editing.recorded import record


def test_errors_and_frames_are_at_times_from_the_takes_start(small_studio: Studio, tmp_path: Path) -> None:
    take = record(tmp_path, small_studio)
    before = json.loads(error_bytes(take))
    assert len(before["edges"]) == len(before["px"]) + 1
    assert before["edges"][-1] < small_studio.frames / small_studio.fps
    known = [px for px in before["px"] if px is not None]
    assert len(known) > len(before["px"]) / 2
    assert 0 < np.median(known) < 20  # a detector's noise, px

    add_edit(take.folder, make_edit("trim", {"from_s": 0.2}))
    data = playback_bytes(take)
    (size,) = struct.unpack("<I", data[:4])
    times = json.loads(data[4 : 4 + size])["times"]
    assert times[0] == 0.2
    after = json.loads(error_bytes(take))
    assert after["edges"][0] >= 0.2 - 1 / small_studio.fps  # poses just outside are compared, too
    assert after["edges"][-1] == before["edges"][-1]


def test_take_without_a_recording_has_no_errors(small_studio: Studio, tmp_path: Path) -> None:
    take = record(tmp_path, small_studio)
    (take.folder / "take.mcap").rename(tmp_path / "away.mcap")
    assert json.loads(error_bytes(take)) == {"edges": [], "px": []}
