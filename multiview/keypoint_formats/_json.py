"""JSON of other programs: any content first, then checked piece by piece."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from multiview.common.foreign_errors import foreign_errors
from multiview.errors import SourceError, one_line

__all__ = ["checked", "load", "starts_with"]


def starts_with(head: bytes, opening: bytes, words: Iterable[bytes]) -> bool:
    """Whether a file begins like JSON of one kind and has all of these keys early on."""
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(opening) and all(b'"' + word + b'"' in head for word in words)


def load(path: Path, what: str) -> Any:
    """The content of a JSON file; NaN and Infinity, which Python writes, are read. Raises SourceError."""
    with foreign_errors(path, what):
        content = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
        try:
            return msgspec.json.decode(content)
        except msgspec.DecodeError:
            return json.loads(content)


def checked(value: Any, kind: Any, path: Path, what: str) -> Any:
    """`value` as `kind`, a type of msgspec; raises SourceError saying where it differs."""
    try:
        return msgspec.convert(value, type=kind, strict=False)
    except (msgspec.ValidationError, OverflowError, ValueError) as error:
        raise SourceError(f"{path}: not {what}, or damaged ({one_line(error)})") from None
