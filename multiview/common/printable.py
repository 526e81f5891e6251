"""Text from elsewhere, made fit for terminals, logs and pages: the one place where this is done."""

from __future__ import annotations

import logging

__all__ = ["PrintableLines", "printable"]

REPLACEMENT = "\ufffd"


def printable(text: str, length: int | None = None) -> str:
    """The text without control characters, line breaks and changes of direction, cut after `length` characters."""
    if length is not None and len(text) > length:
        text = text[: length - 1] + "\u2026"
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " if c.isspace() else REPLACEMENT for c in text)


class PrintableLines(logging.Formatter):
    """Formats what is logged as one line, whatever texts it quotes; only the trace of an exception has more."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """As in logging."""
        record.message = printable(record.message)
        return super().formatMessage(record)
