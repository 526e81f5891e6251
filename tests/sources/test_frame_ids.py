"""Frames that never came are counted by the camera's own ids, whatever their width."""

from __future__ import annotations

import pytest

from multiview.sources._frame_ids import FrameIds


@pytest.mark.parametrize(
    ("ids", "steps", "missing"),
    [
        ([5, 6, 7], [1, 1, 1], 0),
        ([5, 8], [1, 3], 2),
        ([65534, 65535, 1, 2], [1, 1, 1, 1], 0),  # GigE Vision 1: 16 bits, 0 left out
        ([65534, 2], [1, 3], 2),  # 65535 and 1 are missing
        ([0, 65535, 0, 1], [1, 65535, 1, 1], 65534),  # 16 bits that use 0
        ([65530, 65540, 65541], [1, 10, 1], 9),  # 64 bits pass 16
        ([70000, 3], [1, 1], 0),  # the camera began anew
        ([500, 1, 2], [1, 1, 1], 0),  # and so did this one: 65036 missing frames are none
        ([-1, -1], [1, 1], 0),  # it has no ids
    ],
)
def test_frame_ids_count_what_is_missing(ids: list[int], steps: list[int], missing: int) -> None:
    counted = FrameIds()
    assert [counted.step(i) for i in ids] == steps
    assert counted.missing == missing


def test_frame_ids_of_a_new_acquisition_say_nothing_of_the_last_one() -> None:
    counted = FrameIds()
    counted.step(10)
    counted.restart()
    assert counted.step(20) == 1
    assert counted.missing == 0
