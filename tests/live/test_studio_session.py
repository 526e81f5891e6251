"""A whole session in Chromium, from an empty folder to motion files, against the truth of the simulated cameras."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jaxtyping import Float64

from multiview.cameras.rig_file import load_rig
from multiview.common.atomic_file import replacing
from multiview.data import NS_PER_S
from multiview.editing.take_poses import take_poses
from multiview.geometry.rigid import alignment
from multiview.marker_files import read_markers
from multiview.recordings.pose_table import Poses
from multiview.studio.config import SyntheticSource
from multiview.studio.derived import synthetic_options
from multiview.studio.studio_file import load_studio
from multiview.synthetic import Studio, make_studio
from tests.live.browser import Server, browser_of, cookie_of, served
from tests.processes import free_ports

pytestmark = pytest.mark.timeout(900)
ON_FLOOR = "simulated: the board lies on the floor"
SECONDS = 5.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with served(tmp_path_factory.mktemp("stage")) as server:
        yield server


@pytest.fixture(scope="module")
def page(server: Server) -> Iterator[Any]:
    with browser_of(server, 360, 780) as page:
        yield page


def test_session_from_an_empty_folder_to_motion_files(server: Server, page: Any, tmp_path: Path) -> None:
    page.get_by_role("button", name="Make a simulated studio").click()
    page.get_by_role("button", name="Start", exact=True).wait_for()
    _set_free_ports(page, server.folder / "studio.toml")
    _look_at_cameras(page)
    _calibrate(server, page)
    simulation, alike = _check_rig(server)
    take = _record(server, page)
    recorded = take_poses(take)[0]
    actors, lag_s = _actors_of(recorded, simulation, alike)
    _edit(server, page, take)
    edited = take_poses(take)[0]
    lag_s += (edited.time_ns.min() - recorded.time_ns.min()) / NS_PER_S
    swapped = [actors[1], actors[0]]
    assert edited.time_ns.min() >= recorded.time_ns.min() + round(0.9 * NS_PER_S)
    assert len(edited) < len(recorded)
    assert _error_m(edited, simulation, alike, dict(zip(edited.people.tolist(), swapped, strict=True)), lag_s) < 0.1
    _check_motion(_export(page, tmp_path), edited)
    assert page.faults == []


def _set_free_ports(page: Any, file: Path) -> None:
    """So that tests beside each other do not meet. The page loads itself anew when the file changes."""
    ingest, publish, request = free_ports(3)
    hub = f"\n[hub]\ningest_port = {ingest}\npublish_port = {publish}\nrequest_port = {request}\n"
    page.evaluate("window.before = true")
    with replacing(file) as temporary:
        temporary.write_text(file.read_text() + hub)
    page.wait_for_function("window.before === undefined")
    page.get_by_role("button", name="Start", exact=True).wait_for()


def _look_at_cameras(page: Any) -> None:
    page.get_by_role("link", name="Cameras").click()
    page.get_by_role("button", name="Look at the cameras").click()
    page.wait_for_function("document.querySelectorAll('.mv-film canvas').length === 4")
    page.get_by_role("button", name="Let go of them").click()
    page.get_by_role("button", name="Look at the cameras").wait_for()


def _calibrate(server: Server, page: Any) -> None:
    page.get_by_role("link", name="Calibrate").click()
    page.get_by_role("button", name="Make the board").click()
    page.get_by_text("board.pdf").wait_for()
    status, headers, body = server.ask("/board.pdf", cookie=cookie_of(page))
    assert (status, headers["content-type"], body[:4]) == (200, "application/pdf", b"%PDF")
    page.get_by_role("button", name="Film the board").click()
    solve = page.get_by_role("button", name="Enough: solve")
    solve.wait_for()
    assert solve.is_disabled()  # before every camera has seen enough
    floor, known = (
        page.get_by_role("button", name="The board lies on the floor now"),
        page.get_by_text("floor is known"),
    )
    while not known.is_visible():  # a stalled browser may press too late, and is refused
        page.get_by_text(ON_FLOOR).wait_for()
        floor.click()
        known.or_(page.get_by_text("does not lie on the floor")).first.wait_for()
    solve.click()  # as soon as it can be
    page.get_by_role("button", name="Use these cameras").click()
    page.get_by_text("· in use").first.wait_for()
    (folder,) = (server.folder / "calibrations").iterdir()
    status, headers, _ = server.ask(f"/calibrations/{folder.name}/report.html", cookie=cookie_of(page))
    assert status == 200
    assert server.ask("/calibrations/..%2f..%2fstudio.toml/report.html", cookie=cookie_of(page))[0] == 404
    assert server.ask(f"/calibrations/{folder.name}/report.html")[0] == 401


def _check_rig(server: Server) -> tuple[Studio, tuple[np.ndarray, np.ndarray]]:
    """The simulation, and the rigid motion from its world into that of the board on the floor."""
    studio = load_studio(server.folder / "studio.toml")
    assert isinstance(studio.source, SyntheticSource)
    simulation, rig = make_studio(synthetic_options(studio.source)), load_rig(studio.rig)
    assert (rig.names, rig.world) == (simulation.rig.names, "floor")
    found, true = (np.array([camera.centre for camera in one.cameras]) for one in (rig, simulation.rig))
    R, t = alignment(true, found)
    np.testing.assert_allclose(true @ R.T + t, found, atol=0.03)
    np.testing.assert_allclose(found[:, 2], true[:, 2], atol=0.05)  # heights above the floor where the board lay
    return simulation, (R, t)


def _record(server: Server, page: Any) -> Path:
    page.get_by_role("link", name="Live").click()
    page.get_by_role("button", name="Start", exact=True).click()
    page.get_by_role("button", name="Pictures").click()
    page.wait_for_function("document.querySelector('.mv-pictures')?.dataset.fused === '2'")
    page.get_by_label("Take's name").fill("walk")
    page.get_by_role("button", name="Record").click()
    page.wait_for_function(
        f"() => [...document.querySelectorAll('.mv-figures')].some((one) => {{"
        f" const said = one.textContent.match(/● walk +(\\d+) s/); return said && +said[1] > {SECONDS}; }})"
    )
    page.get_by_role("button", name="Stop recording").click()
    page.get_by_text("Saved take walk").wait_for()
    page.get_by_role("button", name="Stop", exact=True).click()
    page.get_by_role("button", name="Start", exact=True).wait_for()
    return server.folder / "takes" / "walk"


def _edit(server: Server, page: Any, take: Path) -> None:
    page.goto(f"http://127.0.0.1:{server.port}/takes/{take.name}")
    page.wait_for_function("document.querySelector('.mv-player')?.dataset.people !== undefined")
    for number, name in enumerate(("Swap", "Trim"), start=1):
        if name == "Trim":
            page.get_by_label("Span from, s").fill("1")
            page.get_by_label("Span from, s").blur()
        page.get_by_role("button", name=name, exact=True).click()
        dialog = page.get_by_role("dialog")
        if name == "Trim":
            dialog.get_by_text("From 1 s to the end.").wait_for()
        dialog.get_by_role("button", name=name).click()
        page.wait_for_selector(f'.mv-edits[data-applied="{number}"]', state="attached")


def _export(page: Any, folder: Path) -> list[Path]:
    with page.expect_download() as download:
        page.get_by_role("button", name="Export").click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    return sorted(folder.glob("*.bvh"))


def _actors_of(poses: Poses, simulation: Studio, alike: tuple[np.ndarray, np.ndarray]) -> tuple[list[int], float]:
    """Which simulated person each of the two is, and when in the simulation the poses begin, s."""
    people = poses.people.tolist()
    assert len(people) == 2
    ends_s = (simulation.frames - 2) / simulation.fps - np.ptp(poses.time_ns) / NS_PER_S
    lags_s = np.arange(0.0, ends_s, 1 / simulation.fps)
    error_m, order, lag_s = min(
        (_error_m(poses, simulation, alike, dict(zip(people, order, strict=True)), lag_s), order, lag_s)
        for order in ([0, 1], [1, 0])
        for lag_s in lags_s
    )
    assert error_m < 0.1
    return order, lag_s


def _error_m(
    poses: Poses, simulation: Studio, alike: tuple[np.ndarray, np.ndarray], actors: dict[int, int], lag_s: float
) -> float:
    """The median distance of joints from where these actors' are, if the poses begin so late in the simulation, m."""
    true = _true(simulation, alike, (poses.time_ns - poses.time_ns.min()) / NS_PER_S + lag_s)
    actor = np.array([actors[person] for person in poses.person.tolist()])
    return float(np.nanmedian(np.linalg.norm(poses.xyz - true[np.arange(len(actor)), actor], axis=2)))


def _true(
    simulation: Studio, alike: tuple[np.ndarray, np.ndarray], times_s: Float64[np.ndarray, " N"]
) -> Float64[np.ndarray, "N P J 3"]:
    R, t = alike
    return simulation.true_at(times_s) @ R.T + t


def _check_motion(files: list[Path], poses: Poses) -> None:
    """Each file's hips go where the poses' hips go; BVH is in cm, y up."""
    assert len(files) == len(poses.people)
    hips = [poses.joints.index(f"{side}_hip") for side in ("left", "right")]
    for person, path in zip(poses.people.tolist(), files, strict=True):
        markers = read_markers(path, "cm")
        x, y, z = markers.xyz[:, markers.names.index("Hips")].T
        known = poses.xyz[poses.person == person][:, hips].mean(axis=1)
        ends = np.column_stack([x, -z, y])[[0, -1]]
        np.testing.assert_allclose(ends, known[[0, -1]], atol=0.1)
