"""Which folders are recordings, and what is said of those that are none."""

import shutil

import pytest

from multiview.batch.recordings import MARKER, find_recordings
from multiview.errors import ConfigError, SourceError
from multiview.synthetic import StudioOptions, make_studio
from multiview.synthetic.folder import write_studio
from tests.batches import write_recordings


@pytest.fixture
def root(tmp_path):
    write_recordings(tmp_path / "root", 2)
    return tmp_path / "root"


def test_find_recordings_finds_every_kind(root):
    studio = make_studio(StudioOptions(cameras=2, people=1, seconds=0.1))
    write_studio(studio, root / "deep" / "er" / "k", lambda frames: None)
    take = root / "takes" / "walk"
    take.mkdir(parents=True)
    (take / "take.toml").write_text("")
    (root / "notes").mkdir()
    (root / "notes" / "readme.json").write_text('{"people": 3}')
    found = find_recordings(root)
    assert [(r.name, r.kind) for r in found.recordings] == [
        ("a0", "videos"),
        ("a1", "videos"),
        ("deep/er/k/keypoints", "keypoints"),
        ("takes/walk", "take"),
    ]
    assert list(found.recordings[0].videos) == ["cam01", "cam02"]
    assert found.recordings[0].rig_path == root / "rig.toml"  # above it
    assert found.recordings[2].rig_path == root / "deep" / "er" / "k" / "rig.toml"  # the nearest
    assert not found.rejected


def test_find_recordings_takes_the_root_itself(root):
    (only,) = find_recordings(root / "a1").recordings
    assert only.name == "a1"


def test_find_recordings_passes_over_results_hidden_folders_and_loops(root):
    shutil.copytree(root / "a0", root / "results" / "a0")
    (root / "results" / MARKER).write_text("{}")
    shutil.copytree(root / "a0", root / ".trash" / "a0")
    (root / "a1" / "again").symlink_to(root, target_is_directory=True)
    assert [r.name for r in find_recordings(root).recordings] == ["a0", "a1"]


def test_find_recordings_says_what_cannot_be_used(root):
    (root / "a0" / "cam02.avi").unlink()
    (root / "a0" / "GoPro 7.MP4").write_bytes(b"")
    (root / "a1" / "intro.mp4").write_bytes(b"")
    (root / "t.partial").mkdir()
    (root / "t.partial" / "take.toml").write_text("")
    found = find_recordings(root)
    assert [r.name for r in found.recordings] == ["a1"]
    assert found.recordings[0].notes == ("left out, named after no camera: intro.mp4",)
    one, partial = found.rejected
    assert "1 video named after a camera" in one.why
    assert "GoPro 7.MP4" in one.why
    assert "recover" in partial.why


def test_find_recordings_rejects_a_recording_whose_rig_is_bad(root):
    (root / "a0" / "rig.toml").write_text("cameras = 3")
    found = find_recordings(root)
    assert [r.name for r in found.recordings] == ["a1"]
    assert str(root / "a0" / "rig.toml") in found.rejected[0].why
    with pytest.raises(ConfigError):
        find_recordings(root, root / "a0" / "rig.toml")  # given for all
    with pytest.raises(SourceError, match="no such folder"):
        find_recordings(root / "absent")
