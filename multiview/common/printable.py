"""Text from elsewhere, made fit for terminals, logs and pages: the one place where this is done."""

from __future__ import annotations

__all__ = ["printable"]

REPLACEMENT = "\ufffd"


def printable(text: str, length: int | None = None) -> str:
    """The text without control characters, line breaks and changes of direction, cut after `length` characters."""
    if length is not None and len(text) > length:
        text = text[: length - 1] + "\u2026"
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " if c.isspace() else REPLACEMENT for c in text)
