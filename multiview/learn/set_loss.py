"""What teaches set prediction: each person is given one query, the best for all together, and the rest are nobody.

The cost of a pair is 1 - OKS, an L1 distance as a fraction of the person's size, which leads there from afar, and how
little the query is thought a person. Proposals, of which queries are chosen, learn the middles of people as CenterNet's
heatmaps do, and the poses about them.

Sources: Carion et al., DETR, ECCV 2020 (matching); Shi et al., PETR, CVPR 2022, section 3.4 (OKS loss); Zhou et al.,
Objects as Points, 2019 (proposals).
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int64
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional as F

from multiview.body.skeleton import Skeleton
from multiview.learn.losses import Loss, focal_loss, gaussian_maps
from multiview.learn.people_labels import PeopleLabels
from multiview.nets.pose_queries import QueryStage, QueryStages

__all__ = ["match_people", "set_loss"]

STRIDE = 8
MATCH_SCORE = 0.5
"""Weight of the score in matching, so that one of two equal queries stays the person's from step to step."""


def _distances(
    xy: Float[Tensor, "Q K 2"], labels: PeopleLabels, sigmas: Float[Tensor, " K"]
) -> tuple[Float[Tensor, "Q P"], Float[Tensor, "Q P"]]:
    """1 - OKS, and the mean L1 distance in sides of the person, of every query from every person."""
    off = xy[:, None] - labels.xy[None]
    known = labels.known.float()
    count = known.sum(1).clamp_min(1)
    e = off.square().sum(-1) / (2 * labels.area[:, None].clamp_min(1.0) * (2 * sigmas) ** 2)
    similarity = ((-e).exp() * known).sum(-1) / count
    side = labels.area.clamp_min(1.0).sqrt()[:, None]
    return 1 - similarity, ((off.abs().sum(-1) / side) * known).sum(-1) / count


def match_people(
    xy: Float[Tensor, "Q K 2"], person: Float[Tensor, " Q"], labels: PeopleLabels, sigmas: Float[Tensor, " K"]
) -> tuple[Int64[np.ndarray, " M"], Int64[np.ndarray, " M"]]:
    """Queries and the people they are given, the cheapest assignment (Hungarian method)."""
    with torch.no_grad():
        unlike, far = _distances(xy, labels, sigmas)
        cost = unlike + far - MATCH_SCORE * person.sigmoid()[:, None]
    rows, columns = linear_sum_assignment(cost.cpu().numpy())
    return rows, columns


def _layer_loss(stage: QueryStage, labels: list[PeopleLabels], sigmas: Float[Tensor, " K"]) -> tuple[Tensor, ...]:
    """Of one layer: pose, person and joint."""
    goal = torch.zeros_like(stage.person)
    poses, joints = [], []
    for i, picture in enumerate(labels):
        rows, columns = match_people(stage.xy[i], stage.person[i], picture, sigmas)
        if not len(rows):
            continue
        goal[i, rows] = 1.0
        pairs = PeopleLabels(picture.xy[columns], picture.known[columns], picture.area[columns], columns)
        unlike, far = _distances(stage.xy[i, rows], pairs, sigmas)
        poses.append((unlike + far).diagonal())
        joints.append(F.binary_cross_entropy_with_logits(stage.joint[i, rows], pairs.known.float()))
    empty = stage.person.sum() * 0.0
    people = goal.sum().clamp_min(1.0)
    probability = stage.person.sigmoid()
    wrong = torch.where(goal > 0, 1 - probability, probability).square()
    person = (wrong * F.binary_cross_entropy_with_logits(stage.person, goal, reduction="none")).sum() / people
    return torch.cat(poses).mean() if poses else empty, person, torch.stack(joints).mean() if joints else empty


def _proposal_loss(
    output: QueryStages, labels: list[PeopleLabels], sigmas: Float[Tensor, " K"]
) -> tuple[Tensor, Tensor]:
    """Of proposals: the map of middles, and the poses about them."""
    height, width = output.proposals.shape[-2:]
    goals, poses = [], []
    for i, picture in enumerate(labels):
        count = picture.known.sum(1, keepdim=True).clamp_min(1)
        middle = (picture.xy * picture.known[..., None]).sum(1) / count
        cell = ((middle + 0.5) / STRIDE - 0.5).round()
        cell = torch.minimum(cell.clamp_min(0), cell.new_tensor([width - 1, height - 1]))
        blobs = gaussian_maps(cell[:, None], height, width, 1.0)[:, 0]
        goals.append(blobs.amax(0) if len(blobs) else output.proposals.new_zeros(height, width))
        if len(cell):
            place = (cell[:, 1] * width + cell[:, 0]).long()
            unlike, far = _distances(output.poses[i, place], picture, sigmas)
            poses.append((unlike + far).diagonal())
    pose = torch.cat(poses).mean() if poses else output.poses.sum() * 0.0
    return focal_loss(output.proposals, torch.stack(goals)), pose


def set_loss(output: QueryStages, labels: list[PeopleLabels], skeleton: Skeleton) -> Loss:
    """Of the proposals and of every layer; shown is the last layer's."""
    sigmas = torch.as_tensor(skeleton.oks_sigmas, dtype=torch.float32, device=output.proposals.device)
    middles, poses = _proposal_loss(output, labels, sigmas)
    total, parts = middles + poses, {"proposal": middles, "proposal_pose": poses}
    shown = total
    for number, stage in enumerate(output.layers, 1):
        pose, person, joint = _layer_loss(stage, labels, sigmas)
        shown = pose + person + joint
        total = total + shown
        parts |= {f"pose_{number}": pose, f"person_{number}": person}
    return Loss(total, shown, parts)
