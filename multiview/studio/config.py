"""One TOML file describes a studio: what is watched, how it is fused, where the processes meet and what is kept.

`configs/studio.toml` shows every option with its default, its unit and its meaning. Two sections belong to rooms that
are slow to import, so they are kept as they were read and become typed when asked for: `[pipeline]` by
`pipeline_options`, `[source.options]` of a synthetic studio by `synthetic_options`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import quote

import msgspec

from multiview.body.actor import Actor, actors_folder, load_actor
from multiview.body.skeleton import Skeleton, load_skeleton
from multiview.cameras.camera import Rig, too_many_cameras
from multiview.cameras.capture_volume import Volume
from multiview.cameras.rig_file import load_rig
from multiview.common.atomic_file import replacing
from multiview.common.names import check_name, file_name, named_path
from multiview.common.ranges import FrameRate, Port, between
from multiview.common.secret import has_secret, hide_secrets, resolve_secrets
from multiview.common.toml import convert, decode_toml, encode_toml
from multiview.errors import ConfigError, SourceError
from multiview.recordings.folder_skeleton import folder_skeleton
from multiview.sources import DeviceSettings, is_file_address, settings_fault
from multiview.timing.sync_buffer import SyncOptions

if TYPE_CHECKING:
    from multiview.fusion.pipeline import PipelineOptions
    from multiview.synthetic import StudioOptions

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
    "camera_names",
    "decode_studio",
    "frame_rate",
    "load_studio",
    "pipeline_options",
    "source_skeleton",
    "studio_rig",
    "studio_skeleton",
    "studio_text",
    "synthetic_options",
    "with_skeleton",
    "without_secrets",
    "write_studio",
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
            return resolve_secrets(self.address)
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


def decode_studio(path: Path | str) -> Studio:
    """A studio file as it stands, and nothing that it refers to; ConfigError as of `load_studio`."""
    path = Path(path)
    studio = decode_toml(path, Studio, renamed=RENAMED_KEYS)
    if studio.version != 1:
        raise ConfigError(f"{path}: version {studio.version}; this program reads version 1")
    studio = _with_checked_names(studio, path)
    if fault := too_many_cameras(len(studio.cameras)):
        raise ConfigError(f"{path}: {fault}")
    if not studio.sources:
        raise ConfigError(f'{path}: no [source]; add one, for example type = "synthetic"')
    return studio


def load_studio(path: Path | str, check: bool = True, rig: Path | None = None) -> Studio:
    """Read a studio file; ConfigError naming the key that is wrong and the nearest known one.

    `check` also reads what the file refers to (rig, pipeline and synthetic options), as one does before starting; `rig`
    is another rig than the file names.
    """
    path = Path(path)
    studio = decode_studio(path)
    studio = _absolute(_with_actors(studio, path), path.parent.resolve())
    if rig is not None:
        studio = msgspec.structs.replace(studio, rig=str(rig.resolve()))
    try:
        studio = with_skeleton(studio)
    except ConfigError as error:
        if check:
            raise ConfigError(f"{path}: {error}") from None
    if check:
        try:
            pipeline_options(studio)
            cameras = studio_rig(studio)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from None
        for name in studio.cameras:
            if name not in cameras.names:
                raise ConfigError(
                    f"{path}: cameras.{name}: the rig has no such camera; it has {', '.join(cameras.names)}"
                )
        for name in cameras.names:
            studio.source_of(name)
        _check_ports(studio, path)
        _check_workers(studio, cameras, path)
        _check_skeletons(studio, cameras, path)
    return studio


def _with_checked_names(studio: Studio, path: Path) -> Studio:
    """The same, its names as they are compared: those of the studio, of cameras and of actors."""
    where = str(path)
    return msgspec.structs.replace(
        studio,
        name=check_name(studio.name, f"{where}: name"),
        cameras={check_name(name, f"{where}: cameras"): camera for name, camera in studio.cameras.items()},
        workers=[
            WorkerOptions(cameras=[check_name(name, f"{where}: workers") for name in worker.cameras])
            for worker in studio.workers
        ],
        known_actors=[check_name(name, f"{where}: known_actors") for name in studio.known_actors],
    )


def _check_ports(studio: Studio, path: Path) -> None:
    """Two of one port would let the studio start and never speak."""
    hub, metrics = studio.hub, studio.metrics
    ports = {"hub.ingest_port": hub.ingest_port, "hub.publish_port": hub.publish_port}
    ports |= {"hub.request_port": hub.request_port} | ({"metrics.port": metrics.port} if metrics.enabled else {})
    taken: dict[int, str] = {}
    for name, port in ports.items():
        if port and port in taken:
            raise ConfigError(f"{path}: {taken[port]} and {name} are both {port}: give each a port of its own")
        taken[port] = name


def _check_workers(studio: Studio, rig: Rig, path: Path) -> None:
    seen: set[str] = set()
    for worker in studio.workers:
        if not worker.cameras:
            raise ConfigError(f"{path}: workers: one has no cameras: name some, or remove it")
        for name in worker.cameras:
            if name not in rig.names:
                raise ConfigError(f"{path}: workers: the rig has no camera {name}; it has {', '.join(rig.names)}")
            if name in seen:
                raise ConfigError(f"{path}: workers: {name} is named twice")
            source = studio.source_of(name)
            if not isinstance(source, CameraSource):
                raise ConfigError(f"{path}: workers: {name} has no detector; only cameras with one can share a worker")
            first = studio.source_of(worker.cameras[0])
            assert isinstance(first, CameraSource)
            if (source.detector, source.options) != (first.detector, first.options):
                raise ConfigError(f"{path}: workers: {name} has another detector than {worker.cameras[0]}")
            seen.add(name)


def _check_skeletons(studio: Studio, rig: Rig, path: Path) -> None:
    """What its worker would refuse: keypoints of another skeleton than fusion expects."""
    try:
        expected = studio_skeleton(studio).name
        for name in rig.names:
            source = studio.source_of(name)
            gives = "" if isinstance(source, KeypointsSource) else source_skeleton(source)
            if gives and load_skeleton(gives).name != expected:
                what = f"the detector {source.detector}" if isinstance(source, CameraSource) else "its source"
                raise ConfigError(
                    f'camera {name}: {what} gives {gives}, the studio has skeleton = "{studio.skeleton}": set skeleton '
                    f'= "{gives}"'
                )
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def without_secrets(studio: Studio) -> Studio:
    """The same without users and passwords in its cameras' addresses, as takes hold it; `secret:NAME` tells nothing."""

    def hidden(source: Source) -> Source:
        if not isinstance(source, CameraSource):
            return source
        return msgspec.structs.replace(source, address=hide_secrets(source.address))

    return msgspec.structs.replace(
        studio,
        source=hidden(studio.source) if studio.source else None,
        cameras={name: CameraOptions(source=hidden(camera.source)) for name, camera in studio.cameras.items()},
    )


def studio_text(studio: Studio) -> str:
    """The text of a studio file with every option that has a value."""
    return encode_toml(studio, "the studio cannot be written")


def write_studio(studio: Studio, path: Path | str) -> None:
    """Write it as a file, atomically."""
    with replacing(path) as temporary:
        temporary.write_text(studio_text(studio), encoding="utf-8")


def source_skeleton(source: Source) -> str:
    """The name of the skeleton that a source gives; empty where only its worker will know. ConfigError as its options.

    Recorded keypoints give the one with as many joints.
    """
    if isinstance(source, SyntheticSource):
        return synthetic_options(source).skeleton
    if isinstance(source, KeypointsSource):
        return folder_skeleton(source.directory)
    from multiview.detect import detector_skeleton

    return detector_skeleton(source.detector, source.options)


def with_skeleton(studio: Studio) -> Studio:
    """The same with the skeleton named; ConfigError if it names none, and its sources give several."""
    if studio.skeleton:
        return studio
    found = list(dict.fromkeys(name for source in studio.sources if (name := source_skeleton(source))))
    if len(found) > 1:
        raise ConfigError(f"the sources give different skeletons ({', '.join(found)}): give all one, and name it")
    return msgspec.structs.replace(studio, skeleton=found[0] if found else "body25")


def studio_skeleton(studio: Studio) -> Skeleton:
    """The skeleton of the studio's keypoints; ConfigError as `with_skeleton`."""
    return load_skeleton(with_skeleton(studio).skeleton)


def camera_names(studio: Studio) -> list[str]:
    """The cameras of a studio, which need not be calibrated yet: those of its rig, and those with their own source."""
    of_rig: list[str] = []
    if studio.source is not None and (not studio.rig or Path(studio.rig).is_file()):
        of_rig = list(studio_rig(studio).names) if studio.rig or isinstance(studio.source, SyntheticSource) else []
    return list(dict.fromkeys([*of_rig, *studio.cameras]))


def pipeline_options(studio: Studio) -> PipelineOptions:
    """`[pipeline]` and `[volume]`, typed; ConfigError for what is wrong in them."""
    from multiview.fusion.association import associator_options
    from multiview.fusion.pipeline import PipelineOptions

    options = convert(studio.pipeline, PipelineOptions, "[pipeline]", RENAMED_KEYS)
    associator_options(options.associator, options.associator_options)
    return options if "volume" in studio.pipeline else msgspec.structs.replace(options, volume=studio.volume)


def synthetic_options(source: SyntheticSource) -> StudioOptions:
    """`[source.options]` of a synthetic source, typed."""
    from multiview.synthetic import StudioOptions

    return convert(source.options, StudioOptions, "[source.options]", RENAMED_KEYS)


def studio_rig(studio: Studio) -> Rig:
    """The rig that the file names, or that of its synthetic source."""
    if studio.rig:
        return load_rig(studio.rig)
    if isinstance(studio.source, SyntheticSource):
        from multiview.synthetic import make_rig

        return make_rig(synthetic_options(studio.source))
    raise ConfigError('no rig: add rig = "rig.toml" (only a synthetic source brings its own)')


def frame_rate(studio: Studio) -> float:
    """Ticks per second: `[sync] rate_hz`, else the highest frame rate of the sources."""
    if studio.sync.rate_hz > 0:
        return studio.sync.rate_hz
    return max(_rate_of(studio, source) for source in studio.sources)


def _rate_of(studio: Studio, source: Source) -> float:
    if isinstance(source, SyntheticSource):
        return synthetic_options(source).fps
    if isinstance(source, KeypointsSource) or source.fps > 0:
        return source.fps
    from multiview.sources import open_source

    if source.is_stream or not is_file_address(source.address):
        return 30.0  # a camera that is asked for its rate would have to be opened, and it may be in use
    rates, error = list[float](), None
    for camera in studio_rig(studio).names:
        if studio.source_of(camera) == source:
            try:
                opened = open_source(source.address_of(camera))
            except SourceError as missing:
                error = missing  # one that is not there need not keep the others from playing
                continue
            rates.append(opened.fps)
            opened.close()
    if error is not None and not rates:
        raise error
    return max(rates, default=0.0) or 30.0


def _with_actors(studio: Studio, path: Path) -> Studio:
    """The known actors' files, from the folder `actors` beside the studio's file, or else from the user's."""
    beside = path.parent / "actors"
    known = {actor.name for actor in studio.actors}
    found = list(studio.actors)
    for name in studio.known_actors:
        if name not in known:
            found.append(load_actor(name, beside if named_path(beside, name, ".toml").is_file() else actors_folder()))
    return msgspec.structs.replace(studio, known_actors=[], actors=found)


def _absolute(studio: Studio, folder: Path) -> Studio:
    def whole(path: str) -> str:
        try:
            return str(folder / Path(path).expanduser()) if path else path
        except RuntimeError:  # a user without a home
            raise ConfigError(f"{path}: there is no home folder of this name; give the whole path") from None

    def moved(source: Source) -> Source:
        if isinstance(source, KeypointsSource):
            return msgspec.structs.replace(source, directory=whole(source.directory))
        if isinstance(source, CameraSource):
            own = source.detector.endswith(".py")
            is_file = is_file_address(source.address) and not source.is_stream
            return msgspec.structs.replace(
                source,
                address=whole(source.address) if is_file else source.address,
                detector=whole(source.detector) if own else source.detector,
            )
        return source

    pipeline = dict(studio.pipeline)
    if str(pipeline.get("associator", "")).endswith(".py"):
        pipeline["associator"] = whole(pipeline["associator"])
    return msgspec.structs.replace(
        studio,
        pipeline=pipeline,
        rig=whole(studio.rig),
        hub=msgspec.structs.replace(studio.hub, keys=whole(studio.hub.keys)),
        skeleton=whole(studio.skeleton) if studio.skeleton.endswith(".toml") else studio.skeleton,
        source=moved(studio.source) if studio.source else None,
        cameras={name: CameraOptions(source=moved(camera.source)) for name, camera in studio.cameras.items()},
        recorder=msgspec.structs.replace(studio.recorder, directory=whole(studio.recorder.directory)),
    )
