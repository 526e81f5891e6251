"""Why nobody comes out of a running studio, from what fusion was given and what the cameras say of themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator

from multiview.errors import MessageError
from multiview.studio.agreement import explain_disagreement
from multiview.studio.reasons import CameraEvidence, Evidence, reasons, summary
from multiview.studio.stream_fusion import StreamFusion
from multiview.wire import topics
from multiview.wire.messages import CameraHealth, decode
from services.transport.bus import Received

__all__ = ["LiveReasons"]

WINDOW_S = 3.0  # about which a line is said
MAX_TEXT = 500  # of a message
SEARCH_AGAIN_S = 15.0  # after the cameras' disagreement was not explained
LEAST_TOGETHER = 30  # ticks of a window in which two cameras see somebody, for the search to be worth it


class LiveReasons:
    """Looks at the stream of the last seconds.

    Attributes:
        text: Why nobody comes out, or what keeps cameras from counting; empty while all is well.
        hopeless: Whether nobody can come out while it is so.
    """

    def __init__(self, fusion: StreamFusion, volume: bool) -> None:
        self.text, self.hopeless = "", False
        self._fusion, self._volume = fusion, volume
        self._health: dict[str, CameraHealth] = {}  # of this window
        self._frames: Counter[str] = Counter()  # that each camera had sent at its beginning
        self._pictures: Counter[str] = Counter()  # that had come from it by then, used or not
        self._rejected: Counter[str] = Counter()
        self._end_s = 0.0
        self._began = False  # a camera has been there
        self._search: Generator[None, None, list[str]] | None = None
        self._search_again_s = 0.0
        self._disagreement: list[str] = []

    def note(self, received: Received) -> None:
        """Read what a camera says of itself; other messages are fusion's."""
        if not received.topic.startswith(topics.CAMERA_HEALTH):
            return
        try:
            message = decode(received.body)
        except MessageError:
            return
        if isinstance(message, CameraHealth) and received.topic == topics.topic_of(
            topics.CAMERA_HEALTH, message.camera
        ):
            self._health[message.camera], self._began = message, True

    def update(self, now_s: float) -> None:
        """At the end of a window, judge it and begin the next; once all streams have ended, nothing more is said."""
        self._go_on_searching(now_s)
        if now_s < self._end_s:
            return
        if not self._began:
            self.text = "no camera has sent anything yet" if self._end_s else ""
        elif not self._fusion.finished:
            self._judge_agreement(now_s)
            known = self._evidence()
            self.text = summary(known, MAX_TEXT)
            self.hopeless = not known.people and any(reason.hopeless for reason in reasons(known))
        self._end_s = now_s + WINDOW_S
        self._fusion.new_survey()
        self._frames = Counter({name: health.frames for name, health in self._health.items()})
        self._pictures = Counter({name: health.frames + health.dropped for name, health in self._health.items()})
        self._health.clear()
        self._rejected = Counter(self._fusion.rejected)

    def _judge_agreement(self, now_s: float) -> None:
        """Begin to look for what is wrong where cameras do not agree; forget what was found where they do."""
        fusion = self._fusion
        agree = bool(fusion.survey.people) and not fusion.agreement.suspect
        if agree:
            self._disagreement = []
        elif not self._disagreement and self._search is None and now_s >= self._search_again_s:
            if fusion.survey.together < LEAST_TOGETHER:
                return
            self._search = explain_disagreement(fusion.rig, fusion.skeleton, fusion.survey.sample)

    def _go_on_searching(self, now_s: float) -> None:
        """Do one bit of the search, so that no pose has to wait for all of it."""
        if self._search is None:
            return
        try:
            next(self._search)
        except StopIteration as end:
            self._disagreement, self._search, self._search_again_s = end.value, None, now_s + SEARCH_AGAIN_S

    def _evidence(self) -> Evidence:
        fusion = self._fusion
        cameras = []
        for camera, survey in zip(fusion.rig.cameras, fusion.survey.cameras, strict=True):
            health = self._health.get(camera.name)
            if health is None:
                cameras.append(
                    CameraEvidence(camera.name, camera.size, survey, "sends nothing: is its worker running?")
                )
                continue
            sent = health.frames - self._frames[camera.name]
            trouble = f"sends nothing: {health.note}" if not sent and health.note else ""
            rate_hz = max(sent, 0) / WINDOW_S
            come_hz = (health.frames + health.dropped - self._pictures[camera.name]) / WINDOW_S
            figures = (rate_hz, min(health.expected_hz, max(come_hz, rate_hz)), health.detect_ms)
            cameras.append(CameraEvidence(camera.name, camera.size, survey, trouble, *figures))
        all_views, new = fusion.survey, Counter(fusion.rejected) - self._rejected
        return Evidence(
            cameras,
            all_views.ticks,
            all_views.together,
            len(all_views.people),
            new,
            self._volume,
            self._disagreement,
            fusion.lifts,
        )
