"""Networks of a few operations with the signatures of real ones: joint k is the brightest pixel of colour channel k.

What they answer is known exactly, so that every step about them can be checked: colour order, letterbox, crop, scale.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SKELETON = 'joints = [["nose", 0.1], ["left_eye", 0.1], ["right_eye", 0.1]]\nbones = [["nose", "left_eye"]]\n'
CARD = """
title = "tiny"
homepage = "-"
plugin = "{plugin}"
skeleton = "{skeleton}"
code_license = "-"
weights_license = "-"
training_data = "-"
input_size = [{size[0]}, {size[1]}]
colour = "{colour}"
mean = {mean}
std = {std}
crop = "{crop}"
border = {border}
decoder = "{decoder}"
{more}
[[files]]
name = "tiny.onnx"
"""


def card(folder, name, model, *, plugin, decoder, size, colour="rgb", crop="person", more="", border=0, skeleton=None):
    """Write a card, its skeleton and its network into `folder`, which is also the cache; the card's path."""
    (folder / "tiny3.toml").write_text(SKELETON)
    if model is not None:
        place = folder / "models" / name
        place.mkdir(parents=True, exist_ok=True)
        onnx.save(model, place / "tiny.onnx")
    mean, std = (
        ("[123.675, 116.28, 103.53]", "[58.395, 57.12, 57.375]") if "person" in crop else ("[0, 0, 0]", "[1, 1, 1]")
    )
    text = CARD.format(
        plugin=plugin,
        skeleton="tiny3.toml" if skeleton is None else skeleton,
        size=size,
        colour=colour,
        mean=mean,
        std=std,
        crop=crop,
        border=border,
        decoder=decoder,
        more=more,
    )
    path = folder / f"{name}.toml"
    path.write_text(text)
    return str(path)


def _const(name, values, kind=np.float32):
    return numpy_helper.from_array(np.asarray(values, kind), name)


def _model(nodes, outputs, constants, size, name="input"):
    image = helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3, size[1], size[0]])
    infos = [helper.make_tensor_value_info(o, TensorProto.FLOAT, None) for o in outputs]
    graph = helper.make_graph(nodes, "tiny", [image], infos, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=9)


def simcc(size=(192, 256)):
    """simcc_x, simcc_y: the largest value of each column and row, with an empty bin after each."""
    w, h = size
    nodes = []
    for axis, reduced, length in (("x", 2, w), ("y", 3, h)):
        nodes += [
            helper.make_node("ReduceMax", ["input"], [f"m{axis}"], axes=[reduced], keepdims=0),
            helper.make_node("Unsqueeze", [f"m{axis}", "last"], [f"u{axis}"]),
            helper.make_node("Mul", [f"u{axis}", "zero"], [f"z{axis}"]),
            helper.make_node("Concat", [f"u{axis}", f"z{axis}"], [f"c{axis}"], axis=3),
            helper.make_node("Reshape", [f"c{axis}", f"shape{axis}"], [f"simcc_{axis}"]),
        ]
        assert length
    constants = [
        _const("last", [3], np.int64),
        _const("zero", 0.0),
        _const("shapex", [0, 3, 2 * w], np.int64),
        _const("shapey", [0, 3, 2 * h], np.int64),
    ]
    return _model(nodes, ["simcc_x", "simcc_y"], constants, size)


def brightest(size, layout):
    """Joints x, y, 1 as rtmo ("dets", "keypoints"), yolo8 (n x 14 x 1) or yolo26 (n x 1 x 15)."""
    w, h = size
    nodes = [
        helper.make_node("Reshape", ["input", "flat"], ["pixels"]),
        helper.make_node("ArgMax", ["pixels"], ["index"], axis=2, keepdims=0),
        helper.make_node("Cast", ["index"], ["place"], to=TensorProto.FLOAT),
        helper.make_node("Mod", ["place", "width"], ["x"], fmod=1),
        helper.make_node("Div", ["place", "width"], ["row"]),
        helper.make_node("Floor", ["row"], ["y"]),
        helper.make_node("Mul", ["x", "zero"], ["nought"]),
        helper.make_node("Add", ["nought", "one"], ["score"]),
        *(helper.make_node("Unsqueeze", [a, "last"], [f"{a}u"]) for a in ("x", "y", "score")),
        helper.make_node("Concat", ["xu", "yu", "scoreu"], ["triples"], axis=2),
        helper.make_node("ReduceMax", ["nought"], ["none"], axes=[1], keepdims=1),
    ]
    constants = [
        _const("flat", [0, 3, w * h], np.int64),
        _const("width", float(w)),
        _const("zero", 0.0),
        _const("one", 1.0),
        _const("last", [2], np.int64),
        _const("axis1", [1], np.int64),
    ]
    if layout == "rtmo":
        box = [0.0, 0.0, w, h, 0.9]
        nodes += [
            helper.make_node("Unsqueeze", ["triples", "axis1"], ["keypoints"]),
            helper.make_node("Add", ["none", "box"], ["boxes"]),
            helper.make_node("Unsqueeze", ["boxes", "axis1"], ["dets"]),
        ]
        return _model(nodes, ["dets", "keypoints"], [*constants, _const("box", box)], size)
    head = [w / 2, h / 2, w, h, 0.9] if layout == "yolo8" else [0.0, 0.0, w, h, 0.9, 0.0]
    nodes += [
        helper.make_node("Reshape", ["triples", "nine"], ["row9"]),
        helper.make_node("Add", ["none", "head"], ["boxes"]),
        helper.make_node("Concat", ["boxes", "row9"], ["flatrow"], axis=1),
        helper.make_node("Unsqueeze", ["flatrow", "where"], ["output0"]),
    ]
    where = _const("where", [2 if layout == "yolo8" else 1], np.int64)
    return _model(
        nodes, ["output0"], [*constants, _const("nine", [0, 9], np.int64), _const("head", head), where], size, "input"
    )


def constant(outputs, size=(32, 32)):
    """Whatever the picture, these outputs (name to array, without the batch's axis)."""
    nodes = [
        helper.make_node("ReduceMax", ["input"], ["top"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Mul", ["top", "zero"], ["none"]),
    ]
    constants = [_const("zero", 0.0)]
    for name, value in outputs.items():
        value = np.asarray(value, np.float32)
        constants += [_const(f"v_{name}", value[None]), _const(f"s_{name}", [-1] + [1] * value.ndim, np.int64)]
        nodes += [
            helper.make_node("Reshape", ["none", f"s_{name}"], [f"r_{name}"]),
            helper.make_node("Add", [f"r_{name}", f"v_{name}"], [name]),
        ]
    return _model(nodes, list(outputs), constants, size)


def strided(size, stride=4):
    """Heatmaps: every fourth pixel of each colour channel."""
    nodes = [helper.make_node("Slice", ["input", "begin", "end", "axes", "steps"], ["heatmaps"])]
    constants = [
        _const("begin", [0, 0], np.int64),
        _const("end", [size[1], size[0]], np.int64),
        _const("axes", [2, 3], np.int64),
        _const("steps", [stride, stride], np.int64),
    ]
    return _model(nodes, ["heatmaps"], constants, size)


def dots(size, places):
    """A BGR picture, black but for a red, a green and a blue pixel at `places` (x, y), in that order."""
    image = np.zeros((size[1], size[0], 3), np.uint8)
    for channel, (x, y) in zip((2, 1, 0), places, strict=True):
        image[y, x, channel] = 255
    return image
