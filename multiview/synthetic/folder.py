"""A synthetic studio as files: what a real one would leave behind, and the truth beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from multiview.cameras.rig_file import save_rig
from multiview.common.atomic_file import replacing
from multiview.common.names import file_name
from multiview.common.toml import encode_toml
from multiview.recordings.ground_truth import write_truth
from multiview.recordings.keypoint_folder import write_keypoints
from multiview.synthetic.cramer_rao import truth_with_bound
from multiview.synthetic.studio import Studio

__all__ = ["write_studio"]


def write_studio(studio: Studio, folder: str | Path, progress: Callable[[int], None] = lambda frames: None) -> None:
    """Write `rig.toml`, `keypoints/CAMERA/*.json`, `gt.npz` (with the Cramer-Rao bound) and the options that made them.

    `progress` is told how many camera frames were just written.
    """
    folder = Path(folder)
    for camera, name in enumerate(studio.rig.names):
        place = folder / "keypoints" / file_name(name)
        place.mkdir(parents=True, exist_ok=True)
        for frame in range(studio.frames):
            seen = studio.keypoints(camera, frame)
            if seen is not None:
                write_keypoints(seen, place / f"{place.name}_{frame:06d}_keypoints.json")
        progress(studio.frames)
    save_rig(studio.rig, folder / "rig.toml")
    write_truth(truth_with_bound(studio), folder / "gt.npz")
    with replacing(folder / "synthetic.toml") as temporary:
        temporary.write_text(encode_toml(studio.options, "synthetic.toml"), encoding="utf-8")
