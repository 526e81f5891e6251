"""Check of a rig: a new recording of the board is solved with the rig's intrinsics, and the two are compared.

Two cameras agree if the rig's relative pose predicts the recorded board within a pixel or two. The largest group of
cameras that all agree is taken as unmoved; the others are displaced.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import networkx as nx
import numpy as np

from calib.board.target import Target
from calib.corners.corners import Corners
from calib.solve.camera_fault import CameraFault
from calib.solve.faults import find_faults
from calib.solve.intrinsics import Intrinsics
from calib.solve.known_lenses import MOST_NOISE_PX, known_lens, within_reason
from calib.solve.solve import Calibration, solve
from calib.solve.uncertainty import relative_pose_covariance
from multiview.cameras.camera import Camera, Rig
from multiview.cameras.mixed_up import mixed_up, words
from multiview.errors import CalibrationError, ConfigError
from multiview.geometry.rigid import compose, invert, rotation_angle, transform

__all__ = ["CheckOutcome", "MovedCamera", "check_rig"]

_TOLERANCE_PX = 1.5
_MIN_Z_SCORE = 4.0
_MM_PER_DEG = 50.0  # by which a turn moves what is three metres away


@dataclass(frozen=True, slots=True)
class MovedCamera:
    """A displaced camera.

    Attributes:
        name: Of the camera.
        distance_mm: By how far its centre moved.
        angle_deg: By how much it rotated.
    """

    name: str
    distance_mm: float
    angle_deg: float


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """Result of the check of a rig.

    Attributes:
        right: Nothing is wrong.
        seen: Cameras that were compared; `faults` numbers them.
        unmoved: Cameras that agree with each other.
        moved: Cameras that do not agree with those, the one that moved most first.
        faults: Of cameras that did not stay as they were during the recording, the worst first.
        rms_px: Of the fresh recording.
        problems: In words.
        notes: In words.
    """

    right: bool
    seen: tuple[str, ...]
    unmoved: tuple[str, ...]
    moved: tuple[MovedCamera, ...]
    faults: tuple[CameraFault, ...]
    rms_px: float
    problems: tuple[str, ...]
    notes: tuple[str, ...]


def check_rig(rig: Rig, corners: Corners, board: Target) -> CheckOutcome:
    """Solve a fresh recording of the board with the rig's lenses, and compare the poses.

    Args:
        rig: To be checked.
        corners: Of the fresh recording.
        board: The board.

    Returns:
        Which cameras have moved and which have not.

    Raises:
        ConfigError: Fewer than two cameras are in both the rig and the recording.
        CalibrationError: No two cameras see the board at the same time.
    """
    return _check(rig, corners, board, renamed=False)


def _check(rig: Rig, corners: Corners, board: Target, renamed: bool) -> CheckOutcome:
    """The same; `renamed` once the cameras have each other's names."""
    common = [c for c, name in enumerate(corners.names) if name in rig.names]
    if len(common) < 2:
        raise ConfigError(
            f"the recording has cameras {', '.join(corners.names)}, the rig {', '.join(rig.names)}: "
            "at least two must be in both; give names with --cameras"
        )
    notes = [f"{name} is in the rig, but not in the recording" for name in rig.names if name not in corners.names]
    notes += [f"{name} is in the recording, but not in the rig" for name in corners.names if name not in rig.names]
    problems = []
    known: dict[int, Intrinsics] = {}
    for c in common:
        camera = rig.cameras[rig.index(corners.names[c])]
        if corners.sizes[c] != camera.size:
            recorded, calibrated = ("x".join(map(str, size)) for size in (corners.sizes[c], camera.size))
            problems.append(f"{camera.name} records {recorded}, but was calibrated at {calibrated}")
            continue
        own = known_lens(corners, c, board, camera)
        if not own.sigma < MOST_NOISE_PX:
            problems.append(
                f"{camera.name}'s intrinsics no longer fit ({own.sigma:.1f} px): calibrate again (changed focus or "
                "zoom?)"
            )
        known[c] = within_reason(own)
    if len(known) < 2:
        return CheckOutcome(False, (), (), (), (), float("nan"), tuple(problems), tuple(notes))
    fresh = solve(corners, board, known=known)
    if len(fresh.cameras) < 2:
        raise CalibrationError("no two cameras see the board at the same time; record it between them")
    notes += [f"{name} {why}" for name, why in fresh.left_out.items()]
    cameras = [rig.cameras[rig.index(corners.names[c])] for c in fresh.cameras]
    source = mixed_up([_posed(fresh, cameras, i) for i in range(len(cameras))], cameras)
    said = words([camera.name for camera in cameras], source)
    if said and not renamed:
        true = {cameras[source[c]].name: camera.name for c, camera in enumerate(cameras)}
        recorded_by = tuple(true.get(name, name) for name in corners.names)
        again = _check(rig, replace(corners, names=recorded_by), board, renamed=True)
        return replace(again, right=False, problems=(said, *again.problems))
    unmoved = _largest_consistent_group(fresh, cameras)
    moved = [_moved(fresh, cameras, unmoved[0], i) for i in range(len(cameras)) if i not in unmoved]
    moved.sort(key=lambda m: -(m.distance_mm + _MM_PER_DEG * m.angle_deg))
    faults = find_faults(fresh).faults
    if len(unmoved) == 1:
        names = ", ".join(camera.name for camera in cameras)
        problems.append(f"no two of {names} agree with the rig: calibrate again")
    problems += [f"{m.name} moved by {m.distance_mm:.1f} mm and rotated by {m.angle_deg:.2f} degrees" for m in moved]
    held = tuple(cameras[i].name for i in unmoved)
    right = not problems and not any(fault.decisive for fault in faults)
    return CheckOutcome(right, fresh.names, held, tuple(moved), faults, fresh.rms_px, tuple(problems), tuple(notes))


def _posed(fresh: Calibration, cameras: list[Camera], i: int) -> Camera:
    """Camera i as it stands in the fresh recording."""
    return replace(cameras[i], R=fresh.state.R[i], t=fresh.state.t[i])


def _largest_consistent_group(fresh: Calibration, cameras: list[Camera]) -> list[int]:
    """The largest group in which every pair agrees."""
    graph: nx.Graph = nx.Graph()
    graph.add_nodes_from(range(len(cameras)))
    for a in range(len(cameras)):
        for b in range(a + 1, len(cameras)):
            if _consistent(fresh, cameras, a, b):
                graph.add_edge(a, b)
    groups: list[list[int]] = [sorted(group) for group in nx.find_cliques(graph)]
    largest: list[int] = max(groups, key=lambda group: (len(group), -group[0]))
    return largest


def _consistent(fresh: Calibration, cameras: list[Camera], a: int, b: int) -> bool:
    """Whether the rig's pose between two cameras puts the boards where the recording has them, in the picture of b."""
    state, bundle = fresh.state, fresh.bundle
    (R, t), covariance = relative_pose_covariance(fresh, b, a)
    before = compose((cameras[b].R, cameras[b].t), invert((cameras[a].R, cameras[a].t)))
    shown = np.unique(bundle.knot[(bundle.weight > 0).any(axis=1)])
    in_a = transform(state.R[a], state.t[a], state.target_t[shown])
    now, then = transform(R, t, in_a), transform(*before, in_a)
    lens = state.lenses[b]
    ahead = (now[:, 2] > 0.1) & (then[:, 2] > 0.1)
    if not ahead.any():
        return False
    shift = float(np.median(np.linalg.norm(lens.project(now[ahead]) - lens.project(then[ahead]), axis=1)))
    depth = float(np.median(now[ahead, 2]))
    # What the recording itself leaves open, at the same place: the covariance, carried to the boards.
    arm = now[ahead].mean(axis=0) - t
    J = np.hstack([-np.array([[0, -arm[2], arm[1]], [arm[2], 0, -arm[0]], [-arm[1], arm[0], 0]]), np.eye(3)])
    sigma = lens.focal[0] / depth * float(np.sqrt(np.trace((J @ covariance @ J.T)[:2, :2])))
    return bool(shift <= max(_TOLERANCE_PX, _MIN_Z_SCORE * sigma))


def _moved(fresh: Calibration, cameras: list[Camera], anchor: int, i: int) -> MovedCamera:
    """Where camera i is now, in the rig's world, as seen from one that has not."""
    state = fresh.state
    anchor_now, anchor_then = (state.R[anchor], state.t[anchor]), (cameras[anchor].R, cameras[anchor].t)
    now = compose(compose((state.R[i], state.t[i]), invert(anchor_now)), anchor_then)
    centre = -now[0].T @ now[1]
    angle = float(rotation_angle(now[0] @ cameras[i].R.T))
    return MovedCamera(
        cameras[i].name, float(1000 * np.linalg.norm(centre - cameras[i].centre)), float(np.rad2deg(angle))
    )
