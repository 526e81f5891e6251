"""The way to every JSON file that multiview writes: JSON has no NaN, and most other programs refuse a file with one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from multiview.common.atomic_file import replacing

__all__ = ["write_json"]


def write_json(path: Path, value: Any, correct: bool = False) -> None:
    """Write a value, whole or not at all; numbers that are not finite become null.

    Args:
        path: The file to make or to replace.
        value: Of dicts, lists, structs, arrays, numbers and strings.
        correct: As of `replacing`.

    Raises:
        ConfigError: `path` is an input of the command, or was recorded.
    """
    with replacing(path, correct) as temporary:
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode(value, enc_hook=_plain), indent=2) + b"\n")


def _plain(value: Any) -> Any:
    """Numbers and arrays of numpy as Python's own."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"JSON has nothing for {type(value).__name__}")
