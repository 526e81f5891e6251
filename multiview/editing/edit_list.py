"""`edits.toml` of a take: its edits in order, and how many of them are in force. Undo and redo change that number."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec

from multiview.common.atomic_file import replacing
from multiview.common.ranges import between
from multiview.common.toml import decode_toml, encode_toml
from multiview.editing.edits import Edit

__all__ = ["EDITS", "EditsFile", "read_edits", "write_edits"]

EDITS = "edits.toml"


class EditsFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`edits.toml`."""

    version: int = 1
    """Of this format."""
    poses: str
    """CRC-32 of the numbers of frames and people that are edited, in hexadecimal digits."""
    start_ns: int
    """The take's start, from which edits count, on the clock of the poses: when somebody was there first."""
    applied: Annotated[int, between(0, 1_000_000)] = 0
    """How many of the edits are in force; those that follow were undone."""
    edits: list[Edit] = []
    """In order; see below."""

    def __post_init__(self) -> None:
        if self.applied > len(self.edits):
            raise ValueError(f"{self.applied} edits are said to be applied, and there are {len(self.edits)}")

    @property
    def in_force(self) -> list[Edit]:
        """The edits that the poses have."""
        return self.edits[: self.applied]

    @property
    def undone(self) -> list[Edit]:
        """The edits that can be done again, the next one first."""
        return self.edits[self.applied :]

    def with_edit(self, edit: Edit) -> EditsFile:
        """One more edit; those that were undone are forgotten.

        Args:
            edit: The last one from now on.

        Returns:
            Another list.
        """
        edits = [*self.in_force, edit]
        return msgspec.structs.replace(self, edits=edits, applied=len(edits))

    def moved(self, steps: int) -> EditsFile:
        """Some edits undone or done again.

        Args:
            steps: How many to do again; to undo where it is negative.

        Returns:
            Another list; no further than the first or the last edit.
        """
        return msgspec.structs.replace(self, applied=min(max(self.applied + steps, 0), len(self.edits)))


def read_edits(folder: Path) -> EditsFile | None:
    """The edits of a take.

    Args:
        folder: Of the take.

    Returns:
        None where there never was one.

    Raises:
        ConfigError: The file is not of this form.
    """
    path = folder / EDITS
    return decode_toml(path, EditsFile) if path.is_file() else None


def write_edits(folder: Path, edits: EditsFile) -> None:
    """Replace a take's list of edits.

    Args:
        folder: Of the take.
        edits: All of them.
    """
    path = folder / EDITS
    with replacing(path, correct=True) as temporary:
        temporary.write_text(encode_toml(edits, str(path)), encoding="utf-8")
