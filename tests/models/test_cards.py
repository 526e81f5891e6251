"""Every shipped card is complete and names what exists; weights are found, checked, or asked for in one line."""

import hashlib

import pytest

from multiview.body.skeleton import load_skeleton
from multiview.common.plugins import plugin_names
from multiview.errors import ConfigError
from multiview.models.card import CardFile, card_names, load_card, model_file


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
