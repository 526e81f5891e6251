"""Training of lifting networks: what is exported gives what torch does, and a few steps make it better."""

import numpy as np
import pytest
import torch

from multiview.learn.lifting import KINDS, exported, loss_of, network_of, train
from multiview.learn.lifting_data import movements, sample_batch
from multiview.lifting.network import NETWORKS, LiftingNetwork, load_network
from multiview.lifting.windows import FEATURES, FRAMES, MIRRORED


def mirrored(inputs):
    """The windows of mirrored people: x changes its sign, left and right their places."""
    xy, seen, whole = inputs[..., :34].reshape(-1, FRAMES, 17, 2), inputs[..., 34:51], inputs[..., 51:]
    parts = [(xy[:, :, MIRRORED] * [-1, 1]).reshape(-1, FRAMES, 34), seen[..., MIRRORED], whole * [-1, 1, 1, 1]]
    return np.concatenate(parts, axis=-1).astype(np.float32)


def mirrored_back(out):
    depth, aside, rest = out[:, :17], out[:, 17:51].reshape(-1, 17, 2), out[:, 51:85].reshape(-1, 2, 17)
    parts = [depth[:, MIRRORED], (aside[:, MIRRORED] * [-1, 1]).reshape(-1, 34), rest[:, :, MIRRORED].reshape(-1, 34)]
    return np.concatenate([*parts, out[:, 85:]], axis=1)


@pytest.mark.parametrize("kind", list(KINDS))
def test_exported_network_gives_what_torch_gives(kind: str) -> None:
    torch.manual_seed(0)
    net = network_of(kind)
    inputs = torch.randn(64, FRAMES, FEATURES)
    with torch.no_grad():
        for _ in range(3):
            net(inputs)  # normalisation learns its statistics
        net.eval()
        expected = net(inputs).numpy()
        there = net(torch.from_numpy(mirrored(inputs.numpy()))).numpy()
    expected = (expected + mirrored_back(there)) / 2
    shape = LiftingNetwork(exported(net))(inputs.numpy())
    np.testing.assert_allclose(shape.depth, expected[:, :17], atol=0.01)  # weights are halves
    np.testing.assert_allclose(shape.aside.reshape(64, -1), expected[:, 17:51], atol=0.01)
    np.testing.assert_allclose(shape.above, expected[:, 87], atol=0.01)
    np.testing.assert_allclose(shape.depth_sd, np.sqrt(2) * np.exp(expected[:, 51:68]), rtol=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(KINDS))
def test_training_makes_people_better(kind: str) -> None:
    batch = sample_batch(movements(40, 2), 256, np.random.default_rng(1))
    errors = []
    for steps in (2, 60):
        network = LiftingNetwork(train(kind, steps, count=60, say=False))
        errors.append(np.abs(network(batch.windows.inputs).depth - _depth(batch)).mean())
    assert errors[1] < 0.9 * errors[0]


@pytest.mark.parametrize("kind", NETWORKS)
def test_shipped_network_knows_movements_that_it_never_saw(kind: str) -> None:
    """Better than half the error of a flat person, and deviations that are true of it."""
    batch = sample_batch(movements(60, 99), 1500, np.random.default_rng(5))
    shape, true = load_network(kind)(batch.windows.inputs), _depth(batch)
    assert np.abs(shape.depth - true).mean() < 0.6 * np.abs(true).mean()
    assert 0.7 < np.mean(((shape.depth - true) / shape.depth_sd) ** 2) < 1.4


def _depth(batch):
    return batch.xyz[..., 2] - batch.xyz[:, [11, 12], 2].mean(axis=1, keepdims=True)


def test_loss_is_small_where_everything_is_right() -> None:
    batch = sample_batch(movements(10, 2), 16, np.random.default_rng(1))
    uv = batch.windows.uv
    out = torch.zeros((16, 89))
    far = batch.xyz[:, [11, 12], 2].mean(axis=1)
    out[:, :17] = torch.from_numpy(_depth(batch))
    out[:, 17:51] = torch.from_numpy((batch.xyz[..., :2] - uv * batch.xyz[..., 2:]).reshape(16, -1))
    out[:, 85] = torch.from_numpy(np.log(far * batch.windows.size))
    out[:, 87] = torch.from_numpy(batch.above)
    assert float(loss_of(out, batch)[1]) < 1e-3
