"""The poses of a take with its edits, for everyone who reads a take."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from multiview.editing.apply import apply_edits
from multiview.editing.edit_list import EDITS, EditsFile, read_edits
from multiview.editing.edits import Anew, RefineCameras
from multiview.errors import ConfigError, SourceError
from multiview.recordings.identities import identities_crc
from multiview.recordings.pose_table import Poses, read_poses
from multiview.recordings.unedited_poses import unedited_poses

__all__ = ["EDITED", "anew_path", "edited_poses", "take_poses", "take_rig", "take_start_ns"]

EDITED = "edited"  # folder of what edits have computed, which can be computed again


def take_poses(path: Path) -> tuple[Poses, Path]:
    """The poses of a take, with its edits: whoever shows, measures or exports a take asks here.

    A file is read as it is.

    Args:
        path: A take, any folder with poses.parquet, or a parquet file.

    Returns:
        The poses, and where their parquet file is or would be.

    Raises:
        SourceError: There is neither a table nor a recording with poses, or the edits are of other poses.
        ConfigError: `edits.toml` is not of its form, or edits what is not there.
    """
    poses, table = unedited_poses(path)
    if path.is_dir():
        edits = read_edits(path)
        return (poses if edits is None else edited_poses(path, poses, edits)), table
    if table.name == "poses.parquet" and (table.parent / EDITS).is_file():
        logging.warning("%s is read as it is; with its edits: %s", table, table.parent)
    return poses, table


def edited_poses(folder: Path, poses: Poses, edits: EditsFile) -> Poses:
    """Poses with the edits that are in force.

    Args:
        folder: Of the take.
        poses: The take's, unedited.
        edits: The take's.

    Returns:
        Other poses.

    Raises:
        SourceError: The edits are of other poses.
        ConfigError: An edit is of what is not there.
    """
    if not edits.in_force:
        return poses
    path = folder / EDITS
    if edits.poses != identities_crc(poses.frame, poses.person):
        raise SourceError(f"{path}: its edits are of other poses than are here now; move it away, and edit these anew")
    try:
        return apply_edits(poses, edits.in_force, edits.start_ns, lambda edit: _fused_anew(folder, poses, edit))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def take_start_ns(folder: Path, poses: Poses) -> int:
    """When a take starts, from which edits count: when somebody was there first, before any edit.

    Args:
        folder: Of the take.
        poses: Its poses, edited or not.

    Returns:
        On the clock of the poses.
    """
    edits = read_edits(folder)
    if edits is not None and edits.applied:
        return edits.start_ns
    return int(poses.time_ns.min()) if len(poses) else 0


def take_rig(folder: Path) -> Path:
    """The file of the rig that a take's poses were made with: its own, or the one that an edit has refined.

    Args:
        folder: Of the take.

    Returns:
        Its path; whether it is there is not looked at.
    """
    edits = read_edits(folder)
    anew = [edit for edit in edits.in_force if isinstance(edit, Anew)] if edits is not None else []
    refined = bool(anew) and isinstance(anew[-1], RefineCameras)
    return folder / EDITED / "rig.toml" if refined else folder / "rig.toml"


def anew_path(folder: Path, refine: bool, smooth: bool) -> Path:
    """Where the poses of an edit that fuses anew are kept.

    Args:
        folder: Of the take.
        refine: Whether the cameras were refined.
        smooth: Whether poses were smoothed.

    Returns:
        The parquet file.
    """
    return folder / EDITED / f"{'refined' if refine else 'fused'}{'_smooth' if smooth else ''}.parquet"


def _fused_anew(folder: Path, before: Poses, edit: Anew) -> Poses:
    path = anew_path(folder, isinstance(edit, RefineCameras), edit.smooth)
    if not path.is_file():
        raise SourceError(f"{path}: no such file, which an edit has computed; `multiview edit {folder} --remake`")
    poses = read_poses(path)
    crc = identities_crc(poses.frame, poses.person)
    if crc != edit.poses:
        raise SourceError(
            f"{path}: other people than when the edit was made, so the edits that follow mean nothing; "
            f"`multiview edit {folder} --undo`"
        )
    return replace(poses, names=before.names) if crc == identities_crc(before.frame, before.person) else poses
