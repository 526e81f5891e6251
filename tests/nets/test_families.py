"""Networks of every family say the same as ONNX; flows are densities."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from multiview.nets.associative_embedding import AssociativeEmbedding
from multiview.nets.hourglass import StackedHourglass
from multiview.nets.onnx_export import export_onnx
from multiview.nets.part_affinity import PartAffinity
from multiview.nets.pose_queries import PoseQueries
from multiview.nets.regression import RealNVP, Regression

SMALL = {"widths": (8, 8, 8, 16), "depths": (1, 1, 1)}
FAMILIES = {
    "hourglass": (lambda: StackedHourglass(5, 16, 2, 3), (2, 5, 24, 16)),
    "regression": (lambda: Regression(5, **SMALL), (2, 5, 4)),
    "part_affinity": (lambda: PartAffinity(5, 4, **SMALL, stages=2), (2, 13, 24, 16)),
    "associative_embedding": (lambda: AssociativeEmbedding(5, **SMALL), (2, 10, 24, 16)),
    "pose_queries": (lambda: PoseQueries(5, **SMALL, queries=6, layers=2), (2, 6, 21)),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_onnx_says_the_same(name, tmp_path):
    import onnxruntime

    torch.manual_seed(0)
    make, shape = FAMILIES[name]
    net = make()
    with torch.no_grad():
        net.train()(torch.randn(4, 3, 96, 64))  # running statistics of its own activations
        net.eval()
        export_onnx(net, tmp_path / "net.onnx", (64, 96))
        image = torch.randn(2, 3, 96, 64)
        expected = net(image).numpy()
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    got = session.run(["heatmaps"], {"input": image.numpy()})[0]
    assert got.shape == shape
    assert np.ptp(expected) > 1e-3
    assert np.abs(got - expected).max() < 1e-4 * max(1.0, np.abs(expected).max())


def test_a_flow_is_a_density():
    torch.manual_seed(0)
    flow = RealNVP(couplings=4, hidden=8)
    for parameter in flow.parameters():
        torch.nn.init.normal_(parameter, 0, 0.3)
    axis = torch.linspace(-12, 12, 401)
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
    with torch.no_grad():
        mass = flow.log_density(grid).exp().sum() * (axis[1] - axis[0]) ** 2
    assert float(mass) == pytest.approx(1.0, abs=0.01)


def test_deviations_are_scaled_by_what_was_measured():
    torch.manual_seed(0)
    net = Regression(3, **SMALL)
    net.spread.fill_(4.0)
    image = torch.randn(1, 3, 32, 32)
    net.eval()
    with torch.no_grad():
        scaled = net(image)[..., 2:].clone()
        net.spread.fill_(1.0)
        plain = net(image)[..., 2:]
    torch.testing.assert_close(scaled, 2 * plain)
