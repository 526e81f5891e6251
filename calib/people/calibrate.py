"""Calibration from people: from every camera's 2D poses to a rig in metres, z up, with what is known of its errors."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Int64

from calib.people.checks import check_pairs, check_placed, check_recordings, check_solved
from calib.people.detector_bias import without_bias
from calib.people.grow import grow
from calib.people.joint_bundle import JointBundle
from calib.people.known_rig import check_known, start_of
from calib.people.lens_freedom import LensGuess, freed_lenses, freedom
from calib.people.pairs import PairPose, relate
from calib.people.refine import refine
from calib.people.scale import TALLEST
from calib.people.scene import scene_of
from calib.people.solved_rig import Known, PeopleCalibration, solved_rig
from calib.people.tracklets import Tracklet, find_tracklets
from multiview.body.actor import Actor
from multiview.body.skeleton import Skeleton
from multiview.cameras.camera import Camera, Rig
from multiview.data import Keypoints2D
from multiview.errors import CalibrationError
from multiview.recordings.recorded_keypoints import Recording

__all__ = ["Options", "calibrate"]

_START_S = 0.1  # cameras that were started together may still be so far out of step
_MOST_OBSERVATIONS, _BLOCK_S = 500_000, 10.0
_FEW = 2  # cameras, which a bias of the detector could turn as it likes
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
        height_m: Somebody's stature.
        whose: One of `WHOSE`: the tallest person's, the shortest one's, or the first one's to be seen.
        actor: Somebody whose bones are known, instead of a stature.
        distance: Two cameras and the metres between their lenses.
        lens_priors: Of cameras whose lens was guessed, by name.
        known: A rig whose cameras stay where they are.
    """

    max_offset_s: float = 1.0
    height_m: float | None = None
    distance: tuple[str, str, float] | None = None
    lens_priors: dict[str, LensGuess]
    known: Rig | None = None
    whose: str = TALLEST
    actor: Actor | None = None


def calibrate(
    cameras: list[Camera],
    recordings: list[Recording],
    skeleton: Skeleton,
    options: Options,
    show: Callable[[str, float], None] = lambda what, share: None,
    related: Callable[[list[PairPose]], None] = lambda pairs: None,
) -> PeopleCalibration:
    """Compute a rig from people who walk.

    Args:
        cameras: Names, sizes and lenses; their poses are not used.
        recordings: What each found, with the camera's stamps.
        skeleton: Of the keypoints.
        options: What the user knows.
        show: Is told what is being done and the share of it.
        related: Is given the pairs of cameras that agree on somebody, before anything is refused for them.

    Returns:
        The rig.

    Raises:
        CalibrationError: The recordings do not determine a rig; the message says what to record.
    """
    recordings, skeleton = _body_joints(_from_zero(recordings), skeleton)
    mirrored = skeleton.mirrored
    show("following people in each camera", 0.0)
    tracklets = [find_tracklets(recording, mirrored) for recording in recordings]
    names = [camera.name for camera in cameras]
    check_recordings(names, recordings, tracklets)
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
    related(pairs)
    check_pairs(names, pairs)
    show("placing cameras", 0.0)
    priors = [options.lens_priors.get(camera.name) for camera in cameras]
    guessed = scene.lenses
    level = 1 if any(prior is not None for prior in priors) else 0

    def freed(bundle: JointBundle) -> JointBundle:
        return freed_lenses(bundle, priors, guessed, level)

    start = None if options.known is None else start_of(names, options.known, pairs)
    scene, placement = grow(scene, pairs, freed, lambda share: show("placing cameras", share), start)
    check_placed(names, placement.placed, placement.held, pairs)
    show("adjusting everything", 0.0)
    refined = refine(scene, placement, freed, show=lambda share: show("adjusting everything", share))
    if refined is None:
        raise CalibrationError("the people whom the cameras saw could not be located: walk where several views overlap")
    bias = None
    if level:
        refined, level = freedom(refined, priors, guessed)
    elif len(cameras) > _FEW:
        refined, bias = without_bias(refined)
    if options.known is not None:
        check_known(names, Rig(tuple(cameras)), options.known, refined)
    known = Known(
        options.height_m,
        options.distance,
        priors,
        guessed,
        level,
        tracklets,
        options.known,
        options.whose,
        options.actor,
    )
    calibration = solved_rig(cameras, refined, pairs, known, bias)
    check_solved(calibration.cameras)
    return calibration


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
    return [r.moved(-first) for r in recordings]


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
