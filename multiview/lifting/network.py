"""Runs a trained network on windows, in numpy: products of matrices with a few hundred rows.

Weights are made by `python -m multiview.learn.lifting`; batch normalisation is folded into them. Of each joint a
network tells how much further than the middle of the hips it is, and by how much the ray through its keypoint misses
it; of the body how far it is by its size in the picture, and how high the middle of the hips is above the floor. All of
this is in heights of the person, with deviations.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Float64

from multiview.common.package_data import package_file
from multiview.errors import ConfigError
from multiview.lifting.windows import FEATURES, JOINTS, MIRRORED

__all__ = ["NETWORKS", "LiftingNetwork", "Shape", "load_network"]

NETWORKS = ("temporal",)
_J = len(JOINTS)


def _mirror() -> Float32[np.ndarray, "F F"]:
    """What takes the features of a frame to those of its mirror image."""
    of, sign = np.arange(FEATURES), np.ones(FEATURES, dtype=np.float32)
    xy = np.arange(2 * _J).reshape(_J, 2)
    of[: 2 * _J], of[2 * _J : 3 * _J] = xy[MIRRORED].ravel(), 2 * _J + np.array(MIRRORED)
    sign[xy[:, 0]] = sign[3 * _J] = -1.0
    mirror = np.zeros((FEATURES, FEATURES), dtype=np.float32)
    mirror[of, np.arange(FEATURES)] = sign
    return mirror


def _mirrored_outputs() -> tuple[np.ndarray, np.ndarray]:
    """Which number of the mirror image is which, and its sign."""
    joints, aside = np.array(MIRRORED), np.arange(_J, 3 * _J).reshape(_J, 2)[MIRRORED].ravel()
    of = np.concatenate([joints, aside, 3 * _J + joints, 4 * _J + joints, np.arange(5 * _J, 5 * _J + 4)])
    sign = np.ones(len(of))
    sign[_J : 3 * _J : 2] = -1.0
    return of, sign


_MIRROR = _mirror()
_MIRRORED_OUTPUTS, _MIRRORED_SIGNS = _mirrored_outputs()


class Shape(NamedTuple):
    """What a network tells of N windows; lengths in heights of the person, deviations beside them.

    Attributes:
        depth: (N, J) of each joint behind the middle of the hips, along the view's axis.
        depth_sd: (N, J).
        aside: (N, J, 2) from its ray, or where it is not seen from the axis, to the right and down.
        aside_sd: (N, J) of each of both.
        distance: (N,) logarithm of the distance of the hips times the size in the view.
        distance_sd: (N,).
        above: (N,) the hips above the floor.
        above_sd: (N,).
    """

    depth: Float64[np.ndarray, "N J"]
    depth_sd: Float64[np.ndarray, "N J"]
    aside: Float64[np.ndarray, "N J 2"]
    aside_sd: Float64[np.ndarray, "N J"]
    distance: Float64[np.ndarray, " N"]
    distance_sd: Float64[np.ndarray, " N"]
    above: Float64[np.ndarray, " N"]
    above_sd: Float64[np.ndarray, " N"]


class LiftingNetwork:
    """A trained network.

    Args:
        arrays: Its weights by name, and `calibration`: four factors on the deviations, in the order of `Shape`.
    """

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        self._weights = {name: np.ascontiguousarray(array, dtype=np.float32) for name, array in arrays.items()}
        kinds = {"encoder.weight": _recurrent, "joints.weight": _graph}
        self._run = next((run for name, run in kinds.items() if name in arrays), _temporal)
        self._calibration = self._weights["calibration"].astype(np.float64)

    def __call__(self, inputs: Float32[np.ndarray, "N T F"]) -> Shape:
        """What it tells of windows: the mean of what it tells of them and of their mirror images.

        Args:
            inputs: As `view_windows` gives them.

        Returns:
            The shapes.
        """
        both = self._run(self._weights, np.concatenate([inputs, inputs @ _MIRROR])).astype(np.float64)
        out = 0.5 * (both[: len(inputs)] + both[len(inputs) :, _MIRRORED_OUTPUTS] * _MIRRORED_SIGNS)
        # Errors are taken to be of Laplace's distribution, whose deviation is 2**0.5 times its scale.
        depth, aside, distance, above = self._calibration * np.sqrt(2.0)
        return Shape(
            depth=out[:, :_J],
            depth_sd=depth * np.exp(out[:, 3 * _J : 4 * _J]),
            aside=out[:, _J : 3 * _J].reshape(-1, _J, 2),
            aside_sd=aside * np.exp(out[:, 4 * _J : 5 * _J]),
            distance=out[:, 5 * _J],
            distance_sd=distance * np.exp(out[:, 5 * _J + 1]),
            above=out[:, 5 * _J + 2],
            above_sd=above * np.exp(out[:, 5 * _J + 3]),
        )


@cache
def load_network(name: str = NETWORKS[0]) -> LiftingNetwork:
    """A network that ships with multiview, or one's own.

    Args:
        name: One of `NETWORKS`, or a file that `multiview.learn.lifting` wrote.

    Returns:
        The network.

    Raises:
        ConfigError: There is no such network.
    """
    path = package_file("lifting", f"{name}.npz") if name in NETWORKS else Path(name)
    if not path.is_file():
        raise ConfigError(f"no lifting network {name!r}: there are {', '.join(NETWORKS)}, or give a file with weights")
    with np.load(path) as arrays:
        return LiftingNetwork(dict(arrays))


def _temporal(w: dict[str, np.ndarray], inputs: Float32[np.ndarray, "N T F"]) -> Float32[np.ndarray, "N K"]:
    """`TemporalLifter`: each layer takes three frames to one, so that a convolution over time is a product."""
    x = _dense(w, "expand", inputs.reshape(len(inputs) * inputs.shape[1] // 3, -1))
    for block in range(3):
        x = _residual(w, f"block{block}", x)
    now = inputs[:, inputs.shape[1] // 2]
    return np.asarray(np.concatenate([x, now], axis=1) @ w["head.weight"] + w["head.bias"])


def _residual(w: dict[str, np.ndarray], name: str, x: np.ndarray) -> np.ndarray:
    width = w[f"{name}.channels.weight"].shape[0]
    frames = w[f"{name}.time.weight"].shape[0] // width
    kept = x.reshape(-1, frames, width)[:, frames // 2]
    y = _dense(w, f"{name}.time", x.reshape(-1, frames * width))
    return kept + _dense(w, f"{name}.channels", y)


def _recurrent(w: dict[str, np.ndarray], inputs: Float32[np.ndarray, "N T F"]) -> Float32[np.ndarray, "N K"]:
    """`RecurrentLifter`: gated recurrent units (Cho 2014), reset, update and candidate side by side."""
    N, T, _ = inputs.shape
    state = np.zeros((N, w["state.weight"].shape[0]), dtype=np.float32)
    width = state.shape[1]
    given = inputs @ w["encoder.weight"] + w["encoder.bias"]
    middle = state
    for t in range(T):
        kept = state @ w["state.weight"] + w["state.bias"]
        gates = 1.0 / (1.0 + np.exp(-(given[:, t, : 2 * width] + kept[:, : 2 * width])))
        new = np.tanh(given[:, t, 2 * width :] + gates[:, :width] * kept[:, 2 * width :])
        state = new + gates[:, width:] * (state - new)
        middle = state if t == T // 2 else middle
    x = _residual(w, "block0", _dense(w, "both", np.concatenate([middle, state], axis=1)))
    return np.asarray(x @ w["head.weight"] + w["head.bias"])


def _graph(w: dict[str, np.ndarray], inputs: Float32[np.ndarray, "N T F"]) -> Float32[np.ndarray, "N K"]:
    """`GraphLifter`: joints are rows; each layer mixes them by the weights of the edges."""
    N, T, _ = inputs.shape
    xy = inputs[..., : 2 * _J].reshape(N, T, _J, 2)
    own = np.concatenate([xy, inputs[..., 2 * _J : 3 * _J, None]], axis=-1).swapaxes(1, 2).reshape(N, _J, 3 * T)
    whole = inputs[..., 3 * _J :].reshape(N, 1, -1) @ w["whole.weight"]
    x = np.maximum(own @ w["joints.weight"] + w["joints.bias"] + whole + w["names"], 0.0)
    for block in range(3):
        y = x
        for layer in ("first", "second"):
            name = f"block{block}.{layer}"
            mixed = w[f"{name}.edges"] @ (y @ w[f"{name}.others"])
            mixed += y @ w[f"{name}.own"] + y.mean(axis=1, keepdims=True) @ w[f"{name}.all"]
            y = np.maximum(mixed + w[f"{name}.bias"], 0.0)
        x = x + y
    each = x @ w["head.weight"] + w["head.bias"]
    body = x.mean(axis=1) @ w["body.weight"] + w["body.bias"]
    return np.concatenate([each[..., 0], each[..., 1:3].reshape(N, -1), each[..., 3], each[..., 4], body], axis=1)


def _dense(w: dict[str, np.ndarray], name: str, x: np.ndarray) -> np.ndarray:
    return np.maximum(x @ w[f"{name}.weight"] + w[f"{name}.bias"], 0.0)
