"""Somebody in the room is named and measured by command, and the viewer's key gives names too."""

from __future__ import annotations

from pathlib import Path

import pytest

from multiview.__main__ import main
from multiview.body.actor import load_actor
from multiview.client import PoseFrame, connect
from multiview.studio.studio_file import write_studio
from services.supervise.launch import Launch
from services.viewer.stream import StreamFeed
from tests.processes import synthetic_studio, until


def test_a_person_in_the_room_takes_a_name_and_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MULTIVIEW_ACTORS", str(tmp_path / "actors"))
    with Launch(synthetic_studio(tmp_path), viewer=False) as launch:
        launch.start()
        studio = tmp_path / "studio.toml"
        write_studio(launch.studio, studio)
        with connect(f"tcp://127.0.0.1:{launch.studio.hub.publish_port}") as frames:
            frame: list[PoseFrame] = []

            def names() -> dict[int, str]:
                frame[:] = [found] if (found := frames.poll(0.1)) else frame[-1:]
                return {person.id: person.name for person in frame[0].people} if frame else {}

            until(lambda: len(names()) == 2)
            first, second = sorted(names())
            assert main(["actor", "amy", str(studio)]) == 2
            assert f"give the person's number with --person; present: {first}, {second}" in capsys.readouterr().err
            assert main(["actor", "amy", str(studio), "--person", "77"]) == 2
            assert "no person 77 in the room" in capsys.readouterr().err
            assert main(["actor", "amy", str(studio), "--person", str(second), "--seconds", "3"]) == 0
            assert "left upper arm" in capsys.readouterr().out
            assert load_actor("amy").frames > 20
            until(lambda: names() == {first: "", second: "amy"})
            feed = StreamFeed(launch.studio.hub, launch.rig, 17)
            until(lambda: feed.set_name(first, "amy"))
            until(lambda: names() == {first: "amy", second: ""})
            feed.close()
