"""Recordings of several cameras as what all saw at each instant."""

from __future__ import annotations

import numpy as np

from multiview.cameras.camera import Rig
from multiview.data import NS_PER_S, FrameNumber, Keypoints2D, TimeNs
from multiview.recordings.recorded_keypoints import Recording, recorded_views
from multiview.synthetic.board import ring

FPS, SPEED = 20.0, 300.0  # px/s
BODY = np.array([[[0.0, 0.0], [40.0, 100.0], [-40.0, 200.0], [0.0, 300.0]]])


def walking(rig: Rig, late_s: list[float]) -> list[Recording]:
    """Somebody who is at SPEED times the time, as cameras saw it whose frames are so late, and are stamped so."""
    recordings = []
    for name, late in zip(rig.names, late_s, strict=True):
        times = [1.0 + frame / FPS + late for frame in range(20)]
        seen = [Keypoints2D(BODY + SPEED * time, np.ones((1, 4))) for time in times]
        stamps = [TimeNs(round(time * NS_PER_S)) for time in times]
        recordings.append(Recording(name, FPS, [FrameNumber(frame) for frame in range(20)], stamps, seen))
    return recordings


def test_recorded_views_by_time_heed_a_difference_of_a_millisecond() -> None:
    """Frames of one number count as taken together where they nearly were, unless times are asked for."""
    rig = ring(2, 3.0)
    recordings = walking(rig, [0.0, 0.001])
    for by_time, off_px in ((False, 0.001 * SPEED), (True, 0.0)):
        inner = list(recorded_views(rig, recordings, by_time))[2:-2]
        assert len(inner) > 10
        for views in inner:
            a, b = views.keypoints
            assert a is not None
            assert b is not None
            np.testing.assert_allclose(a.xy - BODY, SPEED * views.time, atol=1e-6)
            np.testing.assert_allclose(b.xy - BODY, SPEED * views.time + off_px, atol=1e-6)


def test_moved_recordings_differ_in_their_times_alone() -> None:
    recording = walking(ring(2, 3.0), [0.0, 0.0])[0]
    moved = recording.moved(5_000_000)
    assert [after - before for before, after in zip(recording.times_ns, moved.times_ns, strict=True)] == [
        5_000_000
    ] * 20
    assert moved.frames == recording.frames
    assert recording.times_ns[0] == NS_PER_S
