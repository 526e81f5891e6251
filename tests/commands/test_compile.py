"""What `multiview compile` compiles is all that a first studio needs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest


def multiview(*words: str) -> str:
    """What a command prints; numba tells which compiled kernels it loads from its cache, and which it adds."""
    command = [sys.executable, "-m", "multiview", *words]
    environment = {**os.environ, "NUMBA_DEBUG_CACHE": "1"}
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def kernels(text: str) -> set[str]:
    """The compiled kernels that were loaded or added, one file for each of their signatures."""
    return set(re.findall(r"\[cache\] data (?:loaded from|saved to) '(.+?)'", text))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_compile_covers_a_first_studio(tmp_path: Path) -> None:
    words = multiview("compile")
    assert "kernels compiled" in words
    compiled = kernels(words)
    assert len(compiled) > 20
    demo = multiview("demo", "--seconds", "3", "--no-viewer", "--no-video", "--out", str(tmp_path))
    assert "mean error" in demo
    assert not list(tmp_path.rglob("*.mp4"))  # the picture from above is drawn all the same
    assert len(list(tmp_path.rglob("top_view.png"))) == 1
    (studio,) = tmp_path.rglob("studio.toml")
    multiview("run", str(studio), "--seconds", "3", "--no-viewer", "--logs", str(tmp_path / "logs"))
    used = {log.name: kernels(log.read_text(encoding="utf-8")) for log in (tmp_path / "logs").glob("*.log")}
    assert len(used["fusion.log"]) > 20
    assert set.union(kernels(demo), *used.values()) - compiled == set()
