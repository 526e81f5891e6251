"""Rerun, live: people, cameras, pictures and residuals in a viewer that runs on this machine or another (`rerun`).

Start `rerun` first, or later: nothing is lost but what was to be seen until then. On the time lines `tick` and `time`
(seconds of the ticks' clock), and `utc` where it is known. /world/people/NAME are joints and bones, /world/cameras/NAME
the cameras and what they see, /figures/residual_px/NAME how far people, projected, are from what the detector found.
"""

from __future__ import annotations

import contextlib
import logging
import re
import socket
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import msgspec
import numpy as np

from multiview.body.skeleton import Skeleton
from multiview.cameras.camera import Camera
from multiview.common.ranges import between
from multiview.data import NS_PER_S, Tracks
from multiview.errors import ConfigError, MultiviewError
from services.bridges._pictures import WIDTH_PX

if TYPE_CHECKING:
    from rerun import RecordingStream

__all__ = ["Bridge", "Options"]

WAITING = 64  # ticks and pictures that may wait to leave; the oldest are skipped
TRY_S, FLUSH_S, LAST_S = 1.0, 0.5, 2.0  # between attempts to connect; the last messages' time; the longest to the end
_ADDRESS = re.compile(r"rerun\+https?://(?P<host>[^:/]+|\[[^\]]+\]):(?P<port>\d{1,5})/proxy")

Work = Callable[["RecordingStream"], None]  # something to log to a stream


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    url: str = "rerun+http://127.0.0.1:9876/proxy"
    """Where the viewer listens; it says so when it starts."""
    pictures_hz: Annotated[float, between(0, 30, "Hz")] = 5.0
    """How many pictures of each camera a second; 0: none."""


class Bridge:
    def __init__(self, options: Options, skeleton: Skeleton, rate_hz: float) -> None:
        try:
            import rerun
        except ModuleNotFoundError:
            raise MultiviewError("this bridge needs one more package: pip install multiview-mocap[rerun]") from None
        address = _ADDRESS.fullmatch(options.url)
        if address is None:
            raise ConfigError(f"url {options.url!r} is not of the form rerun+http://HOST:PORT/proxy")
        self.pictures_hz = options.pictures_hz
        self._rerun, self._skeleton, self._url = rerun, skeleton, options.url
        self._address = (address["host"].strip("[]"), int(address["port"]))
        self._cameras: tuple[Camera, ...] = ()
        self._classes: dict[int, tuple[int, str]] = {}  # by identity: class of the points, and label
        self._present: set[str] = set()
        self._waiting: deque[Work] = deque(maxlen=WAITING)
        self._ready, self._ending = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="rerun", daemon=True)
        self._thread.start()

    def show_cameras(self, cameras: Sequence[Camera]) -> None:
        self._cameras = tuple(cameras)

    def send(self, tracks: Tracks) -> None:
        self._later(lambda stream: self._log_people(stream, tracks))

    def show_picture(self, camera: str, time_ns: int, jpeg: bytes, residual_px: float | None) -> None:
        self._later(lambda stream: self._log_picture(stream, camera, time_ns, jpeg, residual_px))

    def close(self) -> None:
        self._ending.set()
        self._ready.set()
        self._thread.join(LAST_S)

    def _later(self, work: Work) -> None:
        self._waiting.append(work)
        self._ready.set()

    def _run(self) -> None:
        stream: RecordingStream | None = None
        while not self._ending.is_set() or (stream is not None and self._waiting):
            if stream is None:
                stream = self._connected()
                if stream is None:
                    self._ending.wait(TRY_S)
                continue
            self._ready.wait(TRY_S)
            self._ready.clear()
            while self._waiting:
                with contextlib.suppress(IndexError):
                    self._waiting.popleft()(stream)
            if not self._reachable():
                logging.warning("the viewer at %s is gone", self._url)
                stream = None
        if stream is not None:
            with contextlib.suppress(Exception):
                stream.flush(timeout_sec=FLUSH_S)
            stream.disconnect()

    def _reachable(self) -> bool:
        try:
            socket.create_connection(self._address, timeout=TRY_S).close()
        except OSError:
            return False
        return True

    def _connected(self) -> RecordingStream | None:
        """A stream to the viewer, with all that does not change; None while there is no viewer."""
        if not self._reachable():
            return None
        from multiview.drawing.rerun_entities import describe_cameras

        stream = self._rerun.RecordingStream("multiview", send_properties=False)
        stream.connect_grpc(self._url)
        logging.info("the viewer at %s shows the poses", self._url)
        self._classes.clear()
        self._describe(stream)
        describe_cameras(stream, self._cameras, WIDTH_PX if self.pictures_hz else 0)
        return stream

    def _describe(self, stream: RecordingStream) -> None:
        from multiview.drawing.rerun_entities import describe_people

        people = [(number, identity, label) for identity, (number, label) in self._classes.items()]
        describe_people(stream, self._skeleton.joints, self._skeleton.bones, people)

    def _log_people(self, stream: RecordingStream, tracks: Tracks) -> None:
        from multiview.drawing.rerun_entities import JOINT_M, person_colours, person_entity

        labels = {track.person: track.name or f"person{track.person}" for track in tracks.tracks}
        known = {identity: label for identity, (_, label) in self._classes.items()}
        if any(known.get(identity) != label for identity, label in labels.items()):
            for identity, label in labels.items():
                number, _ = self._classes.get(identity, (len(self._classes) + 1, ""))
                self._classes[identity] = (number, label)
            self._describe(stream)
        self._set_time(stream, tracks.time_ns, tracks)
        for gone in self._present - set(labels.values()):
            stream.log(person_entity(gone), self._rerun.Clear(recursive=True))
        for track in tracks.tracks:
            there = np.flatnonzero(np.isfinite(track.pose.xyz).all(axis=-1))
            points = self._rerun.Points3D(
                track.pose.xyz[there],
                radii=JOINT_M,
                colors=person_colours(track.person, track.pose.filled[there]),
                class_ids=self._classes[track.person][0],
                keypoint_ids=there,
            )
            stream.log(person_entity(labels[track.person]), points)
        self._present = set(labels.values())

    def _log_picture(
        self, stream: RecordingStream, camera: str, time_ns: int, jpeg: bytes, residual_px: float | None
    ) -> None:
        from multiview.drawing.rerun_entities import camera_entity

        self._set_time(stream, time_ns, None)
        if jpeg:
            image = self._rerun.EncodedImage(contents=jpeg, media_type="image/jpeg")
            stream.log(f"{camera_entity(camera)}/picture", image)
        if residual_px is not None:
            entity = self._rerun.new_entity_path(["figures", "residual_px", camera])
            stream.log(entity, self._rerun.Scalars(residual_px))

    def _set_time(self, stream: RecordingStream, time_ns: int, tracks: Tracks | None) -> None:
        stream.reset_time()
        stream.set_time("time", duration=time_ns / NS_PER_S)
        if tracks is not None:
            stream.set_time("tick", sequence=tracks.tick)
            if tracks.utc_ns:
                stream.set_time("utc", timestamp=np.datetime64(tracks.utc_ns, "ns"))
