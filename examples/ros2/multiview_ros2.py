"""A ROS 2 node: live people as tf frames and as hri_msgs (REP 155).

    python multiview_ros2.py --ros-args -p hub:=tcp://127.0.0.1:5556 -p frame:=multiview

Runs in ROS 2's own Python (Humble or later), where `pip install multiview-mocap --no-deps msgspec pyzmq` suffices. It
publishes, about one frame `frame` (metres, z up; static transforms to your robot's frames are yours to give):

    /tf                               FRAME -> body_ID_JOINT for every joint that is known
    /humans/bodies/tracked            hri_msgs/IdsList: the IDs of those who are there
    /humans/bodies/body_ID/skeleton3d geometry_msgs/PoseArray: joints in the skeleton's order, NaN where unknown
    /humans/persons/tracked           hri_msgs/IdsList: the names of known actors who are there
"""

from __future__ import annotations

import math

import rclpy
from geometry_msgs.msg import Pose, PoseArray, TransformStamped
from hri_msgs.msg import IdsList
from rclpy.node import Node
from tf2_ros import TransformBroadcaster

from multiview.client import connect


class MultiviewNode(Node):
    """Polls the hub 100 times a second and publishes what is new."""

    def __init__(self) -> None:
        super().__init__("multiview")
        hub = self.declare_parameter("hub", "tcp://127.0.0.1:5556").value
        keys = self.declare_parameter("keys", "").value
        self.frame = self.declare_parameter("frame", "multiview").value
        self.connection = connect(hub, keys=keys or None)
        self.transforms = TransformBroadcaster(self)
        self.bodies = self.create_publisher(IdsList, "/humans/bodies/tracked", 1)
        self.persons = self.create_publisher(IdsList, "/humans/persons/tracked", 1)
        self.skeletons = {}
        self.create_timer(0.01, self.publish)

    def publish(self) -> None:
        """The newest people, if any have come since the last call."""
        people = self.connection.poll()
        if people is None:
            return
        stamp = self.get_clock().now().to_msg()
        present = {f"body_{person.id}": person for person in people.people}
        self.bodies.publish(self.ids(stamp, present))
        self.persons.publish(self.ids(stamp, [one.name for one in people.people if one.name]))
        for gone in self.skeletons.keys() - present.keys():
            self.destroy_publisher(self.skeletons.pop(gone))
        moved = []
        for body, person in present.items():
            if body not in self.skeletons:
                topic = f"/humans/bodies/{body}/skeleton3d"
                self.skeletons[body] = self.create_publisher(PoseArray, topic, 1)
            array = PoseArray()
            array.header.stamp, array.header.frame_id = stamp, self.frame
            for joint, (x, y, z) in zip(person.joints, person.xyz.tolist(), strict=True):
                pose = Pose()
                pose.position.x, pose.position.y, pose.position.z = x, y, z
                array.poses.append(pose)
                if math.isfinite(x):
                    moved.append(self.transform(stamp, f"{body}_{joint}", (x, y, z)))
            self.skeletons[body].publish(array)
        self.transforms.sendTransform(moved)

    def ids(self, stamp, names) -> IdsList:
        """A list of who is there."""
        message = IdsList()
        message.header.stamp, message.header.frame_id = stamp, self.frame
        message.ids = list(names)
        return message

    def transform(self, stamp, name: str, place: tuple[float, float, float]) -> TransformStamped:
        """A joint as a frame, whose axes are the world's: joints have no directions of their own."""
        message = TransformStamped()
        message.header.stamp, message.header.frame_id = stamp, self.frame
        message.child_frame_id = name
        moved = message.transform.translation
        moved.x, moved.y, moved.z = place
        message.transform.rotation.w = 1.0
        return message


def main() -> None:
    rclpy.init()
    node = MultiviewNode()
    try:
        rclpy.spin(node)
    except KeyboardInterrupt:
        pass
    finally:
        node.connection.close()
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
