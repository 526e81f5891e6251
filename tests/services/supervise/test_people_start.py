"""What a studio without a rig begins with: which studio that is, its cameras' sizes, and what has been seen so far."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from multiview.cameras.camera import UNPLACED
from multiview.cameras.rig_file import load_rig, save_rig
from multiview.data import Keypoints2D
from multiview.errors import ConfigError
from multiview.studio.config import Studio, SyntheticSource
from multiview.studio.derived import studio_rig
from multiview.studio.studio_file import load_studio
from multiview.wire.messages import Stamp, encode
from multiview.wire.packing import pack_keypoints
from services.supervise.people_calibration import _name_rig
from services.supervise.people_seen import PeopleSeen
from services.supervise.unplaced import lacks_rig, unplaced_rig
from services.transport.bus import Received
from tests.footage import write_video

CAMERAS = """
[cameras.left.source]
type = "keypoints"
directory = "keypoints"

[cameras.right.source]
type = "keypoints"
directory = "keypoints"
"""


def studio_file(folder: Path, text: str) -> Path:
    path = folder / "studio.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "lacks"),
    [
        (CAMERAS, True),
        ('rig = "rig.toml"\n' + CAMERAS, True),
        ('rig = "there.toml"\n' + CAMERAS, False),
        ('[source]\ntype = "synthetic"\n', False),
        ('rig = "rig.toml"\n[source]\ntype = "synthetic"\n', True),
    ],
)
def test_lacks_rig_where_none_is_named_or_there(tmp_path: Path, text: str, lacks: bool) -> None:
    (tmp_path / "there.toml").touch()
    assert lacks_rig(studio_file(tmp_path, text)) == lacks


def test_unplaced_rig_has_names_and_sizes_that_a_rig_file_holds(tmp_path: Path) -> None:
    source = SyntheticSource(options={"cameras": 3, "size": [1280, 720]})
    studio = Studio(rig="missing.toml", source=source)
    save_rig(unplaced_rig(studio, None), tmp_path / "rig.toml")
    rig, simulated = load_rig(tmp_path / "rig.toml"), studio_rig(Studio(source=source))
    assert (rig.world, rig.names) == (UNPLACED, simulated.names)
    assert {camera.size for camera in rig.cameras} == {(1280, 720)}


def test_unplaced_rig_of_named_cameras_needs_no_lenses_for_their_names(tmp_path: Path) -> None:
    """Also where [source] says what they have in common, as in the tutorial's file."""
    for name in ("left", "right"):
        write_video(tmp_path / f"{name}.avi")
    common = '[source]\ntype = "camera"\naddress = "{camera}.avi"\n'
    own = '[cameras.NAME.source]\ntype = "camera"\naddress = "NAME.avi"\n'
    text = common + own.replace("NAME", "left") + own.replace("NAME", "right")
    studio = load_studio(studio_file(tmp_path, text), check=False)
    assert unplaced_rig(studio, None).names == ("left", "right")
    with pytest.raises(ConfigError, match=r"the cameras of \[source\] have no names"):
        unplaced_rig(load_studio(studio_file(tmp_path, common), check=False), None)


def test_unplaced_rig_of_keypoints_needs_lenses_for_its_sizes(tmp_path: Path) -> None:
    (tmp_path / "keypoints" / "left").mkdir(parents=True)
    studio = load_studio(studio_file(tmp_path, 'skeleton = "body25"\n' + CAMERAS), check=False)
    with pytest.raises(ConfigError, match=r"left: keypoints do not tell how large its pictures are.*--lenses"):
        unplaced_rig(studio, None)


def seen(camera: str, time_s: float, people: int) -> Received:
    keypoints = Keypoints2D(np.zeros((people, 17, 2)), np.ones((people, 17)))
    message = pack_keypoints(
        keypoints, camera=camera, boot_id=1, frame=0, time_ns=0, clock="epoch", skeleton="coco17", size=(640, 480)
    )
    return Received(f"keypoints/{camera}", Stamp(0, 0, round(time_s * 1e9)), encode(message))


def test_people_seen_counts_seconds_of_two_cameras_at_once() -> None:
    """a sees somebody from 0 to 4 s, b from 2 to 6 s, c never."""
    counted = PeopleSeen(["a", "b", "c"])
    for n in range(60):
        counted.take(seen("a", n / 10, int(n < 40)))
        counted.take(seen("b", n / 10, int(n >= 20)))
        counted.take(seen("c", n / 10, 0))
    assert [counted.seconds(name) for name in "abc"] == [4.0, 4.0, 0.0]
    assert counted.together("a", "b") == counted.by_two == 2.0
    assert counted.together("a", "c") == 0.0


@pytest.mark.parametrize(
    "before", ["# a remark\nversion = 1\n[hub]\n", '# rig\nrig = ""  # none\nversion = 1\n[hub]\n']
)
def test_studio_file_names_the_rig_and_keeps_its_remarks(tmp_path: Path, before: str) -> None:
    path = studio_file(tmp_path, before + '[source]\ntype = "synthetic"\n')
    _name_rig(path, "calibrations/a/rig.toml")
    assert Path(load_studio(path, check=False).rig) == tmp_path / "calibrations/a/rig.toml"
    remark = before.splitlines()[0]
    assert path.read_text().startswith(remark)
