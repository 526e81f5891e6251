"""`multiview studio` and a browser that drives it, for the tests of the pages."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from services.dashboard.access import Role, Session
from services.dashboard.control import Control
from tests.processes import free_ports, until

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SOFTWARE_GL = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-sandbox"]
PATIENCE_S = 240.0  # fusion may have to compile its kernels first


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


@contextmanager
def served(folder: Path) -> Iterator[Server]:
    """The pages of a folder; at the end nothing that they have started is left."""
    server = Server(folder)
    try:
        yield server
        server.end()
    finally:
        if server.process.poll() is None:
            server.process.kill()
        Control(folder).stop_studio(Session("", Role.CONTROL))


@contextmanager
def browser_of(server: Server, width: int = 1280, height: int = 720) -> Iterator[Any]:
    """A page of Chromium, let in by a link of its own; `faults` are what a browser would complain about."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (Debian: apt install chromium)")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=SOFTWARE_GL)
        page = browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(PATIENCE_S * 1e3)
        page.faults = []
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.on("console", lambda line: page.faults.append(line.text) if "Content Security" in line.text else None)
        page.goto(f"http://127.0.0.1:{server.port}{server.links()[-1]}")
        page.wait_for_selector("main")
        yield page
        browser.close()


@contextmanager
def viewer_of(page: Any) -> Iterator[Any]:
    """One more browser, which may only view: let in by a page that controls."""
    page.get_by_role("button", name="Let another browser in").click()
    page.get_by_role("button", name="To view").click()
    link = page.get_by_label("Link").input_value()
    with page.context.browser.new_context() as context:
        other = context.new_page()
        other.set_default_timeout(PATIENCE_S * 1e3)
        other.goto(link)
        other.get_by_text("view only").wait_for()
        yield other
    page.get_by_role("button", name="Close").click()


def cookie_of(page: Any) -> str:
    """What lets a page in."""
    return "; ".join(f"{one['name']}={one['value']}" for one in page.context.cookies())
