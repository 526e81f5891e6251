"""Who is let in, and how often: the handler is asked as libzmq asks it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from services.transport.keyring import load_key, make_keys
from services.transport.permissions import Permissions
from services.transport.zap_authenticator import HANDSHAKES, ZapAuthenticator


class Asking:
    """Asks for connections, and keeps the replies."""

    def __init__(self, requests: list[list[bytes]]) -> None:
        self.waiting, self.replies = requests, list[list[bytes]]()

    def receive(self, timeout_s: float) -> list[bytes] | None:
        if not self.waiting:
            time.sleep(0.001)
            return None
        return self.waiting.pop(0)

    def reply(self, parts: list[bytes]) -> None:
        self.replies.append(parts)

    def close(self) -> None:
        pass


def statuses(folder: Path, name: str, domain: bytes, times: int) -> list[bytes]:
    """What the owner of a key is told who connects so often at once."""
    public = load_key(folder, name).public.encode()
    asking = Asking([[b"1.0", b"1", domain, b"127.0.0.1", b"", b"CURVE", public] for _ in range(times)])
    handler = ZapAuthenticator(asking, bytes.decode, Permissions(str(folder)))
    while len(asking.replies) < times:
        time.sleep(0.001)
    handler.close()
    return [reply[2] for reply in asking.replies]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("authenticator") / "keys"
    make_keys(folder, ["hub", "client", "cam01"])
    return folder


def test_listener_that_connects_too_often_is_told_to_try_again(keys: Path) -> None:
    """Status 300 (RFC 27) is temporary: libzmq connects again after it, and not after 400."""
    told = statuses(keys, "client", b"listen", 1000)
    assert told[: int(HANDSHAKES)] == [b"200"] * int(HANDSHAKES)
    assert b"300" in told
    assert set(told) == {b"200", b"300"}


def test_camera_connects_as_often_as_it_must(keys: Path) -> None:
    assert set(statuses(keys, "cam01", b"ingest", 200)) == {b"200"}


def test_listener_is_not_let_in_where_one_speaks(keys: Path) -> None:
    assert set(statuses(keys, "client", b"ingest", 2)) == {b"400"}
