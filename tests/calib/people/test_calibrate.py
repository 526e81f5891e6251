"""A rig from people against exact truth; bounds are the deviations that the calibration itself states."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest

from calib.people.calibrate import Options, calibrate
from calib.people.camera_fit import CameraFit
from calib.people.checks import check_solved
from calib.people.known_rig import start_of
from multiview.__main__ import main
from multiview.cameras.camera import Rig
from multiview.cameras.rig_file import load_rig, save_rig
from multiview.errors import CalibrationError
from multiview.geometry.rigid import nearest_rotation, rotation_angle, vector_from_rotation
from multiview.recordings.keypoint_folder import write_keypoints
from multiview.recordings.recorded_keypoints import Recording
from multiview.synthetic import StudioOptions, make_studio

FPS, FRAMES = 30.0, 240
OFFSETS_S = np.array([0.0, 0.213, -0.144])


@pytest.fixture(scope="module")
def walk():
    """One person before three cameras that were started at different times: stamps begin at 0 in each."""
    studio = make_studio(StudioOptions(cameras=3, people=1, seconds=9.0, seed=4, only_walking=True))
    recordings = []
    for c, name in enumerate(studio.rig.names):
        frames = np.arange(FRAMES)
        keypoints = studio.keypoints_at(c, 0.4 + OFFSETS_S[c] + frames / FPS)
        recordings.append(Recording(name, FPS, frames.tolist(), (frames * 1e9 / FPS).astype(int).tolist(), keypoints))
    return studio, recordings


@pytest.fixture(scope="module")
def found(walk):
    studio, recordings = walk
    options = Options(max_offset_s=0.25, lens_priors={})
    return calibrate(list(studio.rig.cameras), recordings, studio.skeleton, options)


def errors(found, rig):
    """Turns (rad, in the cameras' axes) and places (m, in the found world) after the best similarity of the places."""
    truth = np.stack([camera.centre for camera in rig.cameras])
    centres = np.stack([camera.centre for camera in found.cameras])
    a, b = centres - centres.mean(axis=0), truth - truth.mean(axis=0)
    R = nearest_rotation(a.T @ b)  # found_from_true
    scale = (a * (b @ R.T)).sum() / (b**2).sum()
    turns = [vector_from_rotation(f.R @ R @ t.R.T) for f, t in zip(found.cameras, rig.cameras, strict=True)]
    return np.array(turns), a - scale * b @ R.T


@pytest.mark.slow
def test_rig_is_found_within_its_own_uncertainty(walk, found):
    turns, places = errors(found.rig, walk[0].rig)
    sigma = np.array([[fit.turn_sigma_deg, fit.place_sigma_mm] for fit in found.cameras])
    # Six numbers of each of three cameras, of which seven are aligned: the mean square is 1 with a deviation of 0.43.
    square = np.concatenate([(turns / np.radians(sigma[:, :1])) ** 2 * 3, (1000 * places / sigma[:, 1:]) ** 2 * 3])
    assert square.mean() < 1 + 4 * 0.43
    assert sigma[:, 0].max() < 0.5
    offset = np.array([fit.offset_s for fit in found.cameras]) - OFFSETS_S
    assert (np.abs(offset[1:]) < 4 * np.array([fit.offset_sigma_s for fit in found.cameras])[1:]).all()


@pytest.mark.slow
def test_scale_and_up_are_within_their_stated_deviations(walk, found):
    rig = walk[0].rig
    truth = np.stack([camera.centre for camera in rig.cameras])
    centres = np.stack([camera.centre for camera in found.rig.cameras])
    ratio = np.linalg.norm(centres[0] - centres[1]) / np.linalg.norm(truth[0] - truth[1])
    assert abs(np.log(ratio)) < 3 * found.scale.sigma
    assert found.ground is not None
    up = [camera.R[:, 2] for camera in rig.cameras], [camera.R[:, 2] for camera in found.rig.cameras]  # in the cameras
    angle = np.degrees(np.arccos(np.clip((np.array(up[0]) * np.array(up[1])).sum(axis=1), -1, 1)))
    assert angle.max() < 3 * found.ground.sigma_deg + 0.5


@pytest.mark.slow
def test_command_writes_rig_and_reports(walk, tmp_path, capsys):
    studio, recordings = walk
    for recording in recordings[:2]:
        for frame, keypoints in zip(recording.frames, recording.keypoints, strict=True):
            folder = tmp_path / "keypoints" / recording.camera
            folder.mkdir(parents=True, exist_ok=True)
            write_keypoints(keypoints, folder / f"{recording.camera}_{frame:06d}_keypoints.json")
    save_rig(studio.rig, tmp_path / "lenses.toml")
    out = tmp_path / "rig"
    arguments = ["--keypoints", str(tmp_path / "keypoints"), "--skeleton", "coco17", "--max-offset", "0.25"]
    arguments += ["--lenses", str(tmp_path / "lenses.toml"), "--distance", "cam01", "cam02", "3.5", "--out", str(out)]
    arguments += ["--pairs", str(tmp_path / "pairs.json")]
    assert main(["calibrate", "people", *arguments]) in (0, 1)
    assert json.loads((tmp_path / "pairs.json").read_text()) == [{"a": "cam01", "b": "cam02", "agree": True}]
    rig = load_rig(out / "rig.toml")
    assert np.linalg.norm(rig.cameras[0].centre - rig.cameras[1].centre) == pytest.approx(3.5, abs=1e-6)
    report = json.loads((out / "report.json").read_text())
    assert set(report["cameras"]) == {"cam01", "cam02"}
    assert report["verdict"].upper() in capsys.readouterr().out
    assert "<svg" in (out / "report.html").read_text()


@pytest.mark.slow
def test_known_rig_stays_and_the_new_camera_is_where_it_truly_is(walk):
    """Against the truth itself, with no alignment: the known cameras hold world and length."""
    studio, recordings = walk
    rig = studio.rig
    known = Rig(rig.cameras[1:], rig.world)  # the new camera is the first of the recording
    options = Options(max_offset_s=0.25, lens_priors={}, known=known)
    found = calibrate(list(rig.cameras), recordings, studio.skeleton, options)
    for camera, true in zip(found.rig.cameras[1:], rig.cameras[1:], strict=True):
        np.testing.assert_allclose(camera.R, true.R, atol=1e-9)
        np.testing.assert_allclose(camera.t, true.t, atol=1e-9)
    new, fit = found.rig.cameras[0], found.cameras[0]
    # Three numbers each, whose sum of squares exceeds nine deviations of all three once in fifty thousand.
    assert np.linalg.norm(new.centre - rig.cameras[0].centre) < 3 * fit.place_sigma_mm / 1000
    assert np.degrees(rotation_angle(new.R @ rig.cameras[0].R.T)) < 3 * fit.turn_sigma_deg
    assert fit.place_sigma_mm < 50
    assert [f.place_sigma_mm for f in found.cameras[1:]] == [0, 0]
    late = np.array([f.offset_s for f in found.cameras]) - OFFSETS_S
    assert np.abs(late - late[1]).max() < 0.005


def test_known_rig_of_which_one_camera_was_recorded_is_refused(walk):
    studio, _ = walk
    known = Rig(studio.rig.cameras[:1], studio.rig.world)
    with pytest.raises(CalibrationError, match="only 1 of the 2 cameras needed"):
        start_of(list(studio.rig.names), known, [])


@pytest.mark.parametrize(("sigma", "how"), [(3.0, "by 3.0 degrees"), (1e9, "in any way"), (np.nan, "in any way")])
def test_camera_that_could_be_turned_is_refused_in_words(sigma, how):
    unknown = dict.fromkeys((field.name for field in fields(CameraFit)), 0.0)
    fit = CameraFit(**{**unknown, "name": "cam02", "lens": "known", "observations": 1000, "rejected": 0,
                       "turn_sigma_deg": sigma})  # fmt: skip
    with pytest.raises(CalibrationError, match=f"cam02 could be turned {how}, which is no rig"):
        check_solved([fit])


def test_one_camera_is_refused(walk):
    studio, recordings = walk
    with pytest.raises(CalibrationError, match="one camera alone"):
        calibrate(list(studio.rig.cameras[:1]), recordings[:1], studio.skeleton, Options(lens_priors={}))


def test_camera_that_saw_nobody_is_named(walk):
    studio, recordings = walk
    nobody = [keypoints.best(0) for keypoints in recordings[1].keypoints]
    blind = [recordings[0], replace(recordings[1], keypoints=nobody), recordings[2]]
    with pytest.raises(CalibrationError, match=r"cam02 saw nobody.*--cameras"):
        calibrate(list(studio.rig.cameras), blind, studio.skeleton, Options(lens_priors={}))


def test_people_who_stand_still_are_refused(walk):
    studio, recordings = walk
    still = [replace(r, keypoints=[r.keypoints[0]] * len(r.keypoints)) for r in recordings]
    with pytest.raises(CalibrationError, match="nobody moved"):
        calibrate(list(studio.rig.cameras), still, studio.skeleton, Options(lens_priors={}))


@pytest.mark.slow
def test_two_cameras_that_face_each_other_are_turned_within_their_stated_deviation(monkeypatch):
    """Smooth curves between them made the room small: the turn was 12 degrees off, stated within 0.8."""
    studio = make_studio(StudioOptions(cameras=2, people=1, seconds=14.5, seed=3))
    frames = np.arange(360)
    recordings = [
        Recording(name, FPS, frames.tolist(), (frames * 1e9 / FPS).astype(int).tolist(),
                  studio.keypoints_at(c, 1.0 + frames / FPS))
        for c, name in enumerate(studio.rig.names)
    ]  # fmt: skip
    monkeypatch.setattr("calib.people.calibrate.check_solved", lambda fits: None)  # would refuse one degree
    known = Options(max_offset_s=0.2, lens_priors={})
    found = calibrate(list(studio.rig.cameras), recordings, studio.skeleton, known)
    (a, b), (c, d) = found.rig.cameras, studio.rig.cameras
    off = np.degrees(rotation_angle(b.R @ a.R.T @ (d.R @ c.R.T).T))
    assert off < 3 * sum(fit.turn_sigma_deg for fit in found.cameras)
    assert off < 6
