"""Set prediction: a fixed number of queries, each one person or nobody, with no suppression afterwards.

Places at an eighth of the image's size propose people; the best become queries, with a pose each (query selection: Yang
et al., ED-Pose, ICLR 2023). A decoder layer looks at the features where each joint is thought to be, lets the joints of
a person attend to each other (the joint decoder of PETR) and the people to each other (its pose decoder), and moves the
joints. That people attend to each other is what lets one of two equal queries give way.

Source: Shi et al., End-to-End Multi-Person Pose Estimation with Transformers (PETR), CVPR 2022, section 3. Deformable
attention is reduced to one sample at each joint; the features are those of the light network.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from multiview.nets.light import Light

__all__ = ["PoseQueries", "QueryStage", "QueryStages"]


class QueryStage(NamedTuple):
    """What a layer says: joints (input px), and logits that a query is a person and that each joint is there."""

    xy: Float[Tensor, "N Q K 2"]
    person: Float[Tensor, "N Q"]
    joint: Float[Tensor, "N Q K"]


class QueryStages(NamedTuple):
    """In training: the map of proposals, the poses proposed at every place, and what each layer of the decoder says."""

    proposals: Float[Tensor, "N h w"]
    poses: Float[Tensor, "N A K 2"]
    layers: list[QueryStage]


class _Attention(nn.Module):
    """Every token looks at all others, then at itself (Vaswani et al., 2017), normalised before."""

    def __init__(self, channels: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.before = nn.LayerNorm(channels)
        self.ask = nn.Linear(channels, 3 * channels)
        self.answer = nn.Linear(channels, channels)
        self.think = nn.Sequential(
            nn.LayerNorm(channels), nn.Linear(channels, 2 * channels), nn.ReLU(), nn.Linear(2 * channels, channels)
        )

    def forward(self, x: Float[Tensor, "B T C"]) -> Float[Tensor, "B T C"]:
        query, key, value = self.ask(self.before(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(query, key, value)
        x = x + self.answer(seen.transpose(1, 2).flatten(2))
        thought: Tensor = x + self.think(x)
        return thought


class _Layer(nn.Module):
    """One layer of the decoder."""

    def __init__(self, joints: int, channels: int, fine: int) -> None:
        super().__init__()
        self.look = nn.Linear(fine, channels)
        self.name = nn.Parameter(torch.randn(joints, channels) * 0.02)
        self.place = nn.Linear(2, channels)
        self.of_person = nn.Linear(channels, channels)
        self.between_joints = _Attention(channels)
        self.to_person = nn.Linear(channels, channels)
        self.position = nn.Linear(2 * joints, channels)
        self.between_people = _Attention(channels)
        self.move = nn.Linear(channels, 2)
        self.joint = nn.Linear(channels, 1)
        self.person = nn.Linear(channels, 1)
        nn.init.zeros_(self.move.weight)
        nn.init.zeros_(self.move.bias)
        nn.init.constant_(self.person.bias, -2.0)

    def forward(self, query: Tensor, xy: Tensor, fine: Tensor, size: Tensor) -> tuple[Tensor, QueryStage]:
        n, people, joints = xy.shape[:3]
        # Gradients do not go through the places looked at (Zhu et al., Deformable DETR, 2021, section 4.1).
        xy = xy.detach()
        seen = F.grid_sample(fine, (2 * xy + 1) / size - 1, align_corners=False)
        low, high = xy.amin(2, keepdim=True), xy.amax(2, keepdim=True)
        extent = (high - low).amax(-1, keepdim=True).clamp_min(4.0)
        shape = (xy - (low + high) / 2) / extent
        token = self.look(seen.permute(0, 2, 3, 1)) + self.name + self.place(shape) + self.of_person(query)[:, :, None]
        token = self.between_joints(token.reshape(n * people, joints, -1)).reshape(n, people, joints, -1)
        query = query + self.to_person(token.mean(2)) + self.position((2 * xy / size - 1).flatten(2))
        query = self.between_people(query)
        moved = xy + self.move(token) * extent
        return query, QueryStage(moved, self.person(query)[..., 0], self.joint(token)[..., 0])


class PoseQueries(nn.Module):
    """An image batch to rows x1, y1, x2, y2, score, class 0, and x, y, score of each joint (px): YOLO26-pose's layout.

    In training everything that has a loss (`QueryStages`).
    """

    def __init__(
        self,
        joints: int,
        widths: Sequence[int] = (32, 64, 96, 192),
        depths: Sequence[int] = (1, 2, 3),
        queries: int = 16,
        layers: int = 2,
    ) -> None:
        super().__init__()
        self.joints, self.queries = joints, queries
        channels = widths[2]
        self.trunk = Light(1, widths, depths)
        del self.trunk.head  # nothing reads it
        self.propose = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)
        )
        self.proposal = nn.Conv2d(channels, 1, 1)
        self.pose = nn.Conv2d(channels, 2 * joints, 1)
        nn.init.constant_(self.proposal.bias, -4.0)  # type: ignore[arg-type]
        self.layers = nn.ModuleList(_Layer(joints, channels, widths[1]) for _ in range(layers))

    def forward(self, image: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N Q R"] | QueryStages:
        fine, eighth, _ = self.trunk.pyramid(image)
        height, width = eighth.shape[-2:]
        size = torch.tensor([8.0 * width, 8.0 * height], device=image.device)
        features = self.propose(eighth)
        score = self.proposal(features)[:, 0].float()
        rows, columns = torch.arange(height, device=image.device), torch.arange(width, device=image.device)
        cell = 8.0 * torch.stack([columns.repeat(height), rows.repeat_interleave(width)], -1) + 3.5
        poses = self.pose(features).float().flatten(2).transpose(1, 2).unflatten(-1, (self.joints, 2)) * 32.0
        poses = poses + cell[:, None]
        best = score.flatten(1).topk(self.queries, dim=1).indices
        query = features.float().flatten(2).transpose(1, 2).gather(1, best[..., None].expand(-1, -1, features.shape[1]))
        xy = poses.gather(1, best[..., None, None].expand(-1, -1, self.joints, 2))
        stages = []
        for layer in self.layers:
            query, stage = layer(query, xy, fine.float(), size)
            stages.append(stage)
            xy = stage.xy
        return QueryStages(score, poses, stages) if self.training else _rows(stages[-1])


def _rows(stage: QueryStage) -> Float[Tensor, "N Q R"]:
    person = stage.person.sigmoid()[..., None]
    joints = torch.cat([stage.xy, stage.joint.sigmoid()[..., None]], -1).flatten(2)
    return torch.cat([stage.xy.amin(2), stage.xy.amax(2), person, torch.zeros_like(person), joints], -1)
