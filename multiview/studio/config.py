"""One TOML file describes a studio: what is watched, how it is fused, where the processes meet and what is kept.

`configs/studio.toml` shows every option with its default, its unit and its meaning. Two sections belong to rooms that
are slow to import, so they are kept as they were read and become typed when asked for, in `derived`: `[pipeline]` by
`pipeline_options`, `[source.options]` of a synthetic studio by `synthetic_options`. Files are read by `studio_file`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import quote

import msgspec

from multiview.body.actor import Actor
from multiview.cameras.capture_volume import Volume
from multiview.common.names import file_name
from multiview.common.ranges import FrameRate, Port, between
from multiview.common.secret import has_secret, is_secret, resolve_secrets
from multiview.errors import ConfigError
from multiview.sources import DeviceSettings, settings_fault
from multiview.timing.sync_buffer import SyncOptions

if TYPE_CHECKING:
    pass

__all__ = [
    "RENAMED_KEYS",
    "CameraOptions",
    "CameraSource",
    "FusionOptions",
    "HubOptions",
    "KeypointsSource",
    "LoggingOptions",
    "MetricsOptions",
    "RecorderOptions",
    "Source",
    "Studio",
    "SyntheticSource",
    "ViewerOptions",
    "WorkerOptions",
]


# Names that keys had before version 0.1: an old studio file is rejected with the new name.
RENAMED_KEYS = {
    "agility": "acceleration_psd",
    "associate": "associator_options",
    "bracket_frames": "max_gap_frames",
    "budget_s": "max_wait_s",
    "cast": "known_actors",
    "correct_latency": "correct_time_offsets",
    "dropped": "missing_joints",
    "ghosts": "false_positives",
    "hidden_found": "hidden_detected",
    "horizon_s": "max_skew_s",
    "leave_out_knocked": "exclude_displaced_cameras",
    "missed": "missed_people",
    "person_joints": "min_joints",
    "same_m": "duplicate_distance_m",
    "turn_back_knocked": "compensate_rotation",
    "two_view_frames": "confirmation_frames",
    "walk_m_s": "max_walk_m_s",
    "watch_latency": "estimate_time_offsets",
}


Speed = Annotated[float, between(0, 1000, "times the frame rate")]


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class HubOptions(_Section, frozen=True, kw_only=True):
    """Where the processes meet."""

    host: str = "127.0.0.1"
    """Address of the hub, where everyone connects."""
    bind: str = ""
    """Address that the hub listens on, if another; "0.0.0.0": all networks. Off the loopback it needs keys."""
    keys: str = ""
    """Folder of keys, made by `multiview keys`."""
    ingest_port: Port = 5555
    """Workers and fusion send here; 0: any free port (for `multiview run` on one machine)."""
    publish_port: Port = 5556
    """Everyone else subscribes here."""
    request_port: Port = 5557
    """Questions: clock probes, status."""


class SyntheticSource(_Section, frozen=True, kw_only=True, tag_field="type", tag="synthetic"):
    """Simulated people; every worker simulates the same studio and sends what its own camera sees."""

    options: dict[str, Any] = {}
    """What the studio is like: the fields of `multiview.synthetic.StudioOptions`."""
    speed: Speed = 1.0
    """1: at the frame rate; 0: as fast as fusion can take it."""
    loop: bool = False
    """Begin again at the end."""
    own_clocks: bool = False
    """Stamp with simulated clocks, one per camera, that have to be mapped to the hub's."""


class KeypointsSource(_Section, frozen=True, kw_only=True, tag_field="type", tag="keypoints"):
    """Recorded 2D keypoints, one folder of OpenPose JSON files per camera."""

    directory: str
    """Folder that holds the cameras' folders."""
    fps: FrameRate = 30.0
    """Frame rate; frame i has the time i / fps."""
    speed: Speed = 1.0
    """1: at the frame rate; 0: as fast as fusion can take it."""
    loop: bool = False
    """Begin again at the end."""


class CameraSource(_Section, frozen=True, kw_only=True, tag_field="type", tag="camera"):
    """A webcam, a stream, an industrial camera, a video or a folder of pictures, looked at by a 2D detector."""

    address: str
    """"0" (webcam), rtsp://, http://, "basler:SERIAL", "genicam:SERIAL", a video, a folder; {camera}: its name."""
    detector: str = "blazepose"
    """Name of a detector, or your own file ("./my.py")."""
    options: dict[str, Any] = {}
    """The detector's options."""
    fps: Annotated[float, between(0, 1000, "frames per second")] = 0.0
    """Frame rate; 0: as the camera or the file says."""
    speed: Speed = 1.0
    """Of files; 1: at their frame rate, frames that nobody had time for are dropped; 0: every frame, however long."""
    loop: bool = False
    """Of files: begin again at the end."""
    rotate: Literal[0, 90, 180, 270] = 0
    """Degrees by which pictures are turned clockwise, where the camera hangs on its side."""
    hardware: str = ""
    """Of videos and streams: decode them by a graphics card, "auto" or "cuda", "vaapi" ...; "off"."""
    regions: bool = False
    """Look where fusion expects people, and search whole pictures for new ones less often."""
    settings: DeviceSettings = DeviceSettings()
    """Of basler: and genicam: cameras: pixel format, region, exposure, gain ...; of webcams: size, exposure ..."""

    def __post_init__(self) -> None:
        if fault := settings_fault(self.address, self.settings):
            raise ValueError(fault)

    @property
    def is_stream(self) -> bool:
        """Whether the address is that of a network's stream, or a secret that is one."""
        return "://" in self.address or has_secret(self.address)

    def address_of(self, camera: str) -> str:
        """The address to open: with the camera's name in it, as files or addresses spell it, and its secrets."""
        if "{camera}" not in self.address:
            resolved = resolve_secrets(self.address)
            if is_secret(self.address) and "://" not in resolved:  # it would be named as a file that is not there
                raise ConfigError(
                    f'{self.address} must be a whole address, or stand in one: "rtsp://{self.address}@HOST/PATH"'
                )
            return resolved
        if self.is_stream:
            return resolve_secrets(self.address.replace("{camera}", quote(camera, safe="")))
        plain = self.address.replace("{camera}", camera)
        return plain if Path(plain).exists() else self.address.replace("{camera}", file_name(camera))


class WorkerOptions(_Section, frozen=True, kw_only=True):
    """One process for several cameras, whose pictures go through the network together."""

    cameras: list[str]
    """Their names; they share the first one's detector."""


Source = SyntheticSource | KeypointsSource | CameraSource


class CameraOptions(_Section, frozen=True, kw_only=True):
    """One camera that differs from the others."""

    source: Source


class RecorderOptions(_Section, frozen=True, kw_only=True):
    """What is kept."""

    enabled: bool = True
    """Record the stream and the poses of every run as a take."""
    directory: str = "takes"
    """Folder that takes are put in."""


class ViewerOptions(_Section, frozen=True, kw_only=True):
    """What is shown."""

    enabled: bool = True
    """Open the 3D viewer, if there is a display."""


class FusionOptions(_Section, frozen=True, kw_only=True):
    """How the fusion process behaves; what it computes is `[pipeline]`."""

    check_calibration: bool = True
    """Reject keypoints of a camera that was calibrated otherwise than the rig says."""
    compensate_rotation: bool = True
    """Correct the keypoints of a camera that was rotated or moved since the start by the rotation that is found."""
    exclude_displaced_cameras: bool = False
    """Exclude such a camera instead, until its worker is started again."""
    estimate_time_offsets: bool = True
    """Estimate constant time offsets of the cameras' stamps from moving people, and report significant ones."""
    correct_time_offsets: bool = False
    """Also correct the stamps by significant offsets, until fusion ends."""
    contacts: bool = True
    """Find feet that stand on the floor, and keep them still while they do."""
    person_height_m: Annotated[float, between(0, 3, "m")] = 0.0
    """m. Height of the people in a studio with one camera; 0: the floor tells it."""


class MetricsOptions(_Section, frozen=True, kw_only=True):
    """Figures for Prometheus."""

    enabled: bool = False
    """Serve them while the studio runs, at http://HOST:PORT/metrics."""
    host: str = "127.0.0.1"
    """Address to listen on; the figures are not secret, but nor are they protected."""
    port: Port = 9464
    """0: any free port."""


class LoggingOptions(_Section, frozen=True, kw_only=True):
    """What the processes say of themselves."""

    json: bool = False
    """One JSON object a line (time, service, level, message) instead of text."""


class Studio(_Section, frozen=True, kw_only=True):
    """A whole studio.toml; paths are absolute once it is loaded."""

    version: int = 1
    name: str = "studio"
    """Takes are named after it."""
    rig: str = ""
    """The calibrated cameras, a rig.toml; a synthetic source brings its own."""
    skeleton: str = ""
    """Name of a skeleton or path of a skeleton file; empty: what the detector or another source gives, else body25."""
    source: Source | None = None
    """Where keypoints come from, for every camera without a source of its own."""
    cameras: dict[str, CameraOptions] = {}
    """Cameras that differ, by name."""
    known_actors: list[str] = []
    """Names of actors to recognise, saved by `multiview actor`."""
    actors: list[Actor] = []
    """Their files, put here when the studio is loaded, so that a take holds them."""
    workers: list[WorkerOptions] = []
    """Cameras that share a process; every other camera has one of its own."""
    sync: SyncOptions = SyncOptions()
    pipeline: dict[str, Any] = {}
    volume: Volume = Volume()
    """Where people may appear, and how many."""
    fusion: FusionOptions = FusionOptions()
    hub: HubOptions = HubOptions()
    recorder: RecorderOptions = RecorderOptions()
    viewer: ViewerOptions = ViewerOptions()
    metrics: MetricsOptions = MetricsOptions()
    logging: LoggingOptions = LoggingOptions()

    def source_of(self, camera: str) -> Source:
        """ConfigError if the camera has none."""
        own = self.cameras.get(camera)
        source = own.source if own else self.source
        if source is None:
            raise ConfigError(f"camera {camera} has no source: add [source] or [cameras.{camera}.source]")
        return source

    @property
    def sources(self) -> list[Source]:
        return [s for s in (self.source, *(camera.source for camera in self.cameras.values())) if s is not None]
