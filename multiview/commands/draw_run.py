"""The work of `multiview draw`."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from multiview.body.skeleton import Skeleton, find_skeleton, skeleton_names
from multiview.cameras.camera import Camera, Rig
from multiview.common.atomic_file import replacing, writing
from multiview.common.console import plain_console
from multiview.common.names import file_name, named_path
from multiview.common.video_writer import VideoWriter
from multiview.data import NS_PER_S, FrameNumber, TimeNs, VideoFrame
from multiview.drawing.overlay import draw_keypoints, draw_label, draw_skeletons, empty_picture
from multiview.errors import ConfigError, SourceError
from multiview.recordings.keypoint_folder import frames_in, read_keypoints
from multiview.recordings.pose_motion import PoseMotion
from multiview.recordings.pose_table import Poses
from multiview.sources import FrameSource, Reader

__all__ = ["Overlay", "draw_pictures", "draw_videos"]

Picture = UInt8[np.ndarray, "H W 3"]


class Overlay:
    """Draws the keypoints and poses of a frame into its image."""

    def __init__(self, rig: Rig, poses: Poses, keypoints: Path | None, height: int, folder: Path = Path()) -> None:
        """`folder` is where the poses are, and a skeleton of their own."""
        self.rig, self._poses, self._keypoints, self._height = rig, poses, keypoints, height
        self.skeleton = _skeleton_of(poses, folder)
        self._motion = PoseMotion(poses)
        self._time_of: dict[FrameNumber, TimeNs] = dict(zip(poses.frame.tolist(), poses.time_ns.tolist(), strict=True))
        self._folders: dict[str, dict[int, str]] = {}
        self._on_clock: dict[str, bool] = {}  # whether a camera's times are those of the poses
        self._drawn = 0  # poses
        self._span_ns: tuple[int, int] | None = None  # from the earliest picture to the latest

    def draw(self, frame: VideoFrame) -> Picture:
        """The frame's picture with everyone in it, at the height asked for."""
        camera = self.rig.cameras[self.rig.index(frame.camera)]
        picture = frame.image.copy()
        if self._keypoints is not None:
            path = self._folder(frame.camera).get(frame.index)
            if path is not None:
                draw_keypoints(picture, read_keypoints(path, self.skeleton))
        time_ns = self.time_ns(frame)
        tracks = self._motion.at(time_ns)
        self._drawn += len(tracks)
        first, last = self._span_ns or (time_ns, time_ns)
        self._span_ns = min(first, time_ns), max(last, time_ns)
        draw_skeletons(picture, _at_size(camera, frame.image), self.skeleton, tracks)
        if self._height and self._height < picture.shape[0]:
            width = round(picture.shape[1] * self._height / picture.shape[0] / 2) * 2  # encoders want even sizes
            picture = np.asarray(cv2.resize(picture, (width, self._height), interpolation=cv2.INTER_AREA), np.uint8)
        draw_label(picture, f"{frame.camera}  {frame.index}", (10, 24))
        return picture

    def time_ns(self, frame: VideoFrame) -> TimeNs:
        """When a frame was taken, on the clock of the poses; by its number where the video's clock is another."""
        camera = self.rig.cameras[self.rig.index(frame.camera)]
        own = TimeNs(frame.time_ns + camera.time_offset_ns)
        if frame.camera not in self._on_clock:
            self._on_clock[frame.camera] = self._motion.covers(own) or frame.index not in self._time_of
        return own if self._on_clock[frame.camera] else self._time_of.get(frame.index, own)

    def why_nobody(self) -> str:
        """Why no pose was drawn, or that the pictures are of other seconds; nothing where somebody was."""
        if self._drawn or self._span_ns is None:
            return ""
        if not len(self._poses):
            return "nobody is drawn: the poses hold no people"
        first, last = (time_ns / NS_PER_S for time_ns in self._span_ns)
        poses = f"{self._motion.start_ns / NS_PER_S:.3f} to {self._motion.end_ns / NS_PER_S:.3f} s"
        return (
            f"nobody is drawn: the pictures are of {first:.3f} to {last:.3f} s on the poses' clock, people are there "
            f"from {poses}; draw the videos that the poses were made of"
        )

    def time_of(self, number: FrameNumber) -> TimeNs | None:
        """When the poses of this number were."""
        return self._time_of.get(number)

    def _folder(self, camera: str) -> dict[int, str]:
        if camera not in self._folders:
            folder = named_path(Path(str(self._keypoints)), camera)
            if not folder.is_dir():
                raise SourceError(f"no folder of 2D poses {folder}")
            self._folders[camera] = frames_in(folder)
        return self._folders[camera]


def draw_videos(overlay: Overlay, sources: list[FrameSource], out: Path) -> list[Path]:
    """One video per camera, CAMERA.mp4."""
    written = []
    for source in sources:
        writing(out / f"{file_name(source.name)}.mp4")  # before the work, not after half of it
    console = plain_console(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        for source in sources:
            task = progress.add_task(source.name, total=source.frames or None)
            path = out / f"{file_name(source.name)}.mp4"
            with Reader(source) as reader, ExitStack() as files:
                writer: VideoWriter | None = None
                while (frame := reader.read()) is not None:
                    picture = overlay.draw(frame)
                    if writer is None:
                        size = (picture.shape[1], picture.shape[0])
                        temporary = files.enter_context(replacing(path))
                        writer = files.enter_context(VideoWriter(temporary, size, source.fps))
                        written.append(path)
                    writer.write(picture, frame.time_ns)
                    progress.advance(task)
    return written


def draw_pictures(overlay: Overlay, sources: list[FrameSource], frames: list[FrameNumber], out: Path) -> list[Path]:
    """One picture per frame of the poses, the cameras side by side; a camera without it leaves its place empty.

    Cameras that are not in step show the picture that they took nearest to the poses' time.
    """
    found: dict[FrameNumber, dict[str, Picture]] = {frame: {} for frame in frames}
    for source in sources:
        for number, frame in _nearest(overlay, source, frames).items():
            found[number][source.name] = overlay.draw(frame)
    written = []
    for index, pictures in found.items():
        if not pictures:
            raise SourceError(f"no video has a frame {index}")
        height = max(picture.shape[0] for picture in pictures.values())
        width = max(picture.shape[1] for picture in pictures.values())
        row = [_to_height(pictures.get(s.name, empty_picture(width, height)), height) for s in sources]
        path = out / f"frame_{index:06d}.png"
        with replacing(path) as temporary:
            temporary.write_bytes(cv2.imencode(".png", np.hstack(row))[1].tobytes())
        written.append(path)
    return written


def _nearest(overlay: Overlay, source: FrameSource, frames: list[FrameNumber]) -> dict[FrameNumber, VideoFrame]:
    """Of each number asked for the frame of a source at that time; by its number where the poses have no such frame."""
    times = {number: overlay.time_of(number) for number in frames}
    latest = max((time_ns for time_ns in times.values() if time_ns is not None), default=-1)
    furthest = 0.6 * NS_PER_S / (source.fps or 30.0)
    best: dict[FrameNumber, tuple[float, VideoFrame]] = {}
    with Reader(source) as reader:
        while (frame := reader.read()) is not None:
            taken = overlay.time_ns(frame)
            for number, time_ns in times.items():
                off = abs(taken - time_ns) if time_ns is not None else (0.0 if frame.index == number else furthest + 1)
                if off <= furthest and (number not in best or off < best[number][0]):
                    best[number] = (off, frame)
            if taken > latest + furthest and frame.index >= frames[-1]:
                break
    return {number: frame for number, (_, frame) in best.items()}


def _to_height(picture: Picture, height: int) -> Picture:
    if picture.shape[0] == height:
        return picture
    size = (round(picture.shape[1] * height / picture.shape[0]), height)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _at_size(camera: Camera, image: Picture) -> Camera:
    """The camera for pictures of another size than it was calibrated at (see `picture_size`)."""
    from dataclasses import replace

    from multiview.cameras.image_size import MAX_PADDING_PX

    height, width = image.shape[:2]
    cw, ch = camera.size
    if (abs(width - cw) < MAX_PADDING_PX and abs(height - ch) < MAX_PADDING_PX) or (width, height) == camera.size:
        return camera
    scale = np.array([[width / cw, 0, (width / cw - 1) / 2], [0, height / ch, (height / ch - 1) / 2], [0, 0, 1]])
    return replace(camera, size=(width, height), K=scale @ camera.K)


def _skeleton_of(poses: Poses, folder: Path) -> Skeleton:
    candidates = [poses.skeleton] if poses.skeleton else list(skeleton_names())
    for name in candidates:
        skeleton = find_skeleton(name, folder)
        if skeleton.joints == poses.joints:
            return skeleton
    raise ConfigError(f"no skeleton that ships with multiview has the poses' {len(poses.joints)} joints")
