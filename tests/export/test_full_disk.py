"""A disk that fills up during an export: old files stay whole, nothing cut is left, and the command says so."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from multiview.__main__ import main
from multiview.export import load_exporter
from multiview.recordings.pose_table import write_poses
from tests.contracts.test_export import POSES, offered


@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no file's size")
@pytest.mark.parametrize("name", offered())
def test_export_to_a_full_disk_leaves_old_files_whole(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import resource

    write_poses(POSES, tmp_path / "poses.parquet")
    paths = load_exporter(name).write(POSES, tmp_path / "out" / "poses")
    before = {path: path.read_bytes() for path in paths}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (max(map(len, before.values())) // 2, hard))
    try:
        code = main(["export", str(tmp_path), "--to", name, "--out", str(tmp_path / "out")])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert code not in (0, None)
    said = capsys.readouterr().err.strip()
    assert len(said.splitlines()) == 1, said
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
