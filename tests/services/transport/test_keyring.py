"""Keys: made once, each with its role, whole after every interruption, and revoked for good."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from multiview.common.ledger import ledger
from multiview.errors import ConfigError
from services.transport import keyring
from services.transport.keyring import Permission, load_allowed, load_hub_public, load_key, make_keys, revoke
from services.transport.permissions import Permissions
from services.transport.roles import Role

NAMES = ["hub", "fusion", "recorder", "viewer", "client", "cam01", "cam02"]


def is_whole(folder: Path) -> bool:
    """Every key is let in under its name, and nobody else."""
    allowed = load_allowed(folder)
    keys = {path.stem: load_key(folder, path.stem).public for path in folder.glob("*.key")}
    assert load_hub_public(folder) == keys.pop("hub")
    return {name: one.public for name, one in allowed.items()} == keys and not list(folder.glob(".*.key.*"))


def test_keys_have_roles(tmp_path: Path) -> None:
    assert make_keys(tmp_path / "keys", [*NAMES, "desk", "guest"], {"desk": Role.OPERATOR, "guest": Role.LISTENER}) == [
        *NAMES,
        "desk",
        "guest",
    ]
    roles = {name: one.role for name, one in load_allowed(tmp_path / "keys").items()}
    assert roles == {
        "fusion": Role.FUSION,
        "recorder": Role.SERVICE,
        "viewer": Role.OPERATOR,
        "client": Role.LISTENER,
        "cam01": Role.CAMERA,
        "cam02": Role.CAMERA,
        "desk": Role.OPERATOR,
        "guest": Role.LISTENER,
    }
    assert is_whole(tmp_path / "keys")
    for path in (tmp_path / "keys").glob("*.key"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_keys_made_again_stay_as_they_are(tmp_path: Path) -> None:
    make_keys(tmp_path, NAMES)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert make_keys(tmp_path, NAMES) == []
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_key_that_was_moved_away_is_not_replaced(tmp_path: Path) -> None:
    """Else a camera whose key lives on its own machine would be shut out."""
    make_keys(tmp_path, NAMES)
    before = load_allowed(tmp_path)
    (tmp_path / "cam01.key").unlink()
    assert make_keys(tmp_path, NAMES) == []
    assert load_allowed(tmp_path) == before


class Interruption(BaseException):
    """Ctrl-C, at a step of the writing."""


@pytest.mark.parametrize("step", range(24))
def test_keys_interrupted_at_any_step_are_whole_when_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    left = [step]

    def interrupted(function: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise Interruption
            return function(*args, **kwargs)

        return call

    with monkeypatch.context() as patched:
        for name in ("replace", "fsync"):
            patched.setattr(os, name, interrupted(getattr(os, name)))
        patched.setattr(Path, "replace", interrupted(Path.replace))
        try:
            make_keys(tmp_path, NAMES)
        except Interruption:
            pass
        else:
            assert step >= 17  # two steps a key, three for the other two files
    make_keys(tmp_path, NAMES)
    assert is_whole(tmp_path)
    assert set(load_allowed(tmp_path)) == set(NAMES) - {"hub"}


def test_revoked_key_is_gone_and_its_name_gets_another(tmp_path: Path) -> None:
    make_keys(tmp_path, NAMES)
    old = load_key(tmp_path, "cam01").public
    revoke(tmp_path, "cam01")
    assert "cam01" not in load_allowed(tmp_path)
    assert not (tmp_path / "cam01.key").exists()
    assert is_whole(tmp_path)
    assert make_keys(tmp_path, NAMES) == ["cam01"]
    assert load_key(tmp_path, "cam01").public != old
    with pytest.raises(ConfigError, match='no key "nobody"; there are cam01'):
        revoke(tmp_path, "nobody")


def test_revocation_interrupted_leaves_no_key_to_let_in_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_keys(tmp_path, NAMES)
    old = load_key(tmp_path, "cam01").public

    def fail(*_: object) -> None:
        raise Interruption

    with monkeypatch.context() as patched:
        patched.setattr(keyring, "_write_allowed", fail)
        with pytest.raises(Interruption):
            revoke(tmp_path, "cam01")
    revoke(tmp_path, "cam01")
    make_keys(tmp_path, NAMES)
    assert load_allowed(tmp_path)["cam01"].public != old


def test_list_without_roles_is_read_as_before(tmp_path: Path) -> None:
    key = "k" * 40
    (tmp_path / "allowed.toml").write_text("".join(f'{name} = "{key}"\n' for name in ("fusion", "client", "cam01")))
    assert load_allowed(tmp_path) == {
        "fusion": Permission(key, Role.FUSION),
        "client": Permission(key, Role.LISTENER),
        "cam01": Permission(key, Role.CAMERA),
    }


@pytest.mark.parametrize(
    "text", ['cam01 = "short"', "cam01 = 5", '[cam01]\nrole = "king"\npublic = "x"', "cam01 = [", '"../x" = "y"']
)
def test_list_that_says_something_else_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "allowed.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"allowed\.toml"):
        load_allowed(tmp_path)


@pytest.mark.parametrize(
    "text", ["public = " + "9" * 5000, "a." * 50 + "b = 1", f'public = "{"~" * 40}"\nsecret = "{"~" * 40}"', "\x00"]
)
def test_key_that_is_none_is_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "cam01.key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match=r"cam01\.key: not"):
        load_key(tmp_path, "cam01")
    path.unlink()
    (tmp_path / "cam01.key").mkdir(mode=0o700)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_key(tmp_path, "cam01")


def test_list_is_written_anew_in_the_command_that_read_it(tmp_path: Path) -> None:
    with ledger():
        make_keys(tmp_path, NAMES)
        make_keys(tmp_path, [*NAMES, "desk"])
        revoke(tmp_path, "desk")
    assert is_whole(tmp_path)


@pytest.mark.parametrize("name", ["../evil", "a/b", "", "x" * 65])
def test_key_cannot_be_named_as_a_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="key: a name is"):
        make_keys(tmp_path / "keys", [name])
    assert not (tmp_path / "keys").exists()


def test_permissions_follow_the_list(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make_keys(tmp_path, NAMES)
    permissions, public = Permissions(str(tmp_path)), load_key(tmp_path, "cam01").public
    peer = permissions.peer(public)
    assert peer is not None
    assert peer.subject == "camera/cam01"
    assert not permissions.refresh()
    (tmp_path / "allowed.toml").write_text("half a li")
    assert not permissions.refresh()
    assert permissions.peer(public) == peer
    assert "not TOML" in caplog.text
    (tmp_path / "allowed.toml").write_text(f'cam02 = "{load_key(tmp_path, "cam02").public}"\n')
    assert permissions.refresh()
    assert permissions.peer(public) is None
    assert permissions.subjects == {"camera/cam02"}


@pytest.mark.parametrize("name", ["cam 1", "Kamera-ä", "相机1", 'a"b', "a:b?"])
def test_keys_of_names_in_any_script(tmp_path: Path, name: str) -> None:
    make_keys(tmp_path, [*NAMES, name])
    assert load_allowed(tmp_path)[name] == Permission(load_key(tmp_path, name).public, Role.CAMERA)
    revoke(tmp_path, name)
    assert name not in load_allowed(tmp_path)
    assert len(list(tmp_path.glob("*.key"))) == len(NAMES)
