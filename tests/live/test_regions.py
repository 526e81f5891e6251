"""What fusion tells the workers of the people whom it follows."""

from __future__ import annotations

import numpy as np
import pytest

from multiview.studio.config import HubOptions
from multiview.wire.messages import RegionsMessage, decode, encode
from services.nodes.regions import RegionReceiver, pack_regions
from tests.studio.test_stream_fusion import SIMULATED, Stream


@pytest.fixture
def told() -> RegionsMessage:
    stream = Stream()
    stream.play(last=20)
    message = decode(encode(pack_regions(stream.fusion, stream.fused[-1].message.time_ns)))
    assert isinstance(message, RegionsMessage)
    return message


def test_people_are_where_they_are_expected(told: RegionsMessage) -> None:
    """Three frames later, in every camera that sees them."""
    listener = RegionReceiver(HubOptions(), "")
    listener._newest = told
    assert told.cameras == list(SIMULATED.rig.names)
    found = 0
    for index, camera in enumerate(SIMULATED.rig.cameras):
        frame = 22
        seen = SIMULATED.keypoints(index, frame)
        boxes = listener.boxes(camera, SIMULATED.time_ns(frame), camera.size)
        assert boxes is not None
        assert seen is not None
        for person in seen.xy:
            low, high = np.nanmin(person, axis=0), np.nanmax(person, axis=0)
            middle, size = (low + high) / 2, np.linalg.norm(high - low)
            off = np.linalg.norm((boxes[:, :2] + boxes[:, 2:]) / 2 - middle, axis=1)
            found += bool(len(off) and off.min() < 0.15 * size)
    assert found >= 2
    half = (camera.size[0] // 2, camera.size[1] // 2)
    whole, small = (listener.boxes(camera, told.time_ns, size) for size in (camera.size, half))
    assert whole is not None
    assert small is not None
    np.testing.assert_allclose(small, (whole + 0.5) / 2 - 0.5)
    listener.close()


def test_what_is_stale_or_of_another_camera_is_not_believed(told: RegionsMessage) -> None:
    listener = RegionReceiver(HubOptions(), "")
    camera = SIMULATED.rig.cameras[0]
    assert listener.boxes(camera, 0, camera.size) is None
    listener._newest = told
    assert listener.boxes(camera, told.time_ns + 2_000_000_000, camera.size) is None
    listener._newest = RegionsMessage(time_ns=0, cameras=["other"], people=[[]], blob=b"")
    assert listener.boxes(camera, 0, camera.size) is None
    listener.close()
