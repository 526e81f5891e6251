"""A worker: send one camera's keypoints to the hub.

The worker stamps each frame with the middle of its exposure. Recorded and simulated sources play on a common time line:
frame i is due at i / fps, and a worker that starts late or again continues at the frame that is due.
"""

from __future__ import annotations

import argparse
import logging
import os
import secrets
import time
from pathlib import Path

import msgspec

from multiview.common.names import split_names
from multiview.data import Keypoints2D
from multiview.errors import ConfigError
from multiview.studio.config import CameraSource, Studio
from multiview.studio.studio_file import load_studio
from multiview.wire import topics
from multiview.wire.messages import CameraHealth, EndOfStream, decode, encode
from multiview.wire.messages import PosesMessage as Poses
from multiview.wire.packing import pack_keypoints
from services.nodes.clock_probe import ClockProber
from services.nodes.previews import Previews, send_preview
from services.nodes.ready_signal import wait_for_start
from services.nodes.sources import KeypointPlayback, open_playback
from services.runtime.process import TOLD_TO_END, RealtimePriority, Stopping, begin_service, realtime_scheduling
from services.transport.bus import FINAL_SEND_S, RequestClient, Sender, Subscriber
from services.transport.requests import Ready, notify

MAX_LEAD_NS = 1_000_000_000  # how far an unpaced source runs ahead of fusion


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("studio", type=Path, help="the studio file")
    parser.add_argument(
        "--camera", required=True, help="the camera's name in the rig; with a detector also several: A,B,C"
    )
    parser.add_argument("--connect", metavar="HOST", help="address of the hub, if not the studio file's")
    parser.add_argument("--wait", action="store_true", help="wait for the start signal of the run before playing")
    parser.add_argument(
        "--video", type=Path, metavar="DIR", help="also record the cameras' videos in this folder, with true times"
    )


def run(args: argparse.Namespace) -> int:
    studio = load_studio(args.studio, check=False)
    if args.connect:
        studio = msgspec.structs.replace(studio, hub=msgspec.structs.replace(studio.hub, host=args.connect))
    begin_service(f"worker {args.camera}", studio.logging.json)
    stopping = Stopping()
    cameras = split_names(args.camera)
    with_detector = [isinstance(studio.source_of(camera), CameraSource) for camera in cameras]
    if all(with_detector):
        from services.nodes.camera_worker import CameraWorker

        CameraWorker(studio, cameras, args.video).play(stopping, standalone=not args.wait)
    elif args.video:
        raise ConfigError(f"{args.camera}: only cameras with a detector can record video: leave out --video")
    elif len(cameras) != 1:
        raise ConfigError("only cameras with a detector can share a worker: start one worker per camera")
    else:
        Worker(studio, cameras[0], open_playback(studio, cameras[0])).play(stopping, standalone=not args.wait)
    return TOLD_TO_END if args.wait and stopping else 0  # whoever supervises knows whether it was them


class Worker:
    """Sends the keypoints of one source to the hub."""

    def __init__(self, studio: Studio, camera: str, source: KeypointPlayback) -> None:
        self._camera, self._source, self._hub = camera, source, studio.hub
        self._boot_id = secrets.randbits(62)
        with realtime_scheduling(RealtimePriority.CAMERA):  # of the sockets' thread, which starts with the first one
            self._sender = Sender(studio.hub, camera)
        self._client = RequestClient(studio.hub, camera)
        self._sent = self._dropped = 0
        self._start_ns = 0
        self._next_report = 0.0
        self._previews = Previews(studio.hub, camera)
        self._prober = ClockProber(studio.hub, camera, self._boot_id, self._now_ns) if source.clock else None

    def play(self, stopping: Stopping, standalone: bool) -> None:
        """Run until the source ends or a stop is requested."""
        self._start_ns = wait_for_start(self._client, [f"camera/{self._camera}"], standalone, stopping)
        if self._source.speed > 0:
            self._play_paced(stopping)
        else:
            self._play_unpaced(stopping)
        ending = EndOfStream(camera=self._camera, boot_id=self._boot_id, frames=self._sent)
        self._sender.send_within(topics.topic_of(topics.KEYPOINTS, self._camera), encode(ending), FINAL_SEND_S)
        self._report("finished")
        if self._prober:
            self._prober.close()
        self._previews.close()
        self._sender.close(linger_s=1.0)
        logging.info("%d frames sent, %d dropped", self._sent, self._dropped)

    def _now_ns(self) -> int:
        """What this worker's clock shows."""
        now_ns = time.monotonic_ns()
        return self._source.clock.shows(now_ns) if self._source.clock else now_ns

    def _play_paced(self, stopping: Stopping) -> None:
        source = self._source
        frame = source.position_at(time.monotonic_ns() - self._start_ns)
        while not stopping and source.has(frame):
            keypoints = source.keypoints(frame)
            due_ns = self._start_ns + source.due_ns(frame)
            message = None if keypoints is None else self._message(frame, keypoints, due_ns)
            with realtime_scheduling(RealtimePriority.CAMERA):  # leaves when it is due, as from a camera
                if stopping.wait((due_ns - time.monotonic_ns()) / 1e9):
                    return
                for sample in self._prober.take() if self._prober else []:
                    self._sender.send(topics.topic_of(topics.CLOCK, self._camera), encode(sample))
                if message is not None:
                    self._send(message)
            if message is not None:
                self._show(frame, keypoints)
            if time.monotonic() >= self._next_report:
                self._report("running")
            frame += 1

    def _play_unpaced(self, stopping: Stopping) -> None:
        poses, reached_ns, frame = Subscriber(self._hub, [topics.POSES], self._camera), None, 0
        while not stopping and self._source.has(frame):
            keypoints = self._source.keypoints(frame)
            message = None if keypoints is None else self._message(frame, keypoints, 0)
            first = self._source.time_ns(0)
            while self._source.time_ns(frame) > (first if reached_ns is None else reached_ns) + MAX_LEAD_NS:
                received = poses.receive(0.2)
                if stopping:
                    return
                if received is not None:
                    pose = decode(received.body)
                    reached_ns = pose.time_ns if isinstance(pose, Poses) else reached_ns
            while message is not None and not self._sender.send(*message) and not stopping.wait(0.002):
                pass
            self._sent += message is not None
            if time.monotonic() >= self._next_report:
                self._report("running")
            frame += 1

    def _message(self, frame: int, keypoints: Keypoints2D, due_ns: int) -> tuple[str, bytes]:
        own = self._source.clock
        message = pack_keypoints(
            keypoints,
            camera=self._camera,
            boot_id=self._boot_id,
            frame=self._source.number(frame),
            time_ns=own.shows(due_ns) if own else self._source.time_ns(frame),
            clock="worker" if own else "epoch",
            size=self._source.size,
            calibration=self._source.calibration,
            skeleton=self._source.skeleton,
        )
        return topics.topic_of(topics.KEYPOINTS, self._camera), encode(message)

    def _send(self, message: tuple[str, bytes]) -> None:
        if self._sender.send(*message):
            self._sent += 1
        else:
            self._dropped += 1

    def _show(self, frame: int, keypoints: Keypoints2D | None) -> None:
        """What is seen, to whoever looks; there is no picture of it."""
        if keypoints is not None and self._previews.due(self._camera) is not None:
            time_ns = None if self._source.clock else self._source.time_ns(frame)
            size = self._source.size
            send_preview(self._sender, self._camera, self._boot_id, time_ns, "epoch", size, keypoints)

    def _report(self, state: str) -> None:
        """Send health and the ready signal, about once a second."""
        self._next_report = time.monotonic() + 1.0
        health = CameraHealth(
            camera=self._camera,
            boot_id=self._boot_id,
            state=state,
            frames=self._sent,
            dropped=self._dropped,
            expected_hz=self._source.fps,
        )
        self._sender.send(topics.topic_of(topics.CAMERA_HEALTH, self._camera), encode(health))
        notify(self._client, Ready(role=f"camera/{self._camera}", pid=os.getpid(), start_ns=self._start_ns))
