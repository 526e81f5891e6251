"""Emulated industrial cameras, where the libraries that emulate them are installed."""

from __future__ import annotations

import pytest

from multiview.errors import SourceError
from multiview.sources._aravis import load_aravis

KINDS = ("basler", "genicam")


def emulated(kind: str, count: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Addresses of so many emulated cameras of a kind; skips the test where its library is not here."""
    if kind == "basler":
        pytest.importorskip("pypylon", reason="pypylon is not installed here")
        monkeypatch.setenv("PYLON_CAMEMU", str(count))
        return [f"basler:0815-{number:04}" for number in range(count)]
    try:
        load_aravis()
    except SourceError as error:
        pytest.skip(str(error))
    return [f"genicam:Fake_{number + 1}" for number in range(count)]
