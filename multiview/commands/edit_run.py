"""Edits that fuse a take's keypoints anew: their poses are computed once, and kept in the take's folder `edited`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from multiview.body.skeleton import Skeleton
from multiview.cameras.rig_file import load_rig, save_rig
from multiview.commands.fuse_run import fuse_views
from multiview.commands.refine_run import RigRefinement, refine_from_people
from multiview.data import Tracks
from multiview.editing.edit_list import EditsFile
from multiview.editing.edits import Anew, FuseAnew, RefineCameras
from multiview.editing.take_poses import anew_path
from multiview.errors import CalibrationError, SourceError
from multiview.recordings.identities import identities_crc
from multiview.recordings.pose_table import Poses, read_poses, write_poses
from multiview.recordings.take import Take
from multiview.studio.derived import frame_rate, pipeline_options, studio_skeleton
from multiview.studio.rerun import rerun_fusion
from multiview.studio.take_studio import take_studio
from multiview.wire.packing import unpack_tracks

__all__ = ["fuse_anew", "refine_cameras", "remake"]


def fuse_anew(folder: Path, smooth: bool = False) -> FuseAnew:
    """Fuse a take's recorded keypoints anew, as fusion does live.

    Args:
        folder: Of the take.
        smooth: Let the whole take correct each pose.

    Returns:
        The edit, whose poses are there now.

    Raises:
        SourceError: No keypoints were recorded.
    """
    take = Take(folder)
    return FuseAnew(smooth=smooth, poses=_fuse(take, take.rig, smooth, anew_path(folder, False, smooth)))


def refine_cameras(folder: Path, smooth: bool = False) -> tuple[RefineCameras, RigRefinement]:
    """Correct a take's cameras from the people in it, and fuse its keypoints anew with them.

    Args:
        folder: Of the take.
        smooth: Let the whole take correct each pose.

    Returns:
        The edit, whose rig and poses are there now, and what changed.

    Raises:
        CalibrationError: The people do not support a correction.
        SourceError: No keypoints were recorded.
    """
    take, path = Take(folder), anew_path(folder, True, smooth)
    views = (fused.views for fused in rerun_fusion(take))
    found = refine_from_people(load_rig(take.rig), _skeleton(take), views)
    if found.why_not:
        raise CalibrationError(f"{found.why_not}: the cameras stay as they are")
    rig = path.with_name("rig.toml")
    save_rig(found.rig, rig)
    return RefineCameras(smooth=smooth, poses=_fuse(take, rig, smooth, path)), found


def remake(folder: Path, edits: EditsFile) -> int:
    """Compute again what the edits of a take need that fuse anew.

    Args:
        folder: Of the take.
        edits: The take's.

    Returns:
        How many there are.
    """
    anew = [edit for edit in edits.edits if isinstance(edit, Anew)]
    for edit in anew:
        if isinstance(edit, FuseAnew):
            fuse_anew(folder, edit.smooth)
        else:
            refine_cameras(folder, edit.smooth)
    return len(anew)


def _skeleton(take: Take) -> Skeleton:
    return studio_skeleton(take_studio(take))


def _fuse(take: Take, rig: Path, smooth: bool, out: Path) -> str:
    """Write the poses; the CRC-32 of who is where in them."""
    if not take.recordings():
        raise SourceError(f"{take.folder}: a take without a recording (take.mcap): there are no keypoints to fuse anew")
    other = None if rig == take.rig else rig
    tracks = _smoothed(take, other) if smooth else (unpack_tracks(f.message) for f in rerun_fusion(take, rig=other))
    poses = Poses.from_tracks(tracks, _skeleton(take))
    if not len(poses):
        raise SourceError(f"{take.folder}: fused anew, it holds no people; were keypoints recorded?")
    write_poses(poses, out)
    written = read_poses(out)
    return identities_crc(written.frame, written.person)


def _smoothed(take: Take, rig: Path | None) -> Iterator[Tracks]:
    studio = take_studio(take)
    views = [fused.views for fused in rerun_fusion(take, rig=rig)]
    options = pipeline_options(studio)
    cameras = load_rig(rig or take.rig)
    contacts = studio.fusion.contacts
    tracks, _ = fuse_views(
        cameras, studio_skeleton(studio), views, len(views), frame_rate(studio), options, smooth=True, contacts=contacts
    )
    return iter(tracks)
