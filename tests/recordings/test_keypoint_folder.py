import json
from pathlib import Path

import numpy as np
import pytest

from multiview.body.skeleton import load_skeleton
from multiview.cameras.camera import Rig
from multiview.data import Keypoints2D
from multiview.errors import SourceError
from multiview.keypoint_formats import open_keypoints
from multiview.recordings.keypoint_folder import (
    KeypointFolders,
    check_first_people,
    frames_in,
    open_keypoint_folders,
    write_keypoints,
)
from multiview.synthetic import StudioOptions, make_studio

COCO17 = load_skeleton("coco17")
STUDIO = make_studio(StudioOptions(cameras=3, people=2, seconds=0.2))
RIG: Rig = STUDIO.rig


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for camera, name in enumerate(RIG.names):
        (tmp_path / name).mkdir()
        for frame in range(STUDIO.frames):
            seen = STUDIO.keypoints(camera, frame)
            assert seen is not None
            write_keypoints(seen, tmp_path / name / f"{name}_{frame + 300:06d}_keypoints.json")
    return tmp_path


def opened(folder: Path, skeleton: str = "coco17") -> KeypointFolders:
    return open_keypoint_folders(folder, RIG, load_skeleton(skeleton))


def test_what_was_written_is_read_to_the_bit(folder):
    (folder / "cam02").rename(folder / "cam02_json")
    folders = opened(folder)
    assert folders.frames == tuple(range(300, 306))
    for camera in range(3):
        for frame in range(STUDIO.frames):
            read, seen = folders.read(camera, frame + 300), STUDIO.keypoints(camera, frame)
            assert read is not None
            np.testing.assert_array_equal(read.xy, seen.xy)
            np.testing.assert_array_equal(read.score, seen.score)


def test_a_camera_without_folder_or_file_gives_nothing(folder):
    for path in (folder / "cam03").iterdir():
        path.unlink()
    (folder / "cam03").rmdir()
    (folder / "cam01" / "cam01_000302_keypoints.json").unlink()
    folders = opened(folder)
    assert folders.cameras_without_folder() == (2,)
    assert folders.read(2, 300) is None
    assert folders.read(0, 302) is None
    assert folders.frames == tuple(range(300, 306))


def test_a_camera_that_saw_no_one_is_not_a_camera_that_gave_nothing(folder):
    write_keypoints(Keypoints2D.nobody(17), folder / "cam01" / "cam01_000300_keypoints.json")
    seen = opened(folder).read(0, 300)
    assert seen is not None
    assert seen.people == 0


def test_folder_of_an_unknown_camera(folder):
    (folder / "cam01").rename(folder / "cam9")
    with pytest.raises(SourceError, match=r"no camera 'cam9'; it has cam01, cam02, cam03"):
        opened(folder)


def test_json_cut_in_half(folder):
    path = folder / "cam02" / "cam02_000304_keypoints.json"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(SourceError, match=r"cam02_000304_keypoints\.json: not OpenPose JSON, or damaged"):
        opened(folder).read(1, 304)


def test_json_with_nan_is_named_for_what_it_is(folder):
    path = folder / "cam02" / "cam02_000304_keypoints.json"
    path.write_text('{"people": [{"pose_keypoints_2d": [NaN, NaN, 0]}]}')
    with pytest.raises(SourceError, match=r"holds NaN or Infinity, which JSON does not have: write 0, 0, 0 for"):
        opened(folder).read(1, 304)


def test_wrong_skeleton_names_the_one_that_fits(folder):
    with pytest.raises(SourceError, match=r"51 values .* body25 has 25 joints .*75.*; try --skeleton coco17"):
        opened(folder, "body25")
    path = folder / "cam01" / "cam01_000300_keypoints.json"
    path.write_text(json.dumps({"people": [{"pose_keypoints_2d": [1.0] * 60}]}))
    with pytest.raises(SourceError, match="no skeleton that ships"):
        opened(folder)


def test_empty_and_missing_folders(folder, tmp_path):
    with pytest.raises(SourceError, match="no such folder"):
        opened(tmp_path / "nowhere")
    for path in (folder / "cam03").iterdir():
        path.unlink()
    with pytest.raises(SourceError, match="cam03 is empty"):
        opened(folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="no folder for any camera of the rig"):
        opened(tmp_path / "empty")


def test_files_without_or_with_the_same_number(folder):
    (folder / "cam01" / "keypoints.json").write_text('{"people": []}')
    with pytest.raises(SourceError, match="no frame number"):
        opened(folder)
    (folder / "cam01" / "keypoints.json").rename(folder / "cam01" / "300.json")
    with pytest.raises(SourceError, match="both frame 300"):
        opened(folder)


def test_person_without_joints_is_left_out_and_odd_scores_are_bounded(folder):
    path = folder / "cam01" / "cam01_000300_keypoints.json"
    people = [[0.0] * 51, [10.0, 20.0, 1.5, *[0.0] * 48]]
    path.write_text(json.dumps({"people": [{"pose_keypoints_2d": values} for values in people]}))
    seen = opened(folder).read(0, 300)
    assert seen is not None
    assert seen.people == 1
    assert seen.score[0, 0] == 1.0
    assert np.isnan(seen.xy[0, 1:]).all()


@pytest.mark.parametrize("name", ["shelf_easy", "shelf_hard"])
def test_recorded_folders_of_real_people(shared_data, name):
    from multiview.cameras.rig_file import load_rig

    folders = open_keypoint_folders(
        shared_data / name / "keypoints", load_rig(shared_data / name / "rig.toml"), load_skeleton("body25")
    )
    assert len(folders.frames) in (120, 50)
    assert folders.read(0, folders.frames[0]).people >= 1


@pytest.mark.parametrize(("scale", "shift"), [(1 / 2000, 0.0), (1 / 1000, -1.0)])
def test_normalised_coordinates_are_said(scale: float, shift: float, tmp_path: Path) -> None:
    """OpenPose writes 0..1 or -1..1 with --keypoint_scale 3 or 4; no person is as small as two pixels."""
    rng = np.random.default_rng(5)
    folder = tmp_path / "cam01"
    folder.mkdir()
    for frame in range(3):
        xy = rng.uniform(0, 2000, (2, 17, 2)) * scale + shift
        write_keypoints(Keypoints2D(xy, np.ones((2, 17))), folder / f"{frame:06d}.json")
    with pytest.raises(SourceError, match=r"are normalised, not pixels: write pixels \(OpenPose: --keypoint_scale 0\)"):
        check_first_people(frames_in(folder), load_skeleton("coco17"))


def test_folder_of_nobody_is_not_called_normalised(tmp_path: Path) -> None:
    write_keypoints(Keypoints2D.nobody(17), tmp_path / "000001.json")
    check_first_people(frames_in(tmp_path), load_skeleton("coco17"))


@pytest.mark.parametrize(
    ("names", "frames"),
    [
        (["a_000300_2d.json", "a_000301_2d.json"], [300, 301]),
        (["cam01_000300_keypoints.json", "cam01_000302_keypoints.json"], [300, 302]),
        (["cam1_7.json"], [7]),
        (["1_v2.json", "2_v2.json", "10_v2.json"], [10, 1, 2]),
    ],
)
def test_frame_number_is_the_one_that_tells_files_apart(names: list[str], frames: list[int], tmp_path: Path) -> None:
    for name in names:
        (tmp_path / name).write_text("{}")
    assert list(frames_in(tmp_path)) == frames


def test_two_files_of_one_frame_are_named(tmp_path: Path) -> None:
    for name in ("cam01_000300.json", "cam01_000300_copy.json"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(SourceError, match="are both frame 300; keep one"):
        frames_in(tmp_path)


@pytest.mark.parametrize(("face", "skeleton", "joints"), [(False, "openpose67", 67), (True, "openpose137", 137)])
def test_hands_and_face_of_openpose_follow_the_body(tmp_path: Path, face: bool, skeleton: str, joints: int) -> None:
    """Its four arrays, by its documentation of the output: body, left hand, right hand, face."""
    counts = {"pose": 25, "hand_left": 21, "hand_right": 21, "face": 70 if face else 0}
    place, person = 0, {"person_id": [-1]}
    for part, count in counts.items():
        numbers = range(place, place + count)
        person[f"{part}_keypoints_2d"] = [value for n in numbers for value in (100.0 + n, 200.0 + 2 * n, 0.5)]
        place += count
    path = tmp_path / RIG.names[0] / "000001_keypoints.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"version": 1.3, "people": [person]}))
    read = opened(tmp_path, skeleton).read(0, 1)
    assert read is not None
    order = np.arange(joints)
    np.testing.assert_array_equal(read.xy[0], np.stack([100.0 + order, 200.0 + 2 * order], axis=1))
    names = load_skeleton(skeleton).joints
    assert (names[25], names[46], names[66]) == ("left_hand_root", "right_hand_root", "right_pinky_finger4")
    body = open_keypoints(tmp_path, RIG)
    assert body.skeleton.name == "body25"
    assert f"{'openpose67 or openpose137' if face else 'openpose67'} reads them" in body.remarks[0]
    with pytest.raises(SourceError, match="try --skeleton"):
        opened(tmp_path, "coco17")
