"""What pages know of a studio follows its files."""

from __future__ import annotations

from pathlib import Path

import msgspec

from multiview.cameras.rig_file import dumps
from multiview.studio.config import CameraSource, Studio
from multiview.studio.studio_file import write_studio
from services.dashboard.access import Access
from services.dashboard.backstage import Backstage
from services.dashboard.control import Control
from tests.figures import ring
from tests.processes import free_hub, synthetic_studio


def test_backstage_follows_the_studio_and_its_rig(tmp_path: Path) -> None:
    backstage = Backstage(Control(tmp_path), Access(b"k" * 32), "http://x")
    backstage.refresh()
    assert (backstage.studio, backstage.room, backstage.fault) == (None, None, "")

    source = CameraSource(address="{camera}.mp4", detector="light")
    write_studio(Studio(rig="rig.toml", source=source, hub=free_hub()), tmp_path / "studio.toml")
    backstage.refresh()
    assert not backstage.calibrated
    assert "rig.toml" in backstage.fault
    version = backstage.version
    backstage.refresh()
    assert backstage.version == version

    (tmp_path / "rig.toml").write_text(dumps(ring()))
    backstage.refresh()
    assert backstage.calibrated
    assert backstage.fault == ""
    assert backstage.room is not None
    assert [camera["name"] for camera in backstage.room["cameras"]] == [f"cam{n:02}" for n in range(1, 5)]
    version = backstage.version
    backstage.refresh()
    assert backstage.version == version

    (tmp_path / "studio.toml").write_text("name = ")
    backstage.refresh()
    assert "studio.toml" in backstage.fault
    assert backstage.room is None
    (tmp_path / "studio.toml").unlink()
    backstage.refresh()
    assert (backstage.studio, backstage.room, backstage.fault) == (None, None, "")


def test_takes_are_found_without_a_studio(tmp_path: Path) -> None:
    backstage = Backstage(Control(tmp_path), Access(b"k" * 32), "http://x")
    assert backstage.takes == tmp_path  # where `multiview demo` leaves its takes
    (tmp_path / "takes").mkdir()
    assert backstage.takes == tmp_path / "takes"


def test_backstage_knows_a_simulated_room(tmp_path: Path) -> None:
    studio = synthetic_studio(tmp_path, free_hub())
    write_studio(msgspec.structs.replace(studio, name="stage"), tmp_path / "studio.toml")
    backstage = Backstage(Control(tmp_path), Access(b"k" * 32), "http://x")
    backstage.refresh()
    assert backstage.room is not None
    assert backstage.room["joints"] == 17
    assert len(backstage.room["cameras"]) == 3
    assert backstage.takes == tmp_path
