"""A picture goes to a browser with the people of its own instant, where the camera sees them."""

from __future__ import annotations

import json

import numpy as np

from multiview.cameras.camera import Camera
from multiview.wire.messages import PosesMessage, PreviewMessage, write_blob
from services.dashboard.picture_feed import nearest, picture_bytes

CAMERA = Camera(
    "cam01", (100, 80), np.array([[50.0, 0, 49.5], [0, 50.0, 39.5], [0, 0, 1]]), np.zeros(5), np.eye(3), np.zeros(3)
)


def poses(time_ns: int, places: np.ndarray, clock: str = "epoch") -> PosesMessage:
    """One person; `places` (J, 3) m, the last joint filled."""
    table = np.concatenate([places, np.zeros((len(places), 9))], axis=1)
    table[-1, 11] = 1.0
    return PosesMessage(
        tick=0, time_ns=time_ns, clock=clock, cameras=[], missing=[], skeleton="coco17", joints=len(places), people=[7],
        names=["Ann"], blob=write_blob(table),
    )  # fmt: skip


def preview(time_ns: int = 0, clock: str = "epoch") -> PreviewMessage:
    blob = write_blob(np.array([[[10.0, 20.0, 0.5], [np.nan, np.nan, 0.0]]]))
    return PreviewMessage(
        camera="cam01",
        boot_id=1,
        time_ns=time_ns,
        clock=clock,
        size=(100, 80),
        people=1,
        joints=2,
        blob=blob,
        jpeg=b"J",
    )


def test_picture_has_the_people_where_the_camera_sees_them() -> None:
    data = picture_bytes(CAMERA, preview(), poses(0, np.array([[0.0, 0.0, 2.0], [0.4, -0.2, 1.0], [0.0, 0.0, -1.0]])))
    size = int.from_bytes(data[:4], "little")
    header = json.loads(data[4 : 4 + size])
    assert data[4 + size :] == b"J"
    assert header["seen"] == [[[10.0, 20.0, 0.5], None]]
    # The axis hits the principal point; 0.4 m at 1 m is 20 px beside it; whoever is behind is not seen.
    assert header["fused"] == [{"id": 7, "name": "Ann", "joints": [[49.5, 39.5, 0.0], [69.5, 29.5, 0.0], None]}]


def test_picture_is_drawn_with_the_poses_of_its_instant() -> None:
    place = np.zeros((2, 3))
    history = [poses(t, place) for t in (0, 30, 60)]
    assert nearest(history, preview(40)) is history[1]
    assert nearest(history, preview(40, "unknown")) is history[2]
    assert nearest(history, preview(40, "hub")) is None  # another clock says nothing
    assert nearest([], preview()) is None
