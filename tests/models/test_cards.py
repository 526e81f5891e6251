"""Every shipped card is complete and names what exists; weights are found, checked, or asked for in one line."""

import hashlib
import os
import tomllib

import pytest

from multiview.body.skeleton import load_skeleton
from multiview.common.package_data import package_file
from multiview.common.plugins import plugin_names
from multiview.common.toml import convert
from multiview.errors import ConfigError
from multiview.models.card import CardFile, ModelCard, card_names, load_card, model_file, weights_path
from multiview.models.tflite import TfliteModel


@pytest.mark.parametrize("name", card_names())
def test_a_card_is_complete(name):
    _, card = load_card(name)
    assert card.plugin == "boxes" or card.plugin in plugin_names("multiview.detect")
    if card.plugin == "boxes":
        assert not card.skeleton
    else:
        assert load_skeleton(card.skeleton).joints
    if card.person_detector:
        assert load_card(card.person_detector)[1].plugin == "boxes"
    assert card.code_license
    assert card.weights_license
    assert card.training_data
    for file in card.files:
        assert not file.sha256 or len(file.sha256) == 64


def test_an_unknown_card_lists_those_that_exist():
    with pytest.raises(ConfigError, match=r"there are .*blazepose"):
        load_card("blazeposse")


def test_weights_are_asked_for_and_checked(tmp_path, monkeypatch):
    monkeypatch.setenv("MULTIVIEW_CACHE", str(tmp_path))
    file = CardFile("net.onnx", sha256=hashlib.sha256(b"right").hexdigest())
    with pytest.raises(ConfigError, match="multiview models fetch mine"):
        model_file("mine", file)
    path = tmp_path / "models" / "mine" / "net.onnx"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"wrong")
    with pytest.raises(ConfigError, match="sha256 differs"):
        model_file("mine", file)
    path.write_bytes(b"right")
    assert model_file("mine", file) == path


HARMLESS = (package_file("models") / "blazepose.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", "/tmp/x.onnx"),
        ("name", "../x.onnx"),
        ("name", "a\\\\b.onnx"),
        ("name", ".ssh"),
        ("name", ""),
        ("url", "file:///etc/passwd"),
        ("url", "ftp://a/b"),
        ("url", "-o/tmp/x"),
        ("url", "https://a\\n.b/"),
        ("url", "http:///x"),
        ("package", "/tmp/evil"),
        ("package", "./evil==1"),
        ("package", "git+https://a/b"),
        ("package", "--index-url=http://a b==1"),
        ("package", "name @ file:///x"),
        ("package", "name"),
        ("member", "../../x"),
        ("member", "/etc/x"),
        ("sha256", "../x"),
    ],
)
def test_a_card_names_no_place_and_no_code(key, value):
    """Nor what pip would take for an option or a folder: what a card may hold is checked when it is read."""
    with pytest.raises(ConfigError, match=f"{key} must be"):
        convert(
            tomllib.loads(f'name = "x.onnx"\n{key} = "{value}"' if key != "name" else f'name = "{value}"'),
            CardFile,
            "card",
        )


@pytest.mark.parametrize(
    ("key", "value"),
    [("plugin", "./evil.py"), ("plugin", "../x"), ("skeleton", "/etc/x.toml"), ("person_detector", "../x.toml")],
)
def test_a_card_names_no_plugin_of_its_own(key, value, tmp_path):
    card = tomllib.loads(HARMLESS) | {key: value}
    with pytest.raises(ConfigError, match=f"{key} must be"):
        convert(card, ModelCard, "card")


def test_weights_of_any_card_lie_in_its_own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MULTIVIEW_CACHE", str(tmp_path))
    for name in ("mine", ".", "..", "相机"):
        folder = weights_path(name, CardFile("net.onnx")).parent
        assert folder.resolve().parent == tmp_path / "models"


@pytest.mark.parametrize("content", [b"", b"no network", b"\0\0\0\0TFL3", b"\x1c\0\0\0TFL3" + b"\xff" * 60])
def test_foreign_tflite_is_one_line(content, tmp_path):
    (tmp_path / "net.tflite").write_bytes(content)
    with pytest.raises(ConfigError, match=r"net\.tflite: not a TensorFlow Lite network"):
        TfliteModel(tmp_path / "net.tflite", (0,))


def test_tflite_models_greet_nobody_and_keep_no_warning_back(tmp_path, monkeypatch, capfd):
    class Chatty:
        def __init__(self, **_):
            os.write(2, b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n")

        def allocate_tensors(self):
            os.write(2, b"WARNING: this network is odd\n")

        def get_input_details(self):
            return [{"index": 0, "shape": (1, 4, 4, 3)}]

        def get_output_details(self):
            return []

    monkeypatch.setattr("ai_edge_litert.interpreter.Interpreter", Chatty)
    monkeypatch.setattr("multiview.models.tflite.without_outputs", lambda content, _: content)
    (tmp_path / "net.tflite").write_bytes(b"....TFL3")
    assert TfliteModel(tmp_path / "net.tflite", ()).input_shape == (1, 4, 4, 3)
    os.write(2, b"and the console is back\n")
    assert capfd.readouterr().err == "WARNING: this network is odd\nand the console is back\n"
