"""Why nobody came out: each cause alone, from views that fusion could have been given."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from multiview.cameras.camera import Rig
from multiview.commands.outcome import say_why
from multiview.data import Keypoints2D, Pose3D, Track, Tracks, Views
from multiview.studio.reasons import CameraEvidence, Evidence, evidence, reasons, summary
from multiview.studio.view_survey import CameraSurvey, ViewSurvey
from multiview.synthetic import StudioOptions, make_rig

JOINTS = 17


@pytest.fixture(scope="module")
def rig() -> Rig:
    return make_rig(StudioOptions(cameras=3))


def person(low: tuple[float, float], high: tuple[float, float]) -> Keypoints2D:
    """One person whose joints lie on a diagonal."""
    return Keypoints2D(np.linspace(low, high, JOINTS)[None], np.ones((1, JOINTS)))


NOBODY = Keypoints2D.nobody(JOINTS)
SOMEBODY = person((300.0, 100.0), (1500.0, 900.0))


def surveyed(rig: Rig, seen: tuple[Keypoints2D | None, ...], ticks: int = 60, people: int = 0) -> ViewSurvey:
    survey = ViewSurvey([camera.size for camera in rig.cameras])
    for tick in range(ticks):
        survey.add(Views(tick, tick, seen))
    pose = Pose3D(*(np.zeros(shape) for shape in ((JOINTS, 3), (JOINTS, 3, 3), (JOINTS,))), *_counts())
    survey.add_people(Tracks(0, 0, tuple(Track(number, pose) for number in range(people))))
    return survey


def _counts() -> tuple[np.ndarray, np.ndarray]:
    return np.zeros(JOINTS, np.int64), np.zeros(JOINTS, bool)


@pytest.mark.parametrize(
    ("seen", "expected", "hopeless"),
    [
        (
            (SOMEBODY, None, None),
            "cam01 is the only camera: a point in space takes two cameras that see it; `multiview lift`",
            True,
        ),
        ((person((0.1, 0.1), (0.9, 0.9)),) * 3, "between 0 and 1: they are shares of a picture", True),
        ((person((-0.9, -0.5), (0.9, 0.7)),) * 3, "between -1 and 1: they are shares of a picture", True),
        ((person((3000.0, 1500.0), (3500.0, 2000.0)),) * 3, "the rig is of other pictures", True),
        ((NOBODY,) * 3, "2D detection finds nobody in any camera", False),
        ((SOMEBODY, NOBODY, NOBODY), "only cam01 sees anybody", False),
        ((person((20.0, 20.0), (300.0, 200.0)),) * 3, "found in smaller pictures", False),
        ((SOMEBODY,) * 3, "not in one place", False),
    ],
)
def test_reasons_names_the_cause(rig: Rig, seen: tuple[Keypoints2D | None, ...], expected: str, hopeless: bool) -> None:
    found = reasons(evidence(rig.cameras, surveyed(rig, seen)))
    fitting = [reason for reason in found if expected in reason.text]
    assert len(fitting) == 1
    assert fitting[0].hopeless is hopeless
    assert any(reason.hopeless for reason in found) is hopeless
    assert "nobody, because" in summary(evidence(rig.cameras, surveyed(rig, seen)))
    assert len(found) == 1 + seen.count(None)  # nothing follows from what was said already


def test_reasons_says_that_cameras_never_see_anybody_together(rig: Rig) -> None:
    survey = ViewSurvey([camera.size for camera in rig.cameras])
    for tick in range(60):
        survey.add(Views(tick, tick, (SOMEBODY, NOBODY, NOBODY) if tick % 2 else (NOBODY, SOMEBODY, NOBODY)))
    assert "never see anybody at the same time" in summary(evidence(rig.cameras, survey))


def test_summary_names_a_camera_whose_frames_are_numbered_from_elsewhere(rig: Rig) -> None:
    """Also where the others find somebody."""
    survey = surveyed(rig, (SOMEBODY, SOMEBODY, None), people=1)
    for tick in range(60):
        survey.add(Views(1000 + tick, 1000 + tick, (None, None, SOMEBODY)))
    assert summary(evidence(rig.cameras, survey)).startswith("no picture of cam03 is of an instant of another camera")
    survey.add(Views(2000, 2000, (SOMEBODY, None, SOMEBODY)))
    assert summary(evidence(rig.cameras, survey)) == ""


def test_summary_says_first_that_a_camera_is_alone_among_many() -> None:
    """Before the many that give nothing, though only a few reasons are named."""
    six = make_rig(StudioOptions(cameras=6))
    known = evidence(six.cameras, surveyed(six, (None, SOMEBODY, None, None, None, None)))
    assert summary(known).startswith("nobody, because cam02 is the only camera")


def test_reasons_says_nothing_where_all_is_well(rig: Rig) -> None:
    assert summary(evidence(rig.cameras, surveyed(rig, (SOMEBODY,) * 3, people=1))) == ""


def test_summary_keeps_whole_reasons_when_it_must_be_short() -> None:
    known = live(used=2, rate_hz=1.2, detect_ms=800.0, rejected={})
    whole = summary(known)
    assert summary(known, len(whole)) == whole
    assert summary(known, len(whole) - 1) == whole.rpartition("; ")[0]


def test_reasons_names_an_absent_camera_though_people_came_out(rig: Rig) -> None:
    known = evidence(rig.cameras, surveyed(rig, (SOMEBODY, SOMEBODY, None), people=1), {"cam03": "has no folder in x"})
    assert summary(known) == "cam03 has no folder in x"
    assert not any(reason.hopeless for reason in reasons(known))


def live(used: int, rate_hz: float, detect_ms: float, rejected: dict[str, int], ticks: int = 100) -> Evidence:
    """Three cameras of 60 Hz, alike."""
    cameras = []
    for name in ("cam01", "cam02", "cam03"):
        survey = CameraSurvey()
        survey.views = used
        cameras.append(CameraEvidence(name, (1280, 720), survey, "", rate_hz, 60.0, detect_ms))
    return Evidence(cameras, ticks, 0, 0, rejected)


def test_reasons_says_how_slow_a_computer_is() -> None:
    known = live(used=2, rate_hz=1.2, detect_ms=800.0, rejected={})
    text = reasons(known)[0].text
    assert "takes 800 ms a picture" in text
    assert "one every 17 ms" in text
    assert reasons(known)[1].hopeless  # all are left out


def test_reasons_quotes_what_fusion_rejects() -> None:
    why = "cam01 sends skeleton blazepose33 (33 joints), the studio's is body25"
    known = live(used=0, rate_hz=60.0, detect_ms=5.0, rejected={why: 170, "noise": 2}, ticks=0)
    assert reasons(known)[0].text == f"fusion rejects messages: {why} (170 times)"
    assert reasons(known)[0].hopeless


def test_commands_say_why_nobody_came_out_and_exit_with_2(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    """2 only where nobody could have come out, as with a single camera; where the room was empty, 0."""
    alone = evidence(rig.cameras, surveyed(rig, (SOMEBODY, None, None)), dict.fromkeys(rig.names, "has no picture"))
    assert say_why(alone) == 2
    assert capsys.readouterr().err == f"multiview: {summary(alone)}\n"
    assert "cam02 has no picture" in summary(alone)
    empty = evidence(rig.cameras, surveyed(rig, (NOBODY, NOBODY, NOBODY)), dict.fromkeys(rig.names, ""))
    assert say_why(empty) == 0


def test_summary_says_that_people_are_lifted_where_one_camera_is_all_there_is() -> None:
    one = make_rig(StudioOptions(cameras=1))
    known = evidence(one.cameras, surveyed(one, (SOMEBODY,), people=1))
    lifted = replace(known, lifts=True)
    assert summary(lifted) == (
        "cam01 is the only camera: people are lifted from its pictures, and depth is an estimate"
    )
    nobody = replace(evidence(one.cameras, surveyed(one, (NOBODY,))), lifts=True)
    assert summary(nobody).startswith("nobody, because 2D detection finds nobody")
    assert not any(reason.hopeless for reason in reasons(nobody))
