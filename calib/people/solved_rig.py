"""What a solved bundle of people says: the rig in metres, z up, and how sure everything of it is."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64

from calib.people.bodies import Body, bodies_of
from calib.people.bundle_of_people import Observed
from calib.people.camera_fit import CameraFit
from calib.people.detector_bias import BiasedBundle
from calib.people.ground import Ground, ground_of, levelled
from calib.people.joint_bundle import DRIFT, OFFSET, JointBundle, RigState
from calib.people.known_rig import known_world
from calib.people.lens_freedom import LEVELS, LensGuess, freed_lenses
from calib.people.pairs import PairPose
from calib.people.refine import Refined
from calib.people.samples import NOISE
from calib.people.scale import TALLEST, Scale, by_actor, by_distance, by_people
from calib.people.scatter import scatter_of
from calib.people.scene import with_lens
from calib.people.tracklets import Tracklet
from calib.people.uncertainty import aligned_covariance, place_covariance, pose_covariance, volume_errors
from multiview.body.actor import Actor
from multiview.cameras.camera import Camera, Rig
from multiview.errors import CalibrationError
from multiview.geometry.bundle import Lens

__all__ = ["Known", "PeopleCalibration", "solved_rig"]

_GRID_POINTS = 6
_ALL = len(LEVELS) - 1  # what was not estimated of a guessed lens is uncertain all the same


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What was known beforehand.

    Attributes:
        height_m: Somebody's stature.
        whose: One of `WHOSE`.
        actor: Somebody whose bones are known.
        distance: Two cameras and the metres between their lenses.
        priors: Of every camera; None where its lens is known.
        lenses: As they were guessed.
        level: How much of the guessed ones was estimated, a place in `LEVELS`.
        seen: Stretches of every camera, before any was left out.
        rig: Cameras that stayed where they were, with the world and the length.
    """

    height_m: float | None
    distance: tuple[str, str, float] | None
    priors: list[LensGuess | None]
    lenses: tuple[Lens, ...]
    level: int
    seen: list[list[Tracklet]]
    rig: Rig | None = None
    whose: str = TALLEST
    actor: Actor | None = None


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
        bias_m: By how much the detector usually errs by the side from which it sees a joint, where that was taken off.
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
    bias_m: float = 0.0

    @property
    def clock(self) -> str:
        """The camera whose stamps count."""
        return next(fit.name for fit in self.cameras if not fit.offset_sigma_s)


def solved_rig(
    cameras: list[Camera],
    refined: Refined,
    pairs: list[PairPose],
    known: Known,
    bias: BiasedBundle | None = None,
) -> PeopleCalibration:
    """The rig in metres, levelled, with everything that is to be said of it.

    Args:
        cameras: Names and sizes.
        refined: The solved bundle.
        pairs: How cameras were related.
        known: What the user and the recordings said.
        bias: Of the detector, which was taken off the keypoints and is uncertain; None: none was.

    Returns:
        The calibration.

    Raises:
        CalibrationError: Nothing tells the size of the room.
    """
    observed, state, joints = refined.observed, refined.state, refined.scene.joints
    bundle = observed.bundle
    if any(prior is not None for prior in known.priors):
        bundle = freed_lenses(bundle, known.priors, known.lenses, _ALL)
    scatter = scatter_of(observed, bundle, state, joints, bias)
    bodies = bodies_of(observed, state, len(joints))
    people, seconds = _counted(bodies)
    names = [camera.name for camera in cameras]
    covariance_of = aligned_covariance if known.rig is None else place_covariance  # held cameras leave no gauge
    aligned = covariance_of(state.R, state.t, pose_covariance(bundle, scatter.covariance))
    doubt = _doubt_of_two(aligned, pairs, observed) if len(cameras) == 2 and known.rig is None else 1.0
    aligned, scatter = doubt * aligned, replace(scatter, covariance=doubt * scatter.covariance)
    if known.rig is None:
        scale = _scale(bodies, joints, people, state, aligned, names, known)
        ground = ground_of(_scaled(bodies, scale.value), joints, -state.R[:, 1].mean(axis=0))
        world_R, world_t = (np.eye(3), np.zeros(3)) if ground is None else levelled(ground, state.R[0][2])
        world = "camera" if ground is None else "people"
    else:
        scale = Scale(1.0, 0.0, "those of the known rig")
        world_R, world_t = known_world(names, known.rig, state)
        world, up = known.rig.world, world_R[2]
        ground = None if world == "camera" else Ground(up, 0.0, "those of the known rig", -world_R.T @ world_t)
    covariance = _in_world(aligned, scale.value, world_R)
    points = _volume(bodies)
    error = volume_errors(
        bundle, state, scatter.covariance, [camera.size for camera in cameras], np.ones(len(cameras), bool), points
    )
    seen = np.isfinite(error)
    return PeopleCalibration(
        rig=_rig(cameras, state, scale.value, world_R, world_t, world),
        cameras=_fits(cameras, refined, bundle, scatter.covariance, covariance, known),
        pairs=tuple(pairs),
        scale=scale,
        ground=ground,
        correlation=scatter.inflation,
        points=scale.value * points[seen] @ world_R.T + world_t,
        error_m=scale.value * error[seen],
        ways=scale.value * _ways(bodies, joints) @ world_R.T + world_t,
        people=people,
        seconds=seconds,
        shared_s=_shared(observed, len(cameras)),
        covariance=covariance,
        bias_m=0.0 if bias is None else scale.value * bias.typical,
    )


def _doubt_of_two(aligned: Float64[np.ndarray, "2 6 2 6"], pairs: list[PairPose], observed: Observed) -> float:
    """By what factor variances of two cameras are larger than the curves say: between cameras that face each other,
    what curves add is least sure, no third one checks it, and epipolar geometry alone says what is known without it."""
    stated = np.sqrt(np.trace(aligned[0, :3, 0, :3])) + np.sqrt(np.trace(aligned[1, :3, 1, :3]))  # they err oppositely
    noise = float(np.median(observed.bundle.sigma / observed.size)) / NOISE
    return float(max(1.0, (noise * pairs[0].sigma / stated) ** 2))


def _rig(
    cameras: list[Camera],
    state: RigState,
    scale: float,
    world_R: Float64[np.ndarray, "3 3"],
    world_t: Float64[np.ndarray, " 3"],
    world: str,
) -> Rig:
    R = state.R @ world_R.T
    t = scale * state.t - np.einsum("cij,j->ci", R, world_t)
    posed = (
        replace(with_lens(camera, lens), R=R[c], t=t[c], time_offset_s=float(state.offset[c]))
        for c, (camera, lens) in enumerate(zip(cameras, state.lenses, strict=True))
    )
    return Rig(tuple(posed), world)


def _in_world(
    aligned: Float64[np.ndarray, "C 6 C 6"], scale: float, world_R: Float64[np.ndarray, "3 3"]
) -> Float64[np.ndarray, "C 6 C 6"]:
    """Turns in the cameras' axes, places in metres of the world."""
    to_world = np.zeros((6, 6))
    to_world[:3, :3], to_world[3:, 3:] = np.eye(3), scale * world_R
    return np.asarray(np.einsum("ij,ajbk,lk->aibl", to_world, aligned, to_world))


def _fits(
    cameras: list[Camera],
    refined: Refined,
    bundle: JointBundle,
    covariance: Float64[np.ndarray, "S S"],
    aligned: Float64[np.ndarray, "C 6 C 6"],
    known: Known,
) -> tuple[CameraFit, ...]:
    observed, state = refined.observed, refined.state
    length = np.linalg.norm(bundle.residuals(state), axis=1)
    padded = np.sqrt(np.maximum(np.append(np.diag(covariance), 0.0), 0.0))
    layout = bundle.layout()
    variance = np.einsum("aiai->ai", aligned)
    fits = []
    for c, camera in enumerate(cameras):
        own = bundle.camera == c
        frames = {(int(row[0]), int(row[1])) for row in np.unique(observed.row[own][:, :2], axis=0)}
        total = sum(len(tracklet.time) for tracklet in known.seen[c])
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
                drift_ppm=float(1e6 * state.drift[c]),
                drift_sigma_ppm=float(1e6 * padded[layout[c, DRIFT.start]]),
                focal_sigma_px=float(padded[layout[c, 0]]),
                lens=LEVELS[known.level] if known.priors[c] is not None else "known",
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
    known: Known,
) -> Scale:
    if known.distance is not None:
        a, b = names.index(known.distance[0]), names.index(known.distance[1])
        centre = -np.einsum("cki,ck->ci", state.R, state.t)
        apart = float(np.linalg.norm(centre[a] - centre[b]))
        sigma = float(np.sqrt(np.trace(aligned[a, 3:, a, 3:]) + np.trace(aligned[b, 3:, b, 3:]))) / apart
        return by_distance(apart, known.distance[2], known.distance[:2], sigma)
    if known.actor is not None:
        return by_actor(bodies, joints, known.actor)
    scale = by_people(bodies, joints, people, known.height_m, known.whose)
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


def _shared(observed: Observed, cameras: int) -> Float64[np.ndarray, "C C"]:
    """Seconds of people whom two cameras saw at once."""
    bins = np.floor(observed.bundle.time / 0.1).astype(np.int64)
    people = int(observed.person.max(initial=0)) + 1
    seen = np.zeros((people, int(bins.max(initial=0) - bins.min(initial=0)) + 1, cameras))
    seen[observed.person, bins - bins.min(initial=0), observed.bundle.camera] = 1.0
    flat = seen.reshape(-1, cameras)
    return np.asarray(0.1 * flat.T @ flat)
