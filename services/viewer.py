"""`multiview viewer`: the people in the room in 3D, live or from a recording.

Draws at its own pace from the latest that has come, so it never slows others down.
"""

from __future__ import annotations

import argparse
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING

from multiview.camera import Rig, load_rig
from multiview.errors import ConfigError
from multiview.poses import Poses, read_poses
from multiview.skeleton import Skeleton, load_skeleton
from services.viewer_feed import Feed, PosesFeed

if TYPE_CHECKING:
    from services.viewer_orbit import Orbit
    from services.viewer_scene import Scene
    from services.viewer_window import Window

KEYS = [
    "drag turn   right-drag move   wheel nearer   A all   T top   F front   P follow a person   1-9 through a camera",
    "space pause   left/right seek   U uncertainty   R rays of one person   S snapshot   H hide this   Q quit",
]
_FRAME_S = 1 / 30
_SIZE = (1280, 720)
_SPACE, _ESCAPE, _RIGHT, _LEFT = 32, 256, 262, 263  # GLFW key codes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", type=Path, help="a studio file to watch live, or a take or poses.parquet to play back")
    parser.add_argument("--rig", type=Path, help="rig file (default: rig.toml beside the poses)")
    parser.add_argument("--snapshot", type=Path, metavar="PNG", help="save one picture and end; needs no display")
    parser.add_argument(
        "--time",
        type=float,
        default=0.0,
        metavar="S",
        help="start S seconds into the recording; live: take the snapshot after S seconds",
    )
    parser.add_argument("--view", default="all", help="all, top, front, or the name of a camera to look through")
    parser.add_argument("--seconds", type=float, metavar="S", help="close by itself after S seconds")
    parser.add_argument("--uncertainty", action="store_true", help="show each joint as its 90 %% ellipsoid")


def run(args: argparse.Namespace) -> int:
    from services.display import virtual_display

    rig, skeleton, feed = _live(args.what) if args.what.suffix == ".toml" else _recording(args)
    if args.snapshot is None:
        return _show(rig, skeleton, feed, args)
    with virtual_display(2 * _SIZE[0], 2 * _SIZE[1]):
        return _show(rig, skeleton, feed, args)


def _live(studio_file: Path) -> tuple[Rig, Skeleton, Feed]:
    from multiview.config import load_studio, studio_rig
    from services.process import begin_service
    from services.viewer_stream import StreamFeed

    begin_service("viewer")
    studio = load_studio(studio_file)
    rig, skeleton = studio_rig(studio), load_skeleton(studio.skeleton)
    return rig, skeleton, StreamFeed(studio.hub, rig, len(skeleton.joints))


def _recording(args: argparse.Namespace) -> tuple[Rig, Skeleton, Feed]:
    poses = read_poses(args.what)
    folder = args.what if args.what.is_dir() else args.what.parent
    rig_path = args.rig or folder / "rig.toml"
    if not rig_path.is_file():
        raise ConfigError(f"no rig at {rig_path}: give --rig rig.toml, so that the cameras can be shown")
    feed = PosesFeed(poses, start_s=args.time, paused=args.snapshot is not None)
    return load_rig(rig_path), _skeleton(poses), feed


def _skeleton(poses: Poses) -> Skeleton:
    skeleton = load_skeleton(poses.skeleton) if poses.skeleton else None
    if skeleton is None or skeleton.joints != poses.joints:
        raise ConfigError("the poses name no skeleton that ships with multiview; write them with `multiview fuse`")
    return skeleton


def _show(rig: Rig, skeleton: Skeleton, feed: Feed, args: argparse.Namespace) -> int:
    from services.viewer_orbit import Orbit, room
    from services.viewer_scene import Scene, level_from_world
    from services.viewer_window import Window

    scene = Scene(rig, skeleton)
    orbit = Orbit(*room(rig), level_from_world(rig))
    scale = 1 if args.snapshot is None else 2
    window = Window("multiview", _SIZE, scale, visible=args.snapshot is None)
    try:
        viewer = Viewer(window, scene, orbit, feed)
        viewer.look(args.view)
        scene.uncertainty = args.uncertainty
        for tracks in feed.past():
            scene.move(tracks)
        if args.snapshot is not None:
            viewer.help = False
            viewer.loop(max(args.time, 0.2) if args.what.suffix == ".toml" else 0.2)
            window.snapshot(args.snapshot, scale)
            print(args.snapshot)
        else:
            viewer.loop(args.seconds)
    finally:
        window.close()
        feed.close()
    return 0


class Viewer:
    """The loop, and what the keys do."""

    def __init__(self, window: Window, scene: Scene, orbit: Orbit, feed: Feed) -> None:
        self.window, self.scene, self.orbit, self.feed = window, scene, orbit, feed
        self.help = True
        self.rays = False
        self.following: int | None = None
        self._closing = False
        self._rate = 0.0
        self._bind_keys()

    def _bind_keys(self) -> None:
        bind = self.window.on_key
        for key, view in (("A", "all"), ("T", "top"), ("F", "front")):
            bind(key, lambda view=view: self.look(view))  # type: ignore[misc]
        for number, camera in enumerate(self.scene.rig.cameras[:9], start=1):
            bind(str(number), lambda name=camera.name: self.look(name))  # type: ignore[misc]
        bind("P", self.follow_next)
        bind("U", lambda: setattr(self.scene, "uncertainty", not self.scene.uncertainty))
        bind("R", lambda: setattr(self, "rays", not self.rays))
        bind("H", lambda: setattr(self, "help", not self.help))
        bind("S", lambda: self.window.snapshot(Path(time.strftime("multiview-%Y%m%d-%H%M%S.png"))))
        bind("Q", lambda: setattr(self, "_closing", True))
        bind(_ESCAPE, lambda: setattr(self, "_closing", True))
        bind(_SPACE, self.feed.pause)
        bind(_RIGHT, lambda: self.feed.step(1.0))
        bind(_LEFT, lambda: self.feed.step(-1.0))
        self.window.on_mouse(self.orbit)

    def look(self, view: str) -> None:
        """From everywhere, above, in front, or through a camera by name."""
        self.following = None
        presets = {"all": self.orbit.home, "top": self.orbit.top, "front": self.orbit.front}
        if view in presets:
            presets[view]()
        elif view in self.scene.rig.names:
            self.orbit.look_through(self.scene.rig.cameras[self.scene.rig.index(view)])
        else:
            raise ConfigError(f"no view {view!r}: there are all, top, front, {', '.join(self.scene.rig.names)}")

    def follow_next(self) -> None:
        """The next person in order, or nobody after the last."""
        people = sorted(track.person for track in self.scene.tracks)
        later = [person for person in people if self.following is None or person > self.following]
        self.following = later[0] if later else None

    def draw(self) -> None:
        from services.viewer_scene import centre

        self.scene.camera_states = self.feed.camera_states()
        self.scene.move(self.feed.tracks())
        chosen = [track for track in self.scene.tracks if track.person == self.following]
        if chosen:
            self.orbit.follow(centre(chosen[0]))
        someone = chosen or list(self.scene.tracks[:1])
        self.scene.rays_of = (self.feed.keypoints(), someone[0]) if self.rays and someone else None
        floor = "   floor not set" if self.scene.rig.world == "camera" else ""
        through = f"   through {self.orbit.through}" if self.orbit.through else ""
        followed = f"   following {self.following}" if self.following is not None else ""
        self.window.draw(
            self.scene, self.orbit, [self.feed.headline() + floor + through + followed], KEYS if self.help else []
        )

    def loop(self, seconds: float | None = None) -> None:
        """Draw until the window is closed, at most 30 pictures a second."""
        from services.process import Stopping

        began, pictures, stopping = time.monotonic(), 0, Stopping()
        busy = time.process_time()
        end = None if seconds is None else began + seconds
        while self.window.open and not self._closing and not stopping and (end is None or time.monotonic() < end):
            start = time.monotonic()
            self.draw()
            pictures += 1
            time.sleep(max(0.0, start + _FRAME_S - time.monotonic()))
        rate = pictures / max(time.monotonic() - began, 1e-9)
        cost_ms = 1e3 * (time.process_time() - busy) / max(pictures, 1)
        logging.info("drew %.1f pictures a second, %.1f ms of processor time each", rate, cost_ms)
