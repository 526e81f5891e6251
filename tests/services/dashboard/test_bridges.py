"""Bridges from the pages: who may, and what a browser cannot name."""

from __future__ import annotations

from pathlib import Path

import pytest

from multiview.errors import ConfigError
from multiview.studio.studio_file import write_studio
from services.dashboard.access import Role, Session
from services.dashboard.bridges import Bridges
from services.dashboard.control import Control
from services.dashboard.detached import Detached
from tests.processes import free_hub, synthetic_studio

CONTROLS, VIEWS = Session("1", Role.CONTROL), Session("2", Role.VIEW)


@pytest.fixture
def bridges(tmp_path: Path) -> Bridges:
    write_studio(synthetic_studio(tmp_path / "takes", free_hub()), tmp_path / "studio.toml")
    return Bridges(Control(tmp_path))


def test_viewer_may_not_start_a_bridge(bridges: Bridges) -> None:
    for do in (lambda: bridges.start(VIEWS, "vmc", {}), lambda: bridges.stop(VIEWS, "vmc")):
        with pytest.raises(ConfigError, match="this link may only view"):
            do()


@pytest.mark.parametrize("name", ["./my.py", "../vmc", "_serve", "", "vmc.py"])
def test_bridge_is_one_of_ours(bridges: Bridges, name: str) -> None:
    with pytest.raises(ConfigError, match="there is no bridge"):
        bridges.start(CONTROLS, name, {})


def test_page_names_no_file(bridges: Bridges) -> None:
    offered = {option.name for option in bridges.options("vmc")}
    assert {"host", "port"} <= offered
    assert "bones" not in offered  # a file
    with pytest.raises(ConfigError, match="a page cannot set 'bones'"):
        bridges.start(CONTROLS, "vmc", {"bones": "/etc/passwd"})
    with pytest.raises(ConfigError, match="bridge vmc"):
        bridges.start(CONTROLS, "vmc", {"port": 70_000})


def test_bridge_gets_what_was_chosen(bridges: Bridges, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple[list[str], str]] = []
    monkeypatch.setattr(Detached, "start", lambda self, command, note="": started.append((command, note)))
    bridges.start(CONTROLS, "websocket", {"host": "127.0.0.1", "port": 9000.0, "token": "hush"})
    ((command, note),) = started
    assert command[:2] == ["bridge", "websocket"]
    assert sorted(command[3:]) == ["--option=port=9000", "--option=token=hush"]
    assert note == "port 9000"  # which every page shows
