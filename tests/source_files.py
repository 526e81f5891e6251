"""The project's own source, for the tests that read it."""

from __future__ import annotations

from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
PACKAGES = ("multiview", "calib", "services")


def repository_files() -> dict[str, str]:
    """The text of every module, by its path from the repository with forward slashes."""
    found = (file for package in PACKAGES for file in sorted((REPOSITORY / package).rglob("*.py")))
    return {file.relative_to(REPOSITORY).as_posix(): file.read_text(encoding="utf-8") for file in found}
