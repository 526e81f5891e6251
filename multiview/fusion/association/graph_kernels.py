"""The epipolar graph's edge weights, and the best division of one of its components into people."""

from __future__ import annotations

import math

import numpy as np

from multiview.cameras.observations import PackedRig, Rays
from multiview.fusion.state.body_model import Body
from multiview.geometry.epipolar_kernels import ray_gap
from multiview.geometry.jit import Array, inner, kernel

CHANCE = 0.5  # joints' agreement below which two detections are rather different people
SMALLEST, LARGEST = 0.45, 1.6  # a person's size, relative to an adult of 1.73 m


@kernel
def agreements(free: Array, rays: Rays, rig: PackedRig, body: Body, soft: float, weight: Array, shared: Array) -> None:
    """weight[a, b]: joints' worth of agreement between two free detections, positive for the same person; shared:
    joints.

    Each joint that both see counts between +0.5 (rays meet) and -0.5 (they pass far from each other); two detections
    whose rays meet in someone impossibly large or small are not the same person.
    """
    count, joints, core, camera = free.shape[0], rays.xy.shape[1], body.matching_joints, rays.camera
    middle, met = np.empty((joints, 3)), np.zeros(joints, dtype=np.bool_)
    for a in range(count):
        for b in range(a):
            da, db = free[a], free[b]
            ca, cb = camera[da], camera[db]
            weight[a, b] = weight[b, a] = 0.0
            shared[a, b] = shared[b, a] = 0
            if ca == cb:
                continue
            met[:] = False
            total, seen = 0.0, 0
            for k in range(core.shape[0]):
                j = core[k]
                if not (rays.info[da, j, 0] > 0.0 and rays.info[db, j, 0] > 0.0):
                    continue
                z, _ = ray_gap(
                    rig.centre[ca], rig.R[ca], rays.ray[da, j], rays.noise[da, j],
                    rig.centre[cb], rig.R[cb], rays.ray[db, j], rays.noise[db, j], middle[j],
                )  # fmt: skip
                if z != z:
                    continue
                seen += 1
                total += 1.0 / (1.0 + (z / soft) * (z / soft)) - CHANCE
                met[j] = z < 2 * soft
            size = relative_size(body.parent, body.length, middle, met)
            if size == size and not SMALLEST < size < LARGEST:
                total = -0.5 * seen
            weight[a, b] = weight[b, a] = total
            shared[a, b] = shared[b, a] = seen


@kernel
def components(weight: Array, shared: Array, least: int) -> Array:
    """Connected components of the graph whose edges have positive weight and `least` shared joints.

    Each detection's label is the first detection of its component.
    """
    count = weight.shape[0]
    label, queue = np.full(count, -1), np.empty(count, dtype=np.int64)
    for first in range(count):
        if label[first] >= 0:
            continue
        label[first] = queue[0] = first
        head, tail = 0, 1
        while head < tail:
            a = queue[head]
            head += 1
            for b in range(count):
                if label[b] < 0 and weight[a, b] > 0.0 and shared[a, b] >= least:
                    label[b] = first
                    queue[tail] = b
                    tail += 1
    return label


@inner
def relative_size(parent: Array, length: Array, xyz: Array, known: Array) -> float:
    """Sum of the known bones over what they sum up to in an adult; NaN without three bones."""
    here, adult, bones = 0.0, 0.0, 0
    for j in range(parent.shape[0]):
        p = parent[j]
        if p >= 0 and known[j] and known[p] and length[j] > 0.1:
            dx, dy, dz = xyz[j, 0] - xyz[p, 0], xyz[j, 1] - xyz[p, 1], xyz[j, 2] - xyz[p, 2]
            here += math.sqrt(dx * dx + dy * dy + dz * dz)
            adult += length[j]
            bones += 1
    return here / adult if bones >= 3 else np.nan


@inner
def greedy_partition(weight: Array, camera: Array) -> Array:
    """Join the two groups that gain most until none gains; no group has two detections of one camera."""
    n = weight.shape[0]
    label = np.arange(n)
    gain = weight.copy()
    while True:
        best, a, b = 0.0, -1, -1
        for i in range(n):
            for k in range(i):
                if label[i] == i and label[k] == k and gain[i, k] > best and compatible(label, camera, i, k):
                    best, a, b = gain[i, k], k, i
        if a < 0:
            return label
        for i in range(n):
            if label[i] == b:
                label[i] = a
            gain[a, i] += gain[b, i]
            gain[i, a] = gain[a, i]


@inner
def compatible(label: Array, camera: Array, a: int, b: int) -> bool:
    """Whether no camera has a detection in both groups."""
    for i in range(label.shape[0]):
        if label[i] == a:
            for k in range(label.shape[0]):
                if label[k] == b and camera[k] == camera[i]:
                    return False
    return True


@kernel
def best_partition(weight: Array, camera: Array, max_steps: int) -> tuple[Array, bool]:
    """Labels that maximise the weight inside groups with one detection per camera, and whether that is proven.

    Depth-first branch and bound: each detection in turn joins a group or founds one; a branch is left when even all
    remaining positive weights could not beat the best. It starts from the greedy answer and ends after `max_steps`.
    """
    n = weight.shape[0]
    best = greedy_partition(weight, camera)
    value = 0.0
    for i in range(n):
        for k in range(i):
            if best[i] == best[k]:
                value += weight[i, k]
    optimism = np.zeros(n + 1)  # what detections i.. could still add: all their positive weights to earlier ones
    for i in range(n - 1, -1, -1):
        optimism[i] = optimism[i + 1]
        for k in range(i):
            optimism[i] += max(weight[i, k], 0.0)
    label, groups = np.full(n, -1), np.zeros(n + 1, dtype=np.int64)
    score, choice = np.zeros(n + 1), np.full(n, -1)
    i, steps = 0, 0
    while i >= 0:
        if i == n:
            if score[n] > value + 1e-12:
                value = float(score[n])
                best = label.copy()
            i -= 1
            continue
        steps += 1
        if steps > max_steps:
            return best, False
        choice[i] += 1
        label[i] = -1
        g = choice[i]
        if g > groups[i]:
            choice[i] = -1
            i -= 1
            continue
        gain, fits = 0.0, True
        for k in range(i):
            if label[k] == g:
                gain += weight[i, k]
                fits = fits and camera[k] != camera[i]
        if not fits or score[i] + gain + optimism[i + 1] <= value + 1e-12:
            continue
        label[i] = g
        score[i + 1] = score[i] + gain
        groups[i + 1] = max(groups[i], g + 1)
        i += 1
    return best, True
