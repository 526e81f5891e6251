"""A network camera that speaks RTSP (RFC 2326): MPEG-TS in RTP (RFC 2250), within its TCP connection or by UDP."""

from __future__ import annotations

import contextlib
import hashlib
import re
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Iterator, Sequence

__all__ = ["RtspCamera", "rtsp_camera"]

CLOCK_HZ, MP2T, TS_PACKET, PER_RTP = 90_000, 33, 188, 7
SDP = f"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=live\r\nt=0 0\r\nm=video 0 RTP/AVP {MP2T}\r\na=control:track\r\n"
METHODS = "OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN"


class RtspCamera(socketserver.ThreadingTCPServer):
    """Everyone who plays /live gets the pieces from the first on, at the frame rate; other paths are not found.

    Args:
        pieces: An MPEG transport stream, a piece per frame.
        fps: Frames per second.
        user: Who may see it, "name:password"; empty: everybody.
        udp: Its pictures come by UDP only.
        breaks_after: Pieces after which it hangs up on its first player; 0: never.
    """

    allow_reuse_address = daemon_threads = True

    def __init__(
        self, pieces: Sequence[bytes], fps: float, user: str = "", udp: bool = False, breaks_after: int = 0
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.pieces, self.fps, self.user, self.udp, self.breaks_after = pieces, fps, user, udp, breaks_after
        self.players = 0
        self.address = f"rtsp://127.0.0.1:{self.server_address[1]}/live"

    def handle_error(self, *_: object) -> None:
        """Who plays may break off."""


@contextlib.contextmanager
def rtsp_camera(camera: RtspCamera) -> Iterator[RtspCamera]:
    """Let it answer, for a while."""
    thread = threading.Thread(target=camera.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield camera
    finally:
        camera.shutdown()
        camera.server_close()
        thread.join()


class _Session(socketserver.StreamRequestHandler):
    server: RtspCamera

    def setup(self) -> None:
        super().setup()
        self.udp, self.udp_port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0

    def finish(self) -> None:
        self.udp.close()
        super().finish()

    def handle(self) -> None:
        while request := self._request():
            method, url, headers = request
            if method == "OPTIONS":
                self._answer(headers, f"Public: {METHODS}")
            elif self.server.user and not self._may(method, headers.get("authorization", "")):
                self._answer(
                    headers, 'WWW-Authenticate: Digest realm="camera", nonce="4711"', status="401 Unauthorized"
                )
            elif method == "DESCRIBE" and not url.rstrip("/").endswith("/live"):
                self._answer(headers, status="404 Not Found")
            elif method == "DESCRIBE":
                self._answer(headers, "Content-Type: application/sdp", f"Content-Base: {url}/", body=SDP)
            elif method == "SETUP" and ("RTP/AVP/TCP" in headers["transport"]) == self.server.udp:
                self._answer(headers, status="461 Unsupported Transport")
            elif method == "SETUP":
                self._answer(headers, f"Transport: {self._transport(headers['transport'])}", "Session: 1")
            elif method == "PLAY":
                self._answer(headers, "Session: 1")
                self._play()
                return
            else:
                self._answer(headers, "Session: 1")

    def _request(self) -> tuple[str, str, dict[str, str]] | None:
        line = self.rfile.readline().decode()
        if not line.strip():
            return None
        headers = {}
        while field := self.rfile.readline().decode().strip():
            name, _, value = field.partition(":")
            headers[name.lower()] = value.strip()
        method, url, _ = line.split(" ", 2)
        return method, url, headers

    def _answer(self, asked: dict[str, str], *headers: str, status: str = "200 OK", body: str = "") -> None:
        lines = [f"RTSP/1.0 {status}", f"CSeq: {asked.get('cseq', '0')}", *headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.wfile.write(("\r\n".join(lines) + "\r\n\r\n" + body).encode())

    def _transport(self, asked: str) -> str:
        """What is agreed on."""
        if not self.server.udp:
            return "RTP/AVP/TCP;unicast;interleaved=0-1"
        self.udp.bind(("127.0.0.1", 0))
        ours = self.udp.getsockname()[1]
        self.udp_port = int(re.findall(r"client_port=(\d+)", asked)[0])
        return f"RTP/AVP/UDP;unicast;client_port={self.udp_port}-{self.udp_port + 1};server_port={ours}-{ours + 1}"

    def _send(self, packet: bytes) -> None:
        if self.udp_port:
            self.udp.sendto(packet, ("127.0.0.1", self.udp_port))
        else:
            self.wfile.write(struct.pack(">cBH", b"$", 0, len(packet)) + packet)

    def _may(self, method: str, authorization: str) -> bool:
        """Whether the digest (RFC 2617, without quality of protection) is that of the user."""
        said = dict(re.findall(r'(\w+)="([^"]*)"', authorization))
        name, _, password = self.server.user.partition(":")
        known, asked = _md5(f"{name}:camera:{password}"), _md5(f"{method}:{said.get('uri', '')}")
        return said.get("username") == name and said.get("response") == _md5(f"{known}:4711:{asked}")

    def _play(self) -> None:
        self.server.players += 1
        last = self.server.breaks_after if self.server.players == 1 else 0
        number, began = 0, time.monotonic()
        with contextlib.suppress(ConnectionError):
            for frame, piece in enumerate(self.server.pieces[: last or None]):
                time.sleep(max(began + frame / self.server.fps - time.monotonic(), 0.0))
                for at in range(0, len(piece), PER_RTP * TS_PACKET):
                    payload = piece[at : at + PER_RTP * TS_PACKET]
                    stamp = round(frame * CLOCK_HZ / self.server.fps)
                    self._send(struct.pack(">BBHII", 0x80, MP2T, number & 0xFFFF, stamp, 1) + payload)
                    number += 1


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
