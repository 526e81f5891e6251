"""The edits that a take's poses can have, one type each; `multiview.editing.apply` does them.

Times are seconds from the take's start. A span is from `from_s` up to, but not at, `to_s`; without them it is from the
beginning, or to the end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, get_args

import msgspec

from multiview.common.names import name_fault
from multiview.common.ranges import Seconds, above, between
from multiview.common.toml import convert

__all__ = [
    "Anew",
    "Cut",
    "DeletePerson",
    "Edit",
    "FillGaps",
    "FuseAnew",
    "MarkBad",
    "MergePeople",
    "NamePerson",
    "RefineCameras",
    "Smooth",
    "Span",
    "SplitPerson",
    "SwapPeople",
    "Trim",
    "edit_words",
    "make_edit",
]

Time = Annotated[float, between(0, 1e7, "s")]
Person = Annotated[int, between(-(2**62), 2**62)]


class _Edit(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="kind"
):
    """One of `[[edits]]`."""


class Span(_Edit, frozen=True, kw_only=True):
    """What edits of a stretch of time have in common."""

    from_s: Time | None = None
    """s from the take's start; absent: the beginning."""
    to_s: Time | None = None
    """s, no longer within; absent: the end."""

    def __post_init__(self) -> None:
        if self.to_s is not None and self.to_s <= (self.from_s or 0.0):
            raise ValueError(f"a span that ends at {self.to_s:g} s and begins at {self.from_s or 0.0:g} s is empty")


class Trim(Span, frozen=True, kw_only=True, tag="trim"):
    """Only the span stays."""


class Cut(Span, frozen=True, kw_only=True, tag="cut"):
    """The span goes; what follows keeps its times."""


class MergePeople(_Edit, frozen=True, kw_only=True, tag="merge"):
    """Several numbers are one person, who gets the first. In a frame with several of them, the first of them counts."""

    people: Annotated[list[Person], msgspec.Meta(min_length=2)]
    """Their numbers."""


class SplitPerson(Span, frozen=True, kw_only=True, tag="split"):
    """In the span a person is somebody else."""

    person: Person
    """Who."""
    into: Person
    """The number that the other one gets; nobody has it yet."""


class SwapPeople(Span, frozen=True, kw_only=True, tag="swap"):
    """In the span two people exchange their identities."""

    people: tuple[Person, Person]
    """Who."""


class DeletePerson(Span, frozen=True, kw_only=True, tag="delete"):
    """A person goes, in the span."""

    person: Person
    """Who."""


class NamePerson(_Edit, frozen=True, kw_only=True, tag="name"):
    """What a person is called; whoever was called so before is not any more."""

    person: Person
    """Who."""
    name: str
    """Their name; empty takes it away."""

    def __post_init__(self) -> None:
        if self.name and (fault := name_fault(self.name)):
            raise ValueError(fault)


class MarkBad(Span, frozen=True, kw_only=True, tag="mark_bad"):
    """Joints are wrong in the span: they become unknown."""

    person: Person
    """Whose."""
    joints: Annotated[list[str], msgspec.Meta(min_length=1)]
    """Their names."""


class FillGaps(Span, frozen=True, kw_only=True, tag="fill_gaps"):
    """Joints that are unknown for a while are placed by a spline through their neighbours in time, marked filled."""

    max_s: Seconds
    """s. Longer gaps stay."""
    people: list[Person] = []
    """Of whom; none: of everybody."""


class Smooth(Span, frozen=True, kw_only=True, tag="smooth"):
    """A fourth-order Butterworth filter without delay (Winter 2009, section 3.4)."""

    hz: Annotated[float, above(0, 1000, "Hz")]
    """Hz. Its cut-off; 6 is usual."""
    people: list[Person] = []
    """Of whom; none: of everybody."""


class FuseAnew(_Edit, frozen=True, kw_only=True, tag="fuse"):
    """The recorded keypoints are fused anew. Of the edits before, those of time stay (trim, cut)."""

    smooth: bool = False
    """Each pose with the whole take's knowledge."""
    poses: str
    """CRC-32 of the numbers of frames and people that came of it, in hexadecimal digits."""


class RefineCameras(_Edit, frozen=True, kw_only=True, tag="refine_cameras"):
    """The cameras are corrected from the people in the take, and the recorded keypoints fused anew with them."""

    smooth: bool = False
    """Each pose with the whole take's knowledge."""
    poses: str
    """CRC-32 of the numbers of frames and people that came of it, in hexadecimal digits."""


Anew = FuseAnew | RefineCameras
Edit = (
    Trim
    | Cut
    | MergePeople
    | SplitPerson
    | SwapPeople
    | DeletePerson
    | NamePerson
    | MarkBad
    | FillGaps
    | Smooth
    | FuseAnew
    | RefineCameras
)


def make_edit(kind: str, values: dict[str, Any]) -> Edit:
    """An edit from what a user gave.

    Args:
        kind: As in `edits.toml`.
        values: Of its fields; None is absent.

    Returns:
        The edit.

    Raises:
        ConfigError: A value is of another kind, or out of its range.
    """
    given = {name: value for name, value in values.items() if value is not None}
    return convert(given, _KINDS[kind], kind.replace("_", "-"))


_KINDS: dict[str, type[Edit]] = {str(kind.__struct_config__.tag): kind for kind in get_args(Edit)}


def edit_words(edit: Edit, label: Callable[[int], str]) -> str:
    """An edit in words.

    Args:
        edit: Which.
        label: What a person is called, by number.

    Returns:
        One line.
    """
    match edit:
        case Trim():
            return f"keep only{_span(edit)}"
        case Cut():
            return f"cut{_span(edit)}"
        case MergePeople():
            return f"merge {' and '.join(map(label, edit.people))}"
        case SplitPerson():
            return f"split {label(edit.person)}{_span(edit)}, who becomes {label(edit.into)}"
        case SwapPeople():
            return f"swap {' and '.join(map(label, edit.people))}{_span(edit)}"
        case DeletePerson():
            return f"delete {label(edit.person)}{_span(edit)}"
        case NamePerson():
            return f"name person {edit.person} {edit.name}" if edit.name else f"no name for person {edit.person}"
        case MarkBad():
            return f"mark bad {', '.join(edit.joints)} of {label(edit.person)}{_span(edit)}"
        case FillGaps():
            return f"fill gaps of up to {edit.max_s:g} s{_whose(edit.people, label)}{_span(edit)}"
        case Smooth():
            return f"smooth, {edit.hz:g} Hz{_whose(edit.people, label)}{_span(edit)}"
        case FuseAnew():
            return f"fuse anew{', smoothed' if edit.smooth else ''}"
        case RefineCameras():
            return f"refine the cameras, and fuse anew{', smoothed' if edit.smooth else ''}"


def _whose(people: list[int], label: Callable[[int], str]) -> str:
    return f" of {' and '.join(map(label, people))}" if people else ""


def _span(edit: Span) -> str:
    if edit.from_s is None and edit.to_s is None:
        return ""
    if edit.to_s is None:
        return f" from {edit.from_s:g} s on"
    return f" up to {edit.to_s:g} s" if edit.from_s is None else f" from {edit.from_s:g} to {edit.to_s:g} s"
