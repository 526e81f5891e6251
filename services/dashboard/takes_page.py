"""The Takes pages: the list, and one take in 3D with its time line and exports."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import msgspec
from nicegui import run, ui

from multiview.body.skeleton import find_skeleton
from multiview.cameras.rig_file import load_rig
from multiview.common.counted import counted
from multiview.editing.take_poses import take_poses, take_rig, take_start_ns
from multiview.errors import ConfigError, MultiviewError, one_line
from multiview.recordings.pose_table import Poses
from multiview.recordings.resample import ResampleOptions
from multiview.recordings.take import Take
from services.dashboard.access import Role, Session
from services.dashboard.backstage import Backstage
from services.dashboard.downloads import Downloads
from services.dashboard.layout import SHOWN, act, page_frame
from services.dashboard.room import room
from services.dashboard.take_edits import TakeEdits
from services.dashboard.take_list import TakeRow, find_take, list_takes
from services.dashboard.take_videos import find_video
from services.dashboard.take_view import TakePictures, TakeView

__all__ = ["take_page", "takes_page"]

FORMATS = {
    "angles": "Joint angles (CSV)",
    "anipose": "anipose (CSV)",
    "bvh": "BVH (Blender, MotionBuilder)",
    "c3d": "C3D (biomechanics)",
    "c3d_segments": "C3D with segments (Visual3D)",
    "csv": "CSV",
    "fbx": "FBX (by Blender)",
    "foxglove": "Foxglove (MCAP)",
    "gltf": "glTF (Blender, Unity)",
    "json": "JSON",
    "netcdf": "netCDF (movement, xarray)",
    "npz": "NumPy",
    "nwb": "NWB (neuroscience)",
    "opensim": "OpenSim (angles and motion)",
    "parquet": "Parquet (pandas)",
    "rrd": "Rerun",
    "trc": "TRC (OpenSim)",
    "usd": "USD",
}
PICTURED = ("foxglove", "rrd")  # formats that show videos
NAMES = {"": "multiview", "pose2sim": "Pose2Sim", "opensim": "OpenSim"}
RIGGED = ("bvh", "fbx", "gltf", "usd")  # formats of skeletons
RIGS = {"mixamo": "Mixamo's", "unreal": "Unreal's Manny and Quinn", "vrm": "VRM"}
UNITS = {"": "the format's own", "m": "m", "cm": "cm", "mm": "mm"}


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
        ui.label(f"{counted(len(rows), 'take')}, {total:.1f} MB in {backstage.takes}").classes("mv-quiet")
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
        choice = ui.toggle(SHOWN, value="3D").props('dense no-caps aria-label="What is shown"')
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
        export = _Export(take, row.name, poses, downloads)
        if panel is not None:
            panel.changed = export.show_poses


def _poses(take: Take) -> Poses:
    return take_poses(take.folder)[0]


class _Export:
    """The form under a take, with the options of `multiview export`."""

    def __init__(self, take: Take, name: str, poses: Poses, downloads: Downloads) -> None:
        from multiview.export import exporter_names  # slow to import: not before somebody looks
        from multiview.retarget.target import rig_names

        self._take, self._name, self._downloads = take, name, downloads
        self._start_s = take_start_ns(take.folder, poses) / 1e9
        people = {person: poses.label(person) for person in poses.people.tolist()}
        videos = self._videos = _videos(take)
        formats = {name: FORMATS.get(name, name) for name in exporter_names()}
        ui.html("<h2>Export</h2>", sanitize=False)
        with ui.element("div").classes("mv-form"):
            self._to = ui.select(formats, label="Format", value="bvh")
            self._people = ui.select(people, label="People (none: everybody)", multiple=True, value=[])
            self._units = ui.select(UNITS, label="Units", value="")
            self._names = ui.select(NAMES, label="Markers named as by", value="")
            self._names.bind_visibility_from(self._to, "value", value="trc")
            self._axes = ui.select({False: "z", True: "y (tables only)"}, label="Vertical axis", value=False)
            self._start = ui.number("From, s", placeholder="the beginning", format="%.2f")
            self._end = ui.number("To, s", placeholder="the end", format="%.2f")
            self._gap = ui.number("Close gaps up to, s", value=0, min=0)
            self._lowpass = ui.number("Low-pass, Hz (6 is usual; 0: none)", value=0, min=0)
            self._rate = ui.number("Frames per second (0: as they are)", value=0, min=0)
            self._measured = ui.checkbox("Leave filled joints out")
            self._with_videos = ui.checkbox("With the cameras' pictures")
            self._with_videos.bind_visibility_from(
                self._to, "value", backward=lambda to: bool(videos) and to in PICTURED
            )
            rigs = {"": "the person's own", **{name: RIGS.get(name, name) for name in rig_names()}}
            self._rig = ui.select(rigs, label="Skeleton", value="")
            self._hands = ui.checkbox("Hands reach where they were")
            for control in (self._rig, self._hands):
                control.bind_visibility_from(self._to, "value", backward=lambda to: to in RIGGED)
        button = ui.button("Export", icon="download").props("no-caps").style("align-self: flex-start")

        async def export() -> None:
            key = await act(button, self._export)
            if key:
                ui.download.from_url(f"/downloads/{key}")

        button.on_click(export)

    def show_poses(self, poses: Poses) -> None:
        """Offer the people of the take as it is edited now."""
        self._start_s = take_start_ns(self._take.folder, poses) / 1e9
        people = {person: poses.label(person) for person in poses.people.tolist()}
        self._people.set_options(people, value=[one for one in self._people.value or [] if one in people])

    def _export(self) -> str:
        from multiview.retarget.target import load_character

        limits = {"start_s": self._start.value, "end_s": self._end.value}
        values = {
            "measured_only": self._measured.value,
            "people": tuple(self._people.value or ()),
            "y_up": bool(self._axes.value),
            "max_gap_s": float(self._gap.value or 0),
            "lowpass_hz": float(self._lowpass.value or 0),
            "resample_hz": float(self._rate.value or 0),
        } | {name: self._start_s + float(value) for name, value in limits.items() if value is not None}
        try:
            options = msgspec.convert(values, ResampleOptions, strict=True)
        except msgspec.ValidationError as error:
            raise ConfigError(f"this cannot be exported so: {error}") from None
        videos = self._videos if self._with_videos.value and self._to.value in PICTURED else {}
        to, units, rig = self._to.value, self._units.value, self._rig.value
        own = {"names": self._names.value} if to == "trc" and self._names.value else {}
        character = load_character(rig, bool(self._hands.value)) if rig and to in RIGGED else None
        return self._downloads.export(self._take, self._name, to, units, options, videos, own, character)


def _videos(take: Take) -> dict[str, str]:
    """The camera of each video, by the file that it begins with."""
    cameras = load_rig(take_rig(take.folder)).names
    found = {camera: find_video(take, camera, 0) for camera in cameras}
    return {str(path): camera for camera, path in found.items() if path is not None}
