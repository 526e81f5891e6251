"""The first rig: two cameras that are well related, then one camera after the other by what the placed ones know.

References:
    Snavely et al. 2006 (growing); Terzakis and Lourakis 2020 (SQPnP).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import Float64

from calib.people.bundle_of_people import bundle_of, state_of
from calib.people.identities import Person, Placement, people_of, positions
from calib.people.joint_bundle import LENS, JointBundle, RigState
from calib.people.pairs import PairPose
from calib.people.samples import CameraSamples
from calib.people.scene import Scene
from multiview.errors import CalibrationError
from multiview.geometry.least_squares import levenberg_marquardt

__all__ = ["at_first_camera", "grow", "placement_of", "worth"]

_FEWEST_POINTS, _MOST_POINTS = 30, 3000
_MOST_PERSON_S = 40.0  # of people, in the adjustments on the way
_STEPS = 6
_FEWEST_CAMERAS = 3  # that tell focal lengths
_MIN_INLIERS = 0.3
_SHORT_M = 4.0  # between the first two cameras, while the scale is unknown
_RIVAL = 0.9


def grow(
    scene: Scene,
    pairs: list[PairPose],
    freed: Callable[[JointBundle], JointBundle] = lambda bundle: bundle,
    show: Callable[[float], None] = lambda share: None,
    start: Placement | None = None,
) -> tuple[Scene, Placement]:
    """Place as many cameras as the pairs allow, the first of them at the origin; lengths are in no unit.

    Args:
        scene: What the cameras saw.
        pairs: That are related.
        freed: Frees lenses, too: wrong ones soon hide who is who.
        show: Is told the share that is done.
        start: Cameras that are placed already; None: the two that are best related.

    Returns:
        The scene with the lenses found, and the rig so far; cameras that nobody connects are not placed.

    Raises:
        CalibrationError: No two cameras are related.
    """
    if not pairs:
        raise CalibrationError(
            "no two cameras saw the same person at the same time: let people walk where views overlap, "
            "and check that the recordings were started within --max-offset of each other"
        )
    seed = _of_pair(max(pairs, key=worth), len(scene.cameras)) if start is None else start
    scene, placement = adjusted(scene, seed, freed)
    tried: set[int] = set()
    while not placement.placed.all():
        reach = {
            c: sum(worth(pair) for pair in pairs if c in (pair.a, pair.b) and placement.placed[_other(pair, c)])
            for c in np.flatnonzero(~placement.placed).tolist()
            if c not in tried
        }
        if not reach or max(reach.values()) <= 0:
            break
        camera = max(reach, key=lambda c: reach[c])
        added = _added(camera, scene, pairs, placement)
        if added is None:
            tried.add(camera)
            continue
        scene, placement = adjusted(scene, added, freed)
        tried.clear()
        show(float(placement.placed.mean()))
    return scene, placement


def at_first_camera(placement: Placement) -> Placement:
    """The same rig in the axes of its first placed camera (of those that are held), whose clock it keeps."""
    first = placement.reference
    R0, t0 = placement.R[first], placement.t[first]
    R = placement.R @ R0.T
    t = placement.t - R @ t0
    return replace(placement, R=R, t=t, offset=placement.offset - placement.offset[first])


def placement_of(state: RigState, placement: Placement) -> Placement:
    """Where a bundle has put the placed cameras."""
    return replace(placement, R=state.R, t=state.t, offset=state.offset)


def adjusted(
    scene: Scene, placement: Placement, freed: Callable[[JointBundle], JointBundle]
) -> tuple[Scene, Placement]:
    """A short bundle adjustment over the best supported people; lenses are free as soon as three cameras tell them."""
    placement = at_first_camera(placement)
    people = _some(people_of(scene.samples, placement, scene.mirrored), scene.samples)
    observed = bundle_of(people, scene, placement)
    if observed is None:
        return scene, placement
    state = state_of(scene.lenses, placement, observed.coefficients)
    still = replace(observed.bundle, free=np.zeros_like(observed.bundle.free))
    state = levenberg_marquardt(still, state, max_steps=3, tolerance=1e-2).state
    bundle = freed(observed.bundle) if placement.placed.sum() >= _FEWEST_CAMERAS else observed.bundle
    found = levenberg_marquardt(bundle, state, max_steps=_STEPS, tolerance=1e-3).state
    if bundle.free[:, LENS].any():
        scene = scene.again(found.lenses, scene.tracklets)
    return scene, placement_of(found, placement)


def _some(people: list[Person], samples: list[CameraSamples]) -> list[Person]:
    total = 0.0
    chosen: list[Person] = []
    for person in people:
        seconds = max(samples[m.camera].length(m.tracklet) * samples[m.camera].step for m in person.members)
        if chosen and total + seconds > _MOST_PERSON_S:
            break
        chosen.append(person)
        total += seconds
    return chosen


def worth(pair: PairPose) -> float:
    """Much support and wide angles, with little doubt."""
    sure = 1.0 if pair.rival < _RIVAL else 0.3
    return pair.support * float(np.sin(pair.parallax)) * sure / (1 + np.degrees(pair.sigma))


def _other(pair: PairPose, camera: int) -> int:
    return pair.b if pair.a == camera else pair.a


def _of_pair(pair: PairPose, count: int) -> Placement:
    R, t, offset = np.tile(np.eye(3), (count, 1, 1)), np.zeros((count, 3)), np.zeros(count)
    R[pair.b], t[pair.b], offset[pair.b] = pair.state.R, _SHORT_M * pair.state.t, -pair.state.shift
    placed = np.zeros(count, dtype=bool)
    placed[[pair.a, pair.b]] = True
    return Placement(R, t, offset, placed, np.zeros(count, dtype=bool))


def _added(camera: int, scene: Scene, pairs: list[PairPose], placement: Placement) -> Placement | None:
    """With one more camera, by the pair with a placed one in which most points agree."""
    people = people_of(scene.samples, placement, scene.mirrored)
    best: tuple[int, Placement] | None = None
    own = sorted(
        (pair for pair in pairs if camera in (pair.a, pair.b) and placement.placed[_other(pair, camera)]),
        key=lambda pair: -worth(pair),
    )
    for pair in own[:4]:
        found = _resected(camera, pair, scene, people, placement)
        if found is not None and (best is None or found[0] > best[0]):
            best = found
    return None if best is None else best[1]


def _resected(
    camera: int, pair: PairPose, scene: Scene, people: list[Person], placement: Placement
) -> tuple[int, Placement] | None:
    """A camera's pose from the joints of people whom it shares with a placed camera; how many joints agree."""
    samples, mirrored = scene.samples, scene.mirrored
    other, new = _other(pair, camera), samples[camera]
    shift = pair.state.shift if pair.a == other else -pair.state.shift  # other's stamps to the new camera's
    offset = float(placement.offset[other] - shift)
    links = [(i, k) if pair.a == other else (k, i) for i, k in pair.matches]
    space, picture, gates = [np.empty((0, 3))], [np.empty((0, 2))], [np.empty(0)]
    for old, tracklet in links:
        for person in people:
            member = next((m for m in person.members if (m.camera, m.tracklet) == (other, old)), None)
            if member is None:
                continue
            stamps = (new.first[tracklet] + np.arange(0, new.length(tracklet), 3)) * new.step
            xyz = positions(person, samples, placement, mirrored, stamps + offset)
            seen = new.at(tracklet, stamps)
            if member.exchanged != pair.exchanged:
                seen = seen[:, mirrored]
            known = np.isfinite(xyz[..., 0]) & np.isfinite(seen[..., 0])
            rows = np.clip(np.rint(stamps / new.step).astype(int) - new.first[tracklet], 0, new.length(tracklet) - 1)
            gate = np.broadcast_to(new.gate[new.row[tracklet] + rows][:, None], known.shape)
            space.append(xyz[known])
            picture.append(seen[known])
            gates.append(gate[known])
    points, xy, gate = np.concatenate(space), np.concatenate(picture), np.concatenate(gates)
    if len(points) < _FEWEST_POINTS:
        return None
    chosen = np.random.default_rng(0).permutation(len(points))[:_MOST_POINTS]
    points, xy, gate = points[chosen], xy[chosen], gate[chosen]
    R, t = _pnp(points, xy, 2 * float(np.median(gate)))
    if R is None or t is None:
        return None
    if placement.held[camera]:
        R, t = placement.R[camera], placement.t[camera]
    x = points @ R.T + t
    with np.errstate(divide="ignore", invalid="ignore"):
        near = (x[:, 2] > 0) & (np.linalg.norm(x[:, :2] / x[:, 2:] - xy, axis=1) < 2 * gate)
    if near.mean() < _MIN_INLIERS:
        return None
    placed = placement.placed.copy()
    placed[camera] = True
    all_R, all_t, all_offset = placement.R.copy(), placement.t.copy(), placement.offset.copy()
    all_R[camera], all_t[camera], all_offset[camera] = R, t, offset
    return int(near.sum()), Placement(all_R, all_t, all_offset, placed, placement.held)


def _pnp(
    points: Float64[np.ndarray, "N 3"], xy: Float64[np.ndarray, "N 2"], threshold: float
) -> tuple[Float64[np.ndarray, "3 3"] | None, Float64[np.ndarray, " 3"] | None]:
    try:
        found, rotation, t, _ = cv2.solvePnPRansac(
            points, xy, np.eye(3), None, iterationsCount=300, reprojectionError=threshold, flags=cv2.SOLVEPNP_SQPNP
        )
    except cv2.error:
        return None, None
    if not found:
        return None, None
    R = cv2.Rodrigues(rotation)[0]
    return np.asarray(R, dtype=np.float64), np.asarray(t[:, 0], dtype=np.float64)
