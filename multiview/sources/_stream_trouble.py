"""Why a stream cannot be opened, where FFmpeg says little: its server is asked once more, and what to do is said."""

from __future__ import annotations

import base64
import socket
from http.client import HTTPException
from ssl import SSLError
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit
from urllib.request import Request, urlopen

__all__ = ["stream_trouble"]

PATIENCE_S = 3.0
CHECK = "check its address, user and password, and that this computer reaches it"
NO_VIDEO = ("text/", "application/json", "application/xml")
NO_SUCH_CONTENT = "Invalid data found when processing input"
VAGUE = ("Input/output error", "End of file", NO_SUCH_CONTENT, "Server returned 4XX")
ADVICE = {
    "400": "check its path",
    "401": "check user and password",
    "403": "check user and password, and that this user may see the stream",
    "404": "check its path",
    "429": "it has too many viewers: close some",
    "5XX": "this is the camera's own fault: restart it",
}


def stream_trouble(address: str, reason: str) -> str:
    """What is wrong with a stream, and what to do.

    Args:
        address: Its URL, with user and password where it has them.
        reason: What FFmpeg said.

    Returns:
        Words that do not repeat the address.
    """
    if reason == "Protocol not found":
        return 'this is no kind of address that is known here: write "rtsp://..." or "http://..."'
    if reason == "Immediate exit requested":
        return f"it has not answered in time: {CHECK}"
    if reason == "Connection refused":
        port = _port(address)
        where = f"port {port}" if port else "this port"
        return (
            f"connection refused: nothing listens at {where} there; check the port, and that the camera is switched on"
        )
    for code, advice in ADVICE.items():
        if f"returned {code}" in reason:
            return f"{reason.removeprefix('Server returned ')}: {advice}"
    return _asked(address, reason) if reason.startswith(VAGUE) else f"{reason}: {CHECK}"


def _asked(address: str, reason: str) -> str:
    host = urlsplit(address).hostname or ""
    try:
        socket.getaddrinfo(host, None)
    except (OSError, UnicodeError):
        return f"there is no computer {host!r} in this network: check the name, or write its number (192.168...)"
    if address.lower().startswith("rtsp") and reason == NO_SUCH_CONTENT:
        return "what answers there is no RTSP camera: check the port (554 where a camera's manual says no other)"
    if not address.lower().startswith("http"):
        return f"{reason}: {CHECK}"
    try:
        return _answer(address, reason)
    except HTTPError as error:
        return f"{error.code} {error.reason}: {CHECK}"
    except URLError as error:
        if isinstance(error.reason, SSLError):
            why = error.reason.reason or error.reason
            return f"no https there ({why}): write http:// if the camera has no certificate"
        return f"{getattr(error.reason, 'strerror', None) or error.reason}: {CHECK}"
    except (OSError, HTTPException, ValueError):
        return f"its server breaks off: {CHECK}" if reason == "End of file" else f"{reason}: {CHECK}"


def _answer(address: str, reason: str) -> str:
    """What an HTTP server answers to somebody who only asks for a part of a file."""
    parts = urlsplit(address)
    user, _, place = parts.netloc.rpartition("@")
    request = Request(parts._replace(netloc=place, fragment="").geturl(), headers={"Range": "bytes=0-63"})
    if user:
        request.add_header("Authorization", "Basic " + base64.b64encode(unquote(user).encode()).decode())
    with urlopen(request, timeout=PATIENCE_S) as answer:
        kind, begin = answer.headers.get_content_type(), answer.read(64)
    if not begin:
        return "its server answers, and sends nothing: check its path, and that the camera is switched on"
    if kind.startswith(NO_VIDEO):
        return (
            f"its server sends {kind}, no video: give the address of the stream itself, not that of the camera's page"
        )
    if answer.status == 200 and begin[4:8] == b"ftyp":
        whole = "its server gives files only whole, and this file is read in parts"
        return f"{whole}: copy it to this computer, and give its path"
    return f"{reason}: {CHECK}"


def _port(address: str) -> int | None:
    try:
        return urlsplit(address).port
    except ValueError:
        return None
