"""The studio in a browser: a real server, intruders by plain HTTP, and Chromium where it is installed."""

from __future__ import annotations

import re
import socket
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from multiview.recordings.take import Take
from multiview.studio.config import SyntheticSource
from multiview.studio.studio_file import write_studio
from multiview.wire.topics import RECORDED
from services.dashboard.control import Control
from tests.live.browser import PATIENCE_S, Server, browser_of, served, viewer_of
from tests.processes import SYNTHETIC, free_hub, free_ports, synthetic_studio

pytestmark = pytest.mark.timeout(900)
SCRIPT = "<script>document.title = 'attacked'</script>"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("studio")
    studio = synthetic_studio(folder / "takes", free_hub())
    endless = msgspec.structs.replace(studio, source=SyntheticSource(options=SYNTHETIC, loop=True))
    write_studio(endless, folder / "studio.toml")
    with served(folder) as server:
        yield server


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


@pytest.mark.parametrize(
    "path",
    [
        "/takes/..%2f..%2fstudio.toml",
        "/playback/..%2f..",
        "/errors/..%2f..",
        "/thumbnails/..",
        "/views/..%2f../cam01",
        "/videos/..%2f../cam01/0",
        "/videos/takes/..%2fcam01/0",
        "/calibrations/..%2f../report.html",
        "/downloads/..%2f..%2fstudio.toml",
    ],
)
def test_no_address_leads_out_of_the_folder(server: Server, cookie: str, path: str) -> None:
    status, _, body = server.ask(path, cookie=cookie)
    assert status in (200, 404)
    assert b"ingest_port" not in body
    assert status == 404 or b"There is no such take" in body
    assert server.ask(path)[0] == 401


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
    with browser_of(server) as page:
        yield page


def test_browser_records_a_take_and_the_server_may_die_meanwhile(server: Server, page: Any) -> None:
    page.get_by_role("button", name="Start", exact=True).click()
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


def test_live_view_shows_uncertainty_and_trails(page: Any) -> None:
    shown = "document.querySelector('.mv-view').dataset"
    page.get_by_role("button", name="3D", exact=True).click()
    page.get_by_label("Uncertainty").check()
    page.wait_for_function(f"+{shown}.ellipsoids > 20")
    page.get_by_label("Trails").check()
    page.wait_for_function(f"{shown}.trails === '2'")
    page.locator(".mv-view").focus()
    page.keyboard.press("u")
    page.wait_for_function(f"{shown}.ellipsoids === '0'")
    page.get_by_label("Trails").uncheck()
    page.wait_for_function(f"{shown}.trails === '0'")


def test_live_buttons_leave_a_camera_out_and_begin_identities_anew(page: Any) -> None:
    page.get_by_role("button", name="Leave out cam01").click()
    page.get_by_role("button", name="Take in cam01").click()
    page.get_by_role("button", name="Leave out cam01").wait_for()
    people = "[...document.querySelectorAll('[aria-label^=\"Name person\"]')].map((one) => one.ariaLabel).sort().join()"
    page.wait_for_function(f"({people}).split(',').length === 2")
    before = page.evaluate(people)
    page.get_by_role("button", name="New identities").click()
    page.wait_for_function(f"(before) => ({people}).split(',').length === 2 && {people} !== before", arg=before)


def test_bridge_is_started_and_stopped(page: Any) -> None:
    page.get_by_role("button", name="Start bridge websocket").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("port").fill(str(free_ports(1)[0]))
    dialog.get_by_role("button", name="Start the bridge").click()
    page.get_by_role("button", name="Stop bridge websocket").click()
    page.get_by_role("button", name="Start bridge websocket").wait_for()


def test_health_page_checks_the_machine_and_shows_logs(page: Any) -> None:
    page.get_by_role("link", name="Health").click()
    page.get_by_role("button", name="Check now").click()
    page.locator('.mv-dot[aria-label="good"]').first.wait_for()
    page.locator(".mv-trend").first.wait_for()
    page.get_by_role("link", name="Live").click()
    page.wait_for_function("document.querySelector('.mv-view')?.dataset.people === '2'")
    assert page.faults == []


def test_take_is_played_back_and_exported(server: Server, page: Any, tmp_path: Path) -> None:
    page.get_by_role("link", name="Takes").click()
    page.get_by_text(re.compile(r"^\d+ people")).wait_for()
    page.get_by_role("link", name="first <b>take<b>").click()
    page.wait_for_function("document.querySelector('.mv-player')?.dataset.people === '2'")
    page.locator(".mv-player").focus()
    page.keyboard.press(".")
    page.wait_for_function("document.querySelector('.mv-player').dataset.frame === '1'")
    page.get_by_label("Skeleton", exact=True).click()
    page.get_by_role("option", name="Mixamo's").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Export").click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    with zipfile.ZipFile(path) as archive:
        motions = [archive.read(name).decode() for name in archive.namelist() if name.endswith(".bvh")]
    assert len(motions) >= 2
    assert all(motion.startswith("HIERARCHY") and "MOTION" in motion for motion in motions)
    assert all("ROOT mixamorig:Hips" in motion for motion in motions)
    page.get_by_role("link", name="Live").click()
    page.wait_for_function("document.querySelector('.mv-view')?.dataset.people === '2'")
    assert page.faults == []


def test_browsers_that_stall_flood_or_break_off_harm_nobody(server: Server, page: Any, cookie: str) -> None:
    address, own = f"ws://127.0.0.1:{server.port}/stream", f"http://127.0.0.1:{server.port}"
    with ExitStack() as stack:
        stalled, flooding, broken = (
            stack.enter_context(connect(address, additional_headers={"cookie": cookie, "origin": own}))
            for _ in range(3)
        )
        broken.socket.shutdown(socket.SHUT_RDWR)
        with suppress(ConnectionClosed):
            for _ in range(20_000):
                flooding.send("9" * 41)  # longer than an answer is: cut off
        drawn = "+document.querySelector('.mv-view').dataset.drawn"
        before = page.evaluate(drawn)
        page.wait_for_function(f"{drawn} > {before + 40}")
        assert stalled.recv()  # what waits for it is short: the newest poses
    assert page.faults == []


def test_viewer_has_no_buttons(server: Server, page: Any) -> None:
    with viewer_of(page) as other:
        other.wait_for_function("document.querySelector('.mv-view').dataset.people === '2'")
        for name in ("Stop", "Record", "Name person", "Let another browser in"):
            assert other.get_by_role("button", name=name).count() == 0


def test_end_of_the_server_ends_what_it_started(server: Server) -> None:
    control = Control(server.folder)
    server.end()
    assert not control.started
    assert control.recording is None
