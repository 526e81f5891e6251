"""Every loss: its gradient is right, absent joints are silent, and a network can learn sixteen pictures by it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from multiview.learn.losses import LOSSES, Target, gaussian_maps, reduce, soft_argmax
from multiview.learn.source import rendered_sample
from multiview.learn.tensors import images_to_tensor
from multiview.nets.light import Light


def some_target(n=2, k=3, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    xy = 1 + 4 * torch.rand((n, k, 2), generator=generator, dtype=dtype)
    weight = torch.ones((n, k), dtype=dtype)
    weight[0, 1] = 0
    return Target(xy, weight, torch.full((n, k), 1.5, dtype=dtype))


@pytest.mark.slow
@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("ohkm_top_k", [0, 2])
def test_gradient(name, ohkm_top_k):
    target = some_target()
    maps = torch.randn(
        (2, 3, 6, 7), dtype=torch.float64, generator=torch.Generator().manual_seed(1), requires_grad=True
    )
    value = lambda m: reduce(LOSSES[name](m, target, 1.0), target.weight, ohkm_top_k)
    assert torch.autograd.gradcheck(value, (maps,))
    value(maps).backward()
    assert (maps.grad[0, 1] == 0).all()
    assert (maps.grad[1] != 0).any()


@pytest.mark.parametrize("name", LOSSES)
def test_perfect_maps_cost_nothing(name):
    target = some_target()
    blobs = gaussian_maps(target.xy, 6, 7, 1.0)
    maps = blobs if name == "heatmap_mse" else (blobs + 1e-30).log()
    # The blob's mean is off its centre by what the frame cuts off: the coordinate losses only come near nothing.
    assert (LOSSES[name](maps, target, 1.0) < (1e-9 if name in ("heatmap_mse", "spatial_cross_entropy") else 0.2)).all()


def test_reduce_with_ohkm_keeps_the_worst():
    loss, weight = torch.tensor([[1.0, 5.0, 3.0]]), torch.tensor([[1.0, 1.0, 1.0]])
    assert reduce(loss, weight, 2) == 4.0
    assert reduce(loss, weight) == 3.0


@pytest.fixture(scope="module")
def samples():
    rng = np.random.default_rng(0)
    return [rendered_sample(rng, (64, 64), 1.25) for _ in range(16)]


@pytest.mark.slow
@pytest.mark.parametrize("name", LOSSES)
def test_sixteen_pictures_are_learnt_by_heart(name, samples):
    torch.manual_seed(0)
    image = images_to_tensor([s.image for s in samples])
    xy = torch.tensor(np.stack([s.xy for s in samples]) / 4, dtype=torch.float32)
    weight = torch.tensor(np.stack([s.visibility > 0 for s in samples]), dtype=torch.float32)
    target = Target(xy * weight[..., None], weight, torch.ones_like(weight))
    network = Light(17, (16, 24, 32, 64), (1, 1, 1)).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), lr=4e-3)
    losses = []
    for _ in range(80):
        loss = reduce(LOSSES[name](network(image), target, 1.0), weight)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.35 * losses[0]
    maps = network(image).detach()
    peak = maps.flatten(2).argmax(-1)
    found = soft_argmax(maps) if name in ("oks", "soft_argmax_l1") else torch.stack([peak % 16, peak // 16], -1)
    error = (found - target.xy).norm(dim=-1)[weight > 0]
    assert (error < 1.5).float().mean() > 0.8
