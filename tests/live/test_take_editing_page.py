"""A take is watched and edited in Chromium: videos, buttons, undo and redo, the time line; against its files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from multiview.cameras.rig_file import save_rig
from multiview.common.video_writer import VideoWriter
from multiview.data import NS_PER_S
from multiview.editing.edit_list import read_edits
from multiview.editing.take_poses import take_poses
from multiview.recordings.take import Take
from multiview.studio.studio_file import write_studio
from multiview.synthetic import Studio
from tests.editing.recorded import START_NS, bits, record, recorded_bits
from tests.live.browser import Server, browser_of, served, viewer_of
from tests.processes import free_hub, synthetic_studio

SCRIPT = "<img src=x onerror=document.title=1>"  # a camera's name
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def server(small_studio: Studio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Pages of a studio that does not run, with one take."""
    folder = tmp_path_factory.mktemp("studio")
    studio = synthetic_studio(folder / "takes", free_hub())
    cameras = (replace(small_studio.rig.cameras[0], name=SCRIPT), *small_studio.rig.cameras[1:])
    rig = replace(small_studio.rig, cameras=cameras)
    save_rig(rig, folder / "rig.toml")
    write_studio(msgspec.structs.replace(studio, rig=str(folder / "rig.toml")), folder / "studio.toml")
    solved = folder / "calibrations" / "walk"
    solved.mkdir(parents=True)
    save_rig(rig, solved / "rig.toml")
    (solved / "report.json").write_text('{"verdict": "good", "reasons": ["all is well"]}')
    (solved / "corners.parquet").write_text("no table")
    film(record(folder / "takes", small_studio), small_studio)
    with served(folder) as server:
        yield server


@pytest.fixture(scope="module")
def page(server: Server) -> Iterator[Any]:
    with browser_of(server) as page:
        yield page


def film(take: Take, simulation: Studio) -> None:
    """Videos whose brightness tells the number of the frame."""
    take.videos.mkdir()
    for name in simulation.rig.names:
        times_ns = [START_NS + simulation.time_ns(frame) for frame in range(simulation.frames)]
        with VideoWriter(take.videos / f"{name}.mp4", (64, 48), simulation.fps) as writer:
            for frame, time_ns in enumerate(times_ns):
                writer.write(np.full((48, 64, 3), grey_of(frame), np.uint8), time_ns)
        rows = "".join(f"{frame},{time_ns / NS_PER_S:.6f}\n" for frame, time_ns in enumerate(times_ns))
        (take.videos / f"{name}.timestamps.csv").write_text(f"frame,time\n{rows}")


def grey_of(frame: int) -> int:
    return 20 + 10 * (frame % 22)


def wait_for_grey(page: Any, grey: int) -> None:
    """Until the first camera's video shows a picture so bright."""
    page.wait_for_function(
        """async (grey) => {
            const video = document.querySelector('.mv-take-pictures video');
            if (!video || video.readyState < 2 || video.seeking) return false;
            const canvas = new OffscreenCanvas(4, 4), context = canvas.getContext('2d');
            context.drawImage(video, 0, 0, 4, 4);
            return Math.abs(context.getImageData(1, 1, 1, 1).data[1] - grey) < 2;
        }""",
        arg=grey,
    )


def applied(page: Any, count: int) -> None:
    page.wait_for_selector(f'.mv-edits[data-applied="{count}"]', state="attached")


def test_take_is_watched_over_its_videos(small_studio: Studio, server: Server, page: Any) -> None:
    page.goto(f"http://127.0.0.1:{server.port}/takes")
    page.wait_for_function("document.querySelector('.mv-thumbnail img')?.naturalWidth === 320")
    page.get_by_role("link", name="walk").click()
    page.wait_for_function("document.querySelector('.mv-player')?.dataset.people === '2'")
    page.get_by_role("button", name="Both").click()
    page.wait_for_function(
        "() => { const all = [...document.querySelectorAll('.mv-take-pictures canvas')];"
        " return all.length > 1 && all.every((one) => one.dataset.fused === '2'); }"
    )
    page.wait_for_function(
        "[...document.querySelectorAll('.mv-take-pictures canvas')].some((one) => one.dataset.seen === '2')"
    )
    shown = [int(at) for at in np.unique(take_poses(server.folder / "takes" / "walk")[0].time_ns)]
    filmed = [START_NS + small_studio.time_ns(frame) for frame in range(small_studio.frames)]
    wait_for_grey(page, grey_of(int(np.searchsorted(filmed, shown[0], "right")) - 1))  # the newest picture by then
    page.locator(".mv-player").focus()
    for _ in range(5):
        page.keyboard.press(".")
    wait_for_grey(page, grey_of(int(np.searchsorted(filmed, shown[5], "right")) - 1))
    page.keyboard.press("Space")
    page.wait_for_function(f"+document.querySelector('.mv-player').dataset.frame >= {len(shown) - 1}")
    page.locator(".mv-take-pictures canvas").first.click()
    page.wait_for_function("document.querySelectorAll('.mv-take-pictures canvas').length === 1")
    assert page.faults == []


def test_take_is_trimmed_and_a_person_deleted_undone_and_redone(server: Server, page: Any) -> None:
    take: Path = server.folder / "takes" / "walk"
    recorded, original = recorded_bits(take), take_poses(take)[0]
    people = original.people.tolist()
    page.goto(f"http://127.0.0.1:{server.port}/takes/walk")
    page.wait_for_function("document.querySelector('.mv-player')?.dataset.people === '2'")
    page.wait_for_function("document.querySelector('.mv-errors').getBoundingClientRect().height > 0")

    page.locator(".mv-player").focus()
    for _ in range(5):
        page.keyboard.press(".")
    page.wait_for_function("document.querySelector('.mv-player').dataset.frame === '5'")
    page.keyboard.press("i")
    page.wait_for_selector(".mv-marked", state="attached")
    page.wait_for_function("document.querySelector('input[aria-label=\"Span from, s\"]').value !== ''")
    page.get_by_role("button", name="Trim").click()
    page.get_by_role("dialog").get_by_role("button", name="Trim").click()
    applied(page, 1)
    edits = read_edits(take)
    assert edits is not None
    assert edits.in_force[0].from_s == pytest.approx(0.2, abs=0.02)  # 5 of 25 frames a second
    trimmed = take_poses(take)[0]
    assert trimmed.frame.min() == original.frame.min() + 5

    page.get_by_role("button", name="Whole take").click()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    applied(page, 2)
    page.wait_for_function("document.querySelector('.mv-player').dataset.people === '1'")
    assert take_poses(take)[0].people.tolist() == people[1:]
    edited = bits(take_poses(take)[0])

    page.get_by_role("button", name="Undo").click()
    applied(page, 1)
    assert bits(take_poses(take)[0]) == bits(trimmed)
    page.locator(".mv-player").focus()
    page.keyboard.press("Control+z")
    applied(page, 0)
    assert bits(take_poses(take)[0]) == bits(original)
    page.locator(".mv-player").focus()
    page.keyboard.press("Control+y")
    applied(page, 1)
    page.get_by_role("button", name="Redo").click()
    applied(page, 2)
    assert bits(take_poses(take)[0]) == edited
    assert recorded_bits(take) == recorded
    assert page.faults == []


def test_edit_that_makes_no_sense_says_what_to_do(server: Server, page: Any) -> None:
    page.goto(f"http://127.0.0.1:{server.port}/takes/walk")
    page.wait_for_function("document.querySelector('.mv-player')?.dataset.people === '1'")
    page.get_by_role("button", name="Cut").click()
    page.get_by_role("dialog").get_by_text("Mark a span first").wait_for()
    assert page.get_by_role("dialog").get_by_role("button", name="Cut").is_disabled()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    applied(page, 2)


def test_whoever_may_only_view_has_no_edits(server: Server, page: Any) -> None:
    with viewer_of(page) as other:
        other.goto(f"http://127.0.0.1:{server.port}/takes/walk")
        other.wait_for_function("document.querySelector('.mv-player')?.dataset.people === '1'")
        for name in ("Trim", "Undo", "From here"):
            assert other.get_by_role("button", name=name).count() == 0


@pytest.mark.parametrize("path", ["/", "/cameras", "/calibrate"])
def test_script_in_a_cameras_name_is_text(server: Server, page: Any, path: str) -> None:
    page.goto(f"http://127.0.0.1:{server.port}{path}")
    page.get_by_text(SCRIPT).first.wait_for(state="attached")
    assert "multiview" in page.title()
    assert page.locator("img[src=x]").count() == 0
    assert page.faults == []


def test_floor_is_set_by_a_click_on_a_picture(server: Server, page: Any) -> None:
    page.goto(f"http://127.0.0.1:{server.port}/calibrate")
    page.get_by_text("walk: good").wait_for()
    page.get_by_role("button", name="Set the floor").click()
    page.wait_for_function("[...document.querySelectorAll('.mv-floor video')].every((one) => one.readyState >= 2)")
    page.get_by_label("Later").click()
    page.wait_for_function("document.querySelector('.mv-floor video').currentTime > 0.1")
    page.get_by_label("The board lies on the floor in camera").first.click()
    page.get_by_text("corners.parquet").last.wait_for()  # what is wrong with it, from the command that was begun
    assert not (server.folder / "calibrations" / "walk-floor" / "rig.toml").exists()
    assert page.faults == []


def test_rig_is_calibrated_from_the_people_of_a_take(server: Server, page: Any) -> None:
    page.goto(f"http://127.0.0.1:{server.port}/calibrate")
    page.get_by_role("button", name="Calibrate from people").click()
    page.get_by_text("choose a take first").wait_for()
    page.get_by_label("A take of people").click()
    page.get_by_role("option", name="walk").click()
    page.get_by_role("button", name="Calibrate from people").click()
    page.locator(".mv-command.mv-alarm", has_text=re.compile(r"\w")).wait_for()  # less than a second of people: refused
    assert page.faults == []
