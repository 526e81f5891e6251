"""A take edited: one more edit, undo, redo. Only `edits.toml` is written."""

from __future__ import annotations

import shutil
from pathlib import Path

from multiview.common.atomic_file import replacing
from multiview.editing.edit_list import EDITS, EditsFile, read_edits, write_edits
from multiview.editing.edits import Edit, MergePeople, SplitPerson, SwapPeople
from multiview.editing.take_poses import EDITED, edited_poses
from multiview.errors import ConfigError
from multiview.recordings.identities import identities_crc
from multiview.recordings.pose_table import Poses
from multiview.recordings.take import Take
from multiview.recordings.unedited_poses import unedited_poses

__all__ = ["add_edit", "carry_edits", "move_edits", "new_person", "person_number"]


def add_edit(folder: Path, edit: Edit) -> tuple[EditsFile, Poses]:
    """Edit a take.

    Args:
        folder: Of the take.
        edit: One more; edits that were undone are forgotten.

    Returns:
        The take's edits, and its poses with them.

    Raises:
        ConfigError: The edit is of what is not there, or the take is still being recorded.
        SourceError: The take has no poses.
    """
    take = Take(folder)
    if owner := take.recorded_by():
        raise ConfigError(f"{folder} is being recorded by {owner}: stop the recording first")
    if take.partial:
        raise ConfigError(f"{folder} is not finished: `multiview recover {folder}` first")
    poses, _ = unedited_poses(folder)
    if not len(poses):
        raise ConfigError(f"{folder} holds no people: nothing to edit")
    crc = identities_crc(poses.frame, poses.person)
    edits = read_edits(folder)
    if edits is None or (not edits.applied and edits.poses != crc):
        edits = EditsFile(poses=crc, start_ns=int(poses.time_ns.min()))
    edits = edits.with_edit(edit)
    try:
        edited = edited_poses(folder, poses, edits)
    except ConfigError as error:
        raise ConfigError(str(error).removeprefix(f"{folder / EDITS}: edit {edits.applied}: ")) from None
    write_edits(folder, edits)
    return edits, edited


def move_edits(folder: Path, steps: int) -> EditsFile:
    """Undo edits, or do them again.

    Args:
        folder: Of the take.
        steps: How many to do again; to undo where it is negative.

    Returns:
        The take's edits.

    Raises:
        ConfigError: There is nothing to undo or to do again.
    """
    edits = read_edits(folder)
    if edits is None or not (edits.in_force if steps < 0 else edits.undone):
        raise ConfigError(f"{folder}: nothing to {'undo' if steps < 0 else 'redo'}")
    edits = edits.moved(steps)
    write_edits(folder, edits)
    return edits


def carry_edits(folder: Path, out: Path, poses: Poses) -> str:
    """Give the edits of a take to poses of it that lie elsewhere, if they are of the same people.

    Args:
        folder: Of the take.
        out: The folder with the other poses.
        poses: Those.

    Returns:
        What was done, in words; empty where there is nothing to say.
    """
    edits = read_edits(folder)
    if edits is None or not edits.applied:
        return ""
    if out.resolve() == folder.resolve():
        return f"the take's edits stay in force: {out / EDITS}"
    if edits.poses != identities_crc(poses.frame, poses.person):
        return f"without the take's edits ({folder / EDITS}): these are other people than those that were edited"
    if (out / EDITS).exists():
        return f"with the edits that are there: {out / EDITS}"
    write_edits(out, edits)
    for computed in sorted((folder / EDITED).glob("*.*")):
        with replacing(out / EDITED / computed.name) as temporary:
            shutil.copyfile(computed, temporary)
    return f"with the take's edits: {out / EDITS}"


def person_number(poses: Poses, who: str) -> int:
    """A person by number or name.

    Args:
        poses: Of the take, edited so far.
        who: What a user calls them.

    Returns:
        Their number.

    Raises:
        ConfigError: There is nobody of this number or name, or several.
    """
    if who.removeprefix("-").isdecimal() and int(who) in poses.people:
        return int(who)
    named = [person for person, name in poses.names.items() if name == who and person in poses.people]
    if len(named) == 1:
        return named[0]
    if named:
        raise ConfigError(f"{who} is the name of several people: say which number, {' or '.join(map(str, named))}")
    known = (f"{p} ({poses.names[p]})" if p in poses.names else str(p) for p in poses.people.tolist())
    raise ConfigError(f"no person {who}; there are {', '.join(known) or 'nobody'}")


def new_person(folder: Path, poses: Poses) -> int:
    """A number that nobody in a take has or had.

    Args:
        folder: Of the take.
        poses: Of the take, edited so far.

    Returns:
        The number.
    """
    recorded, _ = unedited_poses(folder)
    edits = read_edits(folder)
    taken = [*poses.people.tolist(), *recorded.people.tolist()]
    for edit in edits.edits if edits is not None else ():
        if isinstance(edit, SplitPerson):
            taken.append(edit.into)
        elif isinstance(edit, MergePeople | SwapPeople):
            taken.extend(edit.people)
    return max(taken, default=-1) + 1
