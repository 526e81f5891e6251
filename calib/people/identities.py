"""Which stretches of different cameras are the same person, by the rig itself; sides are put right on the way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from calib.people.epipolar_fit import PairState, essential
from calib.people.pairs import supported
from calib.people.samples import CameraSamples
from multiview.geometry.triangulate import triangulate

__all__ = ["Member", "Person", "Placement", "people_of", "positions"]

_MIN_COUNT = 60  # joints compared, for two stretches to be the same person
_MIN_SHARE = 0.05  # of 1/2 a joint: their support
_HANDICAP = 0.05  # of an exchange of sides, by joint
_MAX_OVERLAP_S = 0.1
_MAX_SIGMA_M = 0.3  # of a triangulated joint


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """Where cameras are, as far as they are placed.

    Attributes:
        R: (C, 3, 3) cam_from_world.
        t: (C, 3) cam_from_world.
        offset: (C,) s, added to a camera's stamps.
        placed: (C,) which are.
        held: (C,) whose poses were known beforehand and stay; those that are not placed lack only the time offset.
    """

    R: Float64[np.ndarray, "C 3 3"]
    t: Float64[np.ndarray, "C 3"]
    offset: Float64[np.ndarray, " C"]
    placed: Bool[np.ndarray, " C"]
    held: Bool[np.ndarray, " C"]

    @property
    def reference(self) -> int:
        """The placed camera that stays, and whose clock counts: the first, of held ones if there are any."""
        both = self.placed & self.held
        return int(np.flatnonzero(both if both.any() else self.placed)[0])

    def between(self, a: int, b: int) -> PairState:
        """Camera b as seen from camera a."""
        R = self.R[b] @ self.R[a].T
        t = self.t[b] - R @ self.t[a]
        return PairState(R, t / max(float(np.linalg.norm(t)), 1e-12), float(self.offset[a] - self.offset[b]))


@dataclass(frozen=True, slots=True)
class Member:
    """A stretch of a camera; `exchanged` if its left is the person's right."""

    camera: int
    tracklet: int
    exchanged: bool


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """Stretches of the same person, no two of one camera at a time, and their support by each other."""

    members: tuple[Member, ...]
    support: float


def people_of(samples: list[CameraSamples], placement: Placement, mirrored: Int64[np.ndarray, " J"]) -> list[Person]:
    """Groups of stretches that agree with the rig, the best supported first; a person who was lost in all cameras at
    once is two."""
    cameras: list[int] = np.flatnonzero(placement.placed).tolist()
    nodes = [(c, i) for c in cameras for i in range(len(samples[c]))]
    number = {node: n for n, node in enumerate(nodes)}
    weight = np.zeros((2, len(nodes), len(nodes)))  # with the same sides, with exchanged ones
    count = np.zeros((len(nodes), len(nodes)), dtype=np.int64)
    straight = np.arange(len(mirrored))
    for x, a in enumerate(cameras):
        for b in cameras[x + 1 :]:
            if not len(samples[a]) or not len(samples[b]):
                continue
            state = placement.between(a, b)
            lag = round(state.shift / samples[a].step)
            rows, columns = number[a, 0] + np.arange(len(samples[a])), number[b, 0] + np.arange(len(samples[b]))
            for parity, sides in enumerate((straight, mirrored)):
                total, compared = supported(essential(state), lag, samples[a], samples[b], sides)
                weight[parity][np.ix_(rows, columns)] = total - parity * _HANDICAP * compared
                weight[parity][np.ix_(columns, rows)] = weight[parity][np.ix_(rows, columns)].T
                count[np.ix_(rows, columns)] = compared
    return _grouped(nodes, weight, count, _conflicts(nodes, samples))


def _conflicts(nodes: list[tuple[int, int]], samples: list[CameraSamples]) -> Bool[np.ndarray, "n n"]:
    """Two stretches of one camera at the same time."""
    conflict = np.zeros((len(nodes), len(nodes)), dtype=bool)
    for p, (a, i) in enumerate(nodes):
        for q, (b, k) in enumerate(nodes[:p]):
            if a == b:
                own = samples[a]
                both = min(own.last(i), own.last(k)) - max(own.first[i], own.first[k])
                conflict[p, q] = conflict[q, p] = both * own.step > _MAX_OVERLAP_S
    return conflict


def _grouped(
    nodes: list[tuple[int, int]],
    weight: Float64[np.ndarray, "2 n n"],
    count: Int64[np.ndarray, "n n"],
    conflict: Bool[np.ndarray, "n n"],
) -> list[Person]:
    """Merge the best supported pairs first, where all of both groups together agree."""
    group = np.arange(len(nodes))
    parity = np.zeros(len(nodes), dtype=np.int64)
    best = weight.max(axis=0)
    p, q = np.nonzero(np.triu((count >= _MIN_COUNT) & (best > _MIN_SHARE * 0.5 * count), 1))
    for place in np.argsort(-best[p, q]):
        one, other = int(p[place]), int(q[place])
        if group[one] == group[other]:
            continue
        ours, theirs = np.flatnonzero(group == group[one]), np.flatnonzero(group == group[other])
        if conflict[np.ix_(ours, theirs)].any():
            continue
        relation = parity[ours][:, None] ^ parity[theirs]
        totals = [
            np.where(relation ^ turn, weight[1][np.ix_(ours, theirs)], weight[0][np.ix_(ours, theirs)]).sum()
            for turn in (0, 1)
        ]
        if max(totals) <= 0:
            continue
        parity[theirs] ^= int(totals[1] > totals[0])
        group[theirs] = group[one]
    people = []
    for g in np.unique(group):
        members = np.flatnonzero(group == g)
        if len({nodes[n][0] for n in members}) < 2:
            continue
        relation = parity[members][:, None] ^ parity[members]
        support = np.where(relation, weight[1][np.ix_(members, members)], weight[0][np.ix_(members, members)]).sum()
        size = count[members].sum(axis=1)
        minority = parity[members] if 2 * size[parity[members] == 1].sum() <= size.sum() else 1 - parity[members]
        people.append(
            Person(
                tuple(Member(*nodes[n], bool(swapped)) for n, swapped in zip(members, minority, strict=True)),
                float(support / 2),
            )
        )
    return sorted(people, key=lambda person: -person.support)


def positions(
    person: Person,
    samples: list[CameraSamples],
    placement: Placement,
    mirrored: Int64[np.ndarray, " J"],
    time: Float64[np.ndarray, " T"],
) -> Float64[np.ndarray, "T J 3"]:
    """A person's joints at times of the first camera's clock, triangulated; NaN where fewer than two cameras agree."""
    joints = len(mirrored)
    xy = np.full((len(time), joints, len(samples), 2), np.nan)
    sigma = np.full((len(time), joints, len(samples)), np.nan)
    for member in person.members:
        own = samples[member.camera]
        stamps = time - placement.offset[member.camera]
        seen = own.at(member.tracklet, stamps)
        seen = seen[:, mirrored] if member.exchanged else seen
        known = np.isfinite(seen[..., 0])
        rows = slice(int(own.row[member.tracklet]), int(own.row[member.tracklet + 1]))
        xy[:, :, member.camera] = np.where(known[..., None], seen, xy[:, :, member.camera])
        sigma[:, :, member.camera] = np.where(known, float(np.median(own.gate[rows])), sigma[:, :, member.camera])
    cov = np.where(np.isfinite(sigma), (sigma / 2.5) ** 2, 1.0)[..., None, None] * np.eye(2)
    n = len(time) * joints
    points = triangulate(xy.reshape(n, len(samples), 2), cov.reshape(n, len(samples), 2, 2), placement.R, placement.t)
    with np.errstate(invalid="ignore"):
        vague = ~(np.sqrt(np.einsum("nii->n", points.cov)) < _MAX_SIGMA_M * placement_scale(placement))
    return np.where(vague[:, None], np.nan, points.xyz).reshape(len(time), joints, 3)


def placement_scale(placement: Placement) -> float:
    """The largest distance between placed cameras, over that of an ordinary room (4 m): before the scale is known."""
    centres = -np.einsum("cki,ck->ci", placement.R, placement.t)[placement.placed]
    apart = np.linalg.norm(centres[:, None] - centres, axis=-1).max()
    return float(apart) / 4.0
