"""Videos of a take on its time line, and the frame at a moment."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from multiview.editing.take_poses import take_poses, take_start_ns
from multiview.errors import ConfigError
from multiview.recordings.take import Take
from multiview.synthetic import Studio
from services.dashboard.take_thumbnail import thumbnail_jpeg
from services.dashboard.take_videos import find_video, frame_at, take_videos
from services.dashboard.take_views import view_bytes
from tests.editing.recorded import START_NS, record


@pytest.fixture
def take(small_studio: Studio, tmp_path: Path) -> Take:
    return record(tmp_path, small_studio)


def film(take: Take, name: str, times_s: list[float]) -> None:
    take.videos.mkdir(exist_ok=True)
    (take.videos / f"{name}.mp4").touch()
    rows = "".join(f"{frame},{time_s!r}\n" for frame, time_s in enumerate(times_s))
    (take.videos / f"{name}.timestamps.csv").write_text(f"frame,time\n{rows}")


def test_video_is_on_the_takes_time_line(small_studio: Studio, take: Take) -> None:
    camera, (poses, _) = small_studio.rig.cameras[0], take_poses(take.folder)
    start_ns = take_start_ns(take.folder, poses)
    assert take_videos(take, camera, poses, start_ns) == []
    film(take, camera.name, [START_NS / 1e9 + 0.5, START_NS / 1e9 + 0.75])
    film(take, f"{camera.name}.1", [START_NS / 1e9 + 1.0, START_NS / 1e9 + 2.0])
    first, second = take_videos(take, camera, poses, start_ns)
    since = (START_NS - start_ns) / 1e9
    assert (first.begins_s, first.ends_s) == pytest.approx((since + 0.5, since + 0.75), abs=1e-6)
    assert (second.begins_s, second.ends_s) == pytest.approx((since + 1.0, since + 2.0), abs=1e-6)
    film(take, camera.name, [5.0, 6.0])  # of a clock that nothing is known of
    assert take_videos(take, camera, poses, start_ns) == []


@pytest.mark.parametrize("name", ["../rig", "..", "", "/etc/passwd", "cam01.mp4", "rig.toml"])
def test_no_name_leads_to_another_file(take: Take, name: str) -> None:
    film(take, "cam01", [0.0, 0.1])
    (take.folder / "rig.mp4").touch()
    assert find_video(take, name, 0) is None
    assert find_video(take, "cam01", 0) == take.videos / "cam01.mp4"
    assert find_video(take, "cam01", 1) is None


def test_frame_is_the_one_nearest_to_a_moment(take: Take) -> None:
    film(take, "cam01", [7.0, 7.2, 7.5, 7.6])
    video = take.videos / "cam01.mp4"
    assert [frame_at(video, seconds) for seconds in (-1.0, 0.09, 0.11, 0.4, 0.56, 9.0)] == [0, 0, 1, 2, 3, 3]
    with pytest.raises(ConfigError, match="times of its frames are not known"):
        frame_at(take.videos / "cam02.mp4", 0.0)


def test_view_has_people_where_the_camera_saw_them(small_studio: Studio, take: Take) -> None:
    camera, (poses, _) = small_studio.rig.cameras[1], take_poses(take.folder)
    data, joints = view_bytes(take, camera.name), len(poses.joints)
    (size,) = struct.unpack_from("<I", data)
    numbers = np.frombuffer(data, "<f4", offset=4 + size)
    fused, seen = np.split(numbers, [len(poses) * joints * 2])
    np.testing.assert_allclose(fused.reshape(-1, joints, 2)[3], camera.project(poses.xyz[3]), atol=1e-3, equal_nan=True)
    first = next(keypoints for frame in range(9) if (keypoints := small_studio.keypoints(1, frame)) is not None)
    np.testing.assert_allclose(seen.reshape(-1, joints, 3)[: first.people, :, :2], first.xy, atol=0.02, equal_nan=True)
    with pytest.raises(ConfigError, match="there is no camera"):
        view_bytes(take, "../cam01")


def test_thumbnail_is_drawn_once(take: Take) -> None:
    picture = thumbnail_jpeg(take)
    assert picture[:2] == b"\xff\xd8"
    assert thumbnail_jpeg(take) is picture
