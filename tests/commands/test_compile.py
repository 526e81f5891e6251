"""What `multiview compile` compiles is all that a first studio needs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def multiview(cache: Path, *words: str) -> str:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    command = [sys.executable, "-m", "multiview", *words]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def compiled(cache: Path) -> set[str]:
    return {path.name for path in cache.rglob("*.nbc")}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_compile_covers_a_first_studio(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    assert "kernels compiled" in multiview(cache, "compile")
    before = compiled(cache)
    assert len(before) > 20
    assert "mean error" in multiview(cache, "demo", "--seconds", "3", "--no-viewer", "--out", str(tmp_path / "demo"))
    assert compiled(cache) - before == set()
