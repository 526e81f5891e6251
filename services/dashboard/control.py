"""What pages can do to a studio: start and stop it, record takes, name people, ask of fusion. Only who controls may."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from multiview.common.atomic_file import replacing
from multiview.common.names import check_name, file_name, name_fault
from multiview.errors import ConfigError, MultiviewError
from multiview.recordings.take import PARTIAL, free_name
from multiview.sources import WebcamMode, webcam_modes
from multiview.studio.config import Studio
from multiview.studio.studio_file import load_studio
from multiview.wire import topics
from multiview.wire.messages import FusionRequest, encode
from services.capture.new import Found, find_cameras, studio_file
from services.dashboard.access import Role, Session
from services.dashboard.detached import Detached
from services.dashboard.studio_file import add_cameras, remove_camera, rename_camera, rotate_camera, set_camera
from services.supervise.ports import check_ports
from services.transport.bus import Sender
from services.transport.keyring import OPERATOR

__all__ = ["Control", "Recording", "check_control"]

FOLDER = ".studio"  # in the studio's: locks and logs
STOP_S, RECORDER_S = 60.0, 40.0  # the launcher ends its recorder first, which may still write
LABEL_S = 1.0
MAX_NOTES = 2000
_STREAMS = ("rtsp://", "rtsps://", "http://", "https://")
_FIXED_PORTS = "the pages need fixed ports: remove the ports that are 0 from [hub]"


class Recording(NamedTuple):
    """The take in progress."""

    take: str
    began: float | None  # s since 1970; None until the recorder writes


class Control:
    """The studio of one folder.

    Args:
        folder: Where studio.toml lies.
        file: The studio file, if another.
    """

    def __init__(self, folder: Path, file: Path | None = None) -> None:
        self.folder, self.file = folder.resolve(), file or folder.resolve() / "studio.toml"
        self._launcher = Detached(self.folder / FOLDER, "studio")
        self._recorder = Detached(self.folder / FOLDER, "recorder")

    def studio(self) -> Studio | None:
        """The studio as its file says now; None where there is none yet. ConfigError if it is wrong."""
        if not self.file.is_file():
            return None
        studio = load_studio(self.file, check=False)
        if 0 in (studio.hub.ingest_port, studio.hub.publish_port, studio.hub.request_port):
            raise ConfigError(f"{self.file}: {_FIXED_PORTS}")
        return studio

    @property
    def logs(self) -> Path:
        """Of the studio's processes; each start goes on where the last one ended."""
        return self.folder / FOLDER / "logs"

    @property
    def started(self) -> bool:
        """Whether pages have started the studio, and it runs."""
        return self._launcher.running() is not None

    @property
    def recording(self) -> Recording | None:
        """The take that pages have begun, if it is being recorded."""
        found = self._recorder.running()
        if found is None:
            return None
        take, _, folder = found.note.partition("\n")
        begun = Path(folder) / "take.toml"  # written once, when the recorder begins
        try:
            return Recording(take, begun.stat().st_mtime if folder else None)
        except OSError:
            return Recording(take, None)

    def failure(self) -> str:
        """Why the studio or the recorder ended, if one failed."""
        return self._launcher.failure() or self._recorder.failure()

    def find_cameras(self, session: Session, addresses: list[str]) -> list[Found]:
        """Cameras that give a picture: those in the network that are named, else videos in the folder, else webcams."""
        check_control(session, "look for cameras")
        for address in addresses:
            if not address.lower().startswith(_STREAMS):
                raise ConfigError(f"{address[:80]}: a camera's address begins with {', '.join(_STREAMS)}")
        return list(find_cameras(self.folder, addresses or None))

    def make_studio(self, session: Session, cameras: list[Found]) -> None:
        """Write a studio file for these cameras; for none that of a simulated studio, to try everything with."""
        check_control(session, "make a studio")
        if self.file.exists():
            raise ConfigError(f"{self.file} exists")
        names = [check_name(camera.name, "camera") for camera in cameras]
        if double := [name for name in names if names.count(name) > 1]:
            raise ConfigError(f"two cameras are called {double[0]}: give each a name of its own")
        named = [camera._replace(name=name) for camera, name in zip(cameras, names, strict=True)]
        name = self.folder.name if not name_fault(self.folder.name) else "studio"
        with replacing(self.file) as temporary:
            temporary.write_text(studio_file(name, named, self.rig_here if cameras else ""), encoding="utf-8")

    def add_cameras(self, session: Session, cameras: list[Found]) -> None:
        """Add cameras to the studio."""
        check_control(session, "add a camera")
        add_cameras(self._changeable(), cameras)

    def rename_camera(self, session: Session, name: str, new: str) -> None:
        """Give a camera another name."""
        check_control(session, "rename a camera")
        rename_camera(self._changeable(), name, new)

    def rotate_camera(self, session: Session, name: str, degrees: int) -> None:
        """Turn a camera's pictures clockwise."""
        check_control(session, "turn a camera")
        rotate_camera(self._changeable(), name, degrees)

    def set_exposure(self, session: Session, name: str, exposure_us: float, gain_db: float | None = None) -> None:
        """How long a camera exposes, us (0: it chooses), and its gain, dB (negative: it chooses; None: it has none)."""
        check_control(session, "set a camera")
        values: dict[str, Any] = {
            "exposure_auto": "off" if exposure_us > 0 else "continuous",
            "exposure_us": exposure_us if exposure_us > 0 else None,
        }
        if gain_db is not None:
            values["gain_auto"] = "off" if gain_db >= 0 else "continuous"
            values["gain_db"] = gain_db if gain_db >= 0 else None
        set_camera(self._changeable(), name, values)

    def modes(self, session: Session, address: str) -> list[WebcamMode]:
        """What a webcam of the studio offers."""
        check_control(session, "ask a camera for its modes")
        return webcam_modes(address)

    def set_mode(self, session: Session, name: str, mode: WebcamMode) -> None:
        """In which size, format and rate a webcam sends pictures."""
        check_control(session, "set a camera")
        values = {"size": list(mode.size), "pixel_format": mode.pixel_format, "fps": mode.fps or None}
        set_camera(self._changeable(), name, values)

    def remove_camera(self, session: Session, name: str) -> None:
        """Leave a camera out of the studio."""
        check_control(session, "leave a camera out")
        remove_camera(self._changeable(), name)

    def _changeable(self) -> Path:
        """The studio file, while nobody uses its cameras."""
        self.idle_studio()
        return self.file

    @property
    def rig_here(self) -> str:
        """The calibrated cameras in the folder, relative to it; empty if there are none."""
        return next((rig for rig in ("rig.toml", "rig/rig.toml") if (self.folder / rig).is_file()), "")

    def idle_studio(self) -> Studio:
        """The studio, if its cameras are free; ConfigError if it has none yet, or runs."""
        studio = self.studio()
        if studio is None:
            raise ConfigError(f"{self.file}: there is no studio yet")
        if self.started:
            raise ConfigError("the studio uses the cameras: stop it first, on the page Live")
        return studio

    def idle_for(self, session: Session, do: Callable[[], None]) -> None:
        """Do something with the cameras, if the studio leaves them alone."""
        check_control(session, "open the cameras")
        self.idle_studio()
        do()

    def start_studio(self, session: Session) -> None:
        """Run the studio, until it is stopped; ConfigError if it cannot."""
        check_control(session, "start the studio")
        if self.studio() is None:
            raise ConfigError(f"{self.file}: there is no studio yet")
        check_ports(load_studio(self.file).hub)
        self._launcher.start(["run", str(self.file), "--no-viewer", "--no-recording", f"--logs={self.logs}"])
        logging.info("started the studio %s", self.file)

    def calibrate_by_walking(self, session: Session, height_cm: float | None) -> None:
        """Run a studio that has no rig: people who walk calibrate it, then it goes on with the rig.

        Args:
            session: Who asks.
            height_cm: Stature of the tallest person; None where it is not known.
        """
        check_control(session, "calibrate from people")
        check_ports(self.idle_studio().hub)
        height = [] if height_cm is None else [f"--height={height_cm:g}"]
        self._launcher.start(["run", str(self.file), "--no-viewer", "--no-recording", f"--logs={self.logs}", *height])
        logging.info("people calibrate the studio %s", self.file)

    @property
    def says(self) -> str:
        """What the studio's launcher said last."""
        return self._launcher.last_line()

    def stop_studio(self, session: Session) -> None:
        """Finish the take, if one is recorded, and end the studio."""
        check_control(session, "stop the studio")
        self.stop_recording(session)
        if not self._launcher.stop(STOP_S):
            raise MultiviewError(f"the studio has not ended within {STOP_S:g} s: see {self._launcher.log}")
        logging.info("stopped the studio")

    def record(self, session: Session, name: str, notes: str, reported: bool, video: bool = False) -> str:
        """Begin a take, and say what it is called.

        Args:
            session: Who asks.
            name: Of the take; empty: the studio's, with the time.
            notes: A remark to keep with it.
            reported: Whether another recorder of the studio reports already.
            video: Whether the cameras' videos are recorded, too.

        Returns:
            The name.

        Raises:
            ConfigError: It cannot be called so, or a take is being recorded.
        """
        check_control(session, "record")
        studio = self.studio()
        if studio is None:
            raise ConfigError("there is no studio yet")
        now = datetime.now()
        directory = Path(studio.recorder.directory)
        name = check_name(name, "take") if name.strip() else free_name(directory, studio.name, now)
        if any((directory / (file_name(name) + end)).exists() for end in ("", PARTIAL)):
            raise ConfigError(f"there is a take {name} already: choose another name")
        command = ["record", str(self.file), f"--take={name}", f"--notes={notes.strip()[:MAX_NOTES]}"]
        note = f"{name}\n{(directory / (file_name(name) + PARTIAL)).resolve()}"
        if reported and video:
            raise ConfigError("another recorder is at work: only one can record the cameras' videos")
        extra = [*(["--secondary"] if reported else []), *(["--video"] if video else [])]
        self._recorder.start([*command, *extra], note)
        logging.info("recording %s", name)
        return name

    def stop_recording(self, session: Session) -> str:
        """Finish the take in progress; its name, empty if there is none."""
        check_control(session, "stop the recording")
        recording = self.recording
        if recording is None:
            return ""
        if not self._recorder.stop(RECORDER_S):
            raise MultiviewError(f"the recorder still writes {recording.take}: wait, or see {self._recorder.log}")
        logging.info("recorded %s", recording.take)
        return recording.take

    def name_person(self, session: Session, person: int, name: str) -> None:
        """Call a person so from now on; an empty name takes theirs away."""
        from services.nodes.actor import send_identity_label  # slow to import: not before somebody is named

        check_control(session, "name a person")
        studio = self.studio()
        name = check_name(name, "person") if name else ""
        if studio is None:
            raise ConfigError("there is no studio yet")
        sender = Sender(studio.hub, OPERATOR)
        sent = send_identity_label(sender, person, name, LABEL_S)
        sender.close(linger_s=LABEL_S)
        if not sent:
            raise MultiviewError("the studio does not answer: the name was not given")

    def begin_identities(self, session: Session) -> None:
        """Nobody who is there keeps their number or name: for when identities are in a muddle."""
        check_control(session, "begin identities anew")
        self._ask_fusion(FusionRequest(new_identities=True), "identities are as they were")

    def leave_out(self, session: Session, cameras: list[str]) -> None:
        """Let fusion do without these cameras from now on, and with all others."""
        check_control(session, "leave cameras out")
        self._ask_fusion(FusionRequest(left_out=cameras), "cameras are used as before")

    def _ask_fusion(self, message: FusionRequest, otherwise: str) -> None:
        studio = self.studio()
        if studio is None:
            raise ConfigError("there is no studio yet")
        sender = Sender(studio.hub, OPERATOR)
        sent = sender.send_within(topics.FUSION_REQUEST, encode(message), LABEL_S)
        sender.close(linger_s=LABEL_S)
        if not sent:
            raise MultiviewError(f"the studio does not answer: {otherwise}")

    def close(self) -> None:
        """End what pages have started, takes first; for when the pages end as they should."""
        session = Session("", Role.CONTROL)
        if self.started or self.recording is not None:
            self.stop_studio(session)


def check_control(session: Session, what: str) -> None:
    """ConfigError unless the session may control."""
    if session.role is not Role.CONTROL:
        logging.warning("refused session %s, which may only view, to %s", session.number, what)
        raise ConfigError(f"this link may only view, not {what}: ask for one that controls")
