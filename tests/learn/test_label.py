"""Fused people as labels: where two other views saw a joint, the label is within two pixels of the truth."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from multiview.fusion.pipeline import Pipeline
from multiview.learn.coco import read_coco
from multiview.learn.label import LabelCriteria, label_view, sigma_for_rms
from multiview.learn.label_take import label_recording
from multiview.recordings.pose_table import Poses
from multiview.sources.images import Source
from multiview.synthetic import StudioOptions, make_studio


@pytest.fixture(scope="module")
def fused():
    studio = make_studio(StudioOptions(cameras=6, people=2, seconds=2.0, fps=15, seed=3, sigma_px=2.0))
    pipeline = Pipeline(studio.rig, studio.skeleton)
    return studio, Poses.from_tracks([pipeline.step(studio.views(f)) for f in range(studio.frames)], studio.skeleton)


def test_labels_are_within_two_pixels(fused):
    studio, poses = fused
    errors, labelled = [], 0
    for c, camera in enumerate(studio.rig.cameras):
        for frame in range(0, studio.frames, 5):
            rows = np.flatnonzero(poses.frame == frame)
            labels = label_view(camera, poses, rows, studio.keypoints(c, frame))
            truth = camera.project(studio.truth.xyz[studio.truth.frame == frame])
            others = np.sum([seen_by(studio, k, frame, len(truth)) for k in range(len(studio.rig)) if k != c], axis=0)
            for xy, flags in zip(labels.xy, labels.visibility, strict=True):
                distance = np.linalg.norm(truth - xy, axis=-1)[:, flags > 0]
                actor = int(np.median(distance, axis=1).argmin())
                asked = (flags > 0) & (others[actor] >= 2)
                errors.append(np.linalg.norm(xy - truth[actor], axis=-1)[asked])
                labelled += int(asked.sum())
    error = np.concatenate(errors)
    assert labelled > 500
    assert np.sqrt((error**2).mean()) < 2.0


def seen_by(studio, camera, frame, people):
    """(people, J) 1 where this camera's keypoints hold the actor's joint."""
    seen = np.zeros((people, len(studio.skeleton.joints)), int)
    keypoints, labels = studio.keypoints(camera, frame), studio.labels(camera, frame)
    for actor, score in zip(labels.actor, keypoints.score, strict=True):
        if actor >= 0:
            seen[actor] |= score > 0
    return seen


def test_as_many_joints_as_the_error_allows(fused):
    """All labels together come out about as wrong as was asked for; a stricter demand takes fewer."""
    studio, poses = fused
    rms, count = [], []
    for asked in (0.8, 1.2):
        criteria = LabelCriteria(sigma_px=sigma_for_rms(studio.rig, poses, asked), min_joints=1)
        errors = []
        for camera in studio.rig.cameras:
            for frame in range(0, studio.frames, 5):
                labels = label_view(camera, poses, np.flatnonzero(poses.frame == frame), None, criteria)
                truth = camera.project(studio.truth.xyz[studio.truth.frame == frame])
                for xy, flags in zip(labels.xy, labels.visibility, strict=True):
                    distance = np.linalg.norm(truth - xy, axis=-1)[:, flags > 0]
                    errors.append(distance[int(np.median(distance, axis=1).argmin())])
        error = np.concatenate(errors)
        rms.append(float(np.sqrt((error**2).mean())))
        count.append(len(error))
    assert 0.6 < rms[0] < 1.0
    assert 0.9 < rms[1] < 1.5
    assert count[0] < count[1]
    assert sigma_for_rms(studio.rig, poses, 0.0) == 0.0


def test_an_uncertain_or_filled_joint_is_no_label(fused):
    studio, poses = fused
    rows = np.flatnonzero(poses.frame == 10)
    camera = studio.rig.cameras[0]
    everything = label_view(camera, poses, rows)
    assert (label_view(camera, poses, rows, criteria=LabelCriteria(views=7)).xy.size) == 0
    strict = label_view(camera, poses, rows, criteria=LabelCriteria(sigma_px=0.8, min_joints=1))
    assert (strict.visibility > 0).sum() < (everything.visibility > 0).sum()
    poses.filled[rows, 5] = True
    assert (label_view(camera, poses, rows).visibility[:, 5] == 0).all()
    poses.filled[rows, 5] = False


@pytest.mark.slow
def test_a_recording_becomes_a_coco_set(fused, tmp_path):
    studio, poses = fused
    camera = studio.rig.cameras[0]
    folder = tmp_path / camera.name
    folder.mkdir()
    for frame in range(studio.frames):
        cv2.imwrite(str(folder / f"{frame:06d}.png"), np.zeros((camera.size[1], camera.size[0], 3), np.uint8))
    source = Source(folder, camera.name, fps=studio.fps)
    pictures, people = label_recording(tmp_path / "set", studio.rig, poses, {camera.name: source}, 10, LabelCriteria())
    assert pictures == 3
    back = read_coco(tmp_path / "set" / "annotations.json", tmp_path / "set" / "images", studio.skeleton.joints)
    assert len(back) == people >= 3
    assert back.skipped == []
    assert json.loads((tmp_path / "set" / "annotations.json").read_text())["images"][0]["width"] == camera.size[0]
