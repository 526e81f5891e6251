"""Files made by the formats' own libraries (files/make_files.py), or by hand as their documentation has them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from multiview.__main__ import main
from multiview.body.skeleton import Skeleton, load_skeleton
from multiview.cameras.camera import Camera, Rig
from multiview.cameras.rig_file import save_rig
from multiview.data import Keypoints2D
from multiview.errors import MultiviewError, SourceError
from multiview.keypoint_formats import KeypointFile, format_of, load_format, open_keypoints
from multiview.keypoint_formats._joint_names import canonical, legal, paired
from multiview.keypoint_formats._places import camera_in, frame_in
from multiview.keypoint_formats._skeleton import sized
from multiview.recordings.keypoint_folder import write_keypoints
from multiview.recordings.pose_table import read_poses
from multiview.synthetic import Studio
from tests.keypoint_formats.by_hand import BY_HAND
from tests.keypoint_formats.files import made_files as TRUTH

FILES = Path(__file__).parent / "files"
MADE = sorted(path.name for path in FILES.iterdir() if path.suffix not in (".py", ""))


def rig(*names: str) -> Rig:
    K = np.array([[1000.0, 0, 320], [0, 1000, 240], [0, 0, 1]])
    shifts = [np.array([0.1 * n, 0.0, 1.0]) for n in range(len(names))]
    return Rig(
        tuple(Camera(name, (640, 480), K, np.zeros(4), np.eye(3), t) for name, t in zip(names, shifts, strict=True))
    )


def of_another_file(file: h5py.File, other: Path) -> None:
    file["tracks"] = h5py.ExternalLink(str(other), "/tracks")


def in_another_file(file: h5py.File, other: Path) -> None:
    file.create_dataset("tracks", (1, 2, 2, 3), "f8", external=[(str(other), 0, 96)])


def made_of_another_file(file: h5py.File, other: Path) -> None:
    layout = h5py.VirtualLayout((1, 2, 2, 3), "f8")
    layout[...] = h5py.VirtualSource(str(other), "tracks", shape=(1, 2, 2, 3))
    file.create_virtual_dataset("tracks", layout)


def never_written(file: h5py.File, other: Path) -> None:
    file.create_dataset("tracks", (1, 2, 2, 10**10), "f8", chunks=(1, 2, 2, 1000), compression="gzip")


def written(file: h5py.File, other: Path) -> None:
    file["tracks"] = np.zeros((1, 2, 2, 3))


@pytest.mark.parametrize(
    ("put", "refused"),
    [
        (of_another_file, "its tracks is in another file"),
        (in_another_file, "its tracks is in another file"),
        (made_of_another_file, "its tracks is in another file"),
        (never_written, "hardly anything is in the file"),
        (written, ""),
    ],
)
def test_hdf5_opens_no_other_file_and_takes_no_memory_for_nothing(
    tmp_path: Path, put: Callable[[h5py.File, Path], None], refused: str
) -> None:
    other, path = tmp_path / "other.h5", tmp_path / "walk.h5"
    with h5py.File(other, "w") as file:
        file["tracks"] = np.zeros((1, 2, 2, 3))
    with h5py.File(path, "w") as file:
        file["node_names"], file["track_names"] = [b"a", b"b"], [b"one"]
        put(file, other)
    if not refused:
        assert len(load_format("sleap_analysis").read(path).seen) == 3
        return
    with pytest.raises(SourceError, match=refused):
        load_format("sleap_analysis").read(path)


def read(path: Path) -> KeypointFile:
    return load_format(format_of(path)).read(path)


def sorted_by_x(keypoints: Keypoints2D) -> np.ndarray:
    """(P, J, 3): x, y, score, the animals from left to right; their order in a file means nothing."""
    order = np.argsort(np.nanmin(keypoints.xy[..., 0], axis=1))
    return np.concatenate([keypoints.xy, keypoints.score[..., None]], axis=-1)[order]


@pytest.mark.parametrize("name", MADE)
def test_files_of_the_formats_own_libraries_hold_the_same_points(name: str) -> None:
    file = read(FILES / name)
    animals = 1 if name.startswith(("single", "CollectedData")) else 2
    order = [TRUTH.JOINTS.index(joint) for joint in file.joints]
    assert sorted(order) == [0, 1, 2, 3, 4]
    cameras = ("cam01", "cam02") if name == "both.slp" else ("cam01",) if "cam02" not in name else ("cam02",)
    assert len(file.seen) == TRUTH.FRAMES * len(cameras)
    for number, seen in enumerate(file.seen):
        camera, frame = divmod(number, TRUTH.FRAMES)
        camera = 1 if "cam02" in cameras[camera] else 0
        shift = 10 if name == "both.slp" else 0
        found = seen.frame if seen.frame is not None else frame_in(seen.source, cameras[0])
        assert found == frame + shift
        xy, score = TRUTH.arrays(camera, animals)
        right, got = xy[frame][:, order], sorted_by_x(seen.keypoints)
        np.testing.assert_allclose(got[..., :2], right, atol=1e-4)  # float32, and per cent in Label Studio
        labelled = name.startswith(("CollectedData", "annotations", "label_studio"))
        certain = np.where(np.isfinite(right[..., 0]), 1.0, 0.0)
        expected = certain if labelled else score[frame][:, order].copy()
        if name == "both.slp" and frame == 1:
            expected[0] = 1.0  # corrected by hand
        np.testing.assert_allclose(got[..., 2], expected, atol=1e-6)


@pytest.mark.parametrize("name", ["both.slp", "cam01.analysis.h5", "cam01.nwb", "annotations.json"])
def test_bones_of_the_file_are_read(name: str) -> None:
    assert read(FILES / name).bones == TRUTH.BONES


@pytest.mark.parametrize("name", ["both.slp", "cam01.analysis.h5"])
def test_symmetric_pairs_are_the_files_left_first(name: str) -> None:
    cameras = rig("cam01", "cam02") if name == "both.slp" else rig("cam01")
    opened = open_keypoints(FILES / name, cameras)
    assert [tuple(opened.skeleton.joints[j] for j in pair) for pair in opened.skeleton.symmetric_pairs] == [
        ("EarL", "EarR")
    ]
    assert opened.remarks == [
        "no size of the skeleton is known: taken for people; write size_m into it if it is an animal"
    ]


def write_animals(folder: Path, names: tuple[str, ...], scale: float) -> Rig:
    """Two rigid animals whose joints span `scale` m, moving, as three cameras around them see them, for DeepLabCut."""
    shape = scale * np.array([[0.0, 0, 0], [0.3, 0.1, 0], [0.3, -0.1, 0], [0.6, 0, 0.1], [1.0, 0, 0]])
    cameras = []
    for n in range(3):
        ahead = np.array([np.cos(2.1 * n), np.sin(2.1 * n), -1.0]) / np.sqrt(2)
        right = np.array([-np.sin(2.1 * n), np.cos(2.1 * n), 0.0])
        R = np.stack([-right, np.cross(ahead, -right), ahead])
        K = np.array([[900.0, 0, 640], [0, 900, 512], [0, 0, 1]])
        cameras.append(Camera(f"cam{n + 1:02d}", (1280, 1024), K, np.zeros(5), R, R @ (8 * scale * ahead)))
    rng = np.random.default_rng(2)
    starts = scale * np.array([[-1.0, 0.7, 0], [0.5, -0.9, 0]])
    for camera in cameras:
        heads = [["scorer"], ["individuals"], ["bodyparts"], ["coords"]]
        for animal in ("one", "two"):
            for joint in names:
                for coordinate in ("x", "y", "likelihood"):
                    for head, text in zip(heads, ("net", animal, joint, coordinate), strict=True):
                        head.append(text)
        lines = [",".join(head) for head in heads]
        for frame in range(20):
            angle = 0.1 * frame
            turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
            xy = camera.project(starts[:, None] + shape @ turn.T) + rng.normal(0, 0.5, (2, 5, 2))
            values = np.concatenate([xy, np.full((2, 5, 1), 0.9)], axis=-1).ravel().tolist()
            lines.append(",".join([str(frame), *map(repr, values)]))
        (folder / f"{camera.name}DLC_net.csv").write_text("\n".join(lines) + "\n")
    return Rig(tuple(cameras))


def test_size_of_an_animal_is_measured_and_said(tmp_path: Path) -> None:
    """8 sizes away, with 900 px of focal length and half a pixel of noise: some thousandths of the size."""
    opened = open_keypoints(tmp_path, write_animals(tmp_path, TRUTH.JOINTS, 0.06))
    assert opened.skeleton.size_m == pytest.approx(0.06, rel=0.05)
    assert any(remark.startswith("size_m = 0.06") for remark in opened.remarks)


def test_joints_that_are_called_as_peoples_make_a_person_only_of_peoples_size(tmp_path: Path) -> None:
    names = ("nose", "left_ear", "right_ear", "neck", "mid_hip")
    assert open_keypoints(tmp_path, write_animals(tmp_path, names, 0.06)).skeleton.size_m == pytest.approx(
        0.06, rel=0.05
    )
    skeleton = Skeleton("own", (*names, "left_hip", "right_hip"), (), (), np.full(7, 0.05))
    assert sized(skeleton, 1.6)[0].size_m is None
    assert sized(skeleton, 0.06)[0].size_m == 0.06


def test_a_file_of_several_videos_is_shared_out_to_the_cameras() -> None:
    opened = open_keypoints(FILES / "both.slp", rig("cam02", "cam01"))
    assert opened.source.frames == (10, 11, 12, 13)
    for place, camera in enumerate((1, 0)):
        seen = opened.source.read(place, 12)
        assert seen is not None
        np.testing.assert_allclose(sorted_by_x(seen)[..., :2], TRUTH.arrays(camera, 2)[0][2], atol=1e-4)
    assert opened.source.read(0, 14) is None


def test_guessed_bones_and_pairs_are_said(tmp_path: Path) -> None:
    """Joints of the files lie on a line in their order, so the shortest tree is a chain."""
    (tmp_path / "cam01DLC_resnet50_mouse.csv").write_bytes((FILES / "several.csv").read_bytes())
    (tmp_path / "cam01DLC_resnet50_mouse.h5").write_bytes((FILES / "several_table.h5").read_bytes())  # the same again
    opened = open_keypoints(tmp_path, rig("cam01", "cam02"))
    assert opened.skeleton.bones == ((0, 1), (1, 2), (2, 3), (3, 4))
    assert opened.skeleton.symmetric_pairs == ((1, 2),)
    assert opened.source.cameras_without_folder() == (1,)
    said = " ".join(opened.remarks)
    assert "corner" in said
    assert "EarL and EarR" in said
    assert "Snout-EarL, EarL-EarR" in said


@pytest.fixture
def five_joints(tmp_path: Path) -> Path:
    """A skeleton for files that do not name their joints."""
    path = tmp_path / "five.toml"
    joints = ", ".join(f'["{name}", 0.05]' for name in TRUTH.JOINTS)
    path.write_text(f'joints = [{joints}]\nbones = [["Snout", "EarL"]]\n')
    return path


@pytest.mark.parametrize("name", BY_HAND)
def test_files_made_by_hand_hold_the_same_points(name: str, tmp_path: Path, five_joints: Path) -> None:
    folder = tmp_path / "keypoints"
    for camera in range(2):
        (folder / f"cam{camera + 1:02d}").mkdir(parents=True)
        (folder / f"cam{camera + 1:02d}" / "results.json").write_text(json.dumps(BY_HAND[name](camera)))
    opened = open_keypoints(folder, rig("cam01", "cam02"), str(five_joints))
    assert opened.formats == (name.split(" with")[0].split(" results")[0].replace("label ", "label_").split(" ")[0],)
    assert opened.source.frames == tuple(range(TRUTH.FRAMES))
    for camera in range(2):
        for frame in range(TRUTH.FRAMES):
            seen = opened.source.read(camera, frame)
            assert seen is not None
            np.testing.assert_allclose(sorted_by_x(seen)[..., :2], TRUTH.arrays(camera, 2)[0][frame], atol=1e-3)


def test_joints_without_names_are_told_by_their_number(tmp_path: Path) -> None:
    results = [{"image_id": 3, "category_id": 1, "keypoints": [5.0, 6.0, 0.5] * 17, "score": 1.0}]
    (tmp_path / "cam01.json").write_text(json.dumps(results))
    assert open_keypoints(tmp_path, rig("cam01")).skeleton.name == "coco17"
    results[0]["keypoints"] = [5.0, 6.0, 0.5] * 5
    (tmp_path / "cam01.json").write_text(json.dumps(results))
    with pytest.raises(SourceError, match=r"5 joints without names; .* give --skeleton"):
        open_keypoints(tmp_path, rig("cam01"))


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda content: content[: len(content) // 2],
    "cut at the end": lambda content: content[:-40],
    "empty": lambda _: b"",
    "zeros": lambda content: bytes(len(content)),
    "other bytes": lambda content: content[:600] + bytes(b ^ 0x5A for b in content[600:1200]) + content[1200:],
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", MADE)
def test_a_damaged_file_is_one_sentence_or_reads_what_it_can(name: str, damage: str, tmp_path: Path) -> None:
    broken = tmp_path / f"cam01_{name}"
    broken.write_bytes(DAMAGES[damage]((FILES / name).read_bytes()))
    said = ""
    try:
        open_keypoints(broken, rig("cam01", "cam02"))
    except MultiviewError as error:
        said = str(error)
    assert "\n" not in said
    # A table may be cut at the end of a row, and bytes be those of a number.
    assert str(broken) in said or (not said and (damage in ("cut at the end", "other bytes") or name.endswith("csv")))


WRONG: dict[str, tuple[str, str]] = {
    "counts": ("cam01.json", '[{"image_id": 1, "keypoints": [1, 2, 0.5, 3]}]'),
    "counts differ": (
        "cam01.json",
        '[{"image_id": 1, "keypoints": [5,2,1]}, {"image_id": 1, "keypoints": [5,2,1,3,2,1]}]',
    ),
    "scores": ("cam01.json", '[{"keypoints": [[1, 2]], "keypoint_scores": [1, 1]}]'),
    "text": ("cam01.json", '[{"image_id": 1, "keypoints": ["a", "b", "c"]}]'),
    "no such image": (
        "cam01.json",
        '{"images": [], "annotations": [{"image_id": 1, "keypoints": [1, 2, 2]}], "categories": '
        '[{"id": 1, "keypoints": ["nose"]}]}',
    ),
    "bone beyond": (
        "cam01.json",
        '{"images": [], "annotations": [], "categories": [{"id": 1, "keypoints": ["a"], "skeleton": [[1, 2]]}]}',
    ),
    "boxes only": ("cam01.json", '{"images": [], "annotations": [], "categories": [{"id": 1}]}'),
    "nothing drawn": ("cam01.json", '[{"data": {"image": "a"}, "annotations": [{"result": []}], "original_width": 1}]'),
    "short row": ("cam01.csv", "scorer,a,a,a\nbodyparts,n,n,n\ncoords,x,y,likelihood\n0,1,2\n"),
    "letters": ("cam01.csv", "scorer,a,a,a\nbodyparts,n,n,n\ncoords,x,y,likelihood\n0,1,2,many\n"),
    "no rows": ("cam01.csv", "scorer,a,a,a\nbodyparts,n,n,n\ncoords,x,y,likelihood\n"),
    "no coords": ("cam01.csv", "scorer,a,a\nbodyparts,n,n\n0,1,2\n"),
    "normalised": ("cam01.csv", "scorer,a,a,a\nbodyparts,n,n,n\ncoords,x,y,likelihood\n0,0.5,0.4,0.9\n"),
    "other camera": ("side.csv", "scorer,a,a,a\nbodyparts,n,n,n\ncoords,x,y,likelihood\n0,50,40,0.9\n"),
    "twice": ("cam01.csv", "scorer,a,a,a\nbodyparts,n,n,n\ncoords,x,y,likelihood\n0,50,40,0.9\n0,50,40,0.9\n"),
    "long name": ("cam01.csv", "scorer,a,a\nbodyparts,n,n\ncoords,x,y\n" + "[" * 3000 + ",50,40\n"),
    "long name of a folder": ("side.csv", f"scorer,a,a\nbodyparts,n,n\ncoords,x,y\nx/{'c' * 3000}/1.png,50,40\n"),
    "negative": ("cam01.csv", "scorer,a,a,a\nbodyparts,n,n,n\ncoords,x,y,likelihood\n-3,50,40,0.9\n"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_content_is_one_sentence_that_names_the_file(case: str, tmp_path: Path) -> None:
    name, content = WRONG[case]
    (tmp_path / name).write_text(content)
    with pytest.raises(SourceError) as caught:
        open_keypoints(tmp_path / name, rig("cam01", "cam02"))
    assert name in str(caught.value)
    assert len(str(caught.value)) < 500 + len(str(tmp_path))  # what the file holds is quoted in short
    assert "\n" not in str(caught.value)


def test_files_with_other_joints_than_each_other_need_a_skeleton(tmp_path: Path) -> None:
    head = "scorer,a,a,a,a,a,a\nbodyparts,{0},{0},{0},{1},{1},{1}\ncoords,x,y,likelihood,x,y,likelihood\n"
    (tmp_path / "cam01.csv").write_text(head.format("nose", "tail") + "0,50,40,0.9,60,40,0.9\n")
    (tmp_path / "cam02.csv").write_text(head.format("tail", "snout") + "0,61,41,0.9,51,41,0.9\n")
    with pytest.raises(SourceError, match=r"nose, tail.*tail, snout; give --skeleton"):
        open_keypoints(tmp_path, rig("cam01", "cam02"))
    own = tmp_path / "own.toml"
    own.write_text('joints = [["nose", 0.1], ["tail", 0.1]]\nbones = [["nose", "tail"]]\n')
    opened = open_keypoints(tmp_path, rig("cam01", "cam02"), str(own))
    other = opened.source.read(1, 0)
    assert other is not None
    np.testing.assert_array_equal(other.xy, [[[np.nan, np.nan], [61, 41]]])
    assert any("has no nose" in remark for remark in opened.remarks)
    assert any("snout left out" in remark for remark in opened.remarks)


@pytest.mark.slow
def test_fuse_of_deeplabcut_files_gives_the_poses_of_openpose_folders(small_studio: Studio, tmp_path: Path) -> None:
    """The same points in another format: bit for bit the same poses."""
    save_rig(small_studio.rig, tmp_path / "rig.toml")
    names = load_skeleton(small_studio.options.skeleton).joints
    for camera, name in enumerate(small_studio.rig.names):
        rows = [small_studio.keypoints(camera, frame) for frame in range(small_studio.frames)]
        most = max(seen.people for seen in rows if seen is not None)
        heads = [[word] for word in ("scorer", "individuals", "bodyparts", "coords")]
        for animal in range(most):
            for joint in names:
                for coordinate in ("x", "y", "likelihood"):
                    for head, text in zip(heads, ("net", f"mouse{animal}", joint, coordinate), strict=True):
                        head.append(text)
        lines = [",".join(head) for head in heads]
        (tmp_path / "openpose" / name).mkdir(parents=True)
        for frame, seen in enumerate(rows):
            assert seen is not None
            write_keypoints(seen, tmp_path / "openpose" / name / f"{frame:06d}.json")
            values = np.concatenate([seen.xy, seen.score[..., None]], axis=-1).ravel().tolist()
            cells = ["" if np.isnan(value) else repr(value) for value in values]
            lines.append(",".join([str(frame), *cells, *[""] * (3 * len(names) * (most - seen.people))]))
        (tmp_path / "dlc").mkdir(exist_ok=True)
        (tmp_path / "dlc" / f"{name}DLC_net.csv").write_text("\n".join(lines) + "\n")
    for folder, more in (("openpose", ["--skeleton", small_studio.options.skeleton]), ("dlc", [])):
        arguments = ["fuse", "--rig", str(tmp_path / "rig.toml"), "--keypoints", str(tmp_path / folder)]
        assert main([*arguments, "--out", str(tmp_path / f"{folder}_out"), *more]) == 0
    one, other = read_poses(tmp_path / "openpose_out"), read_poses(tmp_path / "dlc_out")
    assert one.skeleton == other.skeleton == small_studio.options.skeleton
    assert len(one.xyz)
    np.testing.assert_array_equal(one.xyz, other.xyz)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("EarL", "left_ear"),
        ("ear_left", "left_ear"),
        ("L.Ear", "left_ear"),
        ("leftear", "left_ear"),
        ("Left Ear", "left_ear"),
        ("rightFrontPaw2", "right_front_paw_2"),
        ("RHip", "right_hip"),
        ("nose", "nose"),
        ("TailBase", "tail_base"),
    ],
)
def test_canonical_spells_names_in_one_way(name: str, expected: str) -> None:
    assert canonical(name) == expected


def test_paired_pairs_what_differs_in_its_side_alone() -> None:
    assert paired(["nose", "paw_r", "paw_l", "left_eye", "tail"]) == ((2, 1),)
    assert paired(["bright", "light"]) == ()


def test_legal_names_are_on_one_line_and_none_twice() -> None:
    assert legal(["a,b", "a/b", "a\nb", "  c ", ".."]) == ("a_b", "a_b 2", "a_b 3", "c", "__")


@pytest.mark.parametrize(
    ("path", "camera"),
    [
        ("videos/cam01.mp4", 0),
        ("cam01DLC_resnet50_x.h5", 0),
        ("2019-08-02-vid01-camA.h5", 2),
        ("cam011.json", -1),
        ("cam10/img0001.png", 3),
        ("img-cam01_0001.png", 0),
        ("scam01.json", -1),
        ("cam1_json/x.json", 1),
    ],
)
def test_camera_in_finds_a_name_that_is_not_part_of_another(path: str, camera: int) -> None:
    assert camera_in([path], ("cam01", "cam1", "camA", "cam10")) == camera


def test_frame_in_is_the_last_number_that_is_not_the_cameras() -> None:
    assert frame_in("a/img_0012.png", "cam01") == 12
    assert frame_in("frame_000300_cam01.png", "cam01") == 300
    assert frame_in("picture.png", "cam01") is None


def test_a_row_that_does_not_end_its_line_is_left_out_and_said(tmp_path: Path) -> None:
    """78.75 cut to 78. is a number too."""
    path = tmp_path / "cam01.csv"
    path.write_text("scorer,a,a,a\nbodyparts,n,n,n\ncoords,x,y,likelihood\n0,50,40,0.9\n1,51,40.75,0.")
    opened = open_keypoints(path, rig("cam01", "cam02"))
    assert opened.source.frames == (0,)
    assert any("the row of 1 is left out" in remark for remark in opened.remarks)
