"""Learning to regress the joints of one person in a crop, and how uncertain each is.

Source: Li et al., Human Pose Regression with Residual Log-likelihood Estimation, ICCV 2021, section 3.3: the residual
in units of the deviation has the density of a flow times that of a Laplace distribution.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from multiview.learn.all_reduce import WHOLE, Shard
from multiview.learn.augment import framed_crop
from multiview.learn.losses import Loss, reduce
from multiview.learn.pose_task import PoseTask, pose_target
from multiview.learn.recipe import Recipe
from multiview.learn.sample import Sample
from multiview.learn.tensors import images_to_tensor
from multiview.learn.validation import Validation
from multiview.nets.regression import RealNVP, Regression

__all__ = ["RegressionTask"]

CALIBRATION = 128
"""Crops that deviations are measured on."""


class _WithFlow(nn.Module):
    """The network and, during training, the flow that its loss needs."""

    def __init__(self, network: Regression) -> None:
        super().__init__()
        self.network, self.flow = network, RealNVP()

    def forward(self, image: Tensor) -> Tensor:
        answer: Tensor = self.network(image)
        return answer


class RegressionTask(PoseTask):
    """Crops of single people, residual log-likelihood, and PCK and OKS on held-out people."""

    def __init__(self, recipe: Recipe, folder: Path, shard: Shard = WHOLE) -> None:
        super().__init__(recipe, folder, shard)
        assert isinstance(self.network, Regression)
        self.model = self.with_flow = _WithFlow(self.network)

    def loss(self, output: Tensor | list[Tensor] | tuple[Tensor, Tensor, Tensor], crops: list[Sample]) -> Loss:
        """The negative log-likelihood of the true places, per joint."""
        assert isinstance(output, Tensor)
        width = crops[0].image.shape[1]
        target = pose_target(crops, self.recipe, self.skeleton, 1, output.device)
        mean, deviation = output[..., :2].float(), output[..., 2:].float()
        residual = (target.xy / width - mean) / deviation
        known = target.weight > 0
        log_flow = torch.zeros_like(target.weight)
        log_flow[known] = self.with_flow.flow.log_density(residual[known])
        # The flow corrects the likelihood of a Laplace distribution.
        laplace = residual.abs() + torch.log(2 * deviation)
        per_joint = laplace.sum(-1) - log_flow
        loss = reduce(per_joint, target.weight)
        error = (residual.detach() * deviation.detach() * width).norm(dim=-1)
        return Loss(loss, loss, {"error_px": reduce(error, known.float())})

    def validate(self, network: nn.Module, picture: Path) -> Validation:
        assert isinstance(network, Regression)
        self._calibrate(network)
        return super().validate(network, picture)

    @torch.no_grad()
    def _calibrate(self, network: Regression) -> None:
        """Make deviations root mean square errors: on training pictures, but framed and read as they will be in use."""
        size = self.recipe.network.input
        crops = [framed_crop(sample, size) for sample in self.source.batch(0, CALIBRATION)]
        device = network.spread.device
        network.eval().spread.fill_(1.0)
        answer = network(images_to_tensor([crop.image for crop in crops]).to(device))
        target = pose_target(crops, self.recipe, self.skeleton, 1, device)
        known = (target.weight > 0)[..., None]
        squared = ((target.xy / size[0] - answer[..., :2]) / answer[..., 2:]).square() * known
        network.spread.copy_(squared.sum(0) / known.sum(0).clamp_min(1))
