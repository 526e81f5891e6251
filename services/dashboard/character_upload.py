"""The button that brings a character or a model from a browser's machine; static/character_upload.js sends it."""

from __future__ import annotations

from collections.abc import Sequence

from nicegui.element import Element

from services.dashboard.layout import STATIC

__all__ = ["CharacterUpload"]


class CharacterUpload(Element, component=STATIC / "character_upload.js"):
    """Sends the file that is chosen to /characters; `kept` is an event with its name, `fault` one with what was wrong.

    Args:
        words: Of the button.
        suffixes: Of the files that can be chosen.
        most: Bytes of a file.
    """

    def __init__(self, words: str, suffixes: Sequence[str], most: int) -> None:
        super().__init__()
        self._props["words"] = words
        self._props["suffixes"] = ",".join(suffixes)
        self._props["most"] = most
