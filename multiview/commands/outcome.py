"""The last line of a command that fuses: why nobody came out, or what kept a camera from counting."""

from __future__ import annotations

import sys

from multiview.studio.reasons import Evidence, reasons, summary

__all__ = ["say_why"]


def say_why(known: Evidence) -> int:
    """Print the reasons, if there are any.

    Args:
        known: When everything is fused.

    Returns:
        The command's exit status: 2 where nobody could come out, else 0.
    """
    if text := summary(known):
        print(f"multiview: {text}", file=sys.stderr)
    return 2 if not known.people and any(reason.hopeless for reason in reasons(known)) else 0
