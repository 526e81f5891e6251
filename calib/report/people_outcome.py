"""The verdict on a rig from people, in words, and what to walk next."""

from __future__ import annotations

from dataclasses import dataclass

import networkx as nx
import numpy as np

from calib.people.camera_fit import CameraFit
from calib.people.solved_rig import PeopleCalibration
from multiview.cameras.camera import Rig
from multiview.common.counted import counted
from multiview.geometry.rigid import rotation_angle

__all__ = ["PeopleLink", "PeopleOutcome", "judge_people", "noise_words", "summary_words"]

_GOOD_MM, _USABLE_MM = 5.0, 25.0
_NOISY, _HOPELESS = 0.025, 0.045  # keypoints' deviation, as a share of the room between a person's head and feet
_MIN_SHARED_S, _MIN_SECONDS = 3.0, 8.0
_POOR_USE, _BAD_USE = 0.4, 0.12
_AGREES_DEG, _AGREES_S = 6.0, 0.12
_RIVAL, _SURE_RIVAL, _RING_RIVAL = 0.8, 0.65, 0.9
_POOR_TURN_DEG, _BAD_TURN_DEG = 0.15, 0.5
_CORRELATED = 1.5
_PERSON_M = 1.7


@dataclass(frozen=True, slots=True)
class PeopleLink:
    """Two cameras and the seconds of people whom both saw at once; `weak` if the rig depends on too few."""

    a: str
    b: str
    seconds: float
    weak: bool


@dataclass(frozen=True, slots=True, eq=False)
class PeopleOutcome:
    """A calibration in the user's words; `verdict` is "good", "usable" or "record again", with its reasons."""

    rig: Rig
    calibration: PeopleCalibration
    median_px: float
    volume_mm: float
    worst_mm: float
    links: tuple[PeopleLink, ...]
    verdict: str
    reasons: tuple[str, ...]
    advice: tuple[str, ...]


def judge_people(calibration: PeopleCalibration) -> PeopleOutcome:
    """What the rig is good for."""
    rig, fits = calibration.rig, calibration.cameras
    volume, worst = (
        (float(np.median(calibration.error_m) * 1000), float(calibration.error_m.max() * 1000))
        if len(calibration.error_m) else (float("nan"), float("nan"))
    )  # fmt: skip
    links = _links(calibration)
    bad, poor, advice = _of_geometry(calibration, volume, links)
    more_bad, more_poor, more_advice = _of_cameras(calibration)
    bad, poor, advice = bad + more_bad, poor + more_poor, advice + more_advice
    if guessed := [fit.name for fit in fits if fit.focal_sigma_px]:
        poor.append(f"the lenses of {', '.join(guessed)} were guessed, and estimated from people")
        advice.append("calibrate each lens once with a board (`calibrate detect`, `solve`), and give it with --lenses")
    if calibration.seconds < _MIN_SECONDS:
        poor.append(f"people were seen by two cameras for only {calibration.seconds:.0f} s")
        advice.append("walk for half a minute or longer, through the whole room, with turns")
    if calibration.scale.sigma > 0.02:
        poor.append(f"lengths are right within {100 * calibration.scale.sigma:.0f} % only, {calibration.scale.how}")
        advice.append("give the stature of the tallest (--height CM) or the distance between two lenses (--distance)")
    if calibration.ground is None:
        poor.append("up is unknown")
        advice.append("walk a few metres both along and across the room, so that the feet tell the floor")
    median_px = float(np.median([fit.median_px for fit in fits]))
    verdict = "record again" if bad else "usable" if poor else "good"
    fit = f"a point where people walked is expected within {volume:.1f} mm, and keypoints fit within {median_px:.1f} px"
    return PeopleOutcome(
        rig, calibration, median_px, volume, worst, links, verdict, tuple(bad + poor) or (fit,),
        tuple(dict.fromkeys(advice)),
    )  # fmt: skip


def _of_geometry(
    calibration: PeopleCalibration, volume: float, links: tuple[PeopleLink, ...]
) -> tuple[list[str], list[str], list[str]]:
    bad, poor, advice = [], [], []
    if not volume <= _USABLE_MM:
        bad.append(f"a point where people walked is expected to be {volume:.0f} mm off")
    elif volume > _GOOD_MM:
        poor.append(f"a point where people walked is expected to be {volume:.0f} mm off")
    for name in _unconfirmed(calibration):
        bad.append(f"{name} could stand elsewhere, or be out of step by another time, and fit nearly as well")
        advice.append(
            f"walk longer in view of {name}, and not evenly: stop, turn around, bend, wave; check its frame rate"
        )
    weak = [link for link in links if link.weak]
    if weak and calibration.seconds >= _MIN_SECONDS:  # in a shorter recording no pair can share much
        shared = ", ".join(f"{link.a} and {link.b} for only {link.seconds:.0f} s" for link in weak)
        poor.append(f"people are shared by {shared}")
        advice.append(f"walk between {', '.join(f'{link.a} and {link.b}' for link in weak)}, and turn around there")
    return bad, poor, advice


def _of_cameras(calibration: PeopleCalibration) -> tuple[list[str], list[str], list[str]]:
    bad, poor, advice = [], [], []
    for c, fit in enumerate(calibration.cameras):
        noise = fit.noise_px / _person_px(calibration, c)
        if noise > _HOPELESS:
            bad.append(f"{fit.name}: keypoints lie {fit.noise_px:.0f} px from where the rig puts them")
            advice.append(f"check the lens and the frame rate of {fit.name}, and that its camera stood still")
        elif noise > _NOISY:
            poor.append(f"{fit.name}: keypoints are rough ({fit.noise_px:.0f} px)")
        if fit.used_share < _BAD_USE:
            bad.append(
                f"{fit.name}: hardly any of the people it saw ({100 * fit.used_share:.0f} %) fit the other cameras"
            )
            advice.append(
                f"check the lens and the frame rate of {fit.name}, and that people walk where others see them"
            )
        elif fit.used_share < _POOR_USE:
            poor.append(f"{fit.name}: only {100 * fit.used_share:.0f} % of the people it saw fit the other cameras")
    uncertain = [fit for fit in calibration.cameras if fit.turn_sigma_deg > _POOR_TURN_DEG and not fit.focal_sigma_px]
    if uncertain:
        names = ", ".join(fit.name for fit in uncertain)
        worst = max(fit.turn_sigma_deg for fit in uncertain)
        found = bad if worst > _BAD_TURN_DEG else poor
        upto = "by" if len(uncertain) == 1 else "by up to"
        found.append(f"{names} may be turned {upto} {worst:.2f} degrees")
        advice.append(f"walk near and far from {names} where other cameras see you")
    return bad, poor, advice


def _person_px(calibration: PeopleCalibration, c: int) -> float:
    """How large a person is in a camera's picture, where people walked."""
    camera = calibration.rig.cameras[c]
    depth = (calibration.ways @ camera.R.T + camera.t)[:, 2] if len(calibration.ways) else np.ones(1)
    return float(camera.K[1, 1] * _PERSON_M / max(float(np.median(np.abs(depth))), 0.5))


def _unconfirmed(calibration: PeopleCalibration) -> list[str]:
    """Cameras whose place no second pair confirms, while another hypothesis had nearly as much support.

    Pairs are related one by one, so three that close a ring confirm each other.
    """
    rig = calibration.rig
    agreeing: nx.Graph = nx.Graph()
    agreeing.add_nodes_from(range(len(rig)))
    for pair in calibration.pairs:
        a, b = rig.cameras[pair.a], rig.cameras[pair.b]
        turn = np.degrees(float(rotation_angle(pair.state.R @ (b.R @ a.R.T).T)))
        late = abs(pair.state.shift - (a.time_offset_s - b.time_offset_s))
        if turn < _AGREES_DEG and late < _AGREES_S:
            agreeing.add_edge(pair.a, pair.b, rival=pair.rival)
    rings = nx.triangles(agreeing)
    unsure = []
    for c in range(len(rig)):
        rivals = [about["rival"] for _, _, about in agreeing.edges(c, data=True)]
        limit = _RING_RIVAL if rings[c] else _SURE_RIVAL if len(rivals) == 1 else _RIVAL
        if len(rivals) < 3 and not min(rivals, default=1.0) < limit:
            unsure.append(rig.names[c])
    return unsure


def _links(calibration: PeopleCalibration) -> tuple[PeopleLink, ...]:
    """All pairs that share people; weak are those without which the rig would fall apart or nearly."""
    names, shared = calibration.rig.names, calibration.shared_s
    pairs = [(a, b) for a in range(len(names)) for b in range(a + 1, len(names)) if shared[a, b] > 0]
    strong = nx.Graph((a, b) for a, b in pairs if shared[a, b] >= _MIN_SHARED_S)
    strong.add_nodes_from(range(len(names)))
    group = {camera: i for i, members in enumerate(nx.connected_components(strong)) for camera in members}
    return tuple(
        PeopleLink(names[a], names[b], float(shared[a, b]), bool(shared[a, b] < _MIN_SHARED_S and group[a] != group[b]))
        for a, b in pairs
    )


def noise_words(calibration: PeopleCalibration) -> str:
    """Which noise the deviations assume."""
    before = (
        f"after {1000 * calibration.bias_m:.0f} mm by which the detector usually misses a joint, depending on the side "
        "from which it sees it, were found and taken off, "
        if calibration.bias_m
        else ""
    )
    if calibration.correlation > _CORRELATED:
        return (
            f"{before}keypoints of a joint err alike in a camera while it sees the person from the same side, which "
            f"makes all variances {calibration.correlation:.1f} times those of independent errors"
        )
    return f"{before}keypoints err independently from frame to frame"


def summary_words(fits: tuple[CameraFit, ...], calibration: PeopleCalibration) -> str:
    """One line: how much was seen of whom."""
    return (
        f"{counted(len(fits), 'camera')}, {counted(calibration.people, 'person', 'people')} at once, "
        f"{calibration.seconds:.0f} s of people seen by two cameras or more"
    )
