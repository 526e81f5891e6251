"""The ROS 2 node, with ROS replaced by what records: what it publishes for a frame of people."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

NODE = Path(__file__).parents[2] / "examples/ros2/multiview_ros2.py"


class Message:
    """Any ROS message or clock: every field that is asked for is there, and may be called."""

    def __init__(self) -> None:
        self.poses: list[Any] = []

    def __call__(self) -> Any:
        return Message()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        value = Message()
        setattr(self, name, value)
        return value


class RecordingNode:
    """What of rclpy's Node the example uses."""

    def __init__(self, name: str) -> None:
        self.published: dict[str, list[Any]] = {}

    def declare_parameter(self, name: str, value: Any) -> Any:
        return SimpleNamespace(value=value)

    def create_publisher(self, kind: Any, topic: str, depth: int) -> Any:
        return SimpleNamespace(topic=topic, publish=self.published.setdefault(topic, []).append)

    def destroy_publisher(self, publisher: Any) -> None:
        self.published[publisher.topic].append(None)

    def create_timer(self, period_s: float, callback: Any) -> None:
        pass

    def get_clock(self) -> Any:
        return Message()


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Any:
    sent: list[Any] = []
    fakes = {
        "rclpy": {},
        "rclpy.node": {"Node": RecordingNode},
        "geometry_msgs": {},
        "geometry_msgs.msg": {"Pose": Message, "PoseArray": Message, "TransformStamped": Message},
        "hri_msgs": {},
        "hri_msgs.msg": {"IdsList": Message},
        "tf2_ros": {"TransformBroadcaster": lambda node: SimpleNamespace(sendTransform=sent.append)},
    }
    for name, content in fakes.items():
        module = ModuleType(name)
        module.__dict__.update(content)
        monkeypatch.setitem(sys.modules, name, module)
    spec = importlib.util.spec_from_file_location("multiview_ros2", NODE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    frames: list[Any] = []
    poll = lambda: frames.pop(0) if frames else None
    monkeypatch.setattr(module, "connect", lambda hub, keys: SimpleNamespace(poll=poll))
    made = module.MultiviewNode()
    made.frames, made.sent = frames, sent
    return made


def person(number: int, name: str = "") -> Any:
    xyz = np.array([[1.0, 2.0, 3.0], [np.nan] * 3])
    return SimpleNamespace(id=number, name=name, joints=("nose", "neck"), xyz=xyz)


def test_ros2_node_publishes_frames_bodies_and_persons(node: Any) -> None:
    node.frames.append(SimpleNamespace(people=(person(3), person(5, "amy"))))
    node.publish()
    assert node.published["/humans/bodies/tracked"][0].ids == ["body_3", "body_5"]
    assert node.published["/humans/persons/tracked"][0].ids == ["amy"]
    (transforms,) = node.sent
    assert [one.child_frame_id for one in transforms] == ["body_3_nose", "body_5_nose"]  # the neck is unknown
    moved = transforms[0].transform
    assert (moved.translation.x, moved.translation.y, moved.translation.z, moved.rotation.w) == (1.0, 2.0, 3.0, 1.0)
    (skeleton,) = node.published["/humans/bodies/body_5/skeleton3d"]
    assert skeleton.header.frame_id == "multiview"
    assert skeleton.poses[0].position.x == 1.0
    assert np.isnan(skeleton.poses[1].position.x)


def test_ros2_node_ends_the_topics_of_those_who_left(node: Any) -> None:
    node.frames += [SimpleNamespace(people=(person(3),)), None, SimpleNamespace(people=())]
    for _ in range(3):
        node.publish()
    assert node.published["/humans/bodies/body_3/skeleton3d"][-1] is None
    assert node.published["/humans/bodies/tracked"][-1].ids == []
