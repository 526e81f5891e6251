"""Four people side by side, one in each lane: what is done to every person alike is done to four at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from multiview.fusion.estimation.skeleton_kernels import rows_of
from multiview.fusion.state.elimination import Elimination
from multiview.fusion.state.track_state import State
from multiview.geometry.four import LANES, load, pick, put, read, store, transpose, write
from multiview.geometry.jit import Array, inner

Who = tuple[int, int, int, int]  # of an array's rows, that of each lane


class Group(NamedTuple):
    """Four people in one frame, as rows of lanes: quantity q of joint j, of which a joint has Q, is in row Q j + q.

    The first arrays are those of `State`. `xyz` m and H are each joint's point and its information, then the skeleton's
    fit and its covariance C; `views` measure it. D and `pull` are the fit's information and gradient, `stiffness`,
    `tether` and `offset` what bones add to them. `off` is 1 for people with a bone of a strange length; `innovation_sq`
    and `expected_innovation_sq` are as in `measure`. `dt` s has passed since the last frame; `again` is how much
    of a frame that is to joints without rays. `room` is for what a kernel needs beside these.
    """

    pos: Float64[np.ndarray, "3*J 4"]
    vel: Float64[np.ndarray, "3*J 4"]
    cov_pp: Float64[np.ndarray, "6*J 4"]
    cov_pv: Float64[np.ndarray, "9*J 4"]
    cov_vv: Float64[np.ndarray, "6*J 4"]
    predicted_information: Float64[np.ndarray, "6*J 4"]
    measurement: Float64[np.ndarray, "3*J 4"]
    measurement_cov: Float64[np.ndarray, "6*J 4"]
    length: Float64[np.ndarray, "E 4"]
    length_variance: Float64[np.ndarray, "E 4"]
    length_cv: Float64[np.ndarray, "E 4"]
    length_cv_sums: Float64[np.ndarray, "2*E 4"]
    xyz: Float64[np.ndarray, "3*J 4"]
    H: Float64[np.ndarray, "6*J 4"]
    views: Float64[np.ndarray, "J 4"]
    C: Float64[np.ndarray, "6*J 4"]
    D: Float64[np.ndarray, "6*J 4"]
    pull: Float64[np.ndarray, "3*J 4"]
    offset: Float64[np.ndarray, "3*J 4"]
    tether: Float64[np.ndarray, "J 4"]
    stiffness: Float64[np.ndarray, "E 4"]
    off: Float64[np.ndarray, "1 4"]
    log_process_noise_scale: Float64[np.ndarray, "J 4"]
    innovation_sq: Float64[np.ndarray, "J 4"]
    expected_innovation_sq: Float64[np.ndarray, "J 4"]
    dt: Float64[np.ndarray, "1 4"]
    again: Float64[np.ndarray, "1 4"]
    room: Float64[np.ndarray, "R 4"]

    @staticmethod
    def empty(graph: Elimination) -> Group:
        """For four people of whom nothing is known yet."""
        J, E = len(graph.order), len(graph.bone)
        rows = {
            "pos": 3 * J, "vel": 3 * J, "cov_pp": 6 * J, "cov_pv": 9 * J, "cov_vv": 6 * J,
            "predicted_information": 6 * J, "measurement": 3 * J,
            "measurement_cov": 6 * J, "length": E, "length_variance": E, "length_cv": E, "length_cv_sums": 2 * E,
            "xyz": 3 * J, "H": 6 * J, "views": J,
            "C": 6 * J, "D": 6 * J, "pull": 3 * J, "offset": 3 * J, "tether": J, "stiffness": E, "off": 1,
            "log_process_noise_scale": J, "innovation_sq": J, "expected_innovation_sq": J, "dt": 1, "again": 1,
            "room": rows_of(graph),
        }  # fmt: skip
        room = _aligned(sum(rows.values()))
        ends = np.cumsum([rows[name] for name in Group._fields])
        return Group(*(room[end - rows[name] : end] for name, end in zip(Group._fields, ends.tolist(), strict=True)))


def _aligned(rows: int) -> Float64[np.ndarray, "R 4"]:
    """Room for rows of lanes none of which lies in two lines of the cache."""
    line = 64 // 8
    room = np.empty(rows * LANES + line)
    start = -(room.ctypes.data // 8) % line
    return room[start : start + rows * LANES].reshape(rows, LANES)


@inner
def gather(people: State, slots: Who, group: Group) -> None:
    """Put the people of four slots into the lanes."""
    _columns(people.pos, slots, group.pos)
    _columns(people.vel, slots, group.vel)
    _columns(people.cov_pp, slots, group.cov_pp)
    _columns(people.cov_pv, slots, group.cov_pv)
    _columns(people.cov_vv, slots, group.cov_vv)
    _columns(people.predicted_information, slots, group.predicted_information)
    _columns(people.measurement, slots, group.measurement)
    _columns(people.measurement_cov, slots, group.measurement_cov)
    _columns(people.length, slots, group.length)
    _columns(people.length_variance, slots, group.length_variance)
    _columns(people.length_cv, slots, group.length_cv)
    _columns(people.length_cv_sums, slots, group.length_cv_sums)
    _columns(people.log_process_noise_scale, slots, group.log_process_noise_scale)


@inner
def gather_points(xyz: Array, H: Array, views: Array, who: Who, group: Group) -> None:
    """Put the frame's points of four people (rows of P) into the lanes."""
    _columns(xyz, who, group.xyz)
    _columns(H, who, group.H)
    for k in range(LANES):
        for j in range(views.shape[1]):
            group.views[j, k] = views[who[k], j]


@inner
def scatter(group: Group, slots: Who, people: State) -> None:
    """Put the lanes back into their slots; lanes of the same slot must be the same."""
    _rows(group.pos, slots, people.pos)
    _rows(group.vel, slots, people.vel)
    _rows(group.cov_pp, slots, people.cov_pp)
    _rows(group.cov_pv, slots, people.cov_pv)
    _rows(group.cov_vv, slots, people.cov_vv)
    _rows(group.measurement, slots, people.measurement)
    _rows(group.measurement_cov, slots, people.measurement_cov)
    _rows(group.length, slots, people.length)
    _rows(group.length_variance, slots, people.length_variance)
    _rows(group.length_cv, slots, people.length_cv)
    _rows(group.length_cv_sums, slots, people.length_cv_sums)
    _rows(group.log_process_noise_scale, slots, people.log_process_noise_scale)


@inner
def _columns(source: Array, who: Who, lanes: Array) -> None:
    """lanes[:, k] = source[who[k]]."""
    p, q, r, s = who
    whole = lanes.shape[0] // LANES * LANES
    for i in range(0, whole, LANES):
        a, b, c, d = transpose(read(source, p, i), read(source, q, i), read(source, r, i), read(source, s, i))
        store(lanes, i, a)
        store(lanes, i + 1, b)
        store(lanes, i + 2, c)
        store(lanes, i + 3, d)
    for i in range(whole, lanes.shape[0]):
        store(lanes, i, pick(source, who, i))


@inner
def _rows(lanes: Array, who: Who, target: Array) -> None:
    """target[who[k]] = lanes[:, k]."""
    p, q, r, s = who
    whole = lanes.shape[0] // LANES * LANES
    for i in range(0, whole, LANES):
        a, b, c, d = transpose(load(lanes, i), load(lanes, i + 1), load(lanes, i + 2), load(lanes, i + 3))
        write(target, p, i, a)
        write(target, q, i, b)
        write(target, r, i, c)
        write(target, s, i, d)
    for i in range(whole, lanes.shape[0]):
        put(target, who, i, load(lanes, i))
