"""What one camera makes of synthetic people: projection, occlusion, noise, and every fault that 2D detectors have."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from multiview.body.hands import is_hand
from multiview.body.skeleton import Skeleton
from multiview.cameras.camera import Camera
from multiview.synthetic.occlusion import hidden_joints
from multiview.synthetic.options import StudioOptions

__all__ = ["Observations", "observe"]

_SCORE_MEAN, _SCORE_SPREAD, _SCORE_HIDDEN = 0.78, 0.12, -0.35
# The error is inversely proportional to the true score; this makes its mean square 1 over visible joints.
_SCORE_SCALE = _SCORE_MEAN / np.sqrt(1 + 3 * (_SCORE_SPREAD / _SCORE_MEAN) ** 2)
_SCORE_ERROR = 0.10
_OUTLIER_PX = (50.0, 200.0)
_MAX_FALSE_POSITIVES = 2
_MIN_VISIBLE = 0.25  # of the joints; of a person hidden further nothing is found


@dataclass(slots=True, eq=False)
class Observations:
    """All that a camera sees in T frames, in S slots: one per person, then false positives, in `order`.

    `sigma` px, true standard deviation of a coordinate's error; `joint_actor` whose joint it is, -1 nobody's.
    """

    xy: Float64[np.ndarray, "T S J 2"]
    score: Float64[np.ndarray, "T S J"]
    sigma: Float64[np.ndarray, "T S J"]
    joint_actor: Int64[np.ndarray, "T S J"]
    outlier: Bool[np.ndarray, "T S J"]
    hidden: Bool[np.ndarray, "T S J"]
    swapped: Bool[np.ndarray, "T S"]
    found: Bool[np.ndarray, "T S"]
    order: Int64[np.ndarray, "T S"]


def observe(
    camera: Camera,
    xyz: Float64[np.ndarray, "T P J 3"],
    axes: Float64[np.ndarray, "T P L 2 3"],
    skeleton: Skeleton,
    options: StudioOptions,
    rng: np.random.Generator,
) -> Observations:
    """Everything `camera` sees of people at `xyz` (m, NaN while absent), with bodies `axes` that hide each other."""
    frames, people, joints, _ = xyz.shape
    clean = camera.project(xyz)
    with np.errstate(invalid="ignore"):
        inside = ((clean > -0.5) & (clean < np.array(camera.size) - 0.5)).all(axis=-1)
    hidden = np.zeros((frames, people, joints), dtype=bool)
    if options.occlusion:
        hidden = hidden_joints(camera.centre, camera.R[2], xyz, axes, _own_surface(skeleton))
    true_score, score = _scores(hidden, rng)
    sigma = options.sigma_px * _joint_factor(skeleton) * _size_factor(camera, xyz, options) * _SCORE_SCALE / true_score
    noise = _correlated(rng, (frames, people, joints, 2), options.correlation)
    outlier, start = _bursts(rng, (frames, people, joints), options.outliers, options.burst_frames)
    xy = clean + sigma[..., None] * noise + outlier[..., None] * _displacement(rng, start)
    guessed = _correlated(rng, hidden.shape, 0.9) < _normal_quantile(options.hidden_detected)
    missing = _bursts(rng, hidden.shape, options.missing_joints, options.burst_frames)[0]
    seen = inside & ~missing & (~hidden | guessed)
    with np.errstate(invalid="ignore"):
        found = (inside & ~hidden).mean(axis=-1) >= _MIN_VISIBLE
    found &= ~_bursts(rng, (frames, people), options.missed_people, options.burst_frames)[0]
    swapped = _bursts(rng, (frames, people), options.swaps, options.burst_frames)[0]
    actor = np.broadcast_to(np.arange(people)[:, None], hidden.shape).copy()
    seen_xy = np.where(seen[..., None], xy, np.nan)
    order = _in_order(frames, people)
    people_seen = Observations(seen_xy, score, sigma, actor, outlier, hidden, swapped, found, order)
    _swap(people_seen, skeleton)
    if options.hand_swaps:
        _swap_hands(people_seen, skeleton, options, rng)
    _merge(people_seen, skeleton, options, rng)
    return _arrange(_with_false_positives(people_seen, camera, options, rng), rng)


def _in_order(frames: int, slots: int) -> np.ndarray:
    return np.broadcast_to(np.arange(slots), (frames, slots))


def _own_surface(skeleton: Skeleton) -> np.ndarray:
    inner = ("neck", "mid_hip", "shoulder", "hip", "head_top")
    return np.array([not any(joint.endswith(name) for name in inner) for joint in skeleton.joints])


def _joint_factor(skeleton: Skeleton) -> np.ndarray:
    """Hips are harder to find than eyes: the root of COCO's sigmas, with a mean square of 1."""
    factor = np.sqrt(skeleton.oks_sigmas)
    return np.asarray(factor / np.sqrt((factor**2).mean()))


def _size_factor(camera: Camera, xyz: np.ndarray, options: StudioOptions) -> np.ndarray:
    """By the size of the person in the picture against that of the mean person."""
    depth = _nan_free((xyz.mean(axis=2) @ camera.R.T + camera.t)[..., 2], 1.0)
    pixels_per_metre = camera.K[0, 0] / np.maximum(depth, 0.5)
    relative = pixels_per_metre / (options.person_px / 1.7)
    return np.asarray(np.clip(relative, 0.25, 4.0)[..., None] ** options.size_exponent)


def _scores(hidden: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The true score, which sets the error, and the one that the detector reports, 10 % off."""
    true = _SCORE_MEAN + _SCORE_SPREAD * _correlated(rng, hidden.shape, 0.9) + _SCORE_HIDDEN * hidden
    true = np.clip(true, 0.2, 1.0)
    return true, np.clip(true * np.exp(_SCORE_ERROR * rng.normal(size=hidden.shape)), 0.05, 1.0)


def _correlated(rng: np.random.Generator, shape: tuple[int, ...], rho: float) -> np.ndarray:
    """Unit normal numbers whose correlation from one step of the first axis to the next is rho."""
    white = rng.normal(size=shape)
    if rho == 0:
        return np.asarray(white)
    latest = rng.normal(size=shape[1:])
    values = np.sqrt(1 - rho * rho) * white
    for value in values:
        value += rho * latest
        latest = value
    return np.asarray(values)


def _normal_quantile(probability: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(probability))


def _bursts(
    rng: np.random.Generator, shape: tuple[int, ...], probability: float, length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Where something is on, which it is with `probability` in bursts of `length` steps; and the step it began at."""
    steps = np.arange(shape[0] + length).reshape(-1, *(1,) * (len(shape) - 1))
    begins = rng.random((shape[0] + length, *shape[1:])) < 1 - (1 - probability) ** (1 / length)
    start = np.maximum.accumulate(np.where(begins, steps, -length), axis=0)
    on = steps - start < length
    return on[length:], np.maximum(start[length:], 0)


def _held(rng: np.random.Generator, start: np.ndarray, low: float, high: float) -> np.ndarray:
    """Uniform numbers that stay the same through a burst."""
    values = rng.uniform(low, high, (start.max(initial=0) + 1, *start.shape[1:]))
    return np.asarray(np.take_along_axis(values, start, axis=0))


def _displacement(rng: np.random.Generator, start: np.ndarray) -> np.ndarray:
    length, angle = _held(rng, start, *_OUTLIER_PX), _held(rng, start, -np.pi, np.pi)
    return np.stack([length * np.cos(angle), length * np.sin(angle)], axis=-1)


def _swap(seen: Observations, skeleton: Skeleton) -> None:
    """Exchange left and right of the people that the detector sees the wrong way round."""
    mirrored = skeleton.mirrored
    for array in (seen.xy, seen.score, seen.sigma, seen.outlier, seen.hidden):
        array[seen.swapped] = array[seen.swapped][:, mirrored]


def _swap_hands(seen: Observations, skeleton: Skeleton, options: StudioOptions, rng: np.random.Generator) -> None:
    """Exchange the fingers of a person's hands where one is hardly further from the other than it is large."""
    on = _bursts(rng, seen.found.shape, options.hand_swaps, options.burst_frames)[0]
    left, right = (
        np.array([i for i, name in enumerate(skeleton.joints) if is_hand(name) and name.startswith(side)], dtype=int)
        for side in ("left_", "right_")
    )
    if not len(left):
        return
    low, high = _nan_free(seen.xy[:, :, left], 1e6).min(axis=2), _nan_free(seen.xy[:, :, left], -1e6).max(axis=2)
    extent = np.linalg.norm(high - low, axis=-1)
    on &= np.linalg.norm(_middle(seen.xy[:, :, left]) - _middle(seen.xy[:, :, right]), axis=-1) < 1.5 * extent
    both, others = np.concatenate([left, right]), np.concatenate([right, left])
    frame, person = np.nonzero(on)
    for array in (seen.xy, seen.score, seen.sigma, seen.outlier, seen.hidden):
        array[frame[:, None], person[:, None], both] = array[frame[:, None], person[:, None], others]
    seen.joint_actor[frame[:, None], person[:, None], both] = -1


def _merge(seen: Observations, skeleton: Skeleton, options: StudioOptions, rng: np.random.Generator) -> None:
    """Give some limbs of a person to a neighbour's detection; the neighbour's own go the other way, or are lost."""
    frames, people = seen.found.shape
    limb = _limbs(skeleton)
    if options.merged <= 0 or people < 2:
        return
    low, high = _nan_free(seen.xy, 1e6).min(axis=2), _nan_free(seen.xy, -1e6).max(axis=2)
    middle, size = (low + high) / 2, 0.35 * (high[..., 1] - low[..., 1])
    for p in range(people):
        for q in range(p + 1, people):
            on, start = _bursts(rng, (frames,), options.merged, options.burst_frames)
            half = (_held(rng, np.repeat(start[:, None], limb.max() + 1, axis=1), 0, 1) < 0.5)[:, limb]
            lost = _held(rng, start, 0, 1) < 0.5
            near = np.linalg.norm(middle[:, p] - middle[:, q], axis=-1) < np.minimum(size[:, p], size[:, q])
            on &= near & seen.found[:, p] & seen.found[:, q]
            for array in (seen.xy, seen.score, seen.sigma, seen.joint_actor, seen.outlier, seen.hidden):
                own, other = array[on, p], array[on, q]
                mask = half[on].reshape(half[on].shape + (1,) * (own.ndim - 2))
                array[on, p], array[on, q] = np.where(mask, other, own), np.where(mask, own, other)
            seen.found[on & lost, q] = False


_LEG = ("hip", "knee", "ankle", "toe", "heel", "foot")
_ARM = ("shoulder", "elbow", "wrist", "hand", "finger", "thumb", "pinky", "index")


def _limbs(skeleton: Skeleton) -> np.ndarray:
    """Which of head, left and right arm, left and right leg each joint belongs to, 0 to 4."""

    def limb(joint: str) -> int:
        kind = 3 if any(word in joint for word in _LEG) else 1 if any(word in joint for word in _ARM) else 0
        return kind + joint.startswith("right_") if kind else 0

    return np.array([limb(joint) for joint in skeleton.joints])


def _middle(xy: np.ndarray) -> np.ndarray:
    """Of the joints that are known; the origin where none is."""
    known = ~np.isnan(xy).any(axis=-1)
    return np.asarray(_nan_free(xy, 0.0).sum(axis=-2) / np.maximum(known.sum(axis=-1), 1)[..., None])


def _nan_free(values: np.ndarray, instead: float) -> np.ndarray:
    return np.where(np.isnan(values), instead, values)


def _with_false_positives(
    seen: Observations, camera: Camera, options: StudioOptions, rng: np.random.Generator
) -> Observations:
    """Add false people: someone's outline of another moment, elsewhere in the picture and of another size."""
    frames, people = seen.found.shape
    share = min(0.9, options.false_positives * people / _MAX_FALSE_POSITIVES)
    if share <= 0:
        return seen
    on, start = _bursts(rng, (frames, _MAX_FALSE_POSITIVES), share, options.burst_frames)
    donor = _held(rng, start, 0, frames).astype(np.int64), _held(rng, start, 0, people).astype(np.int64)
    outline = seen.xy[donor]
    known = ~np.isnan(outline).any(axis=-1)
    middle = _middle(outline)
    place = np.stack([_held(rng, start, 0, extent) for extent in camera.size], axis=-1)
    size = _held(rng, start, 0.6, 1.2)[..., None, None]
    jitter = options.sigma_px * rng.normal(size=outline.shape)
    xy = (outline - middle[:, :, None]) * size + place[:, :, None] + jitter
    with np.errstate(invalid="ignore"):
        xy[~((xy > -0.5) & (xy < np.array(camera.size) - 0.5)).all(axis=-1)] = np.nan
    nobody = np.zeros(xy.shape[:3], dtype=bool)
    return Observations(
        xy=np.concatenate([seen.xy, xy], axis=1),
        score=np.concatenate([seen.score, 0.7 * seen.score[donor]], axis=1),
        sigma=np.concatenate([seen.sigma, np.full(nobody.shape, np.nan)], axis=1),
        joint_actor=np.concatenate([seen.joint_actor, np.full(nobody.shape, -1)], axis=1),
        outlier=np.concatenate([seen.outlier, nobody], axis=1),
        hidden=np.concatenate([seen.hidden, nobody], axis=1),
        swapped=np.concatenate([seen.swapped, nobody[..., 0]], axis=1),
        found=np.concatenate([seen.found, on & (known.sum(axis=2) >= 4)], axis=1),
        order=_in_order(on.shape[0], people + _MAX_FALSE_POSITIVES),
    )


def _arrange(seen: Observations, rng: np.random.Generator) -> Observations:
    """Detections come in no particular order, as float32; a missing joint has NaN, score 0 and no sigma."""
    seen.xy = seen.xy.astype(np.float32).astype(np.float64)
    missing = np.isnan(seen.xy).any(axis=-1)
    seen.score = np.where(missing, 0.0, seen.score.astype(np.float32).astype(np.float64))
    seen.sigma = np.where(missing, np.nan, seen.sigma)
    seen.outlier &= ~missing
    seen.found &= ~missing.all(axis=-1)
    seen.order = np.argsort(rng.random(seen.found.shape), axis=1)
    return seen
