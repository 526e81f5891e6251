"""The Takes pages: the list, and one take in 3D with its time line and exports."""

from __future__ import annotations

from pathlib import Path
from shutil import disk_usage
from urllib.parse import quote

from nicegui import run, ui

from multiview.body.skeleton import find_skeleton
from multiview.cameras.rig_file import load_rig
from multiview.common.counted import counted
from multiview.editing.take_poses import take_poses, take_rig
from multiview.errors import MultiviewError, one_line
from multiview.recordings.pose_table import Poses
from multiview.recordings.take import Take
from services.dashboard.access import Role, Session
from services.dashboard.backstage import Backstage
from services.dashboard.downloads import Downloads
from services.dashboard.export_form import ExportForm
from services.dashboard.layout import SHOWN, page_frame
from services.dashboard.room import room
from services.dashboard.take_edits import TakeEdits
from services.dashboard.take_list import TakeRow, find_take, list_takes
from services.dashboard.take_view import TakePictures, TakeView

__all__ = ["take_page", "takes_page"]


def takes_page(backstage: Backstage, session: Session) -> None:
    """The list of takes.

    Args:
        backstage: What the pages share.
        session: Who looks.
    """
    backstage.refresh()
    with page_frame("Takes", backstage, session), ui.element("main").classes("mv-page"):
        rows = list_takes(backstage.takes)
        ui.label("Takes").classes("text-h5")
        if not rows:
            ui.label("No takes yet").classes("text-h6")
            ui.label("Record one on the page Live; it is then here, to play back and to export.")
            return
        total = sum(row.megabytes for row in rows)
        free = disk_usage(backstage.takes).free / 1e9
        words = f"{counted(len(rows), 'take')}, {total:.1f} MB in {backstage.takes} · {free:.0f} GB are free there"
        ui.label(words).classes("mv-quiet")
        for row in rows:
            _take_row(backstage.takes, row)


def _take_row(directory: Path, row: TakeRow) -> None:
    address = quote(row.folder, safe="")
    with ui.element("article").classes("mv-take"):
        with ui.link(target=f"/takes/{address}").classes("mv-thumbnail").props('tabindex="-1" aria-hidden="true"'):
            ui.element("img").props(f'src="/thumbnails/{address}" alt="" loading="lazy" width="160" height="90"')
        with ui.element("div").classes("mv-grow"):
            ui.link(row.name, f"/takes/{address}").classes("mv-take-name")
            length = f"{row.seconds:.1f} s" if row.seconds else ""
            facts = ui.label(" · ".join(part for part in (row.began, length, f"{row.megabytes:.1f} MB") if part))
            facts.classes("mv-quiet mv-figures")
            if row.notes:
                ui.label(row.notes).classes("mv-notes")
            if row.remark:
                ui.label(row.remark).classes("mv-alarm")
        people = ui.label("counting ...").classes("mv-quiet mv-figures")

    async def count() -> None:
        people.set_text(await run.io_bound(_people_words, directory, row.folder) or "")

    ui.timer(0.05, count, once=True)


_known_people: dict[tuple[str, float], str] = {}


def _people_words(directory: Path, folder: str) -> str:
    """How many people are in a take; read once, as long as nothing in its folder changes."""
    take = find_take(directory, folder)
    if take is None or take.partial:
        return ""
    key = (str(take.folder), take.folder.stat().st_mtime)
    if key not in _known_people:
        try:
            poses, _ = take_poses(take.folder)
            named = sorted(poses.names.get(person, "") for person in poses.people.tolist())
            known = ", ".join(name for name in named if name)
            _known_people[key] = counted(len(poses.people), "person", "people") + (f": {known}" if known else "")
        except MultiviewError:
            _known_people[key] = "no poses"
    return _known_people[key]


async def take_page(backstage: Backstage, session: Session, downloads: Downloads, folder: str) -> None:
    """One take.

    Args:
        backstage: What the pages share.
        session: Who looks.
        downloads: Keeps what is exported.
        folder: Of the take, as the address says.
    """
    backstage.refresh()
    take = find_take(backstage.takes, folder)
    with page_frame("Takes", backstage, session), ui.element("main").classes("mv-page mv-wide"):
        if take is None:
            ui.label("There is no such take").classes("text-h5")
            ui.link("All takes", "/takes")
            return
        row = next(row for row in list_takes(backstage.takes) if row.folder == take.folder.name)
        with ui.element("div").classes("mv-row"):
            ui.label(row.name).classes("text-h5 mv-grow")
            ui.link("All takes", "/takes")
        ui.label(" · ".join(part for part in (row.began, row.notes) if part)).classes("mv-quiet")
        if row.remark:
            ui.label(row.remark).classes("mv-alarm")
        try:
            poses = await run.io_bound(_poses, take)
            if poses is None:  # the server ends
                return
            shape = room(load_rig(take_rig(take.folder)), find_skeleton(poses.skeleton, take.folder))
        except MultiviewError as error:
            ui.label(one_line(error)).classes("mv-alarm")
            return
        address, edits = quote(take.folder.name, safe=""), session.role is Role.CONTROL
        ui.add_head_html('<link rel="stylesheet" href="/own/takes.css">')
        choice = ui.toggle(SHOWN, value="3D").props('no-caps aria-label="What is shown"').classes("mv-toggle")
        choice.style("align-self: flex-start")
        with ui.element("div").classes("mv-take-stage mv-shows-3d") as stage:
            view = TakeView(shape, f"/playback/{address}", f"/errors/{address}", edits)
            cell = ui.element("div").classes("mv-pictures-cell")

        def show(what: str) -> None:
            """In 3D, over the videos, or both; videos are read only while they are shown."""
            stage.classes(replace=f"mv-take-stage mv-shows-{what.lower()}")
            cell.clear()
            if what != "3D":
                with cell:
                    TakePictures(shape, address)

        choice.on_value_change(lambda event: show(event.value))
        panel = TakeEdits(take.folder, session, view, poses) if edits else None
        export = ExportForm(take, row.name, poses, downloads, backstage.control.folder, edits)
        if panel is not None:
            panel.changed = export.show_poses


def _poses(take: Take) -> Poses:
    return take_poses(take.folder)[0]
