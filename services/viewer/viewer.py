"""`multiview viewer`: show people in 3D, live or from a recording.

It draws the latest poses about 30 times a second, at low priority so that other processes are not delayed, and
just after poses have arrived, when fusion is idle until the cameras' next frames.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from multiview.common.palette import RGB
from multiview.common.ranges import Seconds, ranged
from multiview.errors import ConfigError
from services.viewer.feed import Feed
from services.viewer.hud import ALARM, INK, Hud, TimeLine
from services.viewer.open import Opened, open_live, open_recording
from services.viewer.record import Recording
from services.viewer.scene import centre

if TYPE_CHECKING:
    from services.viewer.orbit import Orbit
    from services.viewer.playback import Playback
    from services.viewer.scene import Scene
    from services.viewer.window import Window

_SHORTEST_S, _LONGEST_S = 0.028, 0.036  # a picture's time: in between, the next instant decides
_SIZE = (1280, 720)
_STALL_S, _PRESENT_S = 1.0, 0.25
_NOTE_S = 4.0  # how long the line about a pressed key stays
_NOTICE: RGB = (0.96, 0.80, 0.45)
_SPACE, _ESCAPE, _RIGHT, _LEFT, _DOWN, _UP = 32, 256, 262, 263, 264, 265  # GLFW key codes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", type=Path, help="a studio file to watch live, or a take or poses.parquet to play back")
    parser.add_argument("--rig", type=Path, help="rig file (default: rig.toml beside the poses)")
    parser.add_argument("--snapshot", type=Path, metavar="PNG", help="save one image and end; needs no display")
    parser.add_argument(
        "--time",
        type=ranged(float),
        default=0.0,
        metavar="S",
        help="start S seconds into the recording; live: take the snapshot after S seconds",
    )
    parser.add_argument("--view", default="all", help="all, top, front, follow, or a camera to look through")
    parser.add_argument("--seconds", type=ranged(Seconds), metavar="S", help="close after S seconds")
    parser.add_argument("--uncertainty", action="store_true", help="show each joint as its 90 %% ellipsoid")
    parser.add_argument("--rays", action="store_true", help="show the lines of sight to one person")
    parser.add_argument("--show-keys", action="store_true", help="also show the keys at the bottom of a snapshot")


def run(args: argparse.Namespace) -> int:
    from services.runtime.display import virtual_display

    if args.what.suffix == ".toml":
        opened = open_live(args.what)
    else:
        opened = open_recording(args.what, args.rig, args.time, paused=args.snapshot is not None)
    if args.snapshot is None:
        return _show(opened, args)
    with virtual_display(2 * _SIZE[0], 2 * _SIZE[1]):
        return _show(opened, args)


def _show(opened: Opened, args: argparse.Namespace) -> int:
    from multiview.drawing.camera_shape import default_view, level_from_world
    from services.runtime.process import lower_process_priority
    from services.viewer.orbit import Orbit
    from services.viewer.scene import Scene
    from services.viewer.window import Window

    rig, feed, live, still = opened.rig, opened.feed, opened.recording is not None, args.snapshot is not None
    scene = Scene(rig, opened.skeleton, fine=still, volume=opened.volume)
    orbit = Orbit(*default_view(rig), level_from_world(rig))
    scale = 2 if still else 1
    window = Window("multiview", _SIZE, scale, visible=not still)
    try:
        viewer = Viewer(window, scene, orbit, feed, opened.recording, opened.names)
        if live:
            lower_process_priority()  # only now: on a busy machine loading would take long
        viewer.set_view(args.view)
        scene.uncertainty, viewer.rays = args.uncertainty, args.rays
        viewer.rebuild_trails()
        if still:
            viewer.help = args.show_keys
            viewer.loop(max(args.time, 0.2) if live else 0.2)
            window.snapshot(args.snapshot, scale)
            print(args.snapshot)
        else:
            viewer.loop(args.seconds)
    finally:
        window.close()
        feed.close()
    return 0


class Viewer:
    """The main loop, and the actions of the keys."""

    def __init__(
        self,
        window: Window,
        scene: Scene,
        orbit: Orbit,
        feed: Feed,
        recording: Recording | None = None,
        names: Sequence[str] = (),
    ) -> None:
        self.window, self.scene, self.orbit, self.feed = window, scene, orbit, feed
        self.recording, self.names = recording, tuple(names)
        self.help = True
        self.rays = False
        self.following: int | None = None
        self._closing = False
        self._note, self._note_until = "", 0.0
        self._bind_keys()

    def _bind_keys(self) -> None:
        bind = self.window.on_key
        for key, view in (("A", "all"), ("T", "top"), ("F", "front")):
            bind(key, lambda view=view: self.set_view(view))  # type: ignore[misc]
        for number, camera in enumerate(self.scene.rig.cameras[:9], start=1):
            bind(str(number), lambda name=camera.name: self.set_view(name))  # type: ignore[misc]
        bind("P", self.follow_next)
        bind("U", lambda: setattr(self.scene, "uncertainty", not self.scene.uncertainty))
        bind("L", lambda: setattr(self, "rays", not self.rays))
        bind("H", lambda: setattr(self, "help", not self.help))
        bind("S", self.save)
        bind("R", self.record)
        bind("N", self.name_next)
        bind("Q", lambda: setattr(self, "_closing", True))
        bind(_ESCAPE, lambda: setattr(self, "_closing", True))
        bind(_SPACE, self.feed.pause)
        self.window.on_mouse(self.orbit, self.seek)
        if self.feed.playback is not None:
            self._bind_playback(self.feed.playback)

    def _bind_playback(self, playback: Playback) -> None:
        bind = self.window.on_key

        def press(key: str | int, action: Callable[[], None]) -> None:
            bind(key, lambda: self._play(action))

        press(_RIGHT, lambda: playback.seek(playback.now() + 1.0))
        press(_LEFT, lambda: playback.seek(playback.now() - 1.0))
        press(".", lambda: playback.step(1))
        press(",", lambda: playback.step(-1))
        press(_UP, lambda: playback.change_speed(2.0))
        press(_DOWN, lambda: playback.change_speed(0.5))
        press("I", playback.begin_here)
        press("O", playback.end_here)
        press("W", playback.whole)

    def set_view(self, view: str) -> None:
        """From everywhere, above, in front, near a person (`follow` or `follow:ID`), or through a camera by name."""
        self.following = None
        presets = {"all": self.orbit.home, "top": self.orbit.top, "front": self.orbit.front}
        kind, _, person = view.partition(":")
        if view in presets:
            presets[view]()
        elif view in self.scene.rig.names:
            self.orbit.look_through(self.scene.rig.cameras[self.scene.rig.index(view)])
        elif kind == "follow" and (person.isdigit() or not person):
            self.scene.move(self.feed.tracks())
            self.following = int(person) if person else min((t.person for t in self.scene.tracks), default=None)
            self._approach()
        else:
            there = ", ".join(("all, top, front, follow", *self.scene.rig.names))
            raise ConfigError(f"unknown view {view!r}; use one of {there}")

    def follow_next(self) -> None:
        """The next person in order, or nobody after the last."""
        people = sorted(track.person for track in self.scene.tracks)
        later = [person for person in people if self.following is None or person > self.following]
        if self.following is None:
            self.orbit.home()
        self.following = later[0] if later else None
        if self.following is None:
            self.orbit.home()
        else:
            self._approach()

    def _approach(self) -> None:
        for track in self.scene.tracks:
            if track.person == self.following:
                self.orbit.approach(centre(track))

    def seek(self, seconds: float) -> None:
        """Go to another time of a take."""
        if self.feed.playback is not None:
            self.feed.playback.seek(seconds)
            self.rebuild_trails()

    def _play(self, action: Callable[[], None]) -> None:
        action()
        self.rebuild_trails()

    def rebuild_trails(self) -> None:
        """Rebuild the trails from the instants before."""
        self.scene.trails.clear()
        for tracks in self.feed.history():
            self.scene.move(tracks)

    def save(self) -> None:
        """A picture of the window, where the program was started."""
        path = Path(time.strftime("multiview-%Y%m%d-%H%M%S.png"))
        self.window.snapshot(path)
        self._notify(f"saved {path}")

    def record(self) -> None:
        """Begin or end a take."""
        if self.recording is not None:
            self._notify(self.recording.toggle())

    def name_next(self) -> None:
        """Assign the next free known name to the followed person, or the only one; after the last name, none."""
        people = [track.person for track in self.scene.tracks]
        person = people[0] if len(people) == 1 else self.following
        if person not in people:
            self._notify("follow a person first (P)")
            return
        given = self.scene.names
        free = [name for name in self.names if name == given.get(person) or name not in given.values()]
        choices = [*free, ""]
        own = given.get(person, "")
        name = choices[(choices.index(own) + 1) % len(choices)] if own in choices else choices[0]
        if not free:
            self._notify(f"no names to assign: set known_actors, or multiview actor NAME studio.toml --person {person}")
        elif self.feed.set_name(person, name):
            self._notify(f"person {person} is {name}" if name else f"person {person} has no name")
        else:
            self._notify("names are assigned live; for a take: multiview actor NAME TAKE")

    def _notify(self, text: str) -> None:
        self._note, self._note_until = text, time.monotonic() + _NOTE_S

    def draw(self) -> bool:
        """One look at what is there; whether there was anything new to draw."""
        self.scene.camera_states, self.scene.names = self.feed.camera_states(), self.feed.names()
        self.scene.move(self.feed.tracks())
        chosen = [track for track in self.scene.tracks if track.person == self.following]
        if chosen:
            self.orbit.follow(centre(chosen[0]))
        someone = chosen or list(self.scene.tracks[:1])
        self.scene.rays_of = (self.feed.keypoints(), someone[0]) if self.rays and someone else None
        return self.window.draw(self.scene, self.orbit, self._hud())

    def _hud(self) -> Hud:
        top: list[tuple[str, RGB]] = [(self.feed.headline(), INK)]
        if alarm := self.feed.alarm():
            top.append((f"   {alarm}", ALARM))
        if self.scene.rig.world == "camera":
            top.append(("   floor not set", _NOTICE))
        if self.orbit.through:
            top.append((f"   through {self.orbit.through}", _NOTICE))
        if self.following is not None:
            name = self.scene.names.get(self.following, f"{self.following}")
            away = "" if any(track.person == self.following for track in self.scene.tracks) else " (away)"
            top.append((f"   following {name}{away}", _NOTICE))
        if self.scene.uncertainty:
            top.append(("   uncertainty: 90 % inside", _NOTICE))
        if self.rays:
            seen = self.scene.rays_of is not None and self.scene.rays_of[0]
            top.append(("   lines of sight" if seen else "   lines of sight: none yet", _NOTICE))
        if self.recording is not None and (status := self.recording.status()):
            top.append((f"   {status}", ALARM))
        if time.monotonic() < self._note_until:
            top.append((f"   {self._note}", _NOTICE))
        floor, play = self.scene.rig.world != "camera", self.feed.playback
        line = None if play is None else TimeLine(play.now(), play.duration, play.first_s, play.last_s)
        return Hud(tuple(top), self.help, bool(self.scene.camera_states), floor, line, self.scene.volume is not None)

    def loop(self, seconds: float | None = None) -> None:
        """Draw until the window is closed, at most 30 pictures a second."""
        from services.runtime.process import Stopping

        began, pictures, stopping = time.monotonic(), 0, Stopping()
        busy = time.process_time()
        end = None if seconds is None else began + seconds
        first, stall, shown = began, _Stall(began), False
        while self.window.open and not self._closing and not stopping and (end is None or time.monotonic() < end):
            drawn_at = time.monotonic()
            changed = self.draw()
            pictures += changed
            if self.scene.version and not shown:
                shown = True
                logging.info("shows people after %.1f s", time.monotonic() - began)
            stall.watch(drawn_at, self.feed.delay_s())
            if self.scene.version == 0:  # nobody yet
                first, pictures, busy = time.monotonic(), 0, time.process_time()
            if changed:
                time.sleep(max(0.0, drawn_at + _SHORTEST_S - time.monotonic()))
            self.feed.wait(drawn_at + _LONGEST_S - time.monotonic())
        rate = pictures / max(time.monotonic() - first, 1e-9)
        cost_ms = 1e3 * (time.process_time() - busy) / max(pictures, 1)
        logging.info("drew %.1f images per second, %.1f ms of CPU time each", rate, cost_ms)
        if self.recording is not None:
            self.recording.close()


class _Stall:
    """Detects that the viewer was stopped, by its user or by a busy machine, and logs when it has caught up."""

    def __init__(self, now: float) -> None:
        self._last, self._since, self._length = now, 0.0, 0.0

    def watch(self, now: float, delay_s: float) -> None:
        """Note an image after drawing: its start time (s), and the age of the poses shown (s)."""
        if now - self._last > _STALL_S:
            self._since, self._length = now, now - self._last
        self._last = now
        if self._length and delay_s < _PRESENT_S:
            after = time.monotonic() - self._since
            logging.info("shows the present again %.2f s after a stop of %.1f s", after, self._length)
            self._length = 0.0
