"""A synthetic studio: a rig, people with known joints, and what each camera says of them, wrong in known ways."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
from jaxtyping import Bool, Float64, Int64

from multiview.body.skeleton import Skeleton, load_skeleton
from multiview.cameras.camera import Rig
from multiview.common.toml import convert
from multiview.data import NS_PER_S, FrameNumbers, Keypoints2D, TimeNs, Views
from multiview.errors import ConfigError
from multiview.recordings.ground_truth import Truth
from multiview.synthetic.anatomy import Posture, has_fingers, joint_positions, random_build
from multiview.synthetic.hands import finger_rotations
from multiview.synthetic.motion import posture_of
from multiview.synthetic.observe import Observations, observe
from multiview.synthetic.occlusion import CAPSULE_JOINTS
from multiview.synthetic.options import StudioOptions
from multiview.synthetic.paths import simulate_paths
from multiview.synthetic.recorded_motion import RecordedMotion
from multiview.synthetic.rigs import PLACEMENTS, rig_at
from multiview.synthetic.walker import Walker, walker_joints

__all__ = [
    "Labels",
    "Studio",
    "make_motion_studio",
    "make_recorded_studio",
    "make_rig",
    "make_studio",
    "make_walker_studio",
]

_PAD = 6  # frames of motion before the first and after the last, for cameras out of step


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """The truth about the P detections of one camera in one frame, in the order of its Keypoints2D.

    Attributes:
        actor: (P,) whose detection it is, -1 for a false positive.
        joint_actor: (P, J) the same per joint; they differ in merged detections.
        sigma: (P, J) px, true standard deviation of a coordinate's error, NaN where missing.
        outlier: (P, J) True where the joint is a gross error.
        hidden: (P, J) True where a body hides the joint.
        swapped: (P,) True where left and right are exchanged.
    """

    actor: Int64[np.ndarray, " P"]
    joint_actor: Int64[np.ndarray, "P J"]
    sigma: Float64[np.ndarray, "P J"]
    outlier: Bool[np.ndarray, "P J"]
    hidden: Bool[np.ndarray, "P J"]
    swapped: Bool[np.ndarray, " P"]


class Studio:
    """A simulated studio, made by `make_studio`: `rig`, `skeleton`, `truth`, `fps` and `frames`, the number of ticks.

    All of it follows from the options alone, so separate processes agree on every number. Each camera is simulated when
    it is first asked for.

    Args:
        options: What it is like.
        rig: Its cameras.
        skeleton: Of its detectors.
        motion: Of its people.
    """

    def __init__(self, options: StudioOptions, rig: Rig, skeleton: Skeleton, motion: _Motion) -> None:
        self.options = options
        self.rig = rig
        self.skeleton = skeleton
        self.fps = options.fps
        self.frames = max(1, round(options.seconds * options.fps))
        self.truth = _truth(motion, self.frames, skeleton)
        self._motion = motion
        self._observed: dict[int, Observations] = {}
        clocks = _rng(options, "clocks")
        self._phase_s = clocks.uniform(0, 1, len(rig)) * options.phase_ms / 1e3
        self._clock_offset_s = clocks.uniform(-1, 1, len(rig)) * options.clock_offset_ms / 1e3
        self._clock_drift = clocks.uniform(-1, 1, len(rig)) * options.clock_drift_ppm / 1e6

    def time_ns(self, frame: int) -> TimeNs:
        """The tick of a frame on the studio's own clock.

        Args:
            frame: From 0.

        Returns:
            ns.
        """
        return TimeNs(round(frame * NS_PER_S / self.fps))

    def capture_ns(self, camera: int, frame: int) -> int:
        """When a camera really exposed a frame, on the studio's own clock.

        Args:
            camera: Its place in the rig.
            frame: From 0.

        Returns:
            ns.
        """
        return self.time_ns(frame) + round(self._phase_s[camera] * NS_PER_S)

    def stamp_ns(self, camera: int, frame: int) -> int:
        """What the camera's own clock, offset and drifting, said then.

        Args:
            camera: Its place in the rig.
            frame: From 0.

        Returns:
            ns.
        """
        captured = self.capture_ns(camera, frame)
        return captured + round(self._clock_offset_s[camera] * NS_PER_S + captured * self._clock_drift[camera])

    def keypoints(self, camera: int, frame: int) -> Keypoints2D | None:
        """What a camera found in a frame.

        Args:
            camera: Its place in the rig.
            frame: From 0.

        Returns:
            The detections; None if the frame was lost.
        """
        seen, slots = self._detections(camera, frame)
        if self.lost_frames(camera)[frame]:
            return None
        return Keypoints2D(seen.xy[frame, slots], seen.score[frame, slots])

    def views(self, frame: int) -> Views:
        """What all cameras found in a frame.

        Args:
            frame: From 0.

        Returns:
            The views at its tick.
        """
        found = tuple(self.keypoints(camera, frame) for camera in range(len(self.rig)))
        return Views(tick=frame, time_ns=self.time_ns(frame), keypoints=found)

    def labels(self, camera: int, frame: int) -> Labels:
        """The truth about `keypoints(camera, frame)`.

        Args:
            camera: Its place in the rig.
            frame: From 0.

        Returns:
            Labels of each detection and joint.
        """
        seen, slots = self._detections(camera, frame)
        return Labels(
            actor=np.where(slots < self._motion.people, slots, -1),
            joint_actor=seen.joint_actor[frame, slots],
            sigma=seen.sigma[frame, slots],
            outlier=seen.outlier[frame, slots],
            hidden=seen.hidden[frame, slots],
            swapped=seen.swapped[frame, slots],
        )

    def observation_sigma(self, camera: int, frame: int) -> Float64[np.ndarray, "P J"]:
        """True standard deviation of each coordinate's error in `keypoints(camera, frame)`.

        Args:
            camera: Its place in the rig.
            frame: From 0.

        Returns:
            (P, J) px, NaN where missing.
        """
        return self.labels(camera, frame).sigma

    def observations(self, camera: int) -> Observations:
        """Everything a camera sees in all frames, in arrays.

        Args:
            camera: Its place in the rig.

        Returns:
            The arrays.
        """
        if camera not in self._observed:
            xyz, axes = self._motion.at(self._phase_s[camera], self.frames)
            rng = _rng(self.options, f"camera {camera}")
            self._observed[camera] = observe(self.rig.cameras[camera], xyz, axes, self.skeleton, self.options, rng)
        return self._observed[camera]

    def keypoints_at(self, camera: int, times_s: Float64[np.ndarray, " N"]) -> list[Keypoints2D]:
        """What a camera that exposes at these instants finds, each time; the instants need not be ticks.

        Args:
            camera: Its place in the rig.
            times_s: (N,) s since the first tick.

        Returns:
            N keypoints.
        """
        xyz, axes = self.true_at(times_s), self._motion.sampled(self._motion.axes, times_s)
        rng = _rng(self.options, f"camera {camera}")
        seen = observe(self.rig.cameras[camera], xyz, axes, self.skeleton, self.options, rng)
        rows = [order[found[order]] for order, found in zip(seen.order, seen.found, strict=True)]
        return [Keypoints2D(seen.xy[n, row], seen.score[n, row]) for n, row in enumerate(rows)]

    def true_at(self, times_s: Float64[np.ndarray, " N"]) -> Float64[np.ndarray, "N P J 3"]:
        """Everyone's joints at any instants between the first and the last tick.

        Args:
            times_s: (N,) s since the first tick.

        Returns:
            (N, P, J, 3) m, NaN while absent.
        """
        return self._motion.sampled(self._motion.xyz, times_s)

    def _detections(self, camera: int, frame: int) -> tuple[Observations, Int64[np.ndarray, " P"]]:
        if not 0 <= frame < self.frames:
            raise ConfigError(f"the synthetic studio has frames 0 to {self.frames - 1}, not {frame}")
        seen = self.observations(camera)
        order = seen.order[frame]
        return seen, order[seen.found[frame, order]]

    def lost_frames(self, camera: int) -> Bool[np.ndarray, " T"]:
        """Which of a camera's frames never arrive.

        Args:
            camera: Its place in the rig.

        Returns:
            (T,) True where lost.
        """
        return np.asarray(_rng(self.options, f"lost {camera}").random(self.frames) < self.options.frame_drops)


@dataclass(frozen=True, slots=True, eq=False)
class _Motion:
    """Joints and capsules of all people at every tick, `_PAD` ticks more at both ends; NaN while absent."""

    fps: float
    xyz: Float64[np.ndarray, "T P J 3"]
    axes: Float64[np.ndarray, "T P L 2 3"]

    @property
    def people(self) -> int:
        return self.xyz.shape[1]

    def at(self, later_s: float, frames: int) -> tuple[np.ndarray, np.ndarray]:
        """Joints and capsules `later_s` after each tick."""
        whole, part = divmod(later_s * self.fps, 1.0)
        first = _PAD + int(whole)
        return _between(self.xyz, first, frames, part), _between(self.axes, first, frames, part)

    def sampled(self, values: np.ndarray, times_s: Float64[np.ndarray, " N"]) -> np.ndarray:
        """`values` at instants counted from the first tick."""
        place = times_s * self.fps + _PAD
        if len(place) and not (place.min() >= 1 and place.max() <= len(values) - 3):
            raise ConfigError("the synthetic studio is shorter than what is asked of it")
        before = np.floor(place).astype(int)
        part = (place - before).reshape(-1, *(1,) * (values.ndim - 1))
        a, b, c, d = (values[before + k] for k in (-1, 0, 1, 2))
        return _catmull_rom(a, b, c, d, part)


def _between(values: np.ndarray, first: int, frames: int, part: float) -> np.ndarray:
    """Catmull-Rom interpolation between ticks, the ticks' own values where `part` is 0."""
    if part == 0:
        return values[first : first + frames]
    a, b, c, d = (values[first + k : first + k + frames] for k in (-1, 0, 1, 2))
    return _catmull_rom(a, b, c, d, np.asarray(part))


def _catmull_rom(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Between `b` and `c`, at `x` in [0, 1] of the way."""
    before, own = -x + 2 * x**2 - x**3, 2 - 5 * x**2 + 3 * x**3
    other, beyond = x + 4 * x**2 - 3 * x**3, x**3 - x**2
    return np.asarray(0.5 * (before * a + own * b + other * c + beyond * d))


def make_studio(options: StudioOptions | None = None) -> Studio:
    """The studio that some options describe.

    Args:
        options: What it is like; None for the defaults.

    Returns:
        The studio.

    Raises:
        ConfigError: The options contradict each other.
    """
    options = options or StudioOptions()
    rig, skeleton = make_rig(options), load_skeleton(options.skeleton)
    return Studio(options, rig, skeleton, _move(options, skeleton, _side(options)))


def make_walker_studio(options: StudioOptions, walker: Walker) -> Studio:
    """A studio in which one person walks through with planted feet; time 0 is its first tick.

    Args:
        options: What it is like; what they say of people and what these do is left aside.
        walker: Who walks.

    Returns:
        The studio.

    Raises:
        ConfigError: The options contradict each other.
    """
    rig, skeleton = make_rig(options), load_skeleton(options.skeleton)
    names, ends = _names(skeleton)
    time_s = (np.arange(_instants(options)) - _PAD) / options.fps
    xyz = walker_joints(walker, time_s, names)[:, None]
    return Studio(options, rig, skeleton, _motion(options.fps, skeleton, xyz, ends))


def make_recorded_studio(options: StudioOptions, xyz: Float64[np.ndarray, "T J 3"]) -> Studio:
    """A studio in which one person moves as recorded.

    Args:
        options: What it is like, with the joints' skeleton and rate; what they say of people is left aside.
        xyz: (T, J, 3) m, every tick; before and after, the person stands still. Limbs with unknown ends hide nothing.

    Returns:
        The studio, as long as the recording.

    Raises:
        ConfigError: The options contradict each other.
    """
    options = msgspec.structs.replace(options, seconds=len(xyz) / options.fps)
    rig, skeleton = make_rig(options), load_skeleton(options.skeleton)
    names, ends = _names(skeleton)
    unknown = np.full((len(xyz), len(names) - len(skeleton.joints), 3), np.nan)
    every = np.pad(np.concatenate([xyz, unknown], axis=1), ((_PAD, _PAD), (0, 0), (0, 0)), mode="edge")
    return Studio(options, rig, skeleton, _motion(options.fps, skeleton, every[:, None], ends))


def make_motion_studio(options: StudioOptions, motion: RecordedMotion) -> Studio:
    """A studio in which one person plays a recorded motion; time 0 is its first tick.

    Args:
        options: What it is like; what they say of people and what these do is left aside.
        motion: What the person does.

    Returns:
        The studio; unless the options say otherwise, as large as the motion is wide.

    Raises:
        ConfigError: The options contradict each other.
    """
    skeleton = load_skeleton(options.skeleton)
    names, ends = _names(skeleton)
    time_s = (np.arange(_instants(options)) - _PAD) / options.fps
    build = random_build(_rng(options, "person 0"))
    posture = motion.posture(build, time_s)
    side = 2 * float(np.abs(posture.pelvis[:, :2]).max()) + 2.0
    options = msgspec.structs.replace(options, people=1, area_m=options.area_m or side)
    xyz = joint_positions(build, _with_fingers(posture, names, options), names)[:, None]
    return Studio(options, make_rig(options), skeleton, _motion(options.fps, skeleton, xyz, ends))


def _with_fingers(posture: Posture, names: tuple[str, ...], options: StudioOptions) -> Posture:
    """The posture with moving fingers, where they are asked for."""
    if not has_fingers(names):
        return posture
    fingers = finger_rotations(len(posture.pelvis), options.fps, _rng(options, "fingers"))
    return Posture(posture.pelvis, posture.rotation | fingers)


def make_rig(options: StudioOptions) -> Rig:
    """The rig of a studio, without anybody in it.

    Args:
        options: What the studio is like.

    Returns:
        Its cameras.

    Raises:
        ConfigError: The options contradict each other.
    """
    _check(options)
    radius = options.radius_m or 0.7 * _side(options) + 2.2
    focal_px = options.person_px / 1.7 * radius
    dist = np.array([-0.08, 0.01, 0.0005, -0.0003, 0.0]) if options.distortion else np.zeros(5)
    rng = _rng(options, "rig")
    places = PLACEMENTS[options.layout](options.cameras, radius, rng)
    return rig_at(places, focal_px, options.size, dist, rng)


def _side(options: StudioOptions) -> float:
    """Of the square that people walk in, m."""
    return options.area_m or 2.5 + 0.8 * float(np.sqrt(options.people))


def _check(options: StudioOptions) -> None:
    """StudioOptions made in a program are held to the same ranges as those read from a file."""
    convert(msgspec.to_builtins(options), StudioOptions, "synthetic studio")
    if options.phase_ms / 1e3 * options.fps > _PAD - 3:
        raise ConfigError(f"synthetic studio: phase_ms must be at most {1e3 * (_PAD - 3) / options.fps:.0f}")


def _rng(options: StudioOptions, purpose: str) -> np.random.Generator:
    """Independent random numbers for each purpose, the same in every process."""
    return np.random.default_rng([options.seed, *purpose.encode()])


def _instants(options: StudioOptions) -> int:
    return max(1, round(options.seconds * options.fps)) + 2 * _PAD


def _names(skeleton: Skeleton) -> tuple[tuple[str, ...], Int64[np.ndarray, "L 2"]]:
    """The joints of a skeleton, those of the capsules after them, and which of all these are the capsules' ends."""
    names = tuple(dict.fromkeys([*skeleton.joints, *(joint for limb in CAPSULE_JOINTS for joint in limb)]))
    return names, np.array([[names.index(joint) for joint in limb] for limb in CAPSULE_JOINTS])


def _motion(fps: float, skeleton: Skeleton, xyz: Float64[np.ndarray, "T P N 3"], ends: np.ndarray) -> _Motion:
    return _Motion(fps, np.ascontiguousarray(xyz[:, :, : len(skeleton.joints)]), xyz[:, :, ends])


def _move(options: StudioOptions, skeleton: Skeleton, side: float) -> _Motion:
    instants = _instants(options)
    rng = _rng(options, "people")
    names, ends = _names(skeleton)
    xyz = np.empty((instants, options.people, len(names), 3))
    if options.people == 0:
        return _motion(options.fps, skeleton, xyz, ends)
    paths = simulate_paths(options.people, instants, options.fps, side, options, rng)
    for person in range(options.people):
        own = _rng(options, f"person {person}")
        build = random_build(own)
        posture = posture_of(paths, person, build, options.fps, own, has_fingers(names), options.gestures)
        xyz[:, person] = joint_positions(build, posture, names)
    xyz[~paths.present.T] = np.nan
    return _motion(options.fps, skeleton, xyz, ends)


def _truth(motion: _Motion, frames: int, skeleton: Skeleton) -> Truth:
    xyz = motion.xyz[_PAD : _PAD + frames]
    frame, actor = np.nonzero(~np.isnan(xyz[:, :, 0, 0]))
    return Truth(FrameNumbers(frame), actor, xyz[frame, actor], skeleton.joints)
