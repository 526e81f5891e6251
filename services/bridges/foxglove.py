"""Foxglove and Lichtblick, live: a WebSocket server on this machine, with people, cameras, pictures and residuals.

Open connection > Foxglove WebSocket > ws://localhost:8765. `/people` is a SceneUpdate for every tick, `/cameras` and
`/cameras/NAME` say where the cameras are and what their lenses are, `/cameras/NAME/picture` is what they see, and
`/cameras/NAME/residual_px` how far people, projected, are from what the detector found there. Whoever connects reads
it all, so the server listens on this machine alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from multiview.body.skeleton import Skeleton
from multiview.cameras.camera import Camera
from multiview.common.ranges import Port, between
from multiview.data import Tracks
from multiview.errors import ConfigError, MultiviewError, one_line

__all__ = ["Bridge", "Options"]

THIS_MACHINE = "127.0.0.1"  # the protocol has no passwords: others come by a tunnel (ssh -L)
AGAIN_TICKS = 60  # what stands still is repeated, for clients that connect later


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    port: Port = 8765
    """TCP port on this machine; 0: any free port."""
    pictures_hz: Annotated[float, between(0, 30, "Hz")] = 5.0
    """How many pictures of each camera a second; 0: none."""


class Bridge:
    def __init__(self, options: Options, skeleton: Skeleton, rate_hz: float) -> None:
        try:
            import foxglove
            from foxglove.channels import SceneUpdateChannel
        except ModuleNotFoundError:
            raise MultiviewError("this bridge needs one more package: pip install multiview-mocap[foxglove]") from None
        self.pictures_hz = options.pictures_hz
        self._skeleton = skeleton
        self._cameras: tuple[Camera, ...] = ()
        self._present: list[int] = []
        self._ticks = itertools.count()
        self._context = foxglove.Context()
        self._people = SceneUpdateChannel("/people", context=self._context)
        self._channels: dict[str, Any] = {}
        try:
            self._server = foxglove.start_server(
                name="multiview", host=THIS_MACHINE, port=options.port, context=self._context
            )
        except Exception as error:
            raise ConfigError(f"cannot listen on port {options.port}: {one_line(error)[:200]}") from None
        self.port = self._server.port

    def show_cameras(self, cameras: Sequence[Camera]) -> None:
        self._cameras = tuple(cameras)

    def send(self, tracks: Tracks) -> None:
        from multiview.drawing.foxglove_messages import Figure, scene_update

        now_ns = tracks.utc_ns or tracks.time_ns
        if next(self._ticks) % AGAIN_TICKS == 0:
            self._log_cameras(now_ns)
        figures = [
            Figure(track.person, track.name or f"person{track.person}", track.pose.xyz, track.pose.filled)
            for track in tracks.tracks
        ]
        here = [figure.number for figure in figures]
        left = [number for number in self._present if number not in here]
        update = scene_update(figures, left, self._skeleton.joints, self._skeleton.bones, now_ns)
        self._people.log(update, log_time=now_ns)
        self._present, self._later_ns = here, now_ns - tracks.time_ns

    def show_picture(self, camera: str, time_ns: int, jpeg: bytes, residual_px: float | None) -> None:
        from foxglove.channels import CompressedImageChannel

        from multiview.drawing.foxglove_messages import compressed_image

        now_ns = time_ns + self._later_ns
        if jpeg:
            channel = self._channel(f"/cameras/{camera}/picture", CompressedImageChannel)
            channel.log(compressed_image(camera, jpeg, now_ns), log_time=now_ns)
        if residual_px is not None:
            self._residuals(camera).log({"px": residual_px}, log_time=now_ns)

    def close(self) -> None:
        self._server.stop()

    _later_ns = 0  # from the clock of the ticks to that of the messages

    def _log_cameras(self, now_ns: int) -> None:
        from foxglove.channels import CameraCalibrationChannel, FrameTransformsChannel

        from multiview.drawing.foxglove_messages import camera_calibration, camera_transforms

        for camera in self._cameras:
            channel = self._channel(f"/cameras/{camera.name}", CameraCalibrationChannel)
            channel.log(camera_calibration(camera, now_ns), log_time=now_ns)
        if self._cameras:
            channel = self._channel("/cameras", FrameTransformsChannel)
            channel.log(camera_transforms(self._cameras, now_ns), log_time=now_ns)

    def _channel(self, topic: str, kind: Any) -> Any:
        if topic not in self._channels:
            self._channels[topic] = kind(topic, context=self._context)
        return self._channels[topic]

    def _residuals(self, camera: str) -> Any:
        from foxglove import Channel

        topic = f"/cameras/{camera}/residual_px"
        if topic not in self._channels:
            schema = {"type": "object", "properties": {"px": {"type": "number"}}}
            self._channels[topic] = Channel(topic, schema=schema, context=self._context)
        return self._channels[topic]
