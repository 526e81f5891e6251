"""What VMC's receivers get beside bones: expressions of the face; quaternions that keep their sign."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from multiview.body.skeleton import load_skeleton
from multiview.data import Pose3D, Track, Tracks
from multiview.errors import ConfigError
from services.bridges._osc import OscSender
from services.bridges._serve import open_bridge
from services.bridges._steady_sign import SteadySign
from tests.faces import face
from tests.figures import figure
from tests.vmc_program import osc_messages


def sent_of(pose: Pose3D, skeleton: str, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[object]]]:
    packets: list[bytes] = []
    monkeypatch.setattr(OscSender, "send", lambda sender, packet, port: packets.append(packet))
    bridge = open_bridge("vmc", {}, load_skeleton(skeleton), 30.0)
    bridge.send(Tracks(0, 0, (Track(1, pose),)))
    bridge.close()
    return [message for packet in packets for message in osc_messages(packet)]


def test_vmc_sends_eyes_and_mouth_as_blend_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    body = figure(load_skeleton("coco133"))
    landmarks = face(left=0.3, mouth=0.4)
    pose = msgspec.structs.replace(
        body, xyz=np.where(np.isfinite(landmarks), landmarks, body.xyz), cov=np.tile(np.eye(3) * 1e-8, (133, 1, 1))
    )
    messages = sent_of(pose, "coco133", monkeypatch)
    values = dict(values for address, values in messages if address == "/VMC/Ext/Blend/Val")
    assert values == {"Blink_L": pytest.approx(1, abs=0.1), "Blink_R": pytest.approx(0), "A": pytest.approx(0.5)}
    assert messages[-1] == ("/VMC/Ext/Blend/Apply", [])
    bare = sent_of(figure(load_skeleton("body25")), "body25", monkeypatch)
    assert not any(address.startswith("/VMC/Ext/Blend") for address, _ in bare)


def test_vmc_refuses_expressions_that_nobody_knows(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[bones]\nHips = "Hips"\n[expressions]\nwink = "Wink"\n')
    with pytest.raises(ConfigError, match="unknown expression wink; use one of blinkLeft, blinkRight, aa"):
        open_bridge("vmc", {"bones": str(tmp_path / "mine.toml")}, load_skeleton("coco133"), 30.0)


def test_steady_sign_turns_the_short_way_round_and_round() -> None:
    """Somebody who turns on the spot three times, and somebody the other way; each frame 7 degrees on."""
    steady = SteadySign()
    turns = [Rotation.from_euler("y", [[7 * i], [-7 * i]], degrees=True) for i in range(160)]
    sent = np.array([steady(turn.as_quat(canonical=True)) for turn in turns])
    assert np.sum(sent[1:] * sent[:-1], axis=2).min() > 0.99
    for turn, q in zip(turns, sent, strict=True):
        assert (turn.inv() * Rotation.from_quat(q)).magnitude().max() < 1e-9
