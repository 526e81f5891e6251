"""The studio in a browser: a real server, intruders by plain HTTP, and Chromium where it is installed."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import msgspec
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from multiview.recordings.take import Take
from multiview.studio.config import SyntheticSource, write_studio
from multiview.wire.topics import RECORDED
from services.dashboard.access import Role, Session
from services.dashboard.control import Control
from tests.processes import SYNTHETIC, free_hub, free_ports, synthetic_studio, until

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SOFTWARE_GL = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-sandbox"]
PATIENCE_S = 240.0  # fusion may have to compile its kernels first
pytestmark = pytest.mark.timeout(900)
SCRIPT = "<script>document.title = 'attacked'</script>"


class Server:
    """`multiview studio` in a folder, which can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_ports(1)[0]
        self.log = folder / "server.log"
        self.start()

    def start(self) -> None:
        before = len(self.links())
        command = [sys.executable, "-m", "multiview", "studio", str(self.folder), "--no-browser"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--port", str(self.port)],
                stdout=log,
                stderr=log,
                env={**os.environ, "XDG_CONFIG_HOME": str(self.folder / "config")},
            )
        until(lambda: len(self.links()) > before or self.process.poll() is not None, PATIENCE_S)
        assert self.process.poll() is None, self.log.read_text()

    def links(self) -> list[str]:
        text = self.log.read_text() if self.log.exists() else ""
        return re.findall(r"http://127\.0\.0\.1:\d+(/login\?token=[\w-]+)\n", text)

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60.0)
        connection.putrequest(method, path, skip_host="host" in headers)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        body = answer.read()
        connection.close()
        return answer.status, found, body

    def end(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(PATIENCE_S)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("studio")
    studio = synthetic_studio(folder / "takes", free_hub())
    endless = msgspec.structs.replace(studio, source=SyntheticSource(options=SYNTHETIC, loop=True))
    write_studio(endless, folder / "studio.toml")
    server = Server(folder)
    yield server
    try:
        server.end()
    finally:
        if server.process.poll() is None:
            server.process.kill()
        Control(folder).stop_studio(Session("", Role.CONTROL))


@pytest.fixture(scope="module")
def cookie(server: Server) -> str:
    status, headers, _ = server.ask(server.links()[-1])
    assert status == 200
    return headers["set-cookie"].partition(";")[0]


def test_intruders_are_refused(server: Server, cookie: str) -> None:
    assert server.ask("/")[0] == 401
    assert server.ask(server.links()[0])[0] == 401  # that link was opened
    assert server.ask("/", cookie=f"{cookie}0")[0] == 401
    assert server.ask("/own/../../access.py", cookie=cookie)[0] == 404
    assert server.ask("/own/%2e%2e/%2e%2e/access.py", cookie=cookie)[0] == 404
    assert server.ask("/", cookie=cookie, host="evil.example")[0] == 403
    assert server.ask("/", cookie=cookie, origin="https://evil.example")[0] == 403
    assert server.ask("/_nicegui_ws/socket.io/?EIO=4&transport=polling")[0] == 401
    polling = "/_nicegui_ws/socket.io/?EIO=4&transport=polling"
    assert server.ask(polling, "POST", cookie=cookie, origin="https://evil.example")[0] == 403
    for path in ("/stream", "/_nicegui_ws/socket.io/?EIO=4&transport=websocket"):
        for headers in ({}, {"cookie": cookie, "origin": "https://evil.example"}, {"cookie": cookie}):
            with (
                pytest.raises(InvalidStatus, match="403"),
                connect(f"ws://127.0.0.1:{server.port}{path}", additional_headers=headers),
            ):
                pass
    assert "refused 127.0.0.1" in server.log.read_text()


def test_page_has_the_headers(server: Server, cookie: str) -> None:
    status, headers, body = server.ask("/", cookie=cookie)
    assert status == 200
    policy = headers["content-security-policy"]
    nonce = re.findall(r"'nonce-([\w-]+)'", policy)[0]
    assert "frame-ancestors 'none'" in policy
    # No script of NiceGUI's page is without the nonce: with them a browser would show nothing.
    assert len(re.findall(rb"<script", body)) == len(re.findall(rf'<script nonce="{nonce}"'.encode(), body)) > 0


@pytest.fixture(scope="module")
def page(server: Server) -> Iterator[Any]:
    """One browser, let in by a link of its own."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (Debian: apt install chromium)")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=SOFTWARE_GL)
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.set_default_timeout(PATIENCE_S * 1e3)
        page.faults = []
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.on("console", lambda line: page.faults.append(line.text) if "Content Security" in line.text else None)
        page.goto(f"http://127.0.0.1:{server.port}{server.links()[-1]}")
        page.wait_for_selector("main")
        yield page
        browser.close()


def test_browser_records_a_take_and_the_server_may_die_meanwhile(server: Server, page: Any) -> None:
    page.get_by_role("button", name="Start").click()
    page.wait_for_function("document.querySelector('.mv-view').dataset.people === '2'")
    page.get_by_role("button", name="Both").click()
    page.wait_for_function("document.querySelector('.mv-pictures')?.dataset.fused === '2'")
    page.get_by_label("Take's name").fill("first <b>take<b>")
    page.get_by_label("Notes").fill(SCRIPT)
    page.get_by_role("button", name="Record").click()
    recording = page.get_by_text("● first <b>take<b>")
    recording.wait_for()

    server.process.kill()
    server.process.wait(PATIENCE_S)
    control = Control(server.folder)
    assert control.recording is not None
    assert control.started
    server.start()
    page.reload()  # with the cookie of before
    recording.wait_for()
    page.wait_for_function("document.querySelector('.mv-view').dataset.people === '2'")

    page.get_by_role("button", name="Name person").first.click()
    page.get_by_label("Name", exact=True).fill(SCRIPT.replace("/", ""))
    page.get_by_role("button", name="Give this name").click()
    page.locator(".mv-person", has_text="<script>").wait_for()  # drawn as text
    page.get_by_role("button", name="Stop recording").click()
    page.get_by_text("Saved take").wait_for()
    (take,) = (server.folder / "takes").iterdir()
    stream = Take(take).stream()
    recorded = {record.topic.partition("/")[0] for record in stream}
    assert {"keypoints", "poses"} < recorded <= {*RECORDED}  # pictures that were looked at are not among them
    assert stream.unrecorded == 0  # nor do they count as missing
    assert SCRIPT.replace("'", "\\'") in (take / "take.toml").read_text() or SCRIPT in (take / "take.toml").read_text()
    assert page.title() == "Live · multiview"
    assert page.faults == []


def test_take_is_played_back_and_exported(server: Server, page: Any, tmp_path: Path) -> None:
    page.get_by_role("link", name="Takes").click()
    page.get_by_text(re.compile(r"^\d+ people")).wait_for()
    page.get_by_role("link", name="first <b>take<b>").click()
    page.wait_for_function("document.querySelector('.mv-player')?.dataset.people === '2'")
    page.locator(".mv-player").focus()
    page.keyboard.press(".")
    page.wait_for_function("document.querySelector('.mv-player').dataset.frame === '1'")
    with page.expect_download() as download:
        page.get_by_role("button", name="Export").click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    with zipfile.ZipFile(path) as archive:
        motions = [archive.read(name).decode() for name in archive.namelist() if name.endswith(".bvh")]
    assert len(motions) >= 2
    assert all(motion.startswith("HIERARCHY") and "MOTION" in motion for motion in motions)
    page.get_by_role("link", name="Live").click()
    page.wait_for_function("document.querySelector('.mv-view')?.dataset.people === '2'")
    assert page.faults == []


def test_viewer_has_no_buttons(server: Server, page: Any) -> None:
    page.get_by_role("button", name="Let another browser in").click()
    page.get_by_role("button", name="To view").click()
    link = page.get_by_label("Link").input_value()
    with page.context.browser.new_context() as context:
        other = context.new_page()
        other.set_default_timeout(PATIENCE_S * 1e3)
        other.goto(link)
        other.get_by_text("view only").wait_for()
        other.wait_for_function("document.querySelector('.mv-view').dataset.people === '2'")
        for name in ("Stop", "Record", "Name person", "Let another browser in"):
            assert other.get_by_role("button", name=name).count() == 0
    page.get_by_role("button", name="Close").click()


def test_end_of_the_server_ends_what_it_started(server: Server) -> None:
    control = Control(server.folder)
    server.end()
    assert not control.started
    assert control.recording is None
