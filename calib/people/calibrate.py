"""Calibration from people: from every camera's 2D poses to a rig in metres, z up, with what is known of its errors."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64, Int64

from calib.people.bodies import Body, bodies_of
from calib.people.bundle_of_people import Observed
from calib.people.camera_fit import CameraFit
from calib.people.checks import check_pairs, check_placed, check_recordings, check_solved
from calib.people.ground import Ground, ground_of, levelled
from calib.people.grow import grow
from calib.people.joint_bundle import OFFSET, RigState
from calib.people.lens_freedom import LEVELS, LensPrior, freed_lenses, freedom
from calib.people.noise import correlation_factor
from calib.people.pairs import PairPose, relate
from calib.people.refine import Refined, refine
from calib.people.scale import Scale, by_distance, by_people
from calib.people.scene import scene_of, with_lens
from calib.people.tracklets import Tracklet, find_tracklets
from calib.people.uncertainty import aligned_covariance, pose_covariance, volume_errors
from multiview.body.skeleton import Skeleton
from multiview.cameras.camera import Camera, Rig
from multiview.data import Keypoints2D
from multiview.errors import CalibrationError
from multiview.recordings.recorded_keypoints import Recording

__all__ = ["Options", "PeopleCalibration", "calibrate"]

_START_S = 0.1  # cameras that were started together may still be so far out of step
_MOST_OBSERVATIONS, _BLOCK_S = 500_000, 10.0
_GRID_POINTS = 6
_JOINTS = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "neck", "mid_hip",
    *(f"{side}_{joint}" for side in ("left", "right") for joint in (
        "shoulder", "elbow", "wrist", "hip", "knee", "ankle", "big_toe", "small_toe", "heel", "foot_index")),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the user says.

    Attributes:
        max_offset_s: Largest time offset of a camera; 0 where they were started together.
        height_m: Stature of the tallest.
        distance: Two cameras and the metres between their lenses.
        lens_priors: Of cameras whose lens was guessed, by name.
    """

    max_offset_s: float = 1.0
    height_m: float | None = None
    distance: tuple[str, str, float] | None = None
    lens_priors: dict[str, LensPrior]


@dataclass(frozen=True, slots=True, eq=False)
class PeopleCalibration:
    """A rig and how sure it is.

    Attributes:
        rig: z up with the origin on the floor, or in the first camera's axes where up is unknown.
        cameras: In the rig's order.
        pairs: How cameras were related, by their numbers in the rig.
        scale: Of the lengths.
        ground: Up and floor; None where unknown.
        correlation: Factor by which correlated noise inflates the variances; 1 is white noise.
        points: (P, 3) m, in the room that people walked through.
        error_m: (P,) m, expected there.
        ways: (N, 3) m, where people's hips were.
        people: How many were in the room at once, at most.
        seconds: How long people were seen by two cameras, all together.
        shared_s: (C, C) s of people whom two cameras saw at once.
        covariance: (C, 6, C, 6) of turns (rad, camera's axes) and places (m, world), after the best alignment.
    """

    rig: Rig
    cameras: tuple[CameraFit, ...]
    pairs: tuple[PairPose, ...]
    scale: Scale
    ground: Ground | None
    correlation: float
    points: Float64[np.ndarray, "P 3"]
    error_m: Float64[np.ndarray, " P"]
    ways: Float64[np.ndarray, "N 3"]
    people: int
    seconds: float
    shared_s: Float64[np.ndarray, "C C"]
    covariance: Float64[np.ndarray, "C 6 C 6"]


def calibrate(
    cameras: list[Camera],
    recordings: list[Recording],
    skeleton: Skeleton,
    options: Options,
    show: Callable[[str, float], None] = lambda what, share: None,
) -> PeopleCalibration:
    """Compute a rig from people who walk.

    Args:
        cameras: Names, sizes and lenses; their poses are not used.
        recordings: What each found, with the camera's stamps.
        skeleton: Of the keypoints.
        options: What the user knows.
        show: Is told what is being done and the share of it.

    Returns:
        The rig.

    Raises:
        CalibrationError: The recordings do not determine a rig; the message says what to record.
    """
    recordings, skeleton = _body_joints(_from_zero(recordings), skeleton)
    mirrored = skeleton.mirrored
    show("following people in each camera", 0.0)
    tracklets = [find_tracklets(recording, mirrored) for recording in recordings]
    check_recordings([camera.name for camera in cameras], recordings, tracklets)
    tracklets = _thinned(tracklets)
    fps = min(_rate(recording) for recording in recordings)
    scene = scene_of(cameras, tracklets, skeleton.joints, mirrored, fps)
    rng = np.random.default_rng(0)
    pairs, both = [], list(itertools.combinations(range(len(cameras)), 2))
    for n, (a, b) in enumerate(both):
        show("relating pairs of cameras", n / len(both))
        reach = 2 * options.max_offset_s if options.max_offset_s else _START_S
        found = relate((a, b), scene.samples[a], scene.samples[b], mirrored, reach, rng)
        if found is not None:
            pairs.append(found)
    check_pairs([camera.name for camera in cameras], pairs)
    show("placing cameras", 0.0)
    placement = grow(scene, pairs, lambda share: show("placing cameras", share))
    check_placed([camera.name for camera in cameras], placement.placed, pairs)
    priors = [options.lens_priors.get(camera.name) for camera in cameras]
    lenses = scene.lenses
    level = 1 if any(prior is not None for prior in priors) else 0
    show("adjusting everything", 0.0)
    refined = refine(
        scene, placement, lambda bundle: freed_lenses(bundle, priors, lenses, level),
        show=lambda share: show("adjusting everything", share),
    )  # fmt: skip
    if refined is None:
        raise CalibrationError("the people whom the cameras saw could not be located: walk where several views overlap")
    if level:
        refined, level = freedom(refined, priors, lenses)
    return _judged(cameras, skeleton, tracklets, recordings, refined, pairs, priors, LEVELS[level], options)


def _judged(
    cameras: list[Camera],
    skeleton: Skeleton,
    before: list[list[Tracklet]],
    recordings: list[Recording],
    refined: Refined,
    pairs: list[PairPose],
    priors: list[LensPrior | None],
    level: str,
    options: Options,
) -> PeopleCalibration:
    """The rig in metres, levelled, with everything that is to be said of it."""
    observed, state = refined.observed, refined.state
    bundle = observed.bundle
    joints = skeleton.joints
    covariance = bundle.linearised(state).shared_covariance()
    residual = bundle.residuals(state) / bundle.sigma[:, None]
    frame_s = 1 / max(_rate(recording) for recording in recordings)
    factor = correlation_factor(residual, bundle.camera, bundle.curve, bundle.time, frame_s)
    covariance = covariance * factor
    bodies = bodies_of(observed, state, len(joints))
    people, seconds = _counted(bodies)
    names = [camera.name for camera in cameras]
    aligned = aligned_covariance(state.R, state.t, pose_covariance(bundle, covariance))
    scale = _scale(bodies, joints, people, state, aligned, names, options)
    metric = _scaled(bodies, scale.value)
    upright = -state.R[:, 1].mean(axis=0)
    ground = ground_of(metric, joints, upright)
    world_R, world_t = np.eye(3), np.zeros(3)
    if ground is not None:
        world_R, world_t = levelled(ground, state.R[0][2])
    R = state.R @ world_R.T
    t = scale.value * state.t - np.einsum("cij,j->ci", R, world_t)
    rig = Rig(
        tuple(
            replace(with_lens(camera, lens), R=R[c], t=t[c], time_offset_s=float(state.offset[c]))
            for c, (camera, lens) in enumerate(zip(cameras, state.lenses, strict=True))
        ),
        "people" if ground is not None else "camera",
    )
    ways = _ways(bodies, joints)
    points = _volume(bodies)
    error = volume_errors(
        bundle, state, covariance, [camera.size for camera in cameras], np.ones(len(cameras), bool), points
    )
    seen = np.isfinite(error)
    units = np.array([1.0, 1, 1, scale.value, scale.value, scale.value])
    to_world = np.zeros((6, 6))
    to_world[:3, :3], to_world[3:, 3:] = np.eye(3), world_R
    covariance_world = np.einsum("ij,ajbk,lk->aibl", to_world, aligned * units[:, None, None] * units, to_world)
    fits = _fits(cameras, before, refined, covariance, covariance_world, priors, level)
    calibration = PeopleCalibration(
        rig, fits, tuple(pairs), scale, ground, factor,
        scale.value * points[seen] @ world_R.T + world_t, scale.value * error[seen],
        scale.value * ways @ world_R.T + world_t, people, seconds, _shared(observed, len(cameras), frame_s),
        covariance_world,
    )  # fmt: skip
    check_solved(calibration.cameras)
    return calibration


def _fits(
    cameras: list[Camera],
    before: list[list[Tracklet]],
    refined: Refined,
    covariance: Float64[np.ndarray, "S S"],
    aligned: Float64[np.ndarray, "C 6 C 6"],
    priors: list[LensPrior | None],
    level: str,
) -> tuple[CameraFit, ...]:
    observed, state = refined.observed, refined.state
    bundle = observed.bundle
    length = np.linalg.norm(bundle.residuals(state), axis=1)
    padded = np.sqrt(np.maximum(np.append(np.diag(covariance), 0.0), 0.0))
    layout = bundle.layout()
    variance = np.einsum("aiai->ai", aligned)
    fits = []
    for c, camera in enumerate(cameras):
        own = bundle.camera == c
        frames = {(int(row[0]), int(row[1])) for row in np.unique(observed.row[own][:, :2], axis=0)}
        total = sum(len(tracklet.time) for tracklet in before[c])
        fits.append(
            CameraFit(
                name=camera.name,
                observations=int(own.sum()),
                rejected=int(refined.rejected[c]),
                median_px=float(np.median(length[own])) if own.any() else float("nan"),
                noise_px=float(np.median(bundle.sigma[own])) if own.any() else float("nan"),
                used_share=len(frames) / max(total, 1),
                turn_sigma_deg=float(np.degrees(np.sqrt(variance[c, :3].sum()))),
                place_sigma_mm=float(1000 * np.sqrt(variance[c, 3:].sum())),
                offset_s=float(state.offset[c]),
                offset_sigma_s=float(padded[layout[c, OFFSET.start]]),
                focal_sigma_px=float(padded[layout[c, 0]]),
                lens=level if priors[c] is not None else "known",
            )
        )
    return tuple(fits)


def _scale(
    bodies: list[Body],
    joints: tuple[str, ...],
    people: int,
    state: RigState,
    aligned: Float64[np.ndarray, "C 6 C 6"],
    names: list[str],
    options: Options,
) -> Scale:
    if options.distance is not None:
        a, b = names.index(options.distance[0]), names.index(options.distance[1])
        centre = -np.einsum("cki,ck->ci", state.R, state.t)
        apart = float(np.linalg.norm(centre[a] - centre[b]))
        sigma = float(np.sqrt(np.trace(aligned[a, 3:, a, 3:]) + np.trace(aligned[b, 3:, b, 3:]))) / apart
        return by_distance(apart, options.distance[2], options.distance[:2], sigma)
    scale = by_people(bodies, joints, people, options.height_m)
    if scale is None:
        raise CalibrationError(
            "no leg was seen from hip to ankle by two cameras, so that the size of the room is unknown: measure the "
            "distance between two lenses (--distance cam01 cam02 METRES)"
        )
    return scale


def _scaled(bodies: list[Body], scale: float) -> list[Body]:
    return [Body(body.time, scale * body.xyz, scale * body.velocity) for body in bodies]


def _counted(bodies: list[Body]) -> tuple[int, float]:
    """How many people were there at once (for a tenth of the time), and how long, all together, s."""
    times = [np.round(body.time[np.isfinite(body.xyz[..., 0]).any(axis=1)], 2) for body in bodies]
    joined = np.concatenate([np.empty(0), *times])
    if not len(joined):
        return 0, 0.0
    count = np.unique(joined, return_counts=True)[1]
    step = float(bodies[0].time[1] - bodies[0].time[0]) if len(bodies[0].time) > 1 else 0.1
    return int(np.percentile(count, 90)), len(joined) * step


def _ways(bodies: list[Body], joints: tuple[str, ...]) -> Float64[np.ndarray, "N 3"]:
    index = {name: j for j, name in enumerate(joints)}
    hips = [index[name] for name in ("left_hip", "right_hip") if name in index] or [0]
    middle = np.concatenate([np.empty((0, 3)), *(body.xyz[:, hips].mean(axis=1) for body in bodies)])
    return middle[np.isfinite(middle).all(axis=1)]


def _volume(bodies: list[Body]) -> Float64[np.ndarray, "P 3"]:
    """A grid through the room that people filled, in the bundle's axes and unit."""
    joined = np.concatenate([np.empty((0, 3)), *(body.xyz.reshape(-1, 3) for body in bodies)])
    joined = joined[np.isfinite(joined).all(axis=1)]
    middle = joined.mean(axis=0)
    axes = np.linalg.svd((joined - middle)[:: max(1, len(joined) // 5000)], full_matrices=False)[2]
    low, high = np.percentile((joined - middle) @ axes.T, [2, 98], axis=0)
    steps = [np.linspace(a, b, _GRID_POINTS) for a, b in zip(low, high, strict=True)]
    return np.asarray(np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, 3) @ axes + middle)


def _shared(observed: Observed, cameras: int, frame_s: float) -> Float64[np.ndarray, "C C"]:
    """Seconds of people whom two cameras saw at once."""
    bins = np.floor(observed.bundle.time / 0.1).astype(np.int64)
    people = int(observed.person.max(initial=0)) + 1
    seen = np.zeros((people, int(bins.max(initial=0) - bins.min(initial=0)) + 1, cameras))
    seen[observed.person, bins - bins.min(initial=0), observed.bundle.camera] = 1.0
    flat = seen.reshape(-1, cameras)
    return np.asarray(0.1 * flat.T @ flat)


def _body_joints(recordings: list[Recording], skeleton: Skeleton) -> tuple[list[Recording], Skeleton]:
    """Only the joints of trunk, limbs and head: hands and faces are small, and guessed from one side."""
    chosen = [j for j, name in enumerate(skeleton.joints) if name in _JOINTS]
    if len(chosen) < 8:
        raise CalibrationError(
            f"skeleton {skeleton.name} has hardly a joint that calibration knows: its joints must have COCO's names"
        )
    if len(chosen) == len(skeleton.joints):
        return recordings, skeleton
    place = {old: new for new, old in enumerate(chosen)}

    def pairs(old: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
        return tuple((place[a], place[b]) for a, b in old if a in place and b in place)

    smaller = Skeleton(
        skeleton.name, tuple(skeleton.joints[j] for j in chosen), pairs(skeleton.bones),
        pairs(skeleton.symmetric_pairs), skeleton.oks_sigmas[chosen],
    )  # fmt: skip
    return [
        replace(r, keypoints=[Keypoints2D(k.xy[:, chosen], k.score[:, chosen]) for k in r.keypoints])
        for r in recordings
    ], smaller


def _from_zero(recordings: list[Recording]) -> list[Recording]:
    """Times since the first stamp of all."""
    first = min((r.times_ns[0] for r in recordings if r.times_ns), default=0)
    return [replace(r, times_ns=[time - first for time in r.times_ns]) for r in recordings]


def _rate(recording: Recording) -> float:
    """Frames per second, by the stamps."""
    if len(recording.times_ns) < 2:
        return recording.fps or 30.0
    return float(np.clip(1e9 / max(float(np.median(np.diff(recording.times_ns))), 1.0), 1.0, 1000.0))


def _thinned(tracklets: list[list[Tracklet]]) -> list[list[Tracklet]]:
    """Blocks of ten seconds spread over a long recording: more than some minutes of people add time and no accuracy."""
    total = sum(int(np.isfinite(tracklet.xy[..., 0]).sum()) for own in tracklets for tracklet in own)
    if total <= _MOST_OBSERVATIONS:
        return tracklets
    last = max(float(tracklet.time[-1]) for own in tracklets for tracklet in own)
    blocks = int(last / _BLOCK_S) + 1
    wanted = max(1, int(blocks * _MOST_OBSERVATIONS / total))
    chosen = set(np.linspace(0, blocks - 1, wanted).round().astype(int).tolist())
    return [[piece for tracklet in own for piece in _pieces(tracklet, chosen)] for own in tracklets]


def _pieces(tracklet: Tracklet, chosen: set[int]) -> list[Tracklet]:
    block = (tracklet.time / _BLOCK_S).astype(np.int64)
    inside: Bool[np.ndarray, " n"] = np.isin(block, sorted(chosen))
    edges: Int64[np.ndarray, " e"] = np.flatnonzero(np.diff(inside.astype(np.int64), prepend=0, append=0))
    return [
        Tracklet(tracklet.time[a:b], tracklet.xy[a:b], tracklet.score[a:b], tracklet.size[a:b])
        for a, b in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
        if b - a >= 4
    ]
