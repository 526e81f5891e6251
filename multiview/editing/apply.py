"""Edits done to poses: a function of the poses and the edits alone, so that the same edits give the same bits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Bool

from multiview.data import NS_PER_S
from multiview.editing.edits import (
    Anew,
    Cut,
    DeletePerson,
    Edit,
    FillGaps,
    FuseAnew,
    MarkBad,
    MergePeople,
    NamePerson,
    RefineCameras,
    Smooth,
    Span,
    SplitPerson,
    SwapPeople,
    Trim,
)
from multiview.errors import ConfigError
from multiview.recordings.pose_table import ROW_ARRAYS, Poses
from multiview.recordings.resample import ResampleOptions, resample_poses

__all__ = ["apply_edits"]

Rows = Bool[np.ndarray, " N"]


def apply_edits(poses: Poses, edits: Sequence[Edit], start_ns: int, anew: Callable[[Anew], Poses]) -> Poses:
    """The poses with the edits done, one after the other.

    Args:
        poses: As they were recorded.
        edits: In order.
        start_ns: The take's start, on the clock of the poses.
        anew: Gives the poses that an edit which fuses anew has led to.

    Returns:
        Other poses.

    Raises:
        ConfigError: An edit is of somebody, a joint or a time that is not there; it begins with the edit's number.
    """
    removed: list[Trim | Cut] = []
    for number, edit in enumerate(edits, start=1):
        if isinstance(edit, Trim | Cut):
            removed.append(edit)
        try:
            poses = anew(edit) if isinstance(edit, Anew) else _edited(poses, edit, start_ns)
        except ConfigError as error:
            raise ConfigError(f"edit {number}: {error}") from None
        for one in removed:  # again: what was removed is neither filled nor fused back
            poses = poses.select(_staying(poses, one, start_ns))
    return poses


def _edited(poses: Poses, edit: Edit, start_ns: int) -> Poses:
    match edit:
        case Trim() | Cut():
            return _removed(poses, edit, start_ns)
        case MergePeople():
            return _merged(poses, edit)
        case SplitPerson():
            if edit.into in poses.people:
                raise ConfigError(f"there is a person {edit.into} already: split into a new number")
            return _renumbered(poses, {edit.person: edit.into}, _rows(poses, edit.person, edit, start_ns))
        case SwapPeople():
            return _swapped(poses, edit, start_ns)
        case DeletePerson():
            return poses.select(~_rows(poses, edit.person, edit, start_ns))
        case NamePerson():
            return _named(poses, edit)
        case MarkBad():
            return _without_joints(poses, edit, start_ns)
        case FillGaps():
            return _treated(poses, edit, start_ns, ResampleOptions(max_gap_s=edit.max_s))
        case Smooth():
            return _treated(poses, edit, start_ns, ResampleOptions(lowpass_hz=edit.hz))
        case FuseAnew() | RefineCameras():
            raise AssertionError("fused anew by the caller")


def _within(poses: Poses, span: Span, start_ns: int) -> Rows:
    since_ns = poses.time_ns - start_ns
    inside = np.ones(len(poses), dtype=bool)
    if span.from_s is not None:
        inside &= since_ns >= round(span.from_s * NS_PER_S)
    if span.to_s is not None:
        inside &= since_ns < round(span.to_s * NS_PER_S)
    return inside


def _staying(poses: Poses, edit: Trim | Cut, start_ns: int) -> Rows:
    inside = _within(poses, edit, start_ns)
    return inside if isinstance(edit, Trim) else ~inside


def _removed(poses: Poses, edit: Trim | Cut, start_ns: int) -> Poses:
    staying = _staying(poses, edit, start_ns)
    if not staying.any():
        raise ConfigError(f"nobody would be left: people are there {_when(poses, start_ns)}")
    if staying.all():
        raise ConfigError(f"nothing would go: people are there {_when(poses, start_ns)}")
    return poses.select(staying)


def _rows(poses: Poses, person: int, span: Span, start_ns: int) -> Rows:
    """Those of a person in a span; ConfigError if there are none."""
    own = _own(poses, person)
    rows = own & _within(poses, span, start_ns)
    if not rows.any():
        raise ConfigError(f"{poses.label(person)} is not there then, but {_when(poses.select(own), start_ns)}")
    return rows


def _own(poses: Poses, person: int) -> Rows:
    own: Rows = poses.person == person
    if not own.any():
        known = ", ".join(map(str, poses.people.tolist())) or "nobody"
        raise ConfigError(f"no person {person}; there are {known}")
    return own


def _when(poses: Poses, start_ns: int) -> str:
    if not len(poses):
        return "never"
    first, last = ((int(ns) - start_ns) / NS_PER_S for ns in (poses.time_ns.min(), poses.time_ns.max()))
    return f"from {first:.3f} to {last:.3f} s"


def _renumbered(poses: Poses, numbers: dict[int, int], rows: Rows) -> Poses:
    """Other numbers for people, in some rows."""
    person = poses.person.copy()
    for old, new in numbers.items():
        person[rows & (poses.person == old)] = new
    return _ordered(replace(poses, person=person))


def _ordered(poses: Poses) -> Poses:
    return poses.select(np.lexsort((poses.person, poses.frame)))


def _swapped(poses: Poses, edit: SwapPeople, start_ns: int) -> Poses:
    one, other = edit.people
    if one == other:
        raise ConfigError(f"{poses.label(one)} cannot be swapped with themselves")
    for person in edit.people:
        _own(poses, person)
    inside = _within(poses, edit, start_ns)
    if not (inside & np.isin(poses.person, edit.people)).any():
        raise ConfigError(f"neither {poses.label(one)} nor {poses.label(other)} is there then")
    return _renumbered(poses, {one: other, other: one}, inside)


def _merged(poses: Poses, edit: MergePeople) -> Poses:
    people = edit.people
    if len(set(people)) < len(people):
        raise ConfigError("a person cannot be merged with themselves")
    for person in people:
        _own(poses, person)
    rank = np.full(len(poses), -1)
    for place, person in enumerate(people):
        rank[poses.person == person] = place
    order = np.lexsort((rank, poses.frame))
    order = order[rank[order] >= 0]
    _, first = np.unique(poses.frame[order], return_index=True)
    kept = rank < 0
    kept[order[first]] = True
    names = [poses.names[person] for person in people if person in poses.names]
    others = {person: name for person, name in poses.names.items() if person not in people}
    merged = replace(poses, names=others | dict.fromkeys(people[:1], names[0]) if names else others)
    return _renumbered(merged.select(kept), dict.fromkeys(people[1:], people[0]), np.ones(int(kept.sum()), dtype=bool))


def _named(poses: Poses, edit: NamePerson) -> Poses:
    _own(poses, edit.person)
    others = {p: name for p, name in poses.names.items() if p != edit.person and name != edit.name}
    return replace(poses, names=others | ({edit.person: edit.name} if edit.name else {}))


def _without_joints(poses: Poses, edit: MarkBad, start_ns: int) -> Poses:
    unknown = [joint for joint in edit.joints if joint not in poses.joints]
    if unknown:
        raise ConfigError(f"no joint {', '.join(unknown)}; there are {', '.join(poses.joints)}")
    bad = np.zeros(poses.score.shape, dtype=bool)
    joints = np.array([poses.joints.index(joint) for joint in edit.joints])
    bad[np.ix_(_rows(poses, edit.person, edit, start_ns), joints)] = True
    marked = replace(
        poses,
        xyz=np.where(bad[..., None], np.nan, poses.xyz),
        cov=np.where(bad[..., None, None], np.nan, poses.cov),
        score=np.where(bad, 0.0, poses.score),
        views=np.where(bad, 0, poses.views),
        filled=poses.filled & ~bad,
        contact=poses.contact & ~bad,
    )
    return marked.select(np.isfinite(marked.xyz[..., 0]).any(axis=1) | ~bad.any(axis=1))


def _treated(poses: Poses, edit: FillGaps | Smooth, start_ns: int, options: ResampleOptions) -> Poses:
    """The rows of the people and the span as `resample_poses` makes them."""
    for person in edit.people:
        _own(poses, person)
    treated = resample_poses(poses, options)

    def chosen(table: Poses) -> Rows:
        who = np.isin(table.person, edit.people) if edit.people else np.ones(len(table), dtype=bool)
        return who & _within(table, edit, start_ns)

    return _joined(poses.select(~chosen(poses)), treated.select(chosen(treated)))


def _joined(one: Poses, other: Poses) -> Poses:
    columns: dict[str, Any] = {name: np.concatenate([getattr(one, name), getattr(other, name)]) for name in ROW_ARRAYS}
    return _ordered(replace(one, **columns))
