"""A studio without a rig, in real processes: people calibrate it, its file names the rig, and poses come out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from multiview.__main__ import main
from multiview.cameras.camera import UNPLACED
from multiview.cameras.rig_file import load_rig, save_rig
from multiview.errors import ConfigError
from multiview.recordings.take import open_take
from multiview.studio.config import RecorderOptions, Studio, SyntheticSource, ViewerOptions
from multiview.studio.derived import studio_rig
from multiview.studio.rerun import rerun_fusion
from multiview.studio.studio_file import load_studio, write_studio
from multiview.studio.take_studio import recorded_poses
from tests.processes import FREE

# 1 px of noise, so that a few seconds tell the rig well.
OPTIONS = {"cameras": 3, "people": 2, "seconds": 16.0, "fps": 25.0, "skeleton": "coco17", "sigma_px": 1.0, "seed": 4}


@pytest.mark.slow
def test_studio_without_a_rig_calibrates_itself_from_people_and_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "studio.toml"
    studio = Studio(
        name="new",
        skeleton="coco17",
        rig=str(tmp_path / "rig.toml"),
        source=SyntheticSource(options=OPTIONS),
        hub=FREE,
        recorder=RecorderOptions(directory=str(tmp_path / "takes")),
        viewer=ViewerOptions(enabled=False),
    )
    write_studio(studio, path)
    truth = studio_rig(Studio(source=studio.source))
    save_rig(truth, tmp_path / "lenses.toml")
    words = ["--lenses", str(tmp_path / "lenses.toml"), "--people-seconds", "6", "--take", "first", "--seconds", "4"]
    assert main(["run", str(path), "--no-viewer", *words]) == 0
    told = capsys.readouterr().out
    assert "has no rig yet, so it calibrates from people" in told
    assert "needs 6 more seconds of people whom two cameras see" in told
    rig = load_rig(load_studio(path).rig)
    apart = [np.linalg.norm(np.diff([camera.centre for camera in own.cameras], axis=0), axis=1) for own in (rig, truth)]
    assert apart[0] / apart[0].sum() == pytest.approx(apart[1] / apart[1].sum(), abs=0.01)  # lengths are people's
    first = open_take(tmp_path / "takes" / "first")
    assert any(message.people for message in recorded_poses(first.records()))
    assert load_rig(first.rig).names == truth.names
    (filmed,) = (tmp_path / "takes").glob("new-people-*")
    assert (tmp_path / "calibrations" / filmed.name / "report.html").is_file()
    assert load_rig(open_take(filmed).rig).world == UNPLACED
    with pytest.raises(ConfigError, match="before its cameras had places"):
        next(rerun_fusion(open_take(filmed)))
