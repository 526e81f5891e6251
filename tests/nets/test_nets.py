"""The networks have the published structure, load only plain weights, and export to the same answer."""

import pickle

import numpy as np
import pytest
import torch

from multiview.errors import ConfigError
from multiview.nets.checkpoint import load_weights
from multiview.nets.folding import fold_batch_norms
from multiview.nets.hrnet import HRNet, hrnet_w32, hrnet_w48
from multiview.nets.onnx_export import export_onnx
from multiview.nets.simple_baseline import SimpleBaseline


def parameters(net):
    return sum(p.numel() for p in net.parameters())


def small():
    return HRNet(8, 5, (1, 1, 1)).eval()


def test_hrnet_w32_has_the_published_entries():
    net = hrnet_w32()
    shapes = {name: tuple(value.shape) for name, value in net.state_dict().items()}
    assert len(shapes) == 1754
    assert parameters(net) == 28_536_113
    assert shapes["conv1.weight"] == (64, 3, 3, 3)
    assert shapes["layer1.0.downsample.0.weight"] == (256, 64, 1, 1)
    assert shapes["transition1.0.0.weight"] == (32, 256, 3, 3)
    assert shapes["transition1.1.0.0.weight"] == (64, 256, 3, 3)
    assert shapes["transition3.3.0.0.weight"] == (256, 128, 3, 3)
    assert shapes["stage2.0.branches.1.3.conv2.weight"] == (64, 64, 3, 3)
    assert shapes["stage3.3.fuse_layers.2.0.0.0.weight"] == (32, 32, 3, 3)
    assert shapes["stage3.3.fuse_layers.2.0.1.0.weight"] == (128, 32, 3, 3)
    assert shapes["stage4.0.fuse_layers.3.2.0.0.weight"] == (256, 128, 3, 3)
    assert shapes["stage4.2.fuse_layers.0.3.0.weight"] == (32, 256, 1, 1)
    assert "stage4.2.fuse_layers.1.0.0.0.weight" not in shapes
    assert shapes["final_layer.weight"] == (17, 32, 1, 1)


def test_other_sizes_have_the_published_parameters():
    assert parameters(hrnet_w48()) == 63_595_745
    assert parameters(SimpleBaseline(50)) == 33_999_697
    assert {"deconv_layers.7.bias", "final_layer.bias", "layer4.2.conv3.weight"} <= SimpleBaseline(
        50
    ).state_dict().keys()


@pytest.mark.slow
@pytest.mark.parametrize("net", [small(), SimpleBaseline(18, 5).eval()], ids=["hrnet", "simple_baseline"])
def test_heatmaps_at_a_quarter_and_the_same_from_onnx(net, tmp_path):
    import onnxruntime

    export_onnx(net, tmp_path / "net.onnx", (64, 96))
    image = torch.randn(2, 3, 96, 64)
    with torch.no_grad():
        expected = net(image).numpy()
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    got = session.run(["heatmaps"], {"input": image.numpy()})[0]
    assert got.shape == (2, 5, 24, 16)
    assert np.abs(got - expected).max() < 1e-4


@pytest.mark.slow
def test_the_whole_hrnet_w32_is_the_same_from_onnx(tmp_path):
    """At its own input size, with running statistics of its own activations, so that heatmaps are of order one."""
    import onnxruntime

    torch.manual_seed(0)
    net = hrnet_w32()
    with torch.no_grad():
        net.train()(torch.randn(2, 3, 256, 192))
        net.eval()
        export_onnx(net, tmp_path / "w32.onnx", (192, 256))
        image = torch.randn(1, 3, 256, 192)
        expected = net(image).numpy()
    session = onnxruntime.InferenceSession(tmp_path / "w32.onnx", providers=["CPUExecutionProvider"])
    got = session.run(["heatmaps"], {"input": image.numpy()})[0]
    assert got.shape == (1, 17, 64, 48)
    assert np.ptp(expected) > 0.1
    assert np.abs(got - expected).max() < 1e-4


def test_weights_load_key_for_key(tmp_path):
    net, other = small(), small()
    torch.save({"epoch": 3, "state_dict": {f"module.{k}": v for k, v in net.state_dict().items()}}, tmp_path / "w.pth")
    load_weights(other, tmp_path / "w.pth")
    for a, b in zip(net.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(a, b)


class Evil:
    def __reduce__(self):
        return (print, ("code from a checkpoint",))


def test_other_files_are_refused_with_the_reason(tmp_path, capsys):
    state = small().state_dict()
    torch.save(
        {k: v for k, v in state.items() if k != "conv1.weight"} | {"extra": torch.zeros(1)}, tmp_path / "other.pth"
    )
    with pytest.raises(ConfigError, match=r"another network: 1 of .* missing and 1 unknown \(no conv1.weight"):
        load_weights(small(), tmp_path / "other.pth")
    torch.save(state | {"two\nlines" + "x" * 500: torch.zeros(1)}, tmp_path / "name.pth")
    with pytest.raises(ConfigError) as caught:
        load_weights(small(), tmp_path / "name.pth")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < len(str(tmp_path)) + 350
    torch.save(state | {"final_layer.bias": torch.zeros(9)}, tmp_path / "size.pth")
    with pytest.raises(ConfigError, match=r"final_layer.bias is"):
        load_weights(small(), tmp_path / "size.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(ConfigError, match="no state_dict"):
        load_weights(small(), tmp_path / "list.pth")
    (tmp_path / "text.pth").write_text("hello")
    (tmp_path / "evil.pth").write_bytes(pickle.dumps(Evil()))
    for name in ("text.pth", "evil.pth", "absent.pth"):
        with pytest.raises(ConfigError, match=name):
            load_weights(small(), tmp_path / name)
    assert "code" not in capsys.readouterr().out


def test_folded_batch_norms_give_the_same_answer():
    torch.manual_seed(0)
    net = small()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.running_mean, 0, 0.3)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
    folded = fold_batch_norms(net)
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        np.testing.assert_allclose(folded(image), net(image), atol=1e-4, rtol=1e-4)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded.modules())
