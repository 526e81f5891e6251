"""The viewer's people, live from the hub; messages that accumulated while the viewer was busy are skipped."""

from __future__ import annotations

import contextlib
import math
import time
from collections import deque
from collections.abc import Iterable, Mapping

from multiview.cameras.camera import Rig
from multiview.common.counted import counted
from multiview.data import Keypoints2D, Track
from multiview.errors import MessageError
from multiview.studio.config import HubOptions
from multiview.wire import topics
from multiview.wire.messages import CameraHealth, KeypointsMessage, PosesMessage, ServiceHealth, Stamp, decode
from multiview.wire.packing import unpack_keypoints, unpack_tracks
from services.nodes.actor import send_identity_label
from services.nodes.disk_room import WARN_MINUTES
from services.nodes.ready_signal import ReadySignal
from services.nodes.video_log import VIDEO_LOST
from services.transport.bus import Received, Sender, Subscriber
from services.transport.keyring import OPERATOR

__all__ = ["StreamFeed"]

SILENT_S = 1.0  # without poses for so long, fusion is said to be away
HEADLINE_S = 0.25  # figures that change faster cannot be read
LABEL_TIMEOUT_S = 0.3  # a name may take so long to leave
WANTED_S = 1.0  # keypoints are listened to for so long after they were asked for
HEALTH = (
    topics.topic_of(topics.SERVICE_HEALTH, "fusion"),
    topics.topic_of(topics.SERVICE_HEALTH, "recorder"),
    topics.CAMERA_HEALTH,
)
MAX_WHY = 120  # letters of the headline
MAX_ALARMS = 200  # cameras and services whose alarms are remembered
_NOBODY: tuple[Track, ...] = ()
MISSING_S = 0.5  # a camera without keypoints for longer is missing rather than late


class StreamFeed:
    """The latest poses of the hub's stream, and the state of the cameras."""

    def __init__(self, options: HubOptions, rig: Rig, joints: int) -> None:
        self._options = options
        self._sender: Sender | None = None  # of names; there from the first on
        self._where = f"{options.host}:{options.publish_port}"
        self._rig, self._joints = rig, joints
        self._ready = ReadySignal(options, "viewer")
        self._subscriber = Subscriber(options, (topics.POSES, *HEALTH))
        self._why = ""  # nobody comes out, as fusion says
        self._alarms: dict[str, str] = {}  # of the recorder and of cameras, by topic
        self._latest: Received | None = None  # poses that came and were not looked at
        self._message: PosesMessage | None = None
        self._stamp = Stamp(0, 0, 0)
        self._tracks: tuple[Track, ...] = ()
        self._received_s: deque[float] = deque(maxlen=60)
        self._seen_s: dict[str, float] = {}
        self._bodies: dict[str, bytes] = {}  # of keypoints, decoded only if someone asks
        self._subscribed, self._wanted_until = False, -math.inf  # to keypoints, of which there are many
        self._paused = False
        self._headline, self._headline_at = "", 0.0

    def tracks(self) -> tuple[Track, ...]:
        self._ready.refresh()
        self._receive()
        latest, self._latest = self._latest, None
        if latest is not None and not self._paused:
            self._take(latest.body, latest.stamp)
        return _NOBODY if self._silent() else self._tracks

    def _receive(self) -> None:
        wanted = time.monotonic() < self._wanted_until
        if wanted != self._subscribed:
            self._subscribed = wanted
            self._bodies.clear()
            self._subscriber.subscribe(topics.POSES, *HEALTH, *([topics.KEYPOINTS] if wanted else []))
        for received in self._subscriber.drain():
            self._keep(received)

    def _keep(self, received: Received) -> None:
        if received.topic == topics.POSES:
            self._latest = received
            self._received_s.append(time.monotonic())
        elif received.topic.startswith(HEALTH):
            self._note_health(received)
        else:
            self._bodies[received.topic.partition("/")[2]] = received.body

    def _note_health(self, received: Received) -> None:
        with contextlib.suppress(MessageError):
            message = decode(received.body)
            if isinstance(message, ServiceHealth) and message.service == "fusion":
                self._why = message.texts.get("why", "").partition("; ")[0][:MAX_WHY]
            elif isinstance(message, ServiceHealth | CameraHealth) and len(self._alarms) <= MAX_ALARMS:
                self._alarms[received.topic] = _alarm_of(message)

    def wait(self, timeout_s: float) -> None:
        self._receive()  # what came before this call is not waited for
        end = time.monotonic() + timeout_s
        while (left := end - time.monotonic()) > 0:
            received = self._subscriber.receive(left)
            if received is None:
                return
            self._keep(received)
            if received.topic == topics.POSES:
                return

    def names(self) -> dict[int, str]:
        return {track.person: track.name for track in self._tracks if track.name}

    def set_name(self, person: int, name: str) -> bool:
        if self._sender is None:
            self._sender = Sender(self._options, OPERATOR)
        return send_identity_label(self._sender, person, name, LABEL_TIMEOUT_S)

    def history(self) -> Iterable[tuple[Track, ...]]:
        return ()

    def delay_s(self) -> float:
        """Since the hub sent what is shown, where hub and viewer run on one machine and so share a clock."""
        return (time.monotonic_ns() - self._stamp.arrival_ns) / 1e9

    def _take(self, body: bytes, stamp: Stamp) -> None:
        try:
            message = decode(body)
        except MessageError:
            return
        if isinstance(message, PosesMessage) and message.joints == self._joints:
            self._message, self._stamp, self._tracks = message, stamp, unpack_tracks(message).tracks
            self._seen_s |= dict.fromkeys(message.cameras, time.monotonic())

    def _silent(self) -> bool:
        return not self._received_s or (time.monotonic() - self._received_s[-1] > SILENT_S and not self._paused)

    def headline(self) -> str:
        message, now = self._message, time.monotonic()
        if message is None or self._silent():
            self._headline = ""
            return f"waiting for fusion at {self._where}" + (f"   {self._why}" if self._why else "")
        if not self._headline or now > self._headline_at + HEADLINE_S:
            self._headline, self._headline_at = self._figures(message), now
        return self._headline + ("   frozen" if self._paused else "")

    def alarm(self) -> str:
        return "   ".join(filter(None, self._alarms.values()))

    def _figures(self, message: PosesMessage) -> str:
        span = self._received_s[-1] - self._received_s[0]
        rate = (len(self._received_s) - 1) / span if span > 0 else 0.0
        latency = (message.latency_ns + self._stamp.arrival_ns - message.arrival_ns) / 1e6
        cameras = f"{len(message.cameras)} of {len(self._rig)} cameras"
        people = counted(len(self._tracks), "person", "people")
        why = f"   {self._why}" if self._why and not self._tracks else ""
        return f"{rate:.1f} fps   latency {latency:.0f} ms   {people}   {cameras}{why}"

    def camera_states(self) -> dict[str, str]:
        message, now = self._message, time.monotonic()
        if message is None:
            return {}
        states = {}
        for name in self._rig.names:
            if name in message.cameras:
                states[name] = "alive"
            else:
                states[name] = "late" if now - self._seen_s.get(name, -1e9) < MISSING_S else "missing"
        return states

    def keypoints(self) -> Mapping[str, Keypoints2D]:
        """Nothing at first: they are sent only to a viewer that has asked within the last second."""
        self._wanted_until = time.monotonic() + WANTED_S
        found = {}
        for camera, body in self._bodies.items():
            try:
                message = decode(body)
            except MessageError:
                continue
            if isinstance(message, KeypointsMessage):
                found[camera] = unpack_keypoints(message)
        return found

    def pause(self) -> None:
        self._paused = not self._paused

    @property
    def playback(self) -> None:
        return None

    def close(self) -> None:
        self._subscriber.close()
        self._ready.close()
        if self._sender is not None:
            self._sender.close()


def _alarm_of(message: ServiceHealth | CameraHealth) -> str:
    """What the recorder cannot write, the room that is left to it, or the video that a camera loses."""
    if isinstance(message, CameraHealth):
        return f"{message.camera}: {message.note}"[:MAX_WHY] if message.note.startswith(VIDEO_LOST) else ""
    if error := message.texts.get("error", ""):
        return f"NOT RECORDED: {error}"[:MAX_WHY]
    short = message.values.get("disk_minutes", WARN_MINUTES) < WARN_MINUTES
    return f"disk {message.texts.get('disk', '')}"[:MAX_WHY] if short else ""
