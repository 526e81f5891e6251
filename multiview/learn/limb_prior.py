"""Trains the learned body: where the limbs are that nobody sees, given those that are seen.

    python -m multiview.learn.limb_prior [OUT]

From elbows, wrists, knees and ankles in the torso's axes, any of which may be missing, a small network gives the mean
and the standard deviation of each. It learns from synthetic people alone: random postures, and the walking, sitting and
reaching people of the synthetic studio, each with its mirror image. A few minutes on one core; the same seed gives the
same weights up to rounding. `fusion/estimation/limb_kernels.py` runs it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64

from multiview.body.skeleton import load_skeleton
from multiview.common.atomic_file import replacing
from multiview.common.package_data import package_file
from multiview.synthetic import StudioOptions, make_studio
from multiview.synthetic.postures import sample_postures

__all__ = ["JOINTS", "ROOTS", "limb_offsets", "main", "train"]

JOINTS = tuple(f"{side}_{joint}" for joint in ("elbow", "wrist", "knee", "ankle") for side in ("left", "right"))
ROOTS = tuple(f"{side}_{joint}" for joint in ("shoulder", "shoulder", "hip", "hip") for side in ("left", "right"))
_MIRROR = [1, 0, 3, 2, 5, 4, 7, 6]
_LIMBS = ((0, 2), (1, 3), (4, 6), (5, 7))  # inner and outer joint
_HIDDEN = {"none": 0.35, "both": 0.4, "outer": 0.15, "inner": 0.1}  # of each limb, how often
ADULT_M = 1.73
_WIDE = ("rare", "lunge", "kneel", "crouch")  # half of all postures: what limbs can do, not what they mostly do
_POSTURES, _STUDIOS, _STUDIO_S, _STUDIO_SHARE = 60_000, 30, 20.0, 1 / 3
_WIDTH, _STEPS, _BATCH, _RATE = 64, 6000, 512, 2e-3
_NOISE_M = 0.03  # of the joints that are seen
_LEAST_SD_M = 0.03


def limb_offsets(
    xyz: Float64[np.ndarray, "N J 3"], names: tuple[str, ...], size: Float64[np.ndarray, " N"]
) -> Float64[np.ndarray, "N 8 3"]:
    """Each of `JOINTS` from its root in the torso's axes (forwards, left, up), as if everyone were an adult of 1.73 m.

    Args:
        xyz: (N, J, 3) m.
        names: Of the J joints.
        size: (N,) relative to that adult.

    Returns:
        (N, 8, 3) m.
    """
    at = {name: xyz[:, names.index(name)] for name in (*JOINTS, *ROOTS)}
    up = at["left_shoulder"] + at["right_shoulder"] - at["left_hip"] - at["right_hip"]
    up = up / np.linalg.norm(up, axis=-1, keepdims=True)
    left = at["left_shoulder"] + at["left_hip"] - at["right_shoulder"] - at["right_hip"]
    left = left - (left * up).sum(axis=-1, keepdims=True) * up
    left = left / np.linalg.norm(left, axis=-1, keepdims=True)
    axes = np.stack([np.cross(left, up), left, up], axis=-1)
    offsets = np.stack([at[joint] - at[root] for joint, root in zip(JOINTS, ROOTS, strict=True)], axis=1)
    return np.asarray(np.einsum("nij,nki->nkj", axes, offsets) / size[:, None, None])


def _people() -> tuple[Float64[np.ndarray, "N 8 3"], Float64[np.ndarray, " N"]]:
    """Limbs to learn from, and how often each is drawn."""
    halpe = load_skeleton("halpe26").joints
    rng = np.random.default_rng(1)
    drawn = [sample_postures(rng, _POSTURES // 2, held_out=True, only=only) for only in (None, _WIDE)]
    postures = np.concatenate([limb_offsets(xyz, halpe, stature / ADULT_M) for xyz, stature in drawn])
    walkers = []
    for seed in range(_STUDIOS):
        options = StudioOptions(cameras=1, people=1, seconds=_STUDIO_S, seed=1000 + seed, pace_m_s=(0.8, 2.5))
        studio = make_studio(options)
        frames = studio.truth.xyz[::4]
        ends = [studio.skeleton.joints.index(joint) for joint in ("left_hip", "left_knee", "left_ankle")]
        legs = np.linalg.norm(np.diff(frames[:, ends], axis=1), axis=-1).sum(axis=-1)
        walkers.append(limb_offsets(frames, studio.skeleton.joints, legs / (0.491 * ADULT_M)))
    both = [postures, np.concatenate(walkers)]
    weight = np.concatenate(
        [
            np.full(len(one), share / len(one))
            for one, share in zip(both, (1 - _STUDIO_SHARE, _STUDIO_SHARE), strict=True)
        ]
    )
    limbs = np.concatenate(both)
    return np.concatenate([limbs, limbs[:, _MIRROR] * [1.0, -1.0, 1.0]]), np.concatenate([weight, weight])


def _hidden(count: int, generator: torch.Generator) -> torch.Tensor:
    """Which joints nobody sees, (count, 8)."""
    hidden = torch.zeros((count, len(JOINTS)), dtype=torch.bool)
    for inner, outer in _LIMBS:
        kind = torch.multinomial(torch.tensor(list(_HIDDEN.values())), count, replacement=True, generator=generator)
        hidden[:, inner] = (kind == 1) | (kind == 3)
        hidden[:, outer] = (kind == 1) | (kind == 2)
    return hidden


def train(steps: int = _STEPS) -> dict[str, np.ndarray]:
    """Train the network.

    Args:
        steps: Of the optimiser.

    Returns:
        Its weights, float32: w1 (32, H), b1, w2 (H, H), b2, w3 (H, 48), b3. Inputs are, for each of `JOINTS`, 1 and its
        offset m where it is seen, else zeros; outputs are each joint's mean m and logarithm of its deviation.
    """
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    people, weight = _people()
    truth, drawn = torch.tensor(people, dtype=torch.float32), torch.tensor(weight)
    count = len(JOINTS)
    net = torch.nn.Sequential(
        torch.nn.Linear(4 * count, _WIDTH), torch.nn.ReLU(),
        torch.nn.Linear(_WIDTH, _WIDTH), torch.nn.ReLU(),
        torch.nn.Linear(_WIDTH, 6 * count),
    )  # fmt: skip
    optimiser = torch.optim.Adam(net.parameters(), _RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        true = truth[torch.multinomial(drawn, _BATCH, replacement=True, generator=generator)]
        hidden = _hidden(_BATCH, generator)
        seen = true + _NOISE_M * torch.randn(true.shape, generator=generator)
        inputs = torch.cat([(~hidden)[..., None].float(), seen], dim=-1) * (~hidden)[..., None]
        mean, log_sd = net(inputs.flatten(1)).reshape(-1, count, 6).split(3, dim=-1)
        log_sd = log_sd.clamp(min=float(np.log(_LEAST_SD_M)))
        loss = (0.5 * ((mean - true) / log_sd.exp()) ** 2 + log_sd)[hidden].mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    layers = [layer for layer in net if isinstance(layer, torch.nn.Linear)]
    arrays = {f"w{n}": layer.weight.detach().numpy().T for n, layer in enumerate(layers, start=1)}
    return arrays | {f"b{n}": layer.bias.detach().numpy() for n, layer in enumerate(layers, start=1)}


def main(arguments: list[str]) -> None:
    """Train and write the weights: the file that fusion reads, unless another is named."""
    out = Path(arguments[0]) if arguments else package_file("limb_prior.npz")
    with replacing(out) as path, path.open("wb") as file:
        np.savez(file, allow_pickle=False, **train())


if __name__ == "__main__":
    main(sys.argv[1:])
