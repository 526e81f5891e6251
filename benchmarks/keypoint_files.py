"""A good file of every format of 2D keypoints of other programs, and of what a batch and an edited take keep."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.file_formats import FileFormat, other_arrays
from multiview.batch.camera_poses import read_camera_poses, write_camera_poses
from multiview.body.skeleton import load_skeleton
from multiview.cameras.camera import Camera, Rig
from multiview.data import Keypoints2D
from multiview.editing.edit_list import EDITS, read_edits
from multiview.errors import SourceError
from multiview.keypoint_formats import format_of, load_format, open_keypoints
from multiview.recordings.recorded_keypoints import Recording
from multiview.selfcalib.linear_timecode import read_timecode
from multiview.sources._sound import read_sound

__all__ = ["FORMATS"]

FILES = Path(__file__).parents[1] / "tests" / "keypoint_formats" / "files"  # made by the formats' own libraries
LENS = np.array([[1000.0, 0, 320], [0, 1000, 240], [0, 0, 1]])
RIG = Rig(
    tuple(Camera(f"cam{n:02}", (640, 480), LENS, np.zeros(4), np.eye(3), np.array([0.1 * n, 0, 1])) for n in (1, 2))
)
EDIT_LIST = """version = 1
poses = "0123abcd"
start_ns = 1000
applied = 3
edits = [
    { kind = "trim", from_s = 1.0, to_s = 5.0 },
    { kind = "swap", people = [1, 2], from_s = 2.0 },
    { kind = "name", person = 1, name = "Ann" },
]
"""


def _recorded(name: str) -> FileFormat:
    """One of the files that the formats' own libraries made, named as a camera."""
    text = Path(name).suffix in (".csv", ".json")
    own = name if name.startswith(("both", "CollectedData")) else "cam01" + "".join(Path(name).suffixes)
    write = lambda folder: Path(shutil.copy(FILES / name, folder / own))
    return FileFormat(write, _read, text, None if text else _other_hdf5)


def _json(name: str, content: Callable[[], Any]) -> FileFormat:
    def write(folder: Path) -> Path:
        (folder / name).write_text(json.dumps(content(), indent=1))
        return folder / name

    return FileFormat(write, _read)


def _read(path: Path) -> object:
    """As a recording of one camera, and by itself."""
    name = format_of(path)
    if not name:
        raise SourceError(f"{path}: of no known format")
    return load_format(name).read(path), open_keypoints(path, RIG)


def _other_hdf5(rng: random.Random, path: Path) -> None:
    """A dataset or attribute of another type or shape, with wild values, or gone."""
    import h5py

    with h5py.File(path, "r+") as file:
        names: list[str] = []
        file.visit(names.append)
        node = file[rng.choice(names)]
        if node.attrs and rng.random() < 0.5:
            name = rng.choice(sorted(node.attrs))
            node.attrs[name] = rng.choice(["", "{}", "[1]", "null", 7, -1.5, np.array([], float), b"\xff", "[" * 600])
        elif rng.random() < 0.2:
            del file[node.name]
        elif isinstance(node, h5py.Dataset):
            _replace(rng, file, node)


def _replace(rng: random.Random, file: Any, node: Any) -> None:
    name, shape = node.name, node.shape
    other: Any = rng.choice(
        [
            np.full(shape, np.nan),
            np.full(shape, 1e300),
            np.full(shape, 2**62),
            np.full(shape, -1),
            np.array(5),
            np.zeros((0, 3)),
            np.full(shape, b"\xff"),
            np.zeros((*shape, 2)),
            np.zeros(shape, [("a", "f4"), ("b", "i4")]),
        ]
    )
    attributes = dict(node.attrs)
    del file[name]
    made = file.create_dataset(name, data=other)
    for key, value in attributes.items():
        made.attrs[key] = value


def _alphapose() -> Any:
    poses = np.random.default_rng(1).uniform(0, 400, (6, 17, 3)).round(3)
    return [
        {"image_id": f"{n // 2}.jpg", "category_id": 1, "keypoints": pose.ravel().tolist(), "score": 2.9}
        for n, pose in enumerate(poses)
    ]


def _mmpose() -> Any:
    xy = np.random.default_rng(1).uniform(0, 400, (3, 2, 17, 2)).round(3)
    people = lambda frame: [{"keypoints": p.tolist(), "keypoint_scores": [0.9] * 17, "bbox_score": 0.9} for p in frame]
    return {
        "meta_info": {
            "dataset_name": "coco",
            "keypoint_id2name": {str(n): name for n, name in enumerate(load_skeleton("coco17").joints)},
            "skeleton_links": [[0, 1], [1, 2]],
        },
        "instance_info": [{"frame_id": n, "instances": people(frame)} for n, frame in enumerate(xy)],
    }


def _camera_poses(folder: Path) -> Path:
    rng, skeleton = np.random.default_rng(1), load_skeleton("coco17")
    keypoints = [
        Keypoints2D(rng.uniform(0, 400, (n, 17, 2)), rng.uniform(0, 1, (n, 17)), np.tile(np.eye(2), (n, 17, 1, 1)))
        for n in (1, 2, 0, 1)
    ]
    recording = Recording("cam01", 30.0, list(range(4)), [n * 33_333_333 for n in range(4)], keypoints)
    write_camera_poses(recording, skeleton, folder)
    return folder / "poses2d.npz"


def _edits(folder: Path) -> Path:
    (folder / EDITS).write_text(EDIT_LIST)
    return folder / EDITS


def _timecode_film(folder: Path) -> Path:
    """A video of three pictures with a second of sound, a square wave as linear timecode is one."""
    import av

    path, rate_hz = folder / "cam01.mov", 24_000
    wave = 0.5 * np.sign(np.sin(2 * np.pi * 1000 * np.arange(rate_hz) / rate_hz + 0.1)).astype(np.float32)
    with av.open(str(path), "w") as out:
        video, sound = out.add_stream("mpeg4", rate=20), out.add_stream("pcm_s16le", rate=rate_hz, layout="mono")
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for number in range(3):
            picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 60 * number, np.uint8), format="bgr24")
            picture.pts = number
            out.mux(video.encode(picture))
        out.mux(video.encode(None))
        heard = av.AudioFrame.from_ndarray((wave[None] * 32767).astype(np.int16), format="s16", layout="mono")
        heard.sample_rate = rate_hz
        out.mux(sound.encode(heard))
        out.mux(sound.encode(None))
    return path


def _read_timecode(path: Path) -> object:
    sound = read_sound(path)
    return None if sound is None else [read_timecode(channel, sound.rate_hz) for channel in sound.samples]


FORMATS: dict[str, FileFormat] = {
    "sleap": _recorded("both.slp"),
    "sleap_analysis": _recorded("cam01.analysis.h5"),
    "nwb": _recorded("cam01.nwb"),
    "deeplabcut": _recorded("several.csv"),
    "deeplabcut labels": _recorded("CollectedData_me.csv"),
    "deeplabcut fixed": _recorded("several_fixed.h5"),
    "deeplabcut table": _recorded("several_table.h5"),
    "keypoints coco": _recorded("annotations.json"),
    "label_studio": _recorded("label_studio.json"),
    "alphapose": _json("cam01.json", _alphapose),
    "mmpose": _json("cam01.json", _mmpose),
    "camera poses": FileFormat(_camera_poses, lambda path: read_camera_poses(path.parent), False, other_arrays),
    "edits": FileFormat(_edits, lambda path: read_edits(path.parent)),
    "sound": FileFormat(_timecode_film, _read_timecode, False),
}
