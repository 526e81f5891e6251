"""Secrets are resolved where a camera is opened, and are in nothing that is shown or recorded."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from multiview.cameras.rig_file import save_rig
from multiview.common.secret import hide_secrets, resolve_secrets
from multiview.errors import ConfigError, SourceError
from multiview.sources import open_source
from multiview.studio.config import CameraSource
from multiview.studio.new_take import new_take
from multiview.studio.studio_file import load_studio
from multiview.synthetic import StudioOptions, make_rig


def test_secret_comes_from_the_environment_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secrets.toml"
    monkeypatch.setenv("MULTIVIEW_SECRETS", str(path))
    with pytest.raises(ConfigError, match=r"secret:cam-01: set MULTIVIEW_SECRET_CAM_01, or write cam-01"):
        resolve_secrets("rtsp://secret:cam-01@host/a")
    path.write_text('cam-01 = "me:pw"\n')
    path.chmod(0o600)
    assert resolve_secrets("rtsp://secret:cam-01@host/a") == "rtsp://me:pw@host/a"
    with pytest.raises(ConfigError, match=r"secret:other: .*has no other"):
        resolve_secrets("secret:other")
    monkeypatch.setenv("MULTIVIEW_SECRET_CAM_01", "you:word")
    assert resolve_secrets("rtsp://secret:cam-01@host/a") == "rtsp://you:word@host/a"


@pytest.mark.skipif(os.name != "posix", reason="modes of files")
def test_secrets_that_others_can_read_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secrets.toml"
    path.write_text('cam01 = "me:pw"\n')
    path.chmod(0o640)
    monkeypatch.setenv("MULTIVIEW_SECRETS", str(path))
    with pytest.raises(ConfigError, match=f"chmod 600 {path}"):
        resolve_secrets("secret:cam01")


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://me:p@ss/w@host:554/a", "rtsp://host:554/a"),
        ("rtsp://me:pw@host:554/a/b", "rtsp://host:554/a/b"),
        ("http://host/a?token=abc", "http://host/a"),
        ("rtsp://me:p?s#w@host/a?b=c", "rtsp://host/a"),
        ("rtsp://host:554/user=admin&password=hunter2&channel=1", "rtsp://host:554/..."),
        ("rtsp://host/user=admin_password=hunter2_channel=1_stream=0.sdp", "rtsp://host/..."),
        ("http://host/monkey=1/keyboard", "http://host/monkey=1/keyboard"),
        ("rtsp://secret:cam01@host/a", "rtsp://secret:cam01@host/a"),
        ("secret:cam01", "secret:cam01"),
        ("0", "0"),
        ("videos/a@b.mp4", "videos/a@b.mp4"),
    ],
)
def test_address_is_shown_without_its_secrets(address: str, shown: str) -> None:
    assert hide_secrets(address) == shown


def test_take_holds_no_password(tmp_path: Path) -> None:
    save_rig(make_rig(StudioOptions(cameras=2)), tmp_path / "rig.toml")
    camera = 'type = "camera"\ndetector = "light"\nfps = 30.0\naddress = '
    (tmp_path / "studio.toml").write_text(
        f'rig = "rig.toml"\nskeleton = "coco17"\n[recorder]\ndirectory = "takes"\n'
        f'[source]\n{camera}"rtsp://me:hunter2@host/{{camera}}"\n'
        f'[cameras.cam02.source]\n{camera}"rtsp://secret:cam02@host/x?token=hunter2"\n'
    )
    take = new_take(load_studio(tmp_path / "studio.toml"), "first", datetime.now(UTC))
    kept = "".join(path.read_text() for path in take.folder.rglob("*") if path.is_file())
    assert "hunter2" not in kept
    assert "secret:cam02" in kept


def test_stream_that_does_not_answer_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MULTIVIEW_SECRET_CAM01", "me:hunter2")
    source = CameraSource(address="http://secret:cam01@127.0.0.1:9/a?token=hunter2")
    with pytest.raises(SourceError, match=r"127\.0\.0\.1:9/a") as caught:
        open_source(source.address_of("cam01"), "cam01")
    assert "hunter2" not in str(caught.value)


def test_secret_alone_that_is_no_address_is_not_shown_as_a_missing_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MULTIVIEW_SECRET_CAM01", "me:hunter2")
    with pytest.raises(ConfigError, match="secret:cam01 must be a whole address") as caught:
        CameraSource(address="secret:cam01").address_of("cam01")
    assert "hunter2" not in str(caught.value)
