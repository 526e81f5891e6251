"""Networks that lift 2D poses to 3D: temporal convolutions, a recurrent encoder, a graph network over the joints.

All take a window of frames (`multiview/lifting/windows.py`) and answer for the instant in its middle: per joint three
numbers and two logarithms of deviations, and two numbers of the whole body with one each.
"""

from __future__ import annotations

import torch
from torch import nn

__all__ = [
    "OUTPUTS",
    "GraphBlock",
    "GraphConvolution",
    "GraphLifter",
    "MotionPrior",
    "RecurrentLifter",
    "ResidualBlock",
    "TemporalLifter",
]

_JOINTS = 17
OUTPUTS = 5 * _JOINTS + 4
_WHOLE = 4  # features of a frame that are not of a joint
_BONES = (
    (0, 1), (0, 2), (1, 3), (2, 4), (0, 5), (0, 6), (5, 6), (5, 7), (7, 9), (6, 8), (8, 10), (5, 11), (6, 12), (11, 12),
    (11, 13), (13, 15), (12, 14), (14, 16),
)  # fmt: skip


class ResidualBlock(nn.Module):
    """Three frames become one: a convolution over them, one over channels, added to the middle frame."""

    def __init__(self, channels: int, frames: int = 3) -> None:
        super().__init__()
        self.frames = frames
        self.over_time = nn.Linear(frames * channels, channels)
        self.over_channels = nn.Linear(channels, channels)
        self.time_norm, self.channel_norm = nn.BatchNorm1d(channels), nn.BatchNorm1d(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        N, T, C = x.shape
        kept = x.reshape(N, T // self.frames, self.frames, C)[:, :, self.frames // 2]
        y = x.reshape(N * T // self.frames, self.frames * C)
        y = torch.relu(self.time_norm(self.over_time(y)))
        y = torch.relu(self.channel_norm(self.over_channels(y)))
        return kept + y.reshape(N, T // self.frames, C)


class TemporalLifter(nn.Module):
    """Convolutions over time with residual connections, each over three frames and a third of the rate.

    References:
        Pavllo, Feichtenhofer, Grangier and Auli, 3D human pose estimation in video with temporal convolutions, 2019.
    """

    def __init__(self, features: int, channels: int = 192) -> None:
        super().__init__()
        self.expand = nn.Linear(3 * features, channels)
        self.norm = nn.BatchNorm1d(channels)
        self.blocks = nn.ModuleList([ResidualBlock(channels), ResidualBlock(channels), ResidualBlock(channels, 1)])
        self.head = nn.Linear(channels + features, OUTPUTS)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """(N, 27, F) to (N, OUTPUTS)."""
        N, T, F = inputs.shape
        x = torch.relu(self.norm(self.expand(inputs.reshape(N * T // 3, 3 * F)))).reshape(N, T // 3, -1)
        for block in self.blocks:
            x = block(x)
        return self.head(torch.cat([x[:, 0], inputs[:, T // 2]], dim=-1))


class RecurrentLifter(nn.Module):
    """Gated recurrent units over the frames; what they know at the instant and at the end answers.

    `motion` is the postures that they think of frame by frame, which a motion prior judges.

    References:
        Kocabas, Athanasiou and Black, VIBE: Video inference for human body pose and shape estimation, 2020.
    """

    def __init__(self, features: int, channels: int = 128) -> None:
        super().__init__()
        self.encoder = nn.GRU(features, channels, batch_first=True)
        self.both = nn.Linear(2 * channels, channels)
        self.norm = nn.BatchNorm1d(channels)
        self.block = ResidualBlock(channels, 1)
        self.head = nn.Linear(channels, OUTPUTS)
        self.frame = nn.Linear(channels, 3 * _JOINTS)
        self.motion = torch.empty(0)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """(N, 27, F) to (N, OUTPUTS)."""
        states, _ = self.encoder(inputs)
        self.motion = self.frame(states)
        middle = states.shape[1] // 2
        x = torch.relu(self.norm(self.both(torch.cat([states[:, middle], states[:, -1]], dim=-1))))
        return self.head(self.block(x[:, None])[:, 0])


class MotionPrior(nn.Module):
    """Tells movements that people make from those that a network thinks up (least squares, Mao 2017)."""

    def __init__(self, channels: int = 64) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(3 * _JOINTS, channels, 3, stride=2), nn.LeakyReLU(0.2),
            nn.Conv1d(channels, channels, 3, stride=2), nn.LeakyReLU(0.2),
            nn.Conv1d(channels, channels, 3, stride=2), nn.LeakyReLU(0.2),
        )  # fmt: skip
        self.score = nn.Linear(channels, 1)

    def forward(self, motion: torch.Tensor) -> torch.Tensor:
        """(N, T, 51) heights about the hips to (N,): 1 for people, 0 for networks."""
        return self.score(self.layers(motion.transpose(1, 2)).mean(dim=-1))[:, 0]


class GraphConvolution(nn.Module):
    """Each joint from itself, from its neighbours with learned weights, and from the mean of all."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.own, self.others = nn.Linear(channels, channels), nn.Linear(channels, channels, bias=False)
        self.all = nn.Linear(channels, channels, bias=False)
        self.norm = nn.BatchNorm1d(channels)
        self.edges = nn.Parameter(torch.zeros(_JOINTS, _JOINTS))
        apart = torch.full((_JOINTS, _JOINTS), -torch.inf)
        for a, b in _BONES:
            apart[a, b] = apart[b, a] = 0.0
        self.apart: torch.Tensor
        self.register_buffer("apart", apart)

    def weights(self) -> torch.Tensor:
        """How much a joint (row) takes of each other (column)."""
        return torch.softmax(self.edges + self.apart, dim=-1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.own(x) + self.weights() @ self.others(x) + self.all(x.mean(dim=1, keepdim=True))
        return torch.relu(self.norm(y.flatten(0, 1)).reshape(y.shape))


class GraphBlock(nn.Module):
    """Two graph convolutions, added to what they were given."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = GraphConvolution(channels), GraphConvolution(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.second(self.first(x))


class GraphLifter(nn.Module):
    """A graph over the joints whose edges have learned weights; what a joint does over time is its channels.

    References:
        Zhao, Peng, Tian, Kapadia and Metaxas, Semantic graph convolutional networks for 3D human pose regression, 2019.
    """

    def __init__(self, features: int, channels: int = 80, frames: int = 27) -> None:
        super().__init__()
        self.joints, self.whole = nn.Linear(3 * frames, channels), nn.Linear(_WHOLE * frames, channels)
        self.names = nn.Parameter(0.1 * torch.randn(_JOINTS, channels))
        self.blocks = nn.ModuleList([GraphBlock(channels) for _ in range(3)])
        self.head, self.body = nn.Linear(channels, 5), nn.Linear(channels, 4)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """(N, 27, F) to (N, OUTPUTS)."""
        N, T, _ = inputs.shape
        J = _JOINTS
        xy = inputs[..., : 2 * J].reshape(N, T, J, 2)
        of_joints = torch.cat([xy, inputs[..., 2 * J : 3 * J, None]], dim=-1).transpose(1, 2).reshape(N, J, 3 * T)
        whole = inputs[..., 3 * J :].reshape(N, 1, _WHOLE * T)
        x = torch.relu(self.joints(of_joints) + self.whole(whole) + self.names)
        for block in self.blocks:
            x = block(x)
        each = self.head(x)
        parts = [each[..., 0], each[..., 1:3].reshape(N, 2 * J), each[..., 3], each[..., 4], self.body(x.mean(dim=1))]
        return torch.cat(parts, dim=-1)
