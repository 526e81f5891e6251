"""What gets past the guard, and what does not: requests as an ASGI server hands them over."""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
from collections.abc import MutableMapping
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from services.dashboard import guard, limits
from services.dashboard.access import Access, Role
from services.dashboard.content_policy import with_nonce
from services.dashboard.guard import MAX_BODY, MAX_UPLOAD, UPLOADS, Guard

HOST = "127.0.0.1:8420"
OWN = f"http://{HOST}"
PAGE = b'<script src="/_nicegui/1/a.js"></script><script type="module">x</script><p>&lt;script&gt;alert(1)</p>'


class Answer(NamedTuple):
    status: int  # of a WebSocket 101 if it was accepted
    headers: dict[str, str]
    body: bytes


class Studio:
    """A guard in front of an application that lets everybody do everything."""

    def __init__(self, secure: bool = False) -> None:
        self.access = Access(b"k" * 32)
        self.reached: list[str] = []
        self.guard = Guard(self._app, self.access, {"stage"}, secure, "multiview_8420")

    def cookie(self, role: Role = Role.CONTROL) -> str:
        return f"multiview_8420={self.access.redeem(self.access.new_token(role))}"

    async def _app(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        self.reached.append(scope["path"])
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            return
        kind = b"text/html; charset=utf-8" if scope["path"] == "/" else b"application/octet-stream"
        headers = [(b"content-type", kind), (b"content-length", str(len(PAGE)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": PAGE[:10], "more_body": True})
        await send({"type": "http.response.body", "body": PAGE[10:]})

    def ask(self, path: str = "/", method: str = "GET", kind: str = "http", query: str = "", **headers: str) -> Answer:
        sent: list[MutableMapping[str, Any]] = []
        given = {"host": HOST} | {name.replace("_", "-"): value for name, value in headers.items()}
        scope = {
            "type": kind,
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in given.items()],
            "client": ("127.0.0.1", 5),
            "server": ("10.0.0.7", 8420),
        }

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        async def receive() -> MutableMapping[str, Any]:
            return {"type": f"{kind}.connect"}

        asyncio.run(self.guard(scope, receive, send))
        if kind == "websocket":
            return Answer(101 if sent[0]["type"] == "websocket.accept" else 403, {}, b"")
        found = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
        return Answer(sent[0]["status"], found, b"".join(message["body"] for message in sent[1:]))


def test_link_becomes_a_cookie_that_scripts_cannot_read() -> None:
    studio = Studio()
    token = studio.access.new_token(Role.VIEW)
    answer = studio.ask("/login", query=f"token={token}", sec_fetch_site="cross-site")
    assert answer.status == 200
    assert token.encode() not in answer.body
    cookie, *attributes = answer.headers["set-cookie"].split("; ")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} < set(attributes)
    assert "Secure" not in attributes
    assert studio.ask(cookie=cookie).status == 200
    used = studio.ask("/login", query=f"token={token}")
    assert (used.status, "set-cookie" in used.headers) == (401, False)
    secure = Studio(secure=True)
    answer = secure.ask("/login", query=f"token={secure.access.new_token(Role.VIEW)}")
    assert answer.headers["set-cookie"].endswith("; Secure")


@pytest.mark.parametrize("path", ["/", "/own/wire.js", "/_nicegui_ws/socket.io/", "/login", "/login/", "//", "/LOGIN"])
@pytest.mark.parametrize("cookie", ["", "multiview_8420=control.1.99999999999.0", "other=1", "multiview_8420", ";=;"])
def test_nobody_gets_in_without_a_cookie(path: str, cookie: str) -> None:
    studio = Studio()
    assert studio.ask(path, cookie=cookie).status == 401
    assert studio.ask(path, kind="websocket", cookie=cookie, origin=OWN).status == 403
    assert studio.reached == []


@pytest.mark.parametrize(
    ("host", "status"),
    [
        (HOST, 200),
        ("localhost:8420", 200),
        ("[::1]:8420", 200),
        ("Stage:8420", 200),
        ("10.0.0.7:8420", 200),  # the address that was connected to
        ("10.0.0.8:8420", 403),
        ("evil.example", 403),  # DNS rebinding: their name, our address
        ("evil.example:8420", 403),
        ("127.0.0.1.evil.example", 403),
        ("localhost.evil.example:8420", 403),
        ("localhost:8420, evil.example", 403),
        ("localhost:8420; script-src *", 403),
        ("user@localhost:8420", 403),
        ("", 403),
    ],
)
def test_guard_knows_its_own_addresses(host: str, status: int) -> None:
    studio = Studio()
    assert studio.ask(cookie=studio.cookie(), host=host).status == status
    assert studio.ask(kind="websocket", cookie=studio.cookie(), host=host, origin=f"http://{host}").status == (
        101 if status == 200 else 403
    )


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (OWN, True),
        (None, False),
        ("null", False),
        ("https://127.0.0.1:8420", False),
        ("http://127.0.0.1:8421", False),
        ("http://localhost:8420", False),
        ("https://evil.example", False),
        (f"{OWN}.evil.example", False),
    ],
)
def test_pages_of_other_sites_change_nothing(origin: str | None, allowed: bool) -> None:
    studio = Studio()
    headers = {"cookie": studio.cookie()} | ({} if origin is None else {"origin": origin})
    assert studio.ask("/x", "POST", **headers).status == (200 if allowed else 403)
    assert studio.ask("/stream", kind="websocket", **headers).status == (101 if allowed else 403)
    assert studio.ask(**headers).status == (200 if allowed or origin is None else 403)


def test_other_requests_are_refused() -> None:
    studio = Studio()
    cookie = studio.cookie()
    assert studio.ask(cookie=cookie, sec_fetch_site="cross-site").status == 403
    assert studio.ask(cookie=cookie, sec_fetch_site="same-origin").status == 200
    assert studio.ask("/x", "PUT", cookie=cookie, origin=OWN).status == 405
    assert studio.ask("/x", "POST", cookie=cookie, origin=OWN, content_length=str(MAX_BODY + 1)).status == 413
    assert studio.ask("/x", "POST", cookie=cookie, origin=OWN, content_length="-1").status == 413
    assert studio.ask("/x", "POST", cookie=cookie, origin=OWN, transfer_encoding="chunked").status == 413
    assert studio.reached == ["/"]


def test_who_controls_may_send_a_character_and_nobody_else_so_much() -> None:
    studio, path = Studio(), f"{UPLOADS}me.glb"
    cookie, viewer = studio.cookie(), studio.cookie(Role.VIEW)
    assert studio.ask(path, "POST", cookie=cookie, origin=OWN, content_length=str(MAX_UPLOAD)).status == 200
    assert studio.ask(path, "POST", cookie=cookie, origin=OWN, content_length=str(MAX_UPLOAD + 1)).status == 413
    assert studio.ask(path, "POST", cookie=viewer, origin=OWN, content_length=str(MAX_BODY + 1)).status == 413
    assert studio.ask(path, "POST", cookie=cookie, content_length="9").status == 403  # from no page of ours
    assert studio.reached == [path]


@pytest.fixture
def one_a_millisecond(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests come at 1,000 a second, however slow this machine is."""
    ticks = itertools.count()
    monkeypatch.setattr(limits, "time", SimpleNamespace(monotonic=lambda: next(ticks) / 1000))
    monkeypatch.setattr(guard, "time", SimpleNamespace(monotonic=lambda: next(ticks) / 1000))


@pytest.mark.usefixtures("one_a_millisecond")
def test_flood_of_a_thousand_requests_a_second_leaves_room_for_a_session(caplog: pytest.LogCaptureFixture) -> None:
    studio = Studio()
    cookie = studio.cookie()
    with caplog.at_level(logging.WARNING):
        statuses = [studio.ask("/login", query=f"token={i}").status for i in range(1000)]
    assert statuses[0] == 401
    assert statuses.count(429) >= 1000 - 40 - 5 * 3  # 40 at once and 5 a second pass, for two seconds and a little
    assert set(statuses) == {401, 429}
    assert studio.ask(cookie=cookie).status == 200
    assert 1 <= len(caplog.records) <= 3  # refusals are logged once a second
    flood = [studio.ask("/x", cookie=cookie).status for _ in range(1000)]
    assert 400 <= flood.count(200) <= 400 + 100 * 2
    assert studio.ask(cookie=studio.cookie()).status == 200


def test_page_runs_its_own_scripts_and_no_others() -> None:
    studio = Studio()
    first, second = (studio.ask(cookie=studio.cookie()) for _ in range(2))
    nonces = [
        re.findall(r"'nonce-([\w-]+)'", answer.headers["content-security-policy"])[0] for answer in (first, second)
    ]
    assert nonces[0] != nonces[1]
    assert first.body.count(f'nonce="{nonces[0]}"'.encode()) == 2
    assert int(first.headers["content-length"]) == len(first.body)
    script = first.headers["content-security-policy"].split("script-src ")[1].split(";")[0]
    assert "unsafe-inline" not in script
    assert first.headers["cache-control"] == "no-store"
    other = studio.ask("/x", cookie=studio.cookie())
    assert other.body == PAGE


@pytest.mark.parametrize(
    "text", ['<script onload="x">', "<script src=//evil.example/x>", "<SCRIPT>", "<img onerror=x>"]
)
def test_nonce_is_for_the_pages_scripts_alone(text: str) -> None:
    assert with_nonce(text.encode(), "n") == text.encode()
