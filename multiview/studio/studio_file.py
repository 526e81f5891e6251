"""Read a studio file, check what it says and what it refers to, and write one."""

from __future__ import annotations

from pathlib import Path

import msgspec

from multiview.body.actor import actors_folder, load_actor
from multiview.body.skeleton import load_skeleton
from multiview.cameras.camera import Rig, too_many_cameras
from multiview.common.atomic_file import replacing
from multiview.common.names import check_name, named_path
from multiview.common.secret import hide_secrets
from multiview.common.toml import decode_toml, encode_toml
from multiview.errors import ConfigError
from multiview.sources import is_file_address
from multiview.studio.config import (
    RENAMED_KEYS,
    CameraOptions,
    CameraSource,
    KeypointsSource,
    Source,
    Studio,
    WorkerOptions,
)
from multiview.studio.derived import pipeline_options, source_skeleton, studio_rig, studio_skeleton, with_skeleton

__all__ = [
    "decode_studio",
    "load_studio",
    "studio_text",
    "without_secrets",
    "write_studio",
]


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
