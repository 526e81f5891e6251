"""What teaches part affinity fields: unit vectors along every limb, within a width of it.

Source: Cao et al., Realtime Multi-Person 2D Pose Estimation using Part Affinity Fields, CVPR 2017, section 2.3.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from multiview.body.skeleton import Skeleton
from multiview.learn.limbs import limbs_of
from multiview.learn.losses import Loss
from multiview.learn.people_labels import PeopleLabels, heat_loss, map_places

__all__ = ["affinity_fields", "affinity_loss"]

HALF_WIDTH = 1.0
"""Map px from a limb's middle line, within which its field points along it."""


def affinity_fields(
    labels: PeopleLabels, limbs: tuple[tuple[int, int], ...], height: int, width: int
) -> Float[Tensor, "L 2 h w"]:
    """The fields of one picture; where limbs of several people lie, their mean."""
    places = map_places(labels)
    pairs = torch.tensor(limbs, device=places.device)
    a, b = places[:, pairs[:, 0]], places[:, pairs[:, 1]]
    known = labels.known[:, pairs[:, 0]] & labels.known[:, pairs[:, 1]]
    length = (b - a).norm(dim=-1)
    way = (b - a) / length.clamp_min(1e-6)[..., None]
    y, x = torch.meshgrid(
        torch.arange(height, device=places.device), torch.arange(width, device=places.device), indexing="ij"
    )
    off = torch.stack([x, y], -1) - a[..., None, None, :]
    along = (off * way[..., None, None, :]).sum(-1)
    across = off[..., 0] * way[..., None, None, 1] - off[..., 1] * way[..., None, None, 0]
    on = (across.abs() <= HALF_WIDTH) & (along >= -HALF_WIDTH) & (along <= length[..., None, None] + HALF_WIDTH)
    on &= (known & (length > 1e-3))[..., None, None]
    total = (on[:, :, None] * way[..., None, None]).sum(0)
    return total / on.sum(0).clamp_min(1)[:, None]


def affinity_loss(stages: list[Float[Tensor, "N C h w"]], labels: list[PeopleLabels], skeleton: Skeleton) -> Loss:
    """Every stage's heatmaps and fields; shown is the last stage's."""
    joints = len(skeleton.joints)
    height, width = stages[0].shape[-2:]
    goal = torch.stack([affinity_fields(picture, limbs_of(skeleton), height, width) for picture in labels]).flatten(
        1, 2
    )
    covered = (goal.abs().sum() / 1.27).clamp_min(1.0)  # 4 / pi: the mean of |x| + |y| of unit vectors
    losses: list[Tensor] = []
    parts: dict[str, Tensor] = {}
    for number, stage in enumerate(stages, 1):
        heat = heat_loss(stage[:, :joints].float(), labels)
        fields = (stage[:, joints:].float() - goal).square().sum() / covered
        losses.append(heat + fields)
        parts |= {f"heat_{number}": heat, f"fields_{number}": fields}
    return Loss(torch.stack(losses).mean(), losses[-1], parts)
