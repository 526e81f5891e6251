"""Hands of a real recording: how many are found, and how far the fused ones lie from those in the pictures.

    multiview process --rig rig.toml --videos cam01.mp4 ... --detector blazepose --option hands=true \\
        --save-keypoints --out OUT
    python -m benchmarks hands_recorded OUT

A hand is asked for in a view where the fused one is at least 14 px large and not cut off, and the body's wrist is seen
with a score of more than a half. Errors are of fused joints in the picture, over the hand's extent, median and 90th
percentile over joints. Where calibrated cameras disagree about bodies already, hands cannot agree: `less shift` is the
same after the median miss of the person's shoulders, elbows and wrists in that view over the whole recording, which no
joint of a hand is part of, is taken away; `body px` is the length of that, in the median of people. The least error is
that of points fitted to the very same detections, joint by joint and frame by frame, so that the sum of their errors is
as small as can be, with nothing known of bones or of time: what is given out cannot be nearer to what the views say.
`a view and the others` is how far a view's joints are from points fitted to two or more other views. Bones' spread is
the median absolute deviation over the median, in percent, of lengths between joints that two views measure; fingers are
fitted with lengths that hardly change, so theirs is small by construction.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64
from rich.table import Table

from benchmarks.wide import wide_console
from multiview.body.hands import hand_indices
from multiview.body.skeleton import Skeleton, load_skeleton, skeleton_names
from multiview.cameras.camera import Camera, Rig
from multiview.cameras.rig_file import load_rig
from multiview.data import Keypoints2D
from multiview.keypoints.hands import hand_extent
from multiview.recordings.keypoint_folder import open_keypoint_folders
from multiview.recordings.pose_table import Poses, read_poses

__all__ = ["add_arguments", "run"]

_ARM = ("shoulder", "elbow", "wrist")
_MIN_EXTENT_PX, _SEEN = 14.0, 0.5
_ROUNDS, _NEAR, _MOST_STEP_M = 30, 1e-3, 0.1  # of a fit; a distance below which all are alike, of the extent


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("out", type=Path, help="what `process --save-keypoints` wrote")


def run(args: argparse.Namespace) -> int:
    poses, rig = read_poses(args.out / "poses.parquet"), load_rig(args.out / "rig.toml")
    skeleton = next(s for name in skeleton_names() if (s := load_skeleton(name)).joints == poses.joints)
    folders = open_keypoint_folders(args.out / "keypoints", rig, skeleton)
    table = Table("camera", "asked", "found %", "error %", "p90", "less shift %", "p90", "body px", "hand root px")
    every, seen = [], []
    for c, camera in enumerate(rig.cameras):
        asked, errors, body, there = _view(camera, poses, skeleton, [folders.read(c, int(f)) for f in poses.frame])
        seen.append(there)
        table.add_row(camera.name, str(len(asked)), f"{100 * np.mean(asked):.0f}", *_figures(errors, body))
        every.append((asked, errors, body))
    asked = np.concatenate([one[0] for one in every])
    errors, body = (np.concatenate([one[i] for one in every]) for i in (1, 2))
    table.add_row("all", str(len(asked)), f"{100 * asked.mean():.0f}", *_figures(errors, body))
    wide_console().print(table)
    _print_least(rig, np.stack(seen), poses.xyz[:, _both_hands(skeleton)])
    for name, spread in _spreads(poses, skeleton).items():
        print(f"spread of {name}: {100 * spread:.1f} %")
    return 0


def _figures(errors: np.ndarray, body: np.ndarray) -> list[str]:
    """`errors` (N, 21, 5): misses x, y and, less the body's, x, y, in px; and the extent."""
    if not len(errors):
        return ["-"] * 6
    extent = errors[..., 4]
    found = []
    for i in (0, 2):
        share = 100 * np.hypot(errors[..., i], errors[..., i + 1]) / extent
        found += [f"{np.nanmedian(share):.1f}", f"{np.nanpercentile(share, 90):.1f}"]
    root = np.hypot(errors[:, 0, 0], errors[:, 0, 1])
    return [*found, f"{np.median(body):.1f}", f"{np.nanmedian(root):.1f}"]


def _view(
    camera: Camera, poses: Poses, skeleton: Skeleton, seen: list[Keypoints2D | None]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, Float64[np.ndarray, "N 2 21 2"]]:
    """Of the hands asked for, which are found; the errors of those that are, as in `_figures`; bodies' misses, px; and
    where they are in the picture.
    """
    body = np.array([skeleton.index(f"{side}_{joint}") for side in ("left", "right") for joint in _ARM])
    projected = camera.project(poses.xyz)
    people = [_of(projected[n, body], keypoints, body) for n, keypoints in enumerate(seen)]
    misses = np.full((len(poses), len(body), 2), np.nan)
    for n, (keypoints, person) in enumerate(zip(seen, people, strict=True)):
        if keypoints is not None and person is not None:
            misses[n] = keypoints.xy[person, body] - projected[n, body]
    shift = {p: np.full(2, np.nan) for p in poses.people}
    for p in poses.people:
        own = misses[poses.person == p]
        own = own[np.isfinite(own).all(axis=-1)]
        if len(own):
            shift[p] = np.median(own, axis=0)
    asked, errors, found = [], [], np.full((len(poses), 2, 21, 2), np.nan)
    hands = _both_hands(skeleton)
    for n, (keypoints, person) in enumerate(zip(seen, people, strict=True)):
        if keypoints is None or person is None:
            continue
        for s, side in enumerate(("left", "right")):
            hand, wrist = hands[s], skeleton.index(f"{side}_wrist")
            if not _askable(projected[n, hand], camera.size) or not keypoints.score[person, wrist] > _SEEN:
                continue
            there = keypoints.xy[person, hand]
            asked.append(np.isfinite(there).all())
            if asked[-1]:
                found[n, s] = there
                off = there - projected[n, hand]
                extent = np.full((21, 1), hand_extent(there))
                errors.append(np.concatenate([off, off - shift[poses.person[n]], extent], axis=1))
    lengths = np.hypot(*np.array(list(shift.values())).T)
    return np.array(asked), np.array(errors).reshape(-1, 21, 5), lengths[np.isfinite(lengths)], found


def _both_hands(skeleton: Skeleton) -> Int64[np.ndarray, "2 21"]:
    hands = [hand_indices(skeleton, side) for side in ("left", "right")]
    return np.array([hand for hand in hands if hand is not None])


def _print_least(rig: Rig, seen: Float64[np.ndarray, "C N 2 21 2"], fused: Float64[np.ndarray, "N 2 21 3"]) -> None:
    """What fused points of hands that two views see could reach at best, and what they do."""
    views = np.isfinite(seen[..., 0, 0]).sum(axis=0)
    extent = np.array([[[hand_extent(hand) for hand in pair] for pair in view] for view in seen])
    extent[:, views < 2] = np.nan
    rows: dict[str, tuple[np.ndarray, np.ndarray]] = {"fused": (fused, extent)}
    rows["least error"] = _fitted(rig, seen, extent, fused), extent
    cells = [f"{name} {_share(rig, seen, points, scale)}" for name, (points, scale) in rows.items()]
    print(f"hands in two views or more, % of their extent, median and p90: {', '.join(cells)}")
    others = []
    for c, camera in enumerate(rig.cameras):
        scale = np.where(np.isfinite(extent[c]) & (views > 2), extent[c], np.nan)
        rest = extent.copy()
        rest[c] = np.nan
        off = np.linalg.norm(seen[c] - camera.project(_fitted(rig, seen, rest, fused)), axis=-1) / scale[..., None]
        others.append(off[np.isfinite(off)])
    apart = np.concatenate(others)
    if len(apart):
        print(f"a view and the others: {100 * np.median(apart):.1f} and {100 * np.percentile(apart, 90):.1f} %")


def _share(rig: Rig, seen: np.ndarray, points: Float64[np.ndarray, "N 2 21 3"], extent: np.ndarray) -> str:
    off = np.stack(
        [np.linalg.norm(there - c.project(points), axis=-1) for c, there in zip(rig.cameras, seen, strict=True)]
    )
    off = 100 * off / extent[..., None]
    return f"{np.nanmedian(off):.1f} and {np.nanpercentile(off, 90):.1f}"


def _fitted(
    rig: Rig, seen: Float64[np.ndarray, "C N 2 21 2"], extent: Float64[np.ndarray, "C N 2"], points: np.ndarray
) -> Float64[np.ndarray, "N 2 21 3"]:
    """Points whose distances from what is seen, over the hands' extents, have the smallest sum (Weiszfeld 1937)."""
    points = points.copy()
    for _ in range(_ROUNDS):
        H, g = np.zeros((*points.shape, 3)), np.zeros_like(points)
        for camera, there, scale in zip(rig.cameras, seen, extent, strict=True):
            xy, J = camera.project_with_jacobian(points)
            off, J = (there - xy) / scale[..., None, None], J / scale[..., None, None, None]
            use = np.isfinite(off).all(axis=-1)
            w = 1.0 / np.maximum(np.linalg.norm(off[use], axis=-1), _NEAR)
            H[use] += np.einsum("n,nai,naj->nij", w, J[use], J[use])
            g[use] += np.einsum("n,nai,na->ni", w, J[use], off[use])
        known = np.linalg.eigvalsh(np.nan_to_num(H))[..., 0] > 1e-6
        step = np.linalg.solve(H[known], g[known][..., None])[..., 0]
        points[known] += step * np.minimum(1.0, _MOST_STEP_M / np.maximum(np.linalg.norm(step, axis=-1), 1e-9))[:, None]
    return points


def _of(arms: Float64[np.ndarray, "K 2"], keypoints: Keypoints2D | None, body: np.ndarray) -> int | None:
    """Who in the picture is the fused person whose arms are expected here; None where nobody is near."""
    if keypoints is None or not keypoints.people:
        return None
    with np.errstate(all="ignore"):
        far = np.nanmedian(np.linalg.norm(keypoints.xy[:, body] - arms, axis=-1), axis=1)
    best = int(np.nanargmin(far)) if np.isfinite(far).any() else -1
    size = np.ptp(arms, axis=0).max()
    return best if best >= 0 and far[best] < 0.3 * size else None


def _askable(hand: Float64[np.ndarray, "21 2"], size: tuple[int, int]) -> bool:
    """Whether a hand is large enough and inside the picture."""
    inside = (hand > 0).all() and (hand < np.array(size)).all()
    return bool(np.isfinite(hand).all() and inside and hand_extent(hand) >= _MIN_EXTENT_PX)


def _spreads(poses: Poses, skeleton: Skeleton) -> dict[str, float]:
    """Of palms and of fingers, the median over bones and people."""
    found: dict[str, list[float]] = {"palms": [], "fingers": []}
    for side in ("left", "right"):
        hand = hand_indices(skeleton, side)
        assert hand is not None
        for kind, pairs in (
            ("palms", [(0, 5), (0, 9), (0, 13), (0, 17), (5, 17)]),
            ("fingers", [(k, k + 1) for k in range(1, 20) if k % 4]),
        ):
            for person in poses.people:
                rows = poses.person == person
                for a, b in pairs:
                    measured = rows & (poses.views[:, hand[[a, b]]] >= 2).all(axis=1)
                    length = np.linalg.norm(poses.xyz[measured][:, hand[a]] - poses.xyz[measured][:, hand[b]], axis=1)
                    if len(length) > 10:
                        found[kind].append(float(np.median(np.abs(length - np.median(length))) / np.median(length)))
    return {kind: float(np.median(values)) if values else float("nan") for kind, values in found.items()}
