from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from multiview.common.palette import person_colour
from multiview.data import Pose3D, Track
from multiview.drawing.explain import draw, explain, table
from multiview.synthetic import StudioOptions, make_studio
from tests.figures import pixels_of


def test_explain_accounts_for_every_pair_and_joins_the_same_person() -> None:
    studio = make_studio(StudioOptions(cameras=4, people=2, seconds=0.1, false_positives=0.0, merged=0.0))
    explanation = explain(studio.rig, studio.skeleton, studio.views(0))
    actor = np.concatenate([studio.labels(camera, 0).actor for camera in range(4)])
    pairs = [(a, b) for a in range(len(actor)) for b in range(a) if explanation.camera[a] != explanation.camera[b]]
    assert len(explanation.edges) == len(pairs)
    for edge in explanation.edges:
        assert (edge.verdict == "joined") == (actor[edge.a] == actor[edge.b])
    assert table(explanation).row_count == sum(edge.verdict in ("joined", "kept apart") for edge in explanation.edges)


def test_explained_frame_is_drawn_in_the_colours_of_its_people(tmp_path: Path) -> None:
    studio = make_studio(
        StudioOptions(cameras=4, people=2, seconds=0.1, false_positives=0.0, merged=0.0, missed_people=0.0)
    )
    explanation = explain(studio.rig, studio.skeleton, studio.views(0))
    nobody = replace(explanation, group=np.full_like(explanation.group, -1), person=np.zeros_like(explanation.person))
    for number, shown in enumerate((explanation, nobody)):
        draw(shown, tmp_path / f"{number}.png")
        picture = cv2.imread(str(tmp_path / f"{number}.png"))
        assert picture is not None
        high, wide = picture.shape[0] // 2, picture.shape[1] // 2
        for row, column in np.ndindex(2, 2):  # one panel a camera
            panel = picture[row * high : (row + 1) * high, column * wide : (column + 1) * wide]
            for person in (1, 2):
                assert (pixels_of(panel, person_colour(person)) > 50) == (shown is explanation)


def measured(xyz: np.ndarray) -> Pose3D:
    known, n = np.ones(len(xyz)), len(xyz)
    return Pose3D(xyz, np.zeros((n, 3, 3)), known, np.full(n, 4), np.zeros(n, bool))


def test_explained_people_have_the_numbers_of_the_poses() -> None:
    """Those that every other command calls them by; a group that is nobody's has none."""
    studio = make_studio(
        StudioOptions(cameras=4, people=2, seconds=0.1, false_positives=0.0, merged=0.0, missed_people=0.0)
    )
    poses = [measured(xyz) for xyz in studio.true_at(np.zeros(1))[0]]
    actor = np.concatenate([studio.labels(camera, 0).actor for camera in range(4)])
    both = explain(studio.rig, studio.skeleton, studio.views(0), [Track(7, poses[0]), Track(3, poses[1])])
    assert set(both.person[actor == 0]) == {7}
    assert set(both.person[actor == 1]) == {3}
    second = explain(studio.rig, studio.skeleton, studio.views(0), [Track(3, poses[1])])
    assert set(second.person[actor == 0]) == {0}
    assert {edge.verdict for edge in both.edges} == {edge.verdict for edge in second.edges}
