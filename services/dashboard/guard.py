"""Stands before every page, file and WebSocket of the studio, and lets in who may come in.

In order: how often somebody asks; that the address in the browser is this machine's (Host: a page of another site
cannot become ours by DNS rebinding); that the asking page is our own (Origin); that the browser has a cookie, or opens
a link that nobody has opened before. Whatever goes out has the headers that forbid browsers the rest.
"""

from __future__ import annotations

import html
import ipaddress
import logging
import re
import time
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

from services.dashboard.access import COOKIE_S, Access, Role, Session
from services.dashboard.content_policy import content_policy, new_nonce, with_nonce
from services.dashboard.limits import RateLimit

__all__ = ["LOGIN", "MAX_UPLOAD", "UPLOADS", "Guard"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LOGIN = "/login"
MAX_BODY = 1 << 20  # bytes of a request
UPLOADS, MAX_UPLOAD = "/characters/", 64 << 20  # where whoever controls may send more
MAX_PAGE = 8 << 20  # bytes of a page of ours
METHODS = ("GET", "HEAD", "POST")
LOG_PAUSE_S = 1.0  # refusals are logged at most this often
_HOST = re.compile(r"([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:\d{1,5})?")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_FAVICON = '<link rel="icon" href="data:,">'


class Guard:
    """An ASGI application around another one.

    Args:
        app: What is guarded; it finds the `Session` as `request.state.session`.
        access: Who is let in.
        names: What this machine is called in an address besides localhost and the addresses that it has.
        secure: Whether browsers come by TLS.
        cookie: Its name.
        opened: Called whenever a link was opened.
    """

    def __init__(
        self,
        app: App,
        access: Access,
        names: Collection[str],
        secure: bool,
        cookie: str,
        opened: Callable[[], None] = lambda: None,
    ) -> None:
        self.app = app
        self._access, self._secure, self._cookie, self._opened = access, secure, cookie, opened
        self._names = {name.lower() for name in names}
        self._known, self._strangers = RateLimit(400, 100), RateLimit(40, 5)
        self._next_log, self._unlogged = 0.0, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = _headers(scope)
        session = self._session(headers)
        status, why = self._fault(scope, headers, session)
        if status:
            self._log(scope, status, why)
            await _reject(scope, receive, send, status, why)
        elif scope["type"] == "http" and scope["path"] == LOGIN:
            await self._login(scope, send)
        else:
            scope.setdefault("state", {})["session"] = session
            await self.app(scope, receive, send if scope["type"] == "websocket" else self._guarded(send, headers))

    def _fault(self, scope: Scope, headers: dict[str, str], session: Session | None) -> tuple[int, str]:
        """The HTTP status and the reason for which a request is refused; 0 if it is not."""
        address = (scope.get("client") or ("",))[0]
        limit, who = (self._known, session.number) if session else (self._strangers, address)
        if not limit.allows(who):
            return 429, "too many requests: wait a moment"
        if not self._is_ours(headers.get("host", ""), scope):
            return 403, "this address is not the studio's: open the link that `multiview studio` printed"
        changes = scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD")
        origin = headers.get("origin")
        if (origin is None and changes) or (origin is not None and origin != self._origin(headers["host"])):
            return 403, "another site's page may not use the studio"
        opens_link = scope["type"] == "http" and scope["path"] == LOGIN
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and not opens_link:
            return 403, "another site's page may not use the studio"
        if scope["type"] == "http" and scope["method"] not in METHODS:
            return 405, "no such method"
        length = headers.get("content-length", "0")
        if "transfer-encoding" in headers or not length.isdigit() or int(length) > _most(scope, session):
            return 413, "a request that is too large"
        if session is None and not opens_link:
            return 401, "open the link that `multiview studio` printed, or ask for one on a page that controls"
        return 0, ""

    def _is_ours(self, host: str, scope: Scope) -> bool:
        """Whether Host is a name of this machine, or the address that was connected to."""
        if not _HOST.fullmatch(host):
            return False
        name = host.rpartition(":")[0] if host[-1] != "]" and ":" in host else host
        name = name.strip("[]").lower()
        if name in _LOOPBACK or name in self._names:
            return True
        try:
            server = (scope.get("server") or ("",))[0]
            return ipaddress.ip_address(name) == ipaddress.ip_address(server)
        except ValueError:
            return False

    def _origin(self, host: str) -> str:
        return f"{'https' if self._secure else 'http'}://{host}"

    def _session(self, headers: dict[str, str]) -> Session | None:
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(self._cookie)
        except CookieError:
            return None
        return self._access.session(cookie.value) if cookie is not None else None

    async def _login(self, scope: Scope, send: Send) -> None:
        """Take a link's token, and go on to the pages.

        By a page instead of a redirection: browsers send a strict cookie only to what a page of the same site opened,
        and the link may have come by a chat.
        """
        token = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])[0]
        cookie = self._access.redeem(token) if scope["method"] == "GET" else None
        if cookie is None:
            self._log(scope, 401, "a link that was used already, or is none")
            await _send_page(send, 401, "This link was opened already, or is none. Ask for a new one.")
            return
        logging.info("let in %s", (scope.get("client") or ("somebody",))[0])
        self._opened()
        secure = "; Secure" if self._secure else ""
        set_cookie = f"{self._cookie}={cookie}; Path=/; Max-Age={COOKIE_S:.0f}; HttpOnly; SameSite=Strict{secure}"
        onward = '<meta http-equiv="refresh" content="0;url=/">'
        await _send_page(send, 200, "Opening the studio ...", onward, [(b"set-cookie", set_cookie.encode())])

    def _guarded(self, send: Send, headers: dict[str, str]) -> Send:
        """`send` with the security headers; in pages, scripts get the nonce without which they do not run."""
        page = _Page(send, headers["host"])
        return page.send

    def _log(self, scope: Scope, status: int, why: str) -> None:
        now = time.monotonic()
        if now < self._next_log:
            self._unlogged += 1
            return
        more = f" (and {self._unlogged} more)" if self._unlogged else ""
        self._next_log, self._unlogged = now + LOG_PAUSE_S, 0
        address = (scope.get("client") or ("somebody",))[0]
        logging.warning("refused %s %.80r: %d, %s%s", address, scope.get("path", ""), status, why, more)


class _Page:
    """One answer on its way out."""

    def __init__(self, send: Send, host: str) -> None:
        self._send, self._host = send, host
        self._start: MutableMapping[str, Any] | None = None
        self._body = bytearray()
        self._nonce = new_nonce()

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            policy = content_policy(self._nonce, self._host)
            message["headers"] = [*message.get("headers", []), *_security_headers(policy)]
            if _is_html(message):
                self._start = message
                return
        elif self._start is not None and message["type"] == "http.response.body":
            self._body += message.get("body", b"")
            if message.get("more_body", False) and len(self._body) < MAX_PAGE:
                return
            await self._send_page(self._start)
            return
        await self._send(message)

    async def _send_page(self, start: MutableMapping[str, Any]) -> None:
        body = with_nonce(bytes(self._body), self._nonce)
        headers = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
        start["headers"] = [*headers, (b"content-length", str(len(body)).encode()), (b"cache-control", b"no-store")]
        self._start = None
        await self._send(start)
        await self._send({"type": "http.response.body", "body": body})


def _most(scope: Scope, session: Session | None) -> int:
    """How many bytes a request may have."""
    controls = session is not None and session.role is Role.CONTROL
    return MAX_UPLOAD if controls and scope["path"].startswith(UPLOADS) else MAX_BODY


def _headers(scope: Scope) -> dict[str, str]:
    """By name; of several with one name, all, as HTTP joins them: no second Host or Origin hides behind the first."""
    found: dict[str, str] = {}
    for name, value in scope.get("headers", []):
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        found[key] = f"{found[key]}{'; ' if key == 'cookie' else ', '}{text}" if key in found else text
    return found


def _is_html(message: MutableMapping[str, Any]) -> bool:
    kinds = [value for name, value in message["headers"] if name.lower() == b"content-type"]
    return any(kind.startswith(b"text/html") for kind in kinds)


def _security_headers(policy: str) -> list[tuple[bytes, bytes]]:
    return [
        (b"content-security-policy", policy.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"x-frame-options", b"DENY"),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"cross-origin-resource-policy", b"same-origin"),
    ]


async def _reject(scope: Scope, receive: Receive, send: Send, status: int, why: str) -> None:
    if scope["type"] == "websocket":
        await receive()  # the request to connect
        await send({"type": "websocket.close", "code": 1008, "reason": ""})  # before it is accepted: HTTP 403
        return
    await _send_page(send, status, why)


async def _send_page(
    send: Send, status: int, words: str, head: str = "", extra: Collection[tuple[bytes, bytes]] = ()
) -> None:
    """A page of one sentence."""
    text = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>multiview studio</title>{_FAVICON}'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">{head}</head>'
        '<body style="font:16px/1.5 system-ui;margin:3rem auto;max-width:40rem;padding:0 1rem;color-scheme:light dark">'
        f"<h1>multiview studio</h1><p>{html.escape(words[:1].upper() + words[1:])}</p></body></html>"
    )
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; base-uri 'none'"
    headers = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-length", str(len(text.encode())).encode()),
        (b"cache-control", b"no-store"),
        *_security_headers(policy),
        *extra,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})
