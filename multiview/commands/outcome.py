"""The last line of a command that fuses: why nobody came out, or what kept a camera from counting."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from multiview.common.counted import counted
from multiview.studio.reasons import Evidence, reasons, summary

__all__ = ["say_lifted", "say_why"]


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


def say_lifted(summary: dict[str, Any], out: Path) -> int:
    """Print what one camera gave, and what it rests on.

    Args:
        summary: As `lift_and_write` gives it.
        out: The folder.

    Returns:
        The command's exit status: 2 where nobody came out, else 0.
    """
    people, camera = counted(summary["people"], "person", "people"), summary["lifted_from"]
    print(
        f"{counted(summary['frames'], 'frame')} of {camera}, {people} lifted from one camera, "
        f"placed by {summary['placed_by']}, {summary['ms_per_frame']['total']['mean']:.2f} ms per frame "
        f"-> {out / 'poses.parquet'}"
    )
    if not summary["people"]:
        print(
            f"multiview: nobody, because {camera} shows no person for long enough: look at its 2D poses",
            file=sys.stderr,
        )
    return 0 if summary["people"] else 2
