"""Pictures of a live studio for bridges that show them: asked for, and compared with the poses of their time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence

import numpy as np

from multiview.cameras.camera import Camera, Rig
from multiview.cameras.reprojection import reprojection_errors
from multiview.data import Keypoints2D, TimeNs, Tracks, Views
from multiview.errors import MessageError
from multiview.studio.config import HubOptions
from multiview.wire import topics
from multiview.wire.messages import PreviewMessage, PreviewRequest, decode, encode
from services.bridges import StudioBridge
from services.transport.bus import Sender
from services.transport.keyring import OPERATOR

__all__ = ["WIDTH_PX", "LivePictures"]

WIDTH_PX = 640
ASK_S, ASKED_S = 1.0, 3.0  # how often pictures are asked for, and for how long each time
KEPT = 240  # ticks of poses, among which a picture finds those of its time


class LivePictures:
    """Asks the cameras for pictures and passes them on to a bridge.

    Args:
        hub: Of the studio.
        cameras: Its rig's.
        bridge: Where they go.
    """

    def __init__(self, hub: HubOptions, cameras: Sequence[Camera], bridge: StudioBridge) -> None:
        self._cameras, self._bridge = {camera.name: camera for camera in cameras}, bridge
        self._sender = Sender(hub, OPERATOR)
        self._next_ask = 0.0
        self._poses: deque[Tracks] = deque(maxlen=KEPT)

    def ask(self) -> None:
        """Ask again where it is time to."""
        if time.monotonic() >= self._next_ask:
            self._next_ask = time.monotonic() + ASK_S
            request = PreviewRequest(width=WIDTH_PX, rate_hz=self._bridge.pictures_hz, seconds=ASKED_S)
            self._sender.send(topics.PREVIEW_REQUEST, encode(request))

    def remember(self, tracks: Tracks) -> None:
        """Poses that later pictures may be of."""
        self._poses.append(tracks)

    def pass_on(self, body: bytes) -> None:
        """Show a picture; what is none, or of a camera that the rig does not have, is dropped."""
        try:
            preview = decode(body)
        except MessageError:
            return
        camera = self._cameras.get(preview.camera) if isinstance(preview, PreviewMessage) else None
        if camera is None or not isinstance(preview, PreviewMessage) or not self._poses:
            return
        if preview.clock == "unknown":
            tracks = self._poses[-1]
            time_ns = tracks.time_ns
        else:
            time_ns = TimeNs(preview.time_ns)
            tracks = min(self._poses, key=lambda one: abs(one.time_ns - time_ns))
        residual = residual_px(camera, preview.table(), tracks)
        self._bridge.show_picture(camera.name, time_ns, preview.jpeg, residual)

    def close(self) -> None:
        self._sender.close()


def residual_px(camera: Camera, seen: np.ndarray, tracks: Tracks) -> float | None:
    """How far what a camera's detector found is from the people, projected.

    Args:
        camera: Which.
        seen: (people, joints, 3): x y px and score.
        tracks: The people then.

    Returns:
        The median, px; None where there is nothing to compare.
    """
    if not tracks.tracks or seen.shape[1] != len(tracks.tracks[0].pose.xyz):
        return None
    found = Keypoints2D(seen[..., :2].astype(np.float64), seen[..., 2].astype(np.float64))
    views = Views(tracks.tick, tracks.time_ns, (found,))
    errors = reprojection_errors(Rig((camera,)), [views], [tracks])
    return errors.median() if len(errors.px[camera.name]) else None
