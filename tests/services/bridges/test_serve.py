"""A bridge that sends nothing says why, once."""

from __future__ import annotations

import logging

import pytest

from multiview.body.skeleton import load_skeleton
from multiview.errors import MessageError
from multiview.wire.messages import PosesMessage, ServiceHealth, encode
from services.bridges._serve import Remarks, poses_of


def test_bridge_says_once_that_no_poses_come(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    remarks = Remarks("no poses", 100.0)
    for now_s in (100.2, 104.9, 105.1, 106.0, 200.0):
        remarks.nothing_came(now_s)
    assert [record.message for record in caplog.records] == ["no poses"]
    remarks.came(201.0)
    remarks.came(201.1)
    for now_s in (206.0, 206.2, 207.0):
        remarks.nothing_came(now_s)
    assert [record.message for record in caplog.records] == ["no poses", "poses are coming", "no poses"]


def test_bridge_names_the_skeleton_that_does_not_fit() -> None:
    def poses(joints: int) -> bytes:
        return encode(
            PosesMessage(tick=7, time_ns=1, cameras=[], missing=[], skeleton="a", joints=joints, people=[], blob=b"")
        )

    skeleton = load_skeleton("coco17")
    assert poses_of(poses(17), skeleton).tick == 7
    with pytest.raises(MessageError, match="they have 25 joints, coco17 has 17: give the file with which"):
        poses_of(poses(25), skeleton)
    with pytest.raises(MessageError, match="another kind"):
        poses_of(encode(ServiceHealth(service="hub", boot_id=1)), skeleton)
