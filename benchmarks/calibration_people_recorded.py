"""A rig from the people of a real recording alone: its reprojection error against the given rig's, and PCP3D of both.

    python -m benchmarks.calibration_people_recorded --folder ../shared/data/shelf_easy
    python -m benchmarks.calibration_people_recorded --folder ../shared/data/pose2sim_single --fps 60 \
        --rig calibration/Calib_qualisys.toml --keypoints pose_json_body25b --skeleton body25b.toml

The folder holds a rig, 2D keypoints and, for PCP, gt.npz. Lenses are the given rig's; the rig that is found is moved,
turned and scaled so that its cameras' places fit the given one, and the same people are fused with both.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.calibration_people import errors
from calib.commands.lens_file import read_lenses
from calib.people import calibrate as people
from calib.people.refine import Refined, refine
from calib.people.solved_rig import PeopleCalibration
from calib.report.people_outcome import judge_people
from multiview.__main__ import main as multiview
from multiview.body.skeleton import Skeleton, load_skeleton
from multiview.cameras.camera import Rig
from multiview.cameras.rig_file import save_rig
from multiview.evaluation import metrics
from multiview.geometry.least_squares import levenberg_marquardt
from multiview.geometry.rigid import nearest_rotation
from multiview.recordings.ground_truth import read_truth
from multiview.recordings.keypoint_folder import open_keypoint_folders
from multiview.recordings.pose_table import read_poses
from multiview.recordings.recorded_keypoints import folder_recordings

SHELF = Path(__file__).parents[2] / "shared" / "data" / "shelf_easy"


def calibrated(rig: Rig, keypoints: Path, skeleton: Skeleton, fps: float) -> tuple[PeopleCalibration, Refined]:
    """The rig from people, whose lenses are the given rig's, and the bundle behind it."""
    recordings = folder_recordings(open_keypoint_folders(keypoints, rig, skeleton), rig, fps)
    last: list[Refined] = []

    def kept(*args: object, **options: object) -> Refined | None:
        refined = refine(*args, **options)  # type: ignore[arg-type]
        if refined is not None:
            last.append(refined)
        return refined

    people.refine = kept
    found = people.calibrate(list(rig.cameras), recordings, skeleton, people.Options(max_offset_s=1.0, lens_priors={}))
    people.refine = refine
    return found, last[-1]


def median_px(refined: Refined, rig: Rig | None = None) -> float:
    """Of the same keypoints and time offsets, the curves fitted anew with a rig; None: with the one that was found."""
    bundle, state = refined.observed.bundle, refined.state
    if rig is not None:
        # From the given rig's metres to the bundle's unit, whose curves are bound to be smooth.
        R, t = np.stack([c.R for c in rig.cameras]), np.stack([c.t for c in rig.cameras])
        true, own = (-np.einsum("cki,ck->ci", *pair) for pair in ((R, t), (state.R, state.t)))
        a, b = true - true.mean(axis=0), own - own.mean(axis=0)
        turn, scale = nearest_rotation(b.T @ a), float(np.sqrt((b**2).sum() / (a**2).sum()))  # bundle_from_given
        centre = scale * a @ turn.T + own.mean(axis=0)
        R = R @ turn.T
        state = replace(state, R=R, t=-np.einsum("cij,cj->ci", R, centre))
    still = replace(bundle, free=np.zeros_like(bundle.free))
    state = levenberg_marquardt(still, state, max_steps=40, tolerance=1e-6).state
    return float(np.median(np.linalg.norm(bundle.residuals(state), axis=1)))


def aligned(found: Rig, given: Rig) -> Rig:
    """The found rig moved, turned and scaled to the given one's places."""
    a, b = (np.stack([camera.centre for camera in rig.cameras]) for rig in (given, found))
    x, y = a - a.mean(axis=0), b - b.mean(axis=0)
    R = nearest_rotation(x.T @ y)  # given_from_found
    scale = float((x * (y @ R.T)).sum() / (y**2).sum())
    centres = scale * y @ R.T + a.mean(axis=0)
    turned = [camera.R @ R.T for camera in found.cameras]
    cameras = (replace(c, R=r, t=-r @ p) for c, r, p in zip(found.cameras, turned, centres, strict=True))
    return Rig(tuple(cameras), given.world)


def pcp(folder: Path, rig: Rig, fps: float) -> float:
    """Mean PCP3D over the actors, of the people fused with a rig, %."""
    with tempfile.TemporaryDirectory() as temporary:
        save_rig(rig, Path(temporary) / "rig.toml")
        out = Path(temporary) / "out"
        inputs = ["--rig", f"{temporary}/rig.toml", "--keypoints", str(folder / "keypoints"), "--fps", f"{fps:g}"]
        multiview(["fuse", *inputs, "--out", str(out)])
        parts = metrics.pcp3d(metrics.compare(read_truth(folder / "gt.npz"), read_poses(out / "poses.parquet")))
        return 100 * float(np.mean(list(parts.values())))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=SHELF)
    parser.add_argument("--rig", default="rig.toml", help="in the folder, in a format that `calibrate convert` reads")
    parser.add_argument("--keypoints", default="keypoints", help="in the folder")
    parser.add_argument("--skeleton", default="body25")
    parser.add_argument("--fps", type=float, default=25.0)
    args = parser.parse_args()
    given, skeleton = read_lenses(args.folder / args.rig), load_skeleton(args.skeleton)
    found, refined = calibrated(given, args.folder / args.keypoints, skeleton, args.fps)
    turns, places, scale = errors(found.rig, given)
    print(
        f"{judge_people(found).verdict}; turn {turns.mean():.2f} deg, place {places.mean():.0f} mm from the given rig"
    )
    print(f"lengths {100 * (scale - 1):+.1f} %, said to be within {100 * found.scale.sigma:.1f} %")
    for fit, turn, place in zip(found.cameras, turns, places, strict=True):
        print(
            f"  {fit.name}: turned {turn:.2f} deg (+-{fit.turn_sigma_deg:.2f}), moved {place:.0f} mm "
            f"(+-{fit.place_sigma_mm:.0f})"
        )
    print(f"median reprojection: own {median_px(refined):.2f} px, given {median_px(refined, given):.2f} px")
    if not (args.folder / "gt.npz").is_file():
        return
    print(
        f"PCP3D: own {pcp(args.folder, aligned(found.rig, given), args.fps):.2f}, "
        f"given {pcp(args.folder, given, args.fps):.2f}"
    )


if __name__ == "__main__":
    main()
