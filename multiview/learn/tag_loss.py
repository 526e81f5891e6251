"""What teaches tags: joints of one person are drawn to their mean, means of different people apart.

Source: Newell, Huang and Deng, Associative Embedding, NeurIPS 2017, section 3.2, the grouping loss.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from multiview.body.skeleton import Skeleton
from multiview.learn.losses import Loss
from multiview.learn.people_labels import PeopleLabels, heat_loss, map_places

__all__ = ["grouping_loss", "tag_loss"]


def grouping_loss(tags: Float[Tensor, "K h w"], labels: PeopleLabels) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """One picture's pull, the spread of tags within people, and push, the likeness of different people's means."""
    joints, height, width = tags.shape
    known = labels.known & labels.known.any(1, keepdim=True)
    if not known.any():
        return tags.sum() * 0.0, tags.sum() * 0.0
    pixel = map_places(labels).round().long()
    x, y = pixel[..., 0].clamp(0, width - 1), pixel[..., 1].clamp(0, height - 1)
    own = tags[torch.arange(joints, device=tags.device).expand_as(x), y, x]
    count = known.sum(1).clamp_min(1)
    mean = (own * known).sum(1) / count
    pull = (((own - mean[:, None]).square() * known).sum(1) / count).mean()
    people = len(mean)
    if people < 2:
        return pull, tags.sum() * 0.0
    like = torch.exp(-0.5 * (mean[:, None] - mean[None]).square())
    return pull, (like.sum() - people) / (people * (people - 1))


def tag_loss(maps: Float[Tensor, "N C h w"], labels: list[PeopleLabels], skeleton: Skeleton) -> Loss:
    """The heatmaps', and the tags' pull and push, all of equal weight."""
    joints = len(skeleton.joints)
    heat = heat_loss(maps[:, :joints].float(), labels)
    pairs = [grouping_loss(tags.float(), picture) for tags, picture in zip(maps[:, joints:], labels, strict=True)]
    pull, push = (torch.stack(values).mean() for values in zip(*pairs, strict=True))
    total = heat + pull + push
    return Loss(total, total, {"heat": heat, "pull": pull, "push": push})
