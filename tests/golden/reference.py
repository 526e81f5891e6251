"""The golden reference: what fusion and calibration made of stored inputs, and how far they are from it now.

`*_input.npz` holds what they are given, `*_poses.npz` and `board_rig.npz` what came out. Everything of the
project that the reference needs is imported in the three functions `fused`, `solved` and `_rig_of`. Covariances and
scores are stored in single precision: differences below 6e-8 of them are its rounding, as are 6e-11 m of coordinates.

Letters in shapes: N published people over all ticks, J joints, C cameras, D detections, T ticks.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from multiview.cameras.camera import Rig

FOLDER = Path(__file__).parent
STUDIOS = {"covariance": ("causal",), "fisheye": ("causal", "smooth")}  # results that are kept, by studio
KEPT_TICKS = {"causal": 1, "smooth": 3}  # every tick; every third, as what is smoothed carries over

ATOL = 1e-9  # m, m^2, s; K relative to the focal length
RMS_ATOL = 1e-6  # px; the solver stops within some 1e-9 of it
XYZ_UNIT = 2.0**-33  # m, about 1e-10
XY_UNIT, CORNER_UNIT = 1 / 8, 1 / 16  # px, of joints and of corners
SD_UNIT, RHO_UNIT, SCORE_UNIT = 1 / 8, 1 / 8, 1 / 255
FLOAT32 = 2.0**-23  # relative rounding of what is stored in single precision
MISSING = np.iinfo(np.int64).min
FPS, BOARD_FPS = 25.0, 12.5
SKELETON = "coco17"

Arrays = dict[str, np.ndarray]


class Poses(NamedTuple):
    """Everyone published, by tick and number; `cov` as xx, xy, xz, yy, yz, zz."""

    tick: np.ndarray  # N
    person: np.ndarray  # N
    xyz: np.ndarray  # N J 3, m
    cov: np.ndarray  # N J 6, m^2
    score: np.ndarray  # N J
    views: np.ndarray  # N J
    filled: np.ndarray  # N J


class SolvedRig(NamedTuple):
    """A calibration; `dist` is padded with NaN."""

    K: np.ndarray  # C 3 3, px
    dist: np.ndarray  # C n
    R: np.ndarray  # C 3 3
    t: np.ndarray  # C 3, m
    time_offset_s: np.ndarray  # C
    rms_px: np.ndarray  # a single number
    cameras: np.ndarray  # C
    inlier: np.ndarray  # corners


class Difference(NamedTuple):
    """The largest difference of one array, where it is, and whether it is within the tolerance."""

    name: str
    size: float
    where: str
    within: bool


def fused(given: Arrays, result: str) -> Poses:
    """The poses that `multiview fuse` makes of a stored studio, with `--smooth` where the result is "smooth"."""
    from multiview.body.skeleton import load_skeleton
    from multiview.commands.fuse_run import fuse_views
    from multiview.data import Keypoints2D, Views
    from multiview.fusion.pipeline import PipelineOptions

    xy = np.where(given["score"][..., None] > 0, given["xy"] * XY_UNIT, np.nan)
    score, cov = given["score"] * SCORE_UNIT, _covariances(given)
    counts = given["counts"].astype(np.int64)
    rows = np.concatenate([[0], np.cumsum(np.maximum(counts, 0))])
    found = [
        None if count < 0 else Keypoints2D(xy[a:b], score[a:b], None if cov is None else cov[a:b])
        for count, (a, b) in zip(counts.ravel(), pairwise(rows), strict=True)
    ]
    ticks, cameras = counts.shape
    views = [
        Views(tick, round(tick * 1e9 / FPS), tuple(found[tick * cameras : (tick + 1) * cameras]))
        for tick in range(ticks)
    ]
    smooth = result == "smooth"
    tracks, _ = fuse_views(_rig_of(given), load_skeleton(SKELETON), views, ticks, FPS, PipelineOptions(), smooth=smooth)
    kept = tracks[:: KEPT_TICKS[result]]
    people = [(tick.tick, track.person, track.pose) for tick in kept for track in tick.tracks]
    half = np.triu_indices(3)
    return Poses(
        tick=np.array([tick for tick, _, _ in people]),
        person=np.array([person for _, person, _ in people]),
        xyz=np.stack([pose.xyz for _, _, pose in people]),
        cov=np.stack([pose.cov[:, half[0], half[1]] for _, _, pose in people]),
        score=np.stack([pose.score for _, _, pose in people]),
        views=np.stack([pose.views for _, _, pose in people]),
        filled=np.stack([pose.filled for _, _, pose in people]),
    )


def solved(given: Arrays) -> SolvedRig:
    """The rig that `calib solve` makes of stored corners, in the world of its first camera.

    The solver stops where the cost changes by less than 1e-8 of itself, which leaves the lenses open to some 1e-6 of
    the focal length, by the rounding of the CPU. Gauss-Newton steps therefore follow its last problem to the very
    minimum; `rms_px` is that of the rig where the solver stopped.
    """
    from dataclasses import replace

    from calib.board.board import Board
    from calib.corners.corners import Corners
    from calib.report.outcome import rig_of
    from calib.solve.solve import solve

    columns, rows, square_m, marker_m = given["board"].tolist()
    board = Board((int(columns), int(rows)), square_m, marker_m, "DICT_4X4_100")
    names = tuple(f"cam{c + 1:02d}" for c in range(len(given["size"])))
    sizes = tuple((int(width), int(height)) for width, height in given["size"])
    camera, frame, corner = (given[key].astype(np.int64) for key in ("camera", "frame", "corner"))
    corners = Corners(names, sizes, camera, frame, frame / BOARD_FPS, corner, given["xy"] * CORNER_UNIT)
    found = solve(corners, board)
    minimum = found.state
    for _ in range(8):
        minimum = found.bundle.moved(minimum, *found.bundle.linearised(minimum).solve(1e-12))
    rig = rig_of(replace(found, state=minimum), names, sizes).cameras
    longest = max(len(one.dist) for one in rig)
    return SolvedRig(
        K=np.stack([one.K for one in rig]),
        dist=np.stack([np.pad(one.dist, (0, longest - len(one.dist)), constant_values=np.nan) for one in rig]),
        R=np.stack([one.R for one in rig]),
        t=np.stack([one.t for one in rig]),
        time_offset_s=np.array([one.time_offset_s for one in rig]),
        rms_px=np.array([found.rms_px]),
        cameras=np.array(found.cameras),
        inlier=found.inlier,
    )


def _rig_of(given: Arrays) -> Rig:
    from multiview.cameras.camera import Camera, Rig

    cameras = []
    for c, (width, height) in enumerate(given["size"].tolist()):
        dist = given["dist"][c]
        model: Literal["pinhole", "fisheye"] = "fisheye" if given["fisheye"][c] else "pinhole"
        K, R, t = given["K"][c], given["R"][c], given["t"][c]
        cameras.append(Camera(f"cam{c + 1:02d}", (width, height), K, dist[np.isfinite(dist)], R, t, model))
    return Rig(tuple(cameras))


def _covariances(given: Arrays) -> np.ndarray | None:
    """px^2 of each 2D joint, from stored standard deviations along x and y and their correlation."""
    if "sd" not in given:
        return None
    x, y = np.moveaxis(given["sd"] * SD_UNIT, -1, 0)
    xy = given["rho"] * RHO_UNIT * x * y
    cov = np.stack([x * x, xy, xy, y * y], axis=-1).reshape(*x.shape, 2, 2)
    return np.where(given["score"][..., None, None] > 0, cov, np.nan)


def pose_differences(found: Poses, stored: Poses) -> list[Difference]:
    """How far `found` is from `stored`, for those who are in both, and who is not."""
    keys = [list(zip(poses.tick.tolist(), poses.person.tolist(), strict=True)) for poses in (found, stored)]
    differ = sorted(set(keys[0]) ^ set(keys[1]))
    first = f"the first is person {differ[0][1]} in frame {differ[0][0]}" if differ else ""
    result = [Difference("people in only one of them", float(len(differ)), first, not differ)]
    places = {key: n for n, key in enumerate(keys[1])}
    rows = np.array([(n, places[key]) for n, key in enumerate(keys[0]) if key in places], dtype=np.int64).reshape(-1, 2)
    a, b = (Poses(*(array[own] for array in poses)) for poses, own in ((found, rows[:, 0]), (stored, rows[:, 1])))

    def place(index: tuple[int, ...]) -> str:
        return f"frame {b.tick[index[0]]}, person {b.person[index[0]]}, joint {index[1]}"

    for name, own in (("measured", ~b.filled), ("filled", b.filled)):
        gap = _gap(a.xyz, b.xyz).max(axis=-1, initial=0.0)
        result.append(_largest(f"xyz of {name} joints, m", np.where(own, gap, 0.0), ATOL, place))
    gap = _gap(a.cov, b.cov)
    allowed = ATOL + FLOAT32 * np.nan_to_num(np.abs(b.cov))
    result.append(_largest("covariance, m^2", gap, allowed, place))
    scale = np.nanmax(np.abs(b.cov[..., [0, 3, 5]]), axis=-1, initial=1e-12)[..., None]
    result.append(_largest("covariance, relative", gap / scale, np.inf, place))
    result.append(_largest("score", _gap(a.score, b.score), ATOL + FLOAT32, place))
    result.append(_largest("views", np.abs(a.views - b.views).astype(float), 0.0, place))
    result.append(_largest("filled", (a.filled != b.filled).astype(float), 0.0, place))
    return result


def rig_differences(found: SolvedRig, stored: SolvedRig) -> list[Difference]:
    """How far a rig is from the stored one; pixels are measured in focal lengths."""
    if len(found.cameras) != len(stored.cameras) or found.dist.shape != stored.dist.shape:
        return [Difference("cameras, lens models", np.inf, "their number is another", False)]

    def place(index: tuple[int, ...]) -> str:
        return f"camera {stored.cameras[index[0]]}"

    def corner(index: tuple[int, ...]) -> str:
        return f"corner in row {index[0]}"

    focal = stored.K[:, 0, 0]
    lens = ATOL * np.nanmax(np.abs(stored.dist), axis=1, keepdims=True).clip(min=1.0)
    return [
        _largest("cameras", _gap(found.cameras, stored.cameras), 0.0, place),
        _largest("K, focal lengths", _gap(found.K, stored.K) / focal[:, None, None], ATOL, place),
        _largest("dist", _gap(found.dist, stored.dist), lens, place),
        _largest("R", _gap(found.R, stored.R), ATOL, place),
        _largest("t, m", _gap(found.t, stored.t), ATOL, place),
        _largest("time offset, s", _gap(found.time_offset_s, stored.time_offset_s), ATOL, place),
        _largest("rms, px", _gap(found.rms_px, stored.rms_px), RMS_ATOL, lambda _: "the rig"),
        _largest("inlier", (found.inlier != stored.inlier).astype(float), 0.0, corner),
    ]


def _gap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Absolute differences; infinite where only one is NaN."""
    gap = np.abs(np.subtract(a, b, dtype=np.float64))
    return np.where(np.isnan(a) & np.isnan(b), 0.0, np.where(np.isnan(gap), np.inf, gap))


def _largest(
    name: str, gap: np.ndarray, allowed: np.ndarray | float, place: Callable[[tuple[int, ...]], str]
) -> Difference:
    if not gap.size:
        return Difference(name, 0.0, "", True)
    index = tuple(int(i) for i in np.unravel_index(np.argmax(gap), gap.shape))
    return Difference(name, float(gap[index]), place(index), bool((gap <= allowed).all()))


def write_poses(studio: str, results: dict[str, Poses]) -> None:
    """Store what came out of a studio."""
    arrays: Arrays = {}
    for name, poses in results.items():
        units = np.where(np.isnan(poses.xyz), MISSING, np.rint(np.nan_to_num(poses.xyz) / XYZ_UNIT).astype(np.int64))
        arrays |= {
            f"{name}.tick": poses.tick.astype(np.int16),
            f"{name}.person": poses.person.astype(np.int16),
            f"{name}.xyz": byte_planes(units),
            f"{name}.cov": byte_planes(poses.cov.astype(np.float32)),
            f"{name}.score": byte_planes(poses.score.astype(np.float32)),
            f"{name}.views": poses.views.astype(np.int8),
            f"{name}.filled": np.packbits(poses.filled, axis=1),
        }
    np.savez_compressed(FOLDER / f"{studio}_poses.npz", **arrays)


def read_poses(studio: str, name: str) -> Poses:
    """What came out of a studio when the reference was made."""
    arrays = read(f"{studio}_poses")
    views = arrays[f"{name}.views"].astype(np.int64)
    units = _from_planes(arrays[f"{name}.xyz"], np.int64).reshape(*views.shape, 3)
    return Poses(
        tick=arrays[f"{name}.tick"].astype(np.int64),
        person=arrays[f"{name}.person"].astype(np.int64),
        xyz=np.where(units == MISSING, np.nan, units * XYZ_UNIT),
        cov=_from_planes(arrays[f"{name}.cov"], np.float32).reshape(*views.shape, 6).astype(np.float64),
        score=_from_planes(arrays[f"{name}.score"], np.float32).reshape(views.shape).astype(np.float64),
        views=views,
        filled=np.unpackbits(arrays[f"{name}.filled"], axis=1, count=views.shape[1]).astype(bool),
    )


def read_rig() -> SolvedRig:
    """The rig as it came out when the reference was made."""
    return SolvedRig(**read("board_rig"))


def write_rig(rig: SolvedRig) -> None:
    """Store a calibration."""
    np.savez_compressed(FOLDER / "board_rig.npz", **rig._asdict())


def read(name: str) -> Arrays:
    """The arrays of one of the stored files."""
    with np.load(FOLDER / f"{name}.npz") as file:
        arrays = dict(file)
    if name.endswith("_input"):
        arrays["xy"] = _from_planes(arrays["xy"], np.int16).reshape(*arrays["shape"], 2)
    return arrays


def byte_planes(array: np.ndarray) -> np.ndarray:
    """All first bytes, then all second ones and so on, little-endian: the high bytes repeat and compress well."""
    plain = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return np.ascontiguousarray(plain.reshape(-1, 1).view(np.uint8).T)


def _from_planes(planes: np.ndarray, dtype: type[np.generic]) -> np.ndarray:
    return np.ascontiguousarray(planes.T).view(np.dtype(dtype).newbyteorder("<"))[:, 0].astype(dtype)
