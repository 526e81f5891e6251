"""A good file of every format that is read, what reads it, and, for tables, how another is written in its place."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import savemat

from calib.board.target import load_target
from calib.corners.corners import Corners, read_corners, write_corners
from calib.formats import format_of, load_format, written_formats
from multiview.body.actor import BONE_LENGTHS, Actor, load_actor, save_actor
from multiview.body.skeleton import load_skeleton
from multiview.cameras.rig_file import load_rig, save_rig
from multiview.common.package_data import package_file
from multiview.common.toml import decode_toml
from multiview.data import Keypoints2D
from multiview.export import load_exporter
from multiview.marker_files import read_markers
from multiview.models.card import load_card
from multiview.recordings.ground_truth import Truth, read_truth, write_truth
from multiview.recordings.keypoint_folder import read_keypoints, write_keypoints
from multiview.recordings.pose_table import Poses, read_poses, write_poses
from multiview.sources._timestamps import read_timestamps
from multiview.studio.studio_file import load_studio
from multiview.synthetic import StudioOptions, make_rig, make_studio

__all__ = ["FORMATS", "FileFormat", "other_arrays"]

RIG = make_rig(StudioOptions(cameras=3, people=1))
COCO17 = load_skeleton("coco17")
VICON = """<Cameras><Camera DEVICEID="21" SENSOR_SIZE="1920 1080" PIXEL_ASPECT_RATIO="1"><KeyFrames>
<KeyFrame FOCAL_LENGTH="1500" PRINCIPAL_POINT="955 547" ORIENTATION="0.6 0 0 0.8" POSITION="0 4000 1000"
VICON_RADIAL2="ViconRadial2 955 547 0.03 -0.05 0.01"/></KeyFrames></Camera></Cameras>"""
MCAL = """<calibrationProfile><Camera Serial="C1"><Attributes ImagerPixelWidth="1920" ImagerPixelHeight="1080"/>
<IntrinsicStandardCameraModel LensCenterX="955" LensCenterY="547" HorizontalFocalLength="1500"
VerticalFocalLength="1490" k1="0.03" k2="-0.05" k3="0.01" TangentialX="0" TangentialY="0"/>
<Extrinsic X="0" Y="1" Z="4" OrientMatrix0="1" OrientMatrix1="0" OrientMatrix2="0" OrientMatrix3="0"
OrientMatrix4="1" OrientMatrix5="0" OrientMatrix6="0" OrientMatrix7="0" OrientMatrix8="1"/>
</Camera></calibrationProfile>"""
BIOCV = "1920\n1080\n1500 0 955\n0 1500 547\n0 0 1\n\n1 0 0 0\n0 1 0 0\n0 0 1 4000\n0 0 0 1\n\n0.1 0 0 0 0\n"
MATLAB = {
    "s": {
        "K": np.array([[1500.0, 0, 956], [0, 1500, 548], [0, 0, 1]]),
        "ImageSize": np.array([1080.0, 1920]),
        "RadialDistortion": np.array([0.03, -0.05, 0.01]),
        "TangentialDistortion": np.zeros(2),
    }
}
OPENCAP = {
    "distortion": np.zeros((1, 5)),
    "intrinsicMat": np.array([[1500.0, 0, 540], [0, 1500, 960], [0, 0, 1]]),
    "imageSize": np.array([[1920.0], [1080.0]]),
    "rotation": np.eye(3),
    "translation": np.array([[0.0], [0], [4000]]),
    "rotation_EulerAngles": np.zeros((3, 1)),
}


@dataclass(frozen=True, slots=True)
class FileFormat:
    """`write` a good file into a folder, `read` it or any other; `rewrite` it with values of other kinds."""

    write: Callable[[Path], Path]
    read: Callable[[Path], object]
    text: bool = True
    rewrite: Callable[[random.Random, Path], None] | None = None


def _written(name: str, write: Callable[[Path], object]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        write(folder / name)
        return folder / name

    return make


def _text(name: str, text: str) -> Callable[[Path], Path]:
    return _written(name, lambda path: path.write_text(text, encoding="utf-8"))


def _shipped(*parts: str) -> Callable[[Path], Path]:
    return _text("file.toml", package_file(*parts).read_text(encoding="utf-8"))


BOARD = 'squares = [7, 5]\nsquare_length = 0.04\nmarker_length = 0.03\ndictionary = "DICT_4X4_50"\nlegacy = false\n'
CHESSBOARD = 'kind = "chessboard"\nsquares = [9, 6]\nsquare_length = 0.054\n'
CIRCLES = 'kind = "circles"\ncircles = [4, 11]\nspacing = 0.02\nstaggered = true\ninverted = false\n'
TAGS = 'kind = "markers"\ndictionary = "DICT_APRILTAG_36h11"\nmarker_length = 0.1\nmarkers = [1, 2, 3]\nfixed = true\n'
SEVERAL = f'kind = "several"\n[[boards]]\n{BOARD}[[boards]]\n{CHESSBOARD}'
STUDIO = """version = 1
name = "studio"
rig = "rig.toml"
skeleton = "blazepose33"
known_actors = []
[source]
type = "camera"
address = "{camera}.mp4"
detector = "blazepose"
fps = 30.0
speed = 1.0
options = { max_people = 2, tiles = 3 }
[cameras.cam01.source]
type = "keypoints"
directory = "k"
fps = 25
[[workers]]
cameras = ["cam02", "cam03"]
[sync]
rate_hz = 60.0
max_wait_s = 0.1
[pipeline]
sigma_px = 5.0
associator = "epipolar_graph"
associator_options = { soft_threshold = 3.0 }
[pipeline.track]
hold_s = 5.0
[volume]
min = [-3.0, -3.0, 0.0]
max = [3.0, 3.0, 2.5]
max_people = 4
[hub]
host = "127.0.0.1"
ingest_port = 5555
[recorder]
directory = "takes"
[metrics]
port = 9464
"""
TAKE = 'version = 1\nname = "take"\nbegan = "2026-11-01T10:00:00.000+00:00"\nnotes = "a remark"\n'


def _studio(folder: Path) -> Path:
    save_rig(RIG, folder / "rig.toml")
    return _text("file.toml", STUDIO)(folder)


def _keypoints(path: Path) -> None:
    rng = np.random.default_rng(1)
    write_keypoints(Keypoints2D(rng.uniform(0, 1000, (2, 17, 2)), rng.uniform(0, 1, (2, 17))), path)


def _corners(path: Path) -> None:
    rng = np.random.default_rng(1)
    rows = np.arange(200)
    names = ("cam01", "cam02")
    frame, xy = rows // 20, rng.uniform(0, 400, (200, 2))
    write_corners(Corners(names, ((640, 480), (640, 480)), rows % 2, frame, frame / 30.0, rows % 20, xy), path)


def _truth(path: Path) -> None:
    xyz = np.random.default_rng(1).normal(size=(20, 17, 3))
    write_truth(Truth(np.arange(20), np.zeros(20, np.int64), xyz, COCO17.joints, np.full((20, 17), 0.01)), path)


def _poses(path: Path) -> None:
    rng = np.random.default_rng(1)
    n, j = 20, 17
    cov = np.broadcast_to(1e-4 * np.eye(3), (n, j, 3, 3)).copy()
    write_poses(
        Poses(
            frame=np.arange(n), time_ns=np.arange(n) * 10**8, utc_ns=np.zeros(n, np.int64), person=np.ones(n, np.int64),
            xyz=rng.normal(size=(n, j, 3)), cov=cov, score=np.ones((n, j)), views=np.full((n, j), 3),
            filled=np.zeros((n, j), bool), joints=COCO17.joints, skeleton="coco17", names={1: "Ann"},
        ),
        path,
    )  # fmt: skip


def _markers(kind: str) -> Callable[[Path], Path]:
    """Our own export of one person, as the file of another system."""

    def make(folder: Path) -> Path:
        truth = make_studio(StudioOptions(cameras=2, people=1, seconds=0.7, skeleton="coco17")).truth
        n, joints = truth.xyz.shape[:2]
        poses = Poses(
            frame=truth.frame, time_ns=truth.frame * 33_333_333, utc_ns=np.zeros(n, np.int64), person=truth.actor,
            xyz=truth.xyz, cov=np.tile(1e-4 * np.eye(3), (n, joints, 1, 1)), score=np.ones((n, joints)),
            views=np.full((n, joints), 3), filled=np.zeros((n, joints), bool), joints=COCO17.joints, skeleton="coco17",
        )  # fmt: skip
        return load_exporter(kind).write(poses, folder / "file")[0]

    return make


MARKERS = "time,left_knee_x,left_knee_y,left_knee_z,RHip_x,RHip_y,RHip_z\n" + "".join(
    f"{i / 30:.6f},{0.03 * i:.2f},0.2,0.5,{0.03 * i:.2f},0.3,1.3\n" for i in range(30)
)


def _actor(path: Path) -> None:
    save_actor(Actor(name="file", skeleton="coco17", lengths=dict.fromkeys(BONE_LENGTHS, 0.3)), path.parent)


def _other_table(rng: random.Random, path: Path) -> None:
    """The table, a column of it of another type, with wild values, or gone."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    for _ in range(rng.randrange(1, 4)):
        place = rng.randrange(table.num_columns)
        name, n = table.column_names[place], table.num_rows
        numbers = [float("nan"), float("inf"), -1.0, 1e300, 0.0, 2.0**62, 0.5, 3.0]
        column: Any = rng.choice(
            [
                pa.array([rng.choice(numbers) for _ in range(n)], pa.float64()),
                pa.array([rng.choice([0, -1, 2**62, -(2**62), 7]) for _ in range(n)], pa.int64()),
                pa.array([rng.choice(["", "x", "cam01", None]) for _ in range(n)], pa.string()),
                pa.array([None] * n, pa.null()),
                pa.array([[1.0]] * n, pa.list_(pa.float64())),
                pa.array([b"\xff"] * n, pa.binary()),
                pa.array([True] * n, pa.bool_()),
                table.column(place).take(pa.array(rng.sample(range(n), n), pa.int64())),
            ]
        )
        if rng.random() < 0.15:
            table = table.remove_column(place)
        elif rng.random() < 0.1:
            table = table.slice(0, 0)
        else:
            table = table.set_column(place, name, column)
    pq.write_table(table, path)


def other_arrays(rng: random.Random, path: Path) -> None:
    """The arrays, one of another type or shape, with wild values, or gone."""
    with np.load(path) as content:
        arrays = {name: content[name] for name in content.files}
    name = rng.choice(sorted(arrays))
    n = arrays[name].size and len(np.atleast_1d(arrays[name]))
    other: Any = rng.choice(
        [
            np.full(arrays[name].shape, np.nan),
            np.full(arrays[name].shape, 1e300),
            np.full(n, 2**62),
            np.array(5),
            np.zeros((0, 3)),
            np.array(["text"] * n),
            np.zeros((n, 2, 2, 2)),
            np.array([1 + 2j] * n),
            np.array(["2026-01-01"] * n, "datetime64[D]"),
            np.zeros(n, [("a", "f4"), ("b", "i4")]),
            np.array([b"\xff"] * n),
        ]
    )
    if rng.random() < 0.15:
        del arrays[name]
    else:
        arrays[name] = other
    with path.open("wb") as file:
        (np.savez if rng.random() < 0.5 else np.savez_compressed)(file, **arrays)


def _calibration(name: str) -> FileFormat:
    module = load_format(name)
    rig = replace(RIG, cameras=tuple(replace(camera, dist=camera.dist[:5]) for camera in RIG.cameras))
    return FileFormat(
        _written("file" + module.SUFFIX, lambda path: module.write(rig, path)),
        _read_calibration,
    )


def _read_calibration(path: Path) -> object:
    return load_format(format_of(path)).read(path)


def _recipe(path: Path) -> object:
    from multiview.learn.recipe import Recipe

    return decode_toml(path, Recipe)


def _coco(path: Path) -> object:
    from multiview.learn.coco import read_coco

    return read_coco(path, path.parent, COCO17.joints)


def _coco_text() -> str:
    import json

    person = {"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "bbox": [10, 10, 50, 100], "area": 5000.0}
    person["keypoints"] = [20.0, 30.0, 2] * 17
    document = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 100, "height": 200}],
        "annotations": [person, person | {"id": 2}],
        "categories": [{"id": 1, "name": "person", "keypoints": list(COCO17.joints)}],
    }
    return json.dumps(document, indent=1)


SYNTHETIC = """cameras = 3
seconds = 2.0
fps = 30.0
size = [640, 480]
pace_m_s = [0.8, 1.4]
swaps = 0.1
"""
STAMPS = "frame,time\n" + "".join(f"{i},{i / 30:.6f}\n" for i in range(30))

FORMATS: dict[str, FileFormat] = {
    "rig": FileFormat(_written("file.toml", lambda path: save_rig(RIG, path)), load_rig),
    "board": FileFormat(_text("file.toml", BOARD), load_target),
    "board chessboard": FileFormat(_text("file.toml", CHESSBOARD), load_target),
    "board circles": FileFormat(_text("file.toml", CIRCLES), load_target),
    "board markers": FileFormat(_text("file.toml", TAGS), load_target),
    "board several": FileFormat(_text("file.toml", SEVERAL), load_target),
    "studio": FileFormat(_studio, load_studio),
    "card": FileFormat(_shipped("models", "rtmpose-m-body.toml"), load_card),
    "recipe": FileFormat(_shipped("recipes", "light.toml"), _recipe),
    "skeleton": FileFormat(_shipped("skeletons", "coco17.toml"), lambda path: load_skeleton.__wrapped__(path)),
    "actor": FileFormat(_written("file.toml", _actor), lambda path: load_actor("file", path.parent)),
    "synthetic": FileFormat(
        _text(
            "file.toml",
            "cameras = 3\nseconds = 2.0\nfps = 30.0\nsize = [640, 480]\npace_m_s = [0.8, 1.4]\nswaps = 0.1\n",
        ),
        lambda path: decode_toml(path, StudioOptions),
    ),
    "keypoints": FileFormat(
        _written("cam01_000001_keypoints.json", _keypoints), lambda path: read_keypoints(path, COCO17)
    ),
    "timestamps": FileFormat(
        _text("cam01.timestamps.csv", STAMPS),
        read_timestamps,
    ),
    "coco": FileFormat(_text("people.json", _coco_text()), _coco),
    "corners": FileFormat(_written("corners.parquet", _corners), read_corners, False, _other_table),
    "poses": FileFormat(_written("poses.parquet", _poses), read_poses, False, _other_table),
    "truth": FileFormat(_written("gt.npz", _truth), read_truth, False, other_arrays),
    **{name if name != "multiview" else "rig (convert)": _calibration(name) for name in written_formats()},
    "vicon": FileFormat(_text("session.xcp", VICON), _read_calibration),
    "optitrack": FileFormat(_text("calibration.mcal", MCAL), _read_calibration),
    "biocv": FileFormat(_text("00.mp4.calib", BIOCV), _read_calibration),
    "matlab": FileFormat(_written("stereo.mat", lambda path: savemat(path, MATLAB)), _read_calibration, text=False),
    "markers trc": FileFormat(_markers("trc"), read_markers),
    "markers c3d": FileFormat(_markers("c3d"), read_markers, text=False),
    "markers bvh": FileFormat(_markers("bvh"), read_markers),
    "markers csv": FileFormat(_text("markers.csv", MARKERS), read_markers),
    "opencap": FileFormat(
        _written("cameraIntrinsicsExtrinsics.pickle", lambda path: path.write_bytes(pickle.dumps(OPENCAP))),
        _read_calibration,
        text=False,
    ),
}
