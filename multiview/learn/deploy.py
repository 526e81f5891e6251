"""A trained network for the field: ONNX, INT8, a smaller input; measured side by side, and a model card written.

INT8 is static and in QDQ form: activations u8, weights s8 per channel, ranges from calibration pictures. The last layer
stays in float, for its logits are exponentiated.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import nn

from multiview.body.skeleton import load_skeleton
from multiview.common.atomic_file import replacing
from multiview.learn.limbs import limbs_of
from multiview.learn.model_file import RECIPE_KEY, onnx_session
from multiview.learn.recipe import Recipe
from multiview.nets.onnx_export import export_onnx

__all__ = ["Timing", "export", "quantise", "time_per_person", "with_input", "write_card"]

Batch = np.ndarray


def with_input(recipe: Recipe, size: tuple[int, int]) -> Recipe:
    """The recipe for the same weights on crops of another size: the network is convolutional."""
    return msgspec.structs.replace(recipe, network=msgspec.structs.replace(recipe.network, input=size))


def export(network: nn.Module, recipe: Recipe, path: Path) -> None:
    """Write the network as ONNX with its recipe inside."""
    with replacing(path) as temporary:
        export_onnx(network, temporary, recipe.network.input)
        _sign(temporary, recipe)


def _sign(path: Path, recipe: Recipe) -> None:
    model = onnx.load(path)
    del model.metadata_props[:]
    entry = model.metadata_props.add()
    entry.key, entry.value = RECIPE_KEY, msgspec.json.encode(recipe).decode()
    onnx.save(model, path)


class _Batches(CalibrationDataReader):  # type: ignore[misc]
    """Normalised crops, a few at a time."""

    def __init__(self, name: str, crops: Batch, size: int = 16) -> None:
        self.batches: Iterator[dict[str, Batch]] = iter(
            {name: crops[start : start + size]} for start in range(0, len(crops), size)
        )

    def get_next(self) -> dict[str, Batch] | None:
        return next(self.batches, None)


def quantise(source: Path, recipe: Recipe, crops: Batch, path: Path) -> None:
    """Write the INT8 twin of an ONNX file, its ranges calibrated on `crops` (N, 3, H, W), normalised."""
    with replacing(path) as temporary, tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        graph = onnx.load(prepared).graph
        quantize_static(
            str(prepared),
            str(temporary),
            _Batches(graph.input[0].name, crops),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            calibrate_method=CalibrationMethod.MinMax,
            nodes_to_exclude=_ending(graph),
        )
        _sign(temporary, recipe)


def _ending(graph: onnx.GraphProto) -> list[str]:
    """The last convolutions of a graph, and all that follows them."""
    makers = {output: node for node in graph.node for output in node.output}
    ending: dict[str, None] = {}
    open_values = [output.name for output in graph.output]
    while open_values:
        node = makers.get(open_values.pop())
        if node is not None and node.name not in ending:
            ending[node.name] = None
            if node.op_type != "Conv":
                open_values.extend(node.input)
    return list(ending)


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds of one thread per crop, or per whole picture: alone, and in a batch of four."""

    one: float
    four: float


def time_per_person(path: Path, size: tuple[int, int], rounds: int = 30) -> Timing:
    """The fastest of many calls, which is what the machine can do when nothing else runs."""
    session = onnx_session(path, threads=1)
    name = session.get_inputs()[0].name
    best = {}
    for people in (1, 4):
        batch = np.random.default_rng(0).normal(size=(people, 3, size[1], size[0])).astype(np.float32)
        times = []
        for _ in range(rounds):
            start = time.perf_counter()
            session.run(None, {name: batch})
            times.append((time.perf_counter() - start) * 1e3 / people)
        best[people] = min(times)
    return Timing(best[1], best[4])


def write_card(path: Path, recipe: Recipe, files: list[Path], figures: dict[str, Any]) -> None:
    """Write the model card beside the weights: what goes in, how to read what comes out, and how good it is."""
    from multiview.learn.tensors import MEAN, STD

    listed = "".join(
        f'\n[[files]]\nname = "{file.name}"\nsha256 = "{hashlib.sha256(file.read_bytes()).hexdigest()}"\n'
        for file in files
    )
    measured = "".join(f"# {name}: {value}\n" for name, value in figures.items())
    data = "people rendered by multiview.synthetic" if recipe.data.source == "rendered" else recipe.data.annotations
    reading = _READINGS["finder" if recipe.task == "finder" else recipe.network.name]
    finder = recipe.task == "finder"
    text = f"""# Written by `multiview deploy`. Measured on {os.cpu_count()} x86-64 cores, one thread:
{measured}title = "{"People" if finder else recipe.data.skeleton + " joints"}, trained by this project's recipe"
homepage = ""
plugin = "{reading.plugin}"
skeleton = "{"" if finder else recipe.data.skeleton}"
code_license = "Apache-2.0"
weights_license = "Apache-2.0"
training_data = "{data}"
input_size = {list(recipe.network.input)}
colour = "rgb"
mean = {[round(float(v), 3) for v in MEAN]}
std = {[round(float(v), 3) for v in STD]}
crop = "{reading.crop}"
padding = 1.25
decoder = "{reading.decoder}"
{f"target_sigma = [{recipe.sigma}, {recipe.sigma}]" if reading.decoder == "spatial_softmax" else ""}
{'person_detector = "finder"' if reading.crop == "person" else ""}
{_limbs(recipe) if reading.decoder == "paf" else ""}
{listed}"""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


class _Reading(NamedTuple):
    """Which detector reads a network, what it puts in, and how it reads what comes out."""

    plugin: str
    crop: str
    decoder: str


_MAPS = _Reading("light", "person", "spatial_softmax")
_READINGS = {
    "finder": _Reading("boxes", "letterbox", "middles"),
    "light": _MAPS,
    "hrnet": _MAPS,
    "simple_baseline": _MAPS,
    "hourglass": _MAPS,
    "regression": _Reading("regression", "person", "numbers"),
    "part_affinity": _Reading("openpose", "letterbox", "paf"),
    "associative_embedding": _Reading("higher_hrnet", "letterbox", "tags"),
    "pose_queries": _Reading("pose_queries", "letterbox", "queries"),
}


def _limbs(recipe: Recipe) -> str:
    """The card's limbs: two joints, and where their field stands behind the heatmaps."""
    skeleton = load_skeleton(recipe.data.skeleton)
    joints = skeleton.joints
    rows = [f'["{joints[a]}", "{joints[b]}", {len(joints) + 2 * i}]' for i, (a, b) in enumerate(limbs_of(skeleton))]
    return f"limbs = [{', '.join(rows)}]"
