"""What follows from a studio file: its rig, cameras, skeleton, frame rate, and the typed options of slower rooms."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from multiview.body.skeleton import Skeleton, load_skeleton
from multiview.cameras.camera import Rig
from multiview.cameras.rig_file import load_rig
from multiview.common.toml import convert
from multiview.errors import ConfigError, SourceError
from multiview.recordings.folder_skeleton import folder_skeleton
from multiview.sources import is_file_address
from multiview.studio.config import RENAMED_KEYS, KeypointsSource, Source, Studio, SyntheticSource

if TYPE_CHECKING:
    from multiview.fusion.pipeline import PipelineOptions
    from multiview.synthetic import StudioOptions

__all__ = [
    "camera_names",
    "frame_rate",
    "pipeline_options",
    "source_skeleton",
    "studio_rig",
    "studio_skeleton",
    "synthetic_options",
    "with_skeleton",
]


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
