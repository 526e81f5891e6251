"""A good file of every format that is recorded, kept or trained: takes, keys, pictures, videos, networks."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from contextlib import redirect_stderr
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np

from benchmarks.file_formats import FileFormat
from calib.board.own_board import read_pictures
from calib.corners.pictures import video
from multiview.cameras.rig_file import save_rig
from multiview.commands.info import read_contents
from multiview.common.video_writer import VideoWriter
from multiview.data import Keypoints2D
from multiview.recordings.identities import IDENTITIES, read_identities, write_identities
from multiview.recordings.mcap_log import Record, RecordingWriter
from multiview.recordings.take import Take, begin_take, finish_take, open_take
from multiview.sources import PictureDepth, open_source, read_picture
from multiview.synthetic import StudioOptions, make_rig
from multiview.wire.messages import Stamp, encode
from multiview.wire.packing import pack_keypoints
from services.transport.keyring import load_allowed, load_key, make_keys

__all__ = ["FORMATS"]

FRAME, PERSON = np.arange(20), np.ones(20, np.int64)
SIZE = (64, 48)


def _take(folder: Path) -> Take:
    save_rig(make_rig(StudioOptions(cameras=2, people=1)), folder / "rig.toml")
    began = datetime(2026, 1, 1, tzinfo=UTC)
    take = begin_take(folder, "walk", began, (folder / "rig.toml").read_text(), "version = 1\n", "a remark")
    rng = np.random.default_rng(1)
    writer = RecordingWriter(take.next_recording(), {})
    for number in range(120):
        keypoints = Keypoints2D(rng.uniform(0, 1000, (2, 17, 2)), rng.uniform(0, 1, (2, 17)))
        header = {"camera": "cam01", "boot_id": 1, "frame": number, "time_ns": number * 10**7, "skeleton": "coco17"}
        body = encode(pack_keypoints(keypoints, **header))  # type: ignore[arg-type]
        writer.write(Record("keypoints/cam01", Stamp(number, number, number * 10**7), body))
    writer.close()
    write_identities({1: "Ann"}, take.folder, FRAME, PERSON)
    return finish_take(take)


def _of_take(name: str, read: Callable[[Path], object], text: bool = True) -> FileFormat:
    return FileFormat(lambda folder: _take(folder).folder / name, read, text)


def _stream(path: Path) -> object:
    logging.disable()
    take = open_take(path.parent)
    for _ in take.records():
        pass
    return read_contents(take)


def _keys(name: str, read: Callable[[Path], object]) -> FileFormat:
    def write(folder: Path) -> Path:
        make_keys(folder / "keys", ["hub", "cam01", "client"], {})
        return folder / "keys" / name

    return FileFormat(write, lambda path: read(path.parent))


def _picture(name: str) -> FileFormat:
    def write(folder: Path) -> Path:
        kind = np.uint16 if name.endswith("tiff") else np.uint8
        image = np.random.default_rng(1).integers(0, 250, (48, 64, 3)).astype(kind)
        (folder / name).write_bytes(cv2.imencode(Path(name).suffix, image)[1].tobytes())
        return folder / name

    def read(path: Path) -> object:
        return read_picture(path, PictureDepth([path])), read_pictures([path])

    return FileFormat(write, read, False)


def _video(name: str) -> FileFormat:
    def write(folder: Path) -> Path:
        images = np.random.default_rng(1).integers(0, 250, (30, SIZE[1], SIZE[0], 3)).astype(np.uint8)
        path = folder / name
        if name.endswith(".mp4"):
            with VideoWriter(path, SIZE, 25.0) as writer:
                for image in images:
                    writer.write(image)
        else:
            plain = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, SIZE)
            for image in images:
                plain.write(image)
            plain.release()
        return path

    def read(path: Path) -> object:
        source = open_source(str(path))
        try:
            while source.read() is not None:
                pass
        finally:
            source.close()
        return list(video(path).read())

    return FileFormat(write, read, False)


def _write_onnx(folder: Path) -> Path:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    shape = [1, 3, 16, 16]
    weights = numpy_helper.from_array(np.ones((2, 3, 3, 3), np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1])],
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2, 16, 16])],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, folder / "file.onnx")
    return folder / "file.onnx"


def _read_onnx(path: Path) -> object:
    from multiview.learn.model_file import onnx_session
    from multiview.models.onnx import OnnxModel

    with redirect_stderr(io.StringIO()):
        onnx_session(path)
        return OnnxModel(path, "cpu")(np.zeros((1, 3, 16, 16), np.float32))


def _write_weights(folder: Path) -> Path:
    import torch

    torch.save({"state_dict": _network().state_dict()}, folder / "file.pt")
    return folder / "file.pt"


def _read_weights(path: Path) -> object:
    from multiview.nets.checkpoint import load_weights

    load_weights(_network(), path)
    return path


def _network():  # type: ignore[no-untyped-def]  # torch is loaded on use
    from torch import nn

    return nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2))


def _write_trained(folder: Path) -> Path:
    from multiview.learn.recipe import Network, Recipe, build_network
    from multiview.learn.weights import save_weights

    recipe = Recipe(network=Network(name="light", widths=(8, 8, 8, 8), depths=(1, 1, 1)))
    save_weights(build_network(recipe.network, 17), recipe, 1, folder / "best.pt")
    return folder / "best.pt"


def _read_trained(path: Path) -> object:
    from multiview.learn.weights import load_weights

    return load_weights(path)


FORMATS: dict[str, FileFormat] = {
    "take": _of_take("take.mcap", _stream, text=False),
    "take.toml": _of_take("take.toml", lambda path: Take(path.parent).info),
    "identities": _of_take(IDENTITIES, lambda path: read_identities(path.parent, FRAME, PERSON)),
    "contents": _of_take("contents.toml", lambda path: list(Take(path.parent).stream())),
    "key": _keys("client.key", lambda folder: load_key(folder, "client")),
    "allowed keys": _keys("allowed.toml", load_allowed),
    "png": _picture("file.png"),
    "jpg": _picture("file.jpg"),
    "tiff": _picture("file.tiff"),
    "mp4": _video("cam01.mp4"),
    "avi": _video("cam01.avi"),
    "onnx": FileFormat(_write_onnx, _read_onnx, False),
    "checkpoint": FileFormat(_write_weights, _read_weights, False),
    "trained": FileFormat(_write_trained, _read_trained, False),
}
