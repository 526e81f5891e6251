"""Four people side by side, one in each lane: what is done to every person alike is done to four at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from multiview.fit.people import State
from multiview.geometry.four import LANES, Four, load, read, store, transpose, write
from multiview.geometry.jit import Array, inner, kernel

Three = tuple[Four, Four, Four]
Six = tuple[Four, Four, Four, Four, Four, Four]


class Group(NamedTuple):
    """Four people in one frame, as rows of lanes: quantity q of joint j, of which a joint has Q, is in row Q j + q.

    The first arrays are those of `State`. `xyz` m and H are each joint's point and its information, then the skeleton's
    fit and its covariance C; `views` measure it. D and `pull` are the fit's information and gradient, `stiffness`,
    `tether` and `offset` what bones add to them. `off` is 1 for people with a bone of a strange length; `found` and
    `expected` are a joint's squared surprise and what that should be. `dt` s has passed since the last frame; `again`
    is how much of a frame that is to joints without rays.
    """

    pos: Array  # (J 3, 4)
    vel: Array  # (J 3, 4)
    pp: Array  # (J 6, 4)
    pv: Array  # (J 9, 4)
    vv: Array  # (J 6, 4)
    prior: Array  # (J 6, 4)
    seen: Array  # (J 3, 4)
    blur: Array  # (J 6, 4)
    length: Array  # (E, 4)
    variance: Array  # (E, 4)
    bend: Array  # (E, 4)
    wobble: Array  # (E 2, 4)
    xyz: Array  # (J 3, 4)
    H: Array  # (J 6, 4)
    views: Array  # (J, 4)
    C: Array  # (J 6, 4)
    D: Array  # (J 6, 4)
    pull: Array  # (J 3, 4)
    offset: Array  # (J 3, 4)
    tether: Array  # (J, 4)
    stiffness: Array  # (E, 4)
    off: Array  # (1, 4)
    surprise: Array  # (J, 4)
    found: Array  # (J, 4)
    expected: Array  # (J, 4)
    dt: Array  # (1, 4)
    again: Array  # (1, 4)


@kernel
def new_group(joints: int, bones: int) -> Group:
    """Room for four people."""
    J, E = joints, bones
    a = np.empty((74 * J + 6 * E + 3, LANES))
    b, c = a[42 * J :], a[74 * J :]
    return Group(
        a[: 3 * J], a[3 * J : 6 * J], a[6 * J : 12 * J], a[12 * J : 21 * J],
        a[21 * J : 27 * J], a[27 * J : 33 * J], a[33 * J : 36 * J], a[36 * J : 42 * J],
        c[:E], c[E : 2 * E], c[2 * E : 3 * E], c[3 * E : 5 * E],
        b[: 3 * J], b[3 * J : 9 * J], b[9 * J : 10 * J], b[10 * J : 16 * J],
        b[16 * J : 22 * J], b[22 * J : 25 * J], b[25 * J : 28 * J], b[28 * J : 29 * J],
        c[5 * E : 6 * E], c[6 * E + 2 :], b[29 * J : 30 * J], b[30 * J : 31 * J], b[31 * J : 32 * J],
        c[6 * E : 6 * E + 1], c[6 * E + 1 : 6 * E + 2],
    )  # fmt: skip


@inner
def gather(people: State, slots: Array, group: Group) -> None:
    """Put the people of four slots into the lanes."""
    _columns(people.pos, slots, group.pos)
    _columns(people.vel, slots, group.vel)
    _columns(people.pp, slots, group.pp)
    _columns(people.pv, slots, group.pv)
    _columns(people.vv, slots, group.vv)
    _columns(people.prior, slots, group.prior)
    _columns(people.seen, slots, group.seen)
    _columns(people.blur, slots, group.blur)
    _columns(people.length, slots, group.length)
    _columns(people.variance, slots, group.variance)
    _columns(people.bend, slots, group.bend)
    _columns(people.wobble, slots, group.wobble)
    _columns(people.surprise, slots, group.surprise)


@inner
def gather_points(xyz: Array, H: Array, views: Array, who: Array, group: Group) -> None:
    """Put the frame's points of four people (rows of P) into the lanes."""
    _columns(xyz, who, group.xyz)
    _columns(H, who, group.H)
    for k in range(LANES):
        for j in range(views.shape[1]):
            group.views[j, k] = views[who[k], j]


@inner
def scatter(group: Group, slots: Array, people: State) -> None:
    """Put the lanes back into their slots; lanes of the same slot must be the same."""
    _rows(group.pos, slots, people.pos)
    _rows(group.vel, slots, people.vel)
    _rows(group.pp, slots, people.pp)
    _rows(group.pv, slots, people.pv)
    _rows(group.vv, slots, people.vv)
    _rows(group.seen, slots, people.seen)
    _rows(group.blur, slots, people.blur)
    _rows(group.length, slots, people.length)
    _rows(group.variance, slots, people.variance)
    _rows(group.bend, slots, people.bend)
    _rows(group.wobble, slots, people.wobble)
    _rows(group.surprise, slots, people.surprise)


@inner
def _columns(source: Array, who: Array, lanes: Array) -> None:
    """lanes[:, k] = source[who[k]]."""
    rows = source.reshape(source.shape[0], lanes.shape[0])
    p, q, r, s = who[0], who[1], who[2], who[3]
    whole = lanes.shape[0] // LANES * LANES
    for i in range(0, whole, LANES):
        a, b, c, d = transpose(read(rows, p, i), read(rows, q, i), read(rows, r, i), read(rows, s, i))
        store(lanes, i, a)
        store(lanes, i + 1, b)
        store(lanes, i + 2, c)
        store(lanes, i + 3, d)
    for i in range(whole, lanes.shape[0]):
        lanes[i, 0], lanes[i, 1], lanes[i, 2], lanes[i, 3] = rows[p, i], rows[q, i], rows[r, i], rows[s, i]


@inner
def _rows(lanes: Array, who: Array, target: Array) -> None:
    """target[who[k]] = lanes[:, k]."""
    rows = target.reshape(target.shape[0], lanes.shape[0])
    p, q, r, s = who[0], who[1], who[2], who[3]
    whole = lanes.shape[0] // LANES * LANES
    for i in range(0, whole, LANES):
        a, b, c, d = transpose(load(lanes, i), load(lanes, i + 1), load(lanes, i + 2), load(lanes, i + 3))
        write(rows, p, i, a)
        write(rows, q, i, b)
        write(rows, r, i, c)
        write(rows, s, i, d)
    for i in range(whole, lanes.shape[0]):
        rows[p, i], rows[q, i], rows[r, i], rows[s, i] = lanes[i, 0], lanes[i, 1], lanes[i, 2], lanes[i, 3]


@inner
def three(lanes: Array, row: int) -> Three:
    """Three rows."""
    return load(lanes, row), load(lanes, row + 1), load(lanes, row + 2)


@inner
def six(lanes: Array, row: int) -> Six:
    """Six rows."""
    return (
        load(lanes, row), load(lanes, row + 1), load(lanes, row + 2),
        load(lanes, row + 3), load(lanes, row + 4), load(lanes, row + 5),
    )  # fmt: skip


@inner
def store_three(lanes: Array, row: int, a: Four, b: Four, c: Four) -> None:
    """Set three rows."""
    store(lanes, row, a)
    store(lanes, row + 1, b)
    store(lanes, row + 2, c)


@inner
def store_six(lanes: Array, row: int, a: Four, b: Four, c: Four, d: Four, e: Four, f: Four) -> None:
    """Set six rows."""
    store_three(lanes, row, a, b, c)
    store_three(lanes, row + 3, d, e, f)
