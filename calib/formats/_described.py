"""What a file is that nobody knows: its syntax and what stands first in it, for a message."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any
from xml.etree import ElementTree

__all__ = ["described"]

_MOST = 6  # keys that are named
_OTHERS = {
    "Kalibr": {"T_cam_imu", "T_cn_cnm1", "distortion_model"},
    "ROS (camera_info)": {"rectification_matrix", "projection_matrix", "distortion_model"},
}


def described(text: str) -> str:
    """A few words: "JSON with cameras, version", "YAML with image_width ...: perhaps of ROS (camera_info)".

    Args:
        text: Of the file; what was no text has replacement characters.

    Returns:
        The words, without a full stop.
    """
    if not text.strip():
        return "an empty file"
    if "\0" in text or "\ufffd" in text[:1000]:
        return "a binary file"
    for syntax, keys_of in (("XML", _xml), ("JSON", _json), ("TOML", _toml), ("YAML", _yaml)):
        keys = keys_of(text)
        if keys:
            some = ", ".join(keys[:_MOST]) + (" ..." if len(keys) > _MOST else "")
            return f"{syntax} with {some}{_maybe(set(keys))}"
    line = text.strip().splitlines()[0]
    return f"a text that begins with {line[:40]!r}"


def _maybe(keys: set[str]) -> str:
    found = [(len(keys & known), program) for program, known in _OTHERS.items() if keys & known]
    return f" (perhaps of {max(found)[1]})" if found else ""


def _xml(text: str) -> list[str]:
    """The root and what is below it; entities are not followed."""
    if not text.lstrip().startswith("<") or "<!" in text:
        return []
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError:
        return []
    return list(dict.fromkeys([root.tag, *(child.tag for child in root)]))


def _json(text: str) -> list[str]:
    try:
        return _keys(json.loads(text))
    except (ValueError, RecursionError):
        return []


def _toml(text: str) -> list[str]:
    try:
        return _keys(tomllib.loads(text))
    except (ValueError, RecursionError):
        return []


def _yaml(text: str) -> list[str]:
    """Keys at the beginning of a line or of a table's."""
    return list(dict.fromkeys(re.findall(r"^ {0,2}([A-Za-z_]\w*):(?:\s|$)", text, re.MULTILINE)))


def _keys(value: Any) -> list[str]:
    if isinstance(value, list):
        value = next((item for item in value if isinstance(item, dict)), {})
    return [str(key)[:40] for key in value] if isinstance(value, dict) else []
