"""The form that exports a take, with every option of `multiview export`; a browser names files, never paths."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
from nicegui import ui
from nicegui.events import GenericEventArguments

from multiview.cameras.rig_file import load_rig
from multiview.editing.take_poses import take_rig, take_start_ns
from multiview.errors import ConfigError
from multiview.recordings.pose_table import Poses
from multiview.recordings.resample import ResampleOptions
from multiview.recordings.take import Take
from services.dashboard.character_files import MODEL_SUFFIXES
from services.dashboard.character_upload import CharacterUpload
from services.dashboard.downloads import Downloads
from services.dashboard.guard import MAX_UPLOAD
from services.dashboard.layout import act
from services.dashboard.take_videos import find_video

__all__ = ["ExportForm", "files_of"]

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


class ExportForm:
    """The form under a take, with the options of `multiview export`.

    Args:
        take: Which.
        name: Its name.
        poses: Of the take, with its edits.
        downloads: Keeps what is exported.
        folder: The studio's: characters and models that lie there can be chosen.
        uploads: Whether who looks may bring others.
    """

    def __init__(
        self, take: Take, name: str, poses: Poses, downloads: Downloads, folder: Path, uploads: bool = False
    ) -> None:
        from multiview.export import exporter_names  # slow to import: not before somebody looks
        from multiview.retarget.target import RIG_SUFFIXES

        self._take, self._name, self._downloads = take, name, downloads
        self._start_s = take_start_ns(take.folder, poses) / 1e9
        people = {person: poses.label(person) for person in poses.people.tolist()}
        videos = self._videos = _videos(take)
        formats = {name: FORMATS.get(name, name) for name in exporter_names()}
        self._characters, self._models = files_of(folder, RIG_SUFFIXES), files_of(folder, MODEL_SUFFIXES)
        self._folder, self._suffixes = folder, (RIG_SUFFIXES, MODEL_SUFFIXES)
        ui.html("<h2>Export</h2>", sanitize=False)
        with ui.element("div").classes("mv-form"):
            self._to = ui.select(formats, label="Format", value="bvh")
            self._people = ui.select(people, label="People (empty: all)", multiple=True, value=[])
            self._names = ui.select(NAMES, label="Markers named as by", value="")
            self._names.bind_visibility_from(self._to, "value", value="trc")
            self._with_videos = ui.checkbox("With the cameras' pictures")
            self._with_videos.bind_visibility_from(
                self._to, "value", backward=lambda to: bool(videos) and to in PICTURED
            )
            self._rig = ui.select(self._rigs(), label="Skeleton", value="")
            self._rig.bind_visibility_from(self._to, "value", backward=lambda to: to in RIGGED)
            self._hands = ui.checkbox("Hands reach where they were")
            self._model = ui.select(self._model_names(), label="Model", value="")
            self._model.bind_visibility_from(self._to, "value", value="opensim")
            self._model.tooltip("Each is scaled to the person")
        for control in (self._to, self._rig):
            self._hands.bind_visibility_from(control, "value", backward=lambda _: self._retargets())
        if uploads:
            self._upload("Bring a character from your machine", RIG_SUFFIXES, self._rig, RIGGED)
            self._upload("Bring a model from your machine", MODEL_SUFFIXES, self._model, ("opensim",))
        more = ui.expansion("More options: units, axes, time, gaps, filter").classes("mv-options").props("dense")
        with more, ui.element("div").classes("mv-form"):
            self._units = ui.select(UNITS, label="Units", value="")
            self._axes = ui.select({False: "z up", True: "y up (tables only)"}, label="Vertical axis", value=False)
            self._start = ui.number("From, s", placeholder="the beginning", format="%.2f")
            self._end = ui.number("To, s", placeholder="the end", format="%.2f")
            self._gap = ui.number("Close gaps up to, s", value=0, min=0)
            self._lowpass = ui.number("Low-pass, Hz (6 is usual; 0: none)", value=0, min=0)
            self._rate = ui.number("Frames per second (0: as they are)", value=0, min=0)
            self._measured = ui.checkbox("Leave filled joints out")
        button = ui.button("Export", icon="download").props("no-caps").style("align-self: flex-start")

        async def export() -> None:
            key = await act(button, self._export)
            if key:
                ui.download.from_url(f"/downloads/{key}")

        button.on_click(export)

    def _rigs(self) -> dict[str, str]:
        """Skeletons to choose from: characters that lie in the studio's folder, too."""
        from multiview.retarget.target import rig_names

        rigs = {"": "the person's own", **{name: RIGS.get(name, name) for name in rig_names()}}
        return rigs | {name: f"of {name}" for name in self._characters}

    def _model_names(self) -> dict[str, str]:
        return {"": "OpenSim's usual one", **{name: name for name in self._models}}

    def _retargets(self) -> bool:
        return self._to.value in RIGGED and bool(self._rig.value)

    def _upload(self, words: str, suffixes: Sequence[str], choice: ui.select, formats: Sequence[str]) -> None:
        """A button for a file of the browser's machine, which is chosen as soon as it is here."""
        with ui.element("div").bind_visibility_from(self._to, "value", backward=lambda to: to in formats):
            button = CharacterUpload(words, suffixes, MAX_UPLOAD)

        def show(event: GenericEventArguments) -> None:
            self._characters = files_of(self._folder, self._suffixes[0])
            self._models = files_of(self._folder, self._suffixes[1])
            options = self._rigs() if choice is self._rig else self._model_names()
            name = str(event.args)
            choice.set_options(options, value=name if name in options else choice.value)
            ui.notify(f"{name} is in the studio's folder, and chosen.", type="positive")

        button.on("kept", show)
        button.on("fault", lambda event: ui.notify(str(event.args), type="negative", multi_line=True))

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
        if to == "opensim" and self._model.value:
            own = {"model": str(self._models[self._model.value])}
        if to not in RIGGED:
            rig = ""
        character = load_character(str(self._characters.get(rig, rig)), bool(self._hands.value)) if rig else None
        return self._downloads.export(self._take, self._name, to, units, options, videos, own, character)


def _videos(take: Take) -> dict[str, str]:
    """The camera of each video, by the file that it begins with."""
    cameras = load_rig(take_rig(take.folder)).names
    found = {camera: find_video(take, camera, 0) for camera in cameras}
    return {str(path): camera for camera, path in found.items() if path is not None}


def files_of(folder: Path, suffixes: Sequence[str]) -> dict[str, Path]:
    """The files of some kinds that lie in a folder, by name.

    Args:
        folder: Not those beneath it.
        suffixes: In lower case, with the dot.

    Returns:
        Their paths.
    """
    return {path.name: path for path in sorted(folder.iterdir()) if path.suffix.lower() in suffixes and path.is_file()}
