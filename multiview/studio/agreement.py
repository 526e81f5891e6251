"""How far the cameras of a rig agree on where people are, and what would explain it if they do not.

Two cameras whose names were exchanged, a picture that is upside down or mirrored: each camera is then right by itself
and wrong beside the others. Every such mistake has an opposite, so it is looked for by trying: what cameras saw is put
right in each way that is thinkable, fused frame by frame, and the one under which rays of different cameras meet is it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float64, Int64

from multiview.body.skeleton import Skeleton
from multiview.cameras.camera import UNPLACED, Camera, Rig
from multiview.cameras.mixed_up import orders, words
from multiview.cameras.observations import PackedRig, TrackObservations
from multiview.data import Keypoints2D, Views
from multiview.fusion.pipeline import Pipeline, PipelineOptions
from multiview.selfcalib.rotated_camera import rotated_camera
from multiview.selfcalib.rotation_equations import RotationNormalEquations, rotation_normal_equations

__all__ = ["Agreement", "disagreement", "explain_disagreement"]

LEAST = 20  # occasions on which a camera could have agreed with others, for it to be judged
WELL, STRANGER = 0.6, 0.1  # shares of them; of a camera that agrees with the others, and of one that does not
MET = 0.4  # of the rays that could meet others, do
BETTER, OVERALL = 1.3, 1.05  # rays of the cameras concerned that meet others, after / before; redundancy of all
FEW = 4  # cameras, of which all are suspected if one is, and every order is tried
MOST_ROUNDS = 3  # mistakes at once
NEAREST_M = 0.1  # before a camera
HALF = 0.5


class Agreement:
    """Counts, tick by tick, how often each camera could agree with others on a person, and how often it does.

    Attributes:
        occasions: (C,) Times that somebody whom two cameras measure is in a camera's view, and it sees somebody, too.
        met: (C,) Those of them in which it measures the same person.
        rays: (C,) Joints of people whom it measures together with others.
        redundancy: Rays beyond the first one that all joints of all people rest on.
        possible: How many these would be if everyone were seen by all cameras that see as many.
    """

    def __init__(self, cameras: int) -> None:
        self.occasions, self.met = np.zeros(cameras, np.int64), np.zeros(cameras, np.int64)
        self.rays = np.zeros(cameras, np.int64)
        self.redundancy = self.possible = 0

    def add(self, rig: PackedRig, seen: TrackObservations) -> None:
        """Count one tick.

        Args:
            rig: The cameras.
            seen: What they contributed to whom.
        """
        joints = [int((seen.rays.score[a:b] > 0).sum()) for a, b in pairwise(seen.rays.first.tolist())]
        self.possible += sum(joints) - max(joints)
        measures: Bool[np.ndarray, "P C J"] = np.asarray(seen.table >= 0)
        contributes: Bool[np.ndarray, "P C"] = np.asarray(measures.any(axis=2))
        people = np.flatnonzero(contributes.sum(axis=1) >= 2)
        if not len(people):
            return
        measures, contributes = measures[people], contributes[people]
        spare = np.diff(seen.rays.first) > contributes.sum(axis=0)
        occasion = _in_view(rig, seen.xyz[people]) & (contributes | spare)
        self.occasions += occasion.sum(axis=0)
        self.met += (occasion & contributes).sum(axis=0)
        views: Int64[np.ndarray, "P J"] = measures.sum(axis=1)
        self.rays += (measures & (views[:, None] >= 2)).sum(axis=(0, 2))
        self.redundancy += int(np.maximum(views - 1, 0).sum())

    @property
    def share(self) -> Float64[np.ndarray, " C"]:
        """(C,) met / occasions; NaN where there were too few."""
        enough = self.occasions >= LEAST
        return np.where(enough, self.met / np.maximum(self.occasions, 1), np.nan)

    @property
    def suspect(self) -> bool:
        """Whether cameras agree badly, so that `explain_disagreement` should be asked."""
        return bool((self.share < WELL).any()) or self.redundancy < MET * self.possible


def _in_view(rig: PackedRig, xyz: Float64[np.ndarray, "P J 3"]) -> Bool[np.ndarray, "P C"]:
    """Whether half of a person's joints or more lie in a camera's picture."""
    local = np.einsum("cik,pjk->pcji", rig.R, xyz) + rig.t[:, None]
    ahead = local[..., 2] > NEAREST_M
    x, y = np.moveaxis(local[..., :2] / np.where(ahead, local[..., 2], np.nan)[..., None], -1, 0)
    left, top, right, bottom = rig.image_bounds[:, :, None].transpose(1, 0, 2)
    inside = (x >= left) & (x <= right) & (y >= top) & (y <= bottom)
    known = np.isfinite(xyz[..., 0])
    return np.asarray(inside.sum(axis=2) >= HALF * np.maximum(known.sum(axis=1), 1)[:, None])


@dataclass(frozen=True, slots=True)
class _Remedy:
    """`source[c]` is whose keypoints camera c is given, once those of `upside_down` and `mirrored` are put right."""

    source: tuple[int, ...]
    upside_down: frozenset[int] = frozenset()
    mirrored: frozenset[int] = frozenset()

    def apply(self, views: Views, rig: Rig, skeleton: Skeleton) -> Views:
        """What the cameras would have seen without the mistakes."""
        seen = list(views.keypoints)
        for c in self.upside_down:
            seen[c] = _upside_down(seen[c], rig.cameras[c])
        for c in self.mirrored:
            seen[c] = _mirrored(seen[c], rig.cameras[c], skeleton)
        return replace(views, keypoints=tuple(seen[c] for c in self.source))

    def concerns(self) -> set[int]:
        """The cameras that it changes."""
        return {c for c, other in enumerate(self.source) if c != other} | self.upside_down | self.mirrored

    def texts(self, names: Sequence[str]) -> Iterator[str]:
        """The mistakes in words, and what to do."""
        if text := words(names, self.source):
            yield text
        for c in sorted(self.upside_down):
            yield f"{names[c]}'s pictures are upside down against its calibration: turn them, or calibrate again"
        for c in sorted(self.mirrored):
            yield f"{names[c]}'s pictures are mirrored: switch that off in the camera or its program"


def _upside_down(seen: Keypoints2D | None, camera: Camera) -> Keypoints2D | None:
    """In the same picture turned by half a turn."""
    if seen is None:
        return None
    return replace(seen, xy=np.array(camera.size, float) - 1.0 - seen.xy)


def _mirrored(seen: Keypoints2D | None, camera: Camera, skeleton: Skeleton) -> Keypoints2D | None:
    """In the same picture with left and right exchanged, in which everybody's left is their right."""
    if seen is None:
        return None
    order, flip = skeleton.mirrored, np.array([-1.0, 1.0])
    xy = seen.xy[:, order] * flip + np.array([camera.size[0] - 1.0, 0.0])
    cov = None if seen.cov is None else seen.cov[:, order] * (flip[:, None] * flip)
    visibility = None if seen.visibility is None else seen.visibility[:, order]
    return Keypoints2D(xy, seen.score[:, order], cov, visibility)


def explain_disagreement(rig: Rig, skeleton: Skeleton, sample: Sequence[Views]) -> Generator[None, None, list[str]]:
    """Why cameras do not agree on where people are, found bit by bit.

    Args:
        rig: Of the cameras.
        skeleton: Of the keypoints.
        sample: What they saw at some instants.

    Yields:
        After every bit of work, of some tens of milliseconds.

    Returns:
        What is wrong and what to do, a line each; none if they agree, or nothing explains it.
    """
    if rig.world == UNPLACED:
        return []
    pipeline = Pipeline(rig, skeleton, PipelineOptions(independent=True))
    seeing = {c for views in sample for c, seen in enumerate(views.keypoints) if seen is not None and seen.people}
    few = len(seeing) <= FEW
    best = _Remedy(tuple(range(len(rig))))
    now = _trial(pipeline, sample, best)
    for _ in range(MOST_ROUNDS):
        yield
        if not now.suspect:
            break
        suspects = sorted(seeing if few else seeing - _well(now))
        found: tuple[_Remedy, Agreement] | None = None
        for remedy in _remedies(best, suspects):
            trial = _trial(pipeline, sample, remedy)
            most = OVERALL * now.redundancy if found is None else found[1].redundancy
            if trial.redundancy > most and _explains(remedy, now, trial):
                found = remedy, trial
            yield
        if found is None:
            break
        best, now = found
    return [*best.texts(rig.names), *_strangers(rig.names, now)]


def disagreement(rig: Rig, skeleton: Skeleton, sample: Sequence[Views]) -> list[str]:
    """The same at once, and where nothing is found, whether a camera was knocked: which takes no search.

    Args:
        rig: Of the cameras.
        skeleton: Of the keypoints.
        sample: What they saw at some instants.

    Returns:
        What is wrong and what to do, a line each.
    """
    search = explain_disagreement(rig, skeleton, sample)
    while True:
        try:
            next(search)
        except StopIteration as end:
            return end.value or list(_rotated_camera_text(rig, skeleton, sample))


def _rotated_camera_text(rig: Rig, skeleton: Skeleton, sample: Sequence[Views]) -> Iterator[str]:
    """The camera that would have to rotate to agree with the others, by far more than each of them would."""
    pipeline = Pipeline(rig, skeleton, PipelineOptions(independent=True))
    total: RotationNormalEquations | None = None
    for views in sample:
        tracks = pipeline.step(views).tracks
        if not tracks or pipeline.last_observations is None:
            continue
        xyz = np.stack([track.pose.xyz for track in tracks])
        known = np.stack([(track.pose.score > 0) & ~track.pose.filled for track in tracks])
        found = rotation_normal_equations(xyz, known, pipeline.last_observations.rays, pipeline.packed)
        total = found if total is None else total.plus(found)
    if total is not None and (rotated := rotated_camera(total)) is not None:
        camera, angle = rotated
        yield (
            f"{rig.names[camera]} is rotated by {np.degrees(angle):.1f} degrees against the other cameras: it was "
            "knocked since it was calibrated; calibrate again, or let --refine-cameras correct it"
        )


def _trial(pipeline: Pipeline, sample: Sequence[Views], remedy: _Remedy) -> Agreement:
    """How far the cameras agree under a remedy, each frame on its own."""
    agreement = Agreement(len(pipeline.rig))
    for views in sample:
        pipeline.step(remedy.apply(views, pipeline.rig, pipeline.skeleton))
        if pipeline.last_observations is not None:
            agreement.add(pipeline.packed, pipeline.last_observations)
    return agreement


def _explains(remedy: _Remedy, before: Agreement, after: Agreement) -> bool:
    """Whether the cameras that a remedy concerns agree with the others under it, and far better than before."""
    concerned = sorted(remedy.concerns())
    well = remedy.concerns() <= _well(after)
    return well and bool(after.rays[concerned].sum() > BETTER * before.rays[concerned].sum())


def _well(agreement: Agreement) -> set[int]:
    """Cameras that agree with the others well."""
    return {c for c, share in enumerate(agreement.share.tolist()) if share >= WELL}


def _remedies(best: _Remedy, suspects: list[int]) -> Iterator[_Remedy]:
    """Each that does one thing more than the best so far: an order of the suspects, or one picture put right."""
    for order in orders(suspects, FEW):
        source = list(best.source)
        for c, other in zip(suspects, order, strict=True):
            source[c] = best.source[other]
        yield replace(best, source=tuple(source))
    for c in suspects:
        if c not in best.upside_down:
            yield replace(best, upside_down=best.upside_down | {c})
        if c not in best.mirrored:
            yield replace(best, mirrored=best.mirrored | {c})


def _strangers(names: Sequence[str], agreement: Agreement) -> Iterator[str]:
    """Cameras that hardly ever agree where at least two others do."""
    if len(_well(agreement)) < 2:
        return
    for name, share in zip(names, agreement.share.tolist(), strict=True):
        if share < STRANGER:
            yield (
                f"{name} sees people, but not where the others see them: it was moved, is out of step, or this is not "
                "its recording; `multiview calibrate check` and `multiview time-offsets` tell"
            )
