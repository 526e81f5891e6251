"""A rig from people who walk, against exact truth and against the Cramer-Rao bound of the same studio.

python benchmarks/calibration_people.py [--people 1] [--seconds 30] [--seeds 3] [--correlation 0.85] [--lens-error 0.15]
    [--focal-only] [--bias 0.02]
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import numpy as np

from benchmarks.lens_bound import by_lens, least_rays_px, prior_sigma, ray_errors_px, used_pixels
from calib.people.calibrate import Options, calibrate
from calib.people.lens_freedom import LEVELS, LensGuess
from calib.people.solved_rig import PeopleCalibration
from calib.people.uncertainty import aligned_covariance
from multiview.cameras.camera import Camera, Rig
from multiview.data import Keypoints2D
from multiview.geometry.rigid import nearest_rotation, rotation_angle
from multiview.recordings.recorded_keypoints import Recording
from multiview.synthetic import Studio, StudioOptions, make_studio

MAX_OFFSET_S = 1.0
LENS_UNKNOWNS = (0, 1, 4, 6)  # of each level of `lens_freedom`
SIDES = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")  # which way a person faces


def recorded(options: StudioOptions, seconds: float, bias_m: float = 0.0) -> tuple[Studio, list[Recording], np.ndarray]:
    """Cameras that were started up to a second apart, each with stamps from zero; and their true time offsets."""
    studio = make_studio(options)
    offsets = np.random.default_rng(options.seed + 100).uniform(-MAX_OFFSET_S, MAX_OFFSET_S, len(studio.rig))
    frames = np.arange(int(seconds * options.fps))
    recordings = []
    for c, name in enumerate(studio.rig.names):
        times = MAX_OFFSET_S + offsets[c] + frames / options.fps
        keypoints = studio.keypoints_at(c, times)
        if bias_m:
            keypoints = biased(studio, c, times, keypoints, bias_m)
        stamps = np.rint(frames * 1e9 / options.fps).astype(int).tolist()
        recordings.append(Recording(name, options.fps, frames.tolist(), stamps, keypoints))
    return studio, recordings, offsets - offsets[0]


def biased(
    studio: Studio, camera: int, times: np.ndarray, keypoints: list[Keypoints2D], bias_m: float
) -> list[Keypoints2D]:
    """What a detector finds that puts each joint to a wrong place, the same whenever it sees a person from the same
    side: a smooth function of the angle of view, `bias_m` in deviation across and along the picture, of four waves
    that fall with the square of their number; the calibration knows of three."""
    names, lens = list(studio.skeleton.joints), studio.rig.cameras[camera]
    size = 1 / np.arange(1, 5) ** 2
    size *= bias_m / np.linalg.norm(size)
    wave = size[:, None, None, None] * np.random.default_rng(studio.options.seed + 200).normal(
        size=(4, 2, len(names), 2)
    )
    xyz = studio.true_at(times)
    ls, rs, lh, rh = (xyz[:, :, names.index(name)] for name in SIDES)
    forward = np.cross((ls - rs) + (lh - rh), (ls + rs) - (lh + rh)) @ lens.R.T
    angle = np.arctan2(forward[..., 0], forward[..., 2])
    phases = np.stack([np.stack([np.cos(n * angle), np.sin(n * angle)], axis=-1) for n in (1, 2, 3, 4)], axis=-2)
    shift = np.einsum("tpnk,nkjx->tpjx", phases, wave) * (lens.K[0, 0] / (xyz @ lens.R.T + lens.t)[..., 2:])
    projected, found = np.nan_to_num(lens.project(xyz), nan=np.inf), []
    for seen, there, move in zip(keypoints, projected, np.nan_to_num(shift), strict=True):
        # The detection's person is the one at whom most of its joints are.
        far = np.nanmedian(np.linalg.norm(seen.xy[:, None] - there, axis=-1), axis=-1)
        found.append(Keypoints2D(seen.xy + move[np.argmin(far, axis=1)], seen.score))
    return found


def errors(found: Rig, truth: Rig) -> tuple[np.ndarray, np.ndarray, float]:
    """Degrees and millimetres of every camera after the best similarity, and by what factor the rig is too large."""
    a, b = (np.stack([camera.centre for camera in rig.cameras]) for rig in (truth, found))
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    R = nearest_rotation(a.T @ b)  # true_from_found
    scale = float((a * (b @ R.T)).sum() / (b**2).sum())
    pairs = zip(found.cameras, truth.cameras, strict=True)
    turns = np.degrees([float(rotation_angle(f.R @ R.T @ t.R.T)) for f, t in pairs])
    return turns, 1000 * np.linalg.norm(scale * b @ R.T - a, axis=1), 1 / scale


def turn_between_deg(found: Rig, truth: Rig) -> float:
    """Of two cameras: by how much the turn from one to the other is wrong. Their places always fit."""
    (a, b), (c, d) = found.cameras, truth.cameras
    return float(np.degrees(rotation_angle(b.R @ a.R.T @ (d.R @ c.R.T).T)))


def deviations(found: PeopleCalibration, truth: Rig) -> float:
    """The worst error over its stated deviation."""
    stated = np.array([[fit.turn_sigma_deg, fit.place_sigma_mm] for fit in found.cameras])
    if len(truth) == 2:  # which err oppositely
        return turn_between_deg(found.rig, truth) / float(stated[:, 0].sum())
    turns, places, _ = errors(found.rig, truth)
    return float(np.max(np.stack([turns, places], axis=1) / np.maximum(stated, 1e-12)))


def times_bound(found: Rig, studio: Studio, seconds: float) -> float:
    """Turn errors as a multiple of the bound."""
    least = bound(studio, seconds)[0]
    if len(found) == 2:
        return turn_between_deg(found, studio.rig) / (2 * least)
    return float(np.sqrt((errors(found, studio.rig)[0] ** 2).mean()) / least)


def bound(studio: Studio, seconds: float, level: int = 0, correlation: float = 0.0) -> tuple[float, float, float]:
    """Least errors of any unbiased estimator to which every joint of every frame is a free point, and every time offset
    unknown: root mean square over the cameras of turn (deg) and place (mm), and of focal length (%) where lenses are
    unknown as a level of `lens_freedom` says, with its prior.

    Of correlated noise only what is new in a frame counts: the difference to `correlation` times the frame before,
    whose deviation is smaller by sqrt(1 - correlation^2), where there is one. A joint's derivatives by its place are
    taken not to change from frame to frame, so that these differences have free points of their own.
    """
    cameras, fps = studio.rig.cameras, studio.fps
    first, count = int(MAX_OFFSET_S * fps), int(seconds * fps)
    times = (first + np.arange(count)) / fps
    xyz, velocity = studio.true_at(times), (studio.true_at(times + 1e-3) - studio.true_at(times - 1e-3)) / 2e-3
    by_camera, by_point, used = [], [], []
    fresh = np.sqrt(1 - correlation**2)
    for c, camera in enumerate(cameras):
        seen, part = studio.observations(c), slice(first, first + count)
        people = xyz.shape[1]
        use = (seen.joint_actor[part, :people] == np.arange(people)[:, None]) & ~seen.outlier[part, :people]
        use &= (seen.found[part, :people] & ~seen.swapped[part, :people])[..., None]
        use &= np.isfinite(seen.xy[part, :people, :, 0]) & np.isfinite(xyz[..., 0])
        if correlation:
            use = use & np.concatenate([use[:1] & False, use[:-1]])
        weight = np.where(use, 1 / seen.sigma[part, :people], 0.0)[..., None, None]
        projected, P = (np.nan_to_num(value) for value in camera.project_with_jacobian(xyz))
        P *= weight
        by_x = P @ camera.R.T
        new = np.nan_to_num(np.concatenate([xyz[:1], xyz[1:] - correlation * xyz[:-1]])) / fresh
        speed = np.nan_to_num(np.concatenate([velocity[:1], velocity[1:] - correlation * velocity[:-1]])) / fresh
        turn = np.cross((new @ camera.R.T)[..., None, :], by_x)
        shift = by_x * (1 - correlation) / fresh
        lens = by_lens(camera, xyz, projected)[..., : LENS_UNKNOWNS[level]] * weight
        by_camera.append(np.concatenate([turn, shift, P @ speed[..., None], lens], axis=-1))
        by_point.append(P)
        used.append(use)
    enough = np.sum(used, axis=0) >= 2
    J, P = np.stack([j[enough] for j in by_camera]), np.stack([p[enough] for p in by_point])
    C, u = len(cameras), 7 + LENS_UNKNOWNS[level]
    H = np.zeros((C, u, C, u))
    H[np.arange(C), :, np.arange(C)] = np.einsum("cmri,cmrj->cij", J, J)
    for c, camera in enumerate(cameras):
        H[c, range(7, u), c, range(7, u)] += 1 / prior_sigma(camera)[: u - 7] ** 2
    cross = np.einsum("cmri,cmrj->mcij", J, P).reshape(-1, C * u, 3)
    inverse = np.linalg.inv(np.einsum("cmri,cmrj->mij", P, P))
    flat = H.reshape(C * u, C * u) - np.einsum("mai,mbi->ab", cross @ inverse, cross, optimize=True)
    size = 1 / np.sqrt(np.diag(flat))
    values, vectors = np.linalg.eigh(flat * np.outer(size, size))
    vectors = vectors[:, 8:] * size[:, None]  # a similarity and a common time are free
    covariance = ((vectors / values[8:]) @ vectors.T).reshape(C, u, C, u)
    R, t = np.stack([camera.R for camera in cameras]), np.stack([camera.t for camera in cameras])
    variance = np.einsum("aiai->ai", aligned_covariance(R, t, covariance[:, :6, :, :6]))
    turn, place = np.sqrt(variance[:, :3].sum(axis=1).mean()), np.sqrt(variance[:, 3:].sum(axis=1).mean())
    focal = np.sqrt(np.einsum("aiai->ai", covariance)[:, 7].mean()) if level else 0.0
    return float(np.degrees(turn)), float(1000 * place), float(100 * focal)


def guessed(camera: Camera, error: float, focal_only: bool, rng: np.random.Generator) -> Camera:
    """The lens as one would guess it: focal length wrong, and else as it is, or principal point in the middle and no
    distortion."""
    focal = camera.K[0, 0] * (1 + rng.uniform(-error, error))
    if focal_only:
        return replace(camera, K=np.diag([focal, focal, 1.0]) + np.triu(camera.K, 1))
    middle = (np.array(camera.size) - 1) / 2
    K = np.array([[focal, 0.0, middle[0]], [0.0, focal, middle[1]], [0.0, 0.0, 1.0]])
    return replace(camera, K=K, dist=np.zeros(5))


def told(
    found: PeopleCalibration, studio: Studio, offsets: np.ndarray, seconds: float, correlation: float
) -> np.ndarray:
    """Print one calibration; its turn and place errors as multiples of the bound, and the mean squares of its
    normalised errors."""
    turns, places, scale = errors(found.rig, studio.rig)
    sigma = np.array([[fit.turn_sigma_deg, fit.place_sigma_mm] for fit in found.cameras])
    level = LEVELS.index(found.cameras[0].lens) if found.cameras[0].lens in LEVELS else 0
    least = bound(studio, seconds, level, correlation)
    ratio = np.sqrt((turns**2).mean()) / least[0], np.sqrt((places**2).mean()) / least[1]
    square = ((turns / sigma[:, 0]) ** 2).mean(), ((places / sigma[:, 1]) ** 2).mean()
    late_ms = 1000 * np.abs(np.array([fit.offset_s for fit in found.cameras]) - offsets)[1:].mean()
    print(
        f"turn {turns.mean():.3f} deg, place {places.mean():.2f} mm, offset {late_ms:.2f} ms; x bound {ratio[0]:.2f} "
        f"{ratio[1]:.2f}; normalised squares {square[0]:.2f} {square[1]:.2f}; scale {100 * (scale - 1):+.1f} % within "
        f"{100 * found.scale.sigma:.1f} %; correlation {found.correlation:.1f}; {level_words(found, studio.rig, scale)}"
    )
    return np.array([*ratio, *square, late_ms])


def level_words(found: PeopleCalibration, truth: Rig, scale: float) -> str:
    """Errors of up, and of the floor as the cameras' heights over it tell; `scale` is by how much it is too large."""
    if found.ground is None:
        return "up unknown"
    pairs = list(zip(found.rig.cameras, truth.cameras, strict=True))
    up = max(np.degrees(np.arccos(np.clip(f.R[:, 2] @ t.R[:, 2], -1, 1))) for f, t in pairs)
    floor = 1000 * np.mean([f.centre[2] / scale - t.centre[2] for f, t in pairs])
    return f"up {up:.2f} deg, floor {-floor:+.0f} mm"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cameras", type=int, default=5)
    parser.add_argument("--people", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--correlation", type=float, default=0.0)
    parser.add_argument("--lens-error", type=float, default=0.0, help="of guessed focal lengths, as a share")
    parser.add_argument("--focal-only", action="store_true", help="principal point and distortion as they are")
    parser.add_argument("--bias", type=float, default=0.0, help="m, of the detector, by joint and side it sees")
    parser.add_argument("--first-seed", type=int, default=1)
    args = parser.parse_args()
    rows = []
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        options = StudioOptions(
            cameras=args.cameras,
            people=args.people,
            seconds=args.seconds + 2.5,
            seed=seed,
            correlation=args.correlation,
        )
        studio, recordings, offsets = recorded(options, args.seconds, args.bias)
        cameras, priors = list(studio.rig.cameras), {}
        if args.lens_error:
            rng = np.random.default_rng(seed)
            cameras = [guessed(camera, args.lens_error, args.focal_only, rng) for camera in cameras]
            priors = {camera.name: LensGuess() for camera in cameras}
        start = time.process_time()
        options_said = Options(max_offset_s=MAX_OFFSET_S, lens_priors=priors)
        found = calibrate(cameras, recordings, studio.skeleton, options_said)
        print(f"seed {seed}, {time.process_time() - start:.0f} s of one core: ", end="")
        rows.append(told(found, studio, offsets, args.seconds, args.correlation))
        if args.lens_error:
            pairs = list(zip(found.rig.cameras, studio.rig.cameras, strict=True))
            rays = [np.median(ray_errors_px(f, t, used_pixels(t, studio))) for f, t in pairs]
            off = [f"{100 * (f.K[0, 0] / t.K[0, 0] - 1):+.2f}" for f, t in pairs]
            least = bound(studio, args.seconds, LEVELS.index(found.cameras[0].lens))
            print(
                f"  focal lengths off by {' '.join(off)} %, the bound {least[2]:.2f} %, {least[1]:.1f} mm; "
                f"median rays off by {' '.join(f'{ray:.2f}' for ray in rays)} px; "
                f"{found.cameras[0].lens}"
            )
            if found.cameras[0].lens == LEVELS[-1]:
                of_rays, worst = least_rays_px(studio, MAX_OFFSET_S, args.seconds)
                each = " ".join(f"{ray:.2f}" for ray in of_rays)
                print(f"  the bound of these: {each} px, {worst:.2f} in the worst camera")
    mean = np.mean(rows, axis=0)
    print(
        f"mean: x bound {mean[0]:.2f} {mean[1]:.2f}; normalised squares {mean[2]:.2f} {mean[3]:.2f}; {mean[4]:.2f} ms"
    )


if __name__ == "__main__":
    main()
