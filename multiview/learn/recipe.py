"""What a training is made of, as `multiview train recipe.toml` reads it."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from torch import nn

from multiview.body.skeleton import load_skeleton
from multiview.common.ranges import Share, above, between
from multiview.errors import ConfigError
from multiview.learn.augment import Augmentation
from multiview.learn.limbs import limbs_of
from multiview.learn.losses import LOSSES
from multiview.nets.associative_embedding import AssociativeEmbedding
from multiview.nets.hourglass import StackedHourglass
from multiview.nets.hrnet import HRNet
from multiview.nets.light import Light
from multiview.nets.part_affinity import PartAffinity
from multiview.nets.pose_queries import PoseQueries
from multiview.nets.regression import Regression
from multiview.nets.simple_baseline import LAYERS, SimpleBaseline

__all__ = ["Data", "Network", "Recipe", "Schedule", "build_network", "untrained_network"]

Side = Annotated[int, between(32, 4096, "px")]
Channels = Annotated[int, between(1, 4096, "channels")]
Blocks = Annotated[int, between(0, 100, "blocks")]
Steps = Annotated[int, between(1, 10**9, "steps")]
Weight = Annotated[float, between(0, 1e6)]
NETWORKS = {
    "pose": ("light", "hrnet", "simple_baseline", "hourglass"),
    "regression": ("regression",),
    "finder": ("light",),
    "people": ("part_affinity", "associative_embedding", "pose_queries"),
}
"""What each task can train."""


class Network(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which network, and what it sees."""

    name: Literal[
        "light",
        "hrnet",
        "simple_baseline",
        "hourglass",
        "regression",
        "part_affinity",
        "associative_embedding",
        "pose_queries",
    ] = "light"
    input: tuple[Side, Side] = (96, 128)
    """Width and height of the crop, or of the whole picture, px; multiples of 32."""
    widths: tuple[Channels, Channels, Channels, Channels] = (32, 64, 96, 192)
    """light, and networks on its features: channels at 1/2, 1/4, 1/8 and 1/16 of the input."""
    depths: tuple[Blocks, Blocks, Blocks] = (1, 2, 3)
    """light, and networks on its features: residual blocks at 1/4, 1/8 and 1/16."""
    width: Channels = 32
    """hrnet: channels of the finest branch; hourglass: channels."""
    stages: Annotated[int, between(1, 32, "stages")] = 2
    """hourglass: hourglasses in a row; part_affinity: stages; pose_queries: layers of the decoder."""
    halvings: Annotated[int, between(1, 6)] = 3
    """hourglass: how often each halves its maps."""
    queries: Annotated[int, between(1, 1024, "people")] = 16
    """pose_queries: the most people in a picture."""
    depth: Annotated[int, between(1, 1000, "layers")] = 50
    """simple_baseline: layers of the ResNet."""


class Data(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the pictures come from."""

    source: Literal["rendered", "coco"] = "rendered"
    skeleton: str = "coco17"
    pool: Annotated[int, between(1, 10_000_000, "pictures")] = 2048
    """rendered: pictures held in memory at once."""
    reuse: Annotated[int, between(1, 1_000_000, "times")] = 4
    """rendered: how often a picture is shown, each time augmented anew, before a fresh one takes its place."""
    margin: Annotated[float, between(1, 10)] = 1.6
    """rendered: how much wider than the person a picture is, so that crops can be rotated and moved in it."""
    curriculum_images: Annotated[int, between(0, 10**9, "pictures")] = 0
    """rendered: the share of easy pictures (one person, upright, in full view) falls to 0 over so many pictures."""
    annotations: str = ""
    """coco: the JSON file, relative to the recipe."""
    images: str = ""
    """coco: the folder of pictures, relative to the recipe."""
    validation_annotations: str = ""
    """coco: the JSON file to validate on; rendered trainings use held-out rendered pictures."""
    validation_images: str = ""
    validation: Annotated[int, between(1, 10_000_000, "people")] = 512
    """People in the validation set."""


class Schedule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long and how fast to learn: the rate warms up, stays, and cools down linearly (Hu et al., MiniCPM, 2024)."""

    steps: Annotated[int, between(1, 10**9, "steps")] = 20_000
    batch: Annotated[int, between(1, 65536, "pictures")] = 32
    processes: Annotated[int, between(1, 1024, "processes")] = 1
    """CPU: processes that each compute an equal share of a batch; as many as there are cores trains fastest."""
    low_res_steps: Annotated[int, between(0, 10**9, "steps")] = 0
    """The first steps use crops of `low_res_input`, which is faster (progressive resizing: Howard, 2018; Tan and Le,
    EfficientNetV2, 2021)."""
    low_res_input: tuple[Side, Side] = (64, 96)
    learning_rate: Annotated[float, above(0, 10)] = 2e-3
    weight_decay: Annotated[float, between(0, 10)] = 0.05
    warmup: Annotated[int, between(0, 10**9, "steps")] = 200
    """Steps over which the rate rises."""
    cooldown: Share = 0.25
    """Share of the steps, at the end, over which the rate falls to nothing."""
    ema_decay: Share = 0.998
    """Decay of the running average of the weights, which is what is validated and deployed."""
    precision: Literal["auto", "bfloat16", "float32"] = "auto"
    validate_every: Steps = 1000
    save_every: Steps = 200
    log_every: Steps = 20


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole training."""

    task: Literal["pose", "regression", "finder", "people"] = "pose"
    """pose: maps of one person's joints in a crop; regression: their coordinates; finder: where the people are in a
    whole picture; people: the joints of all of them."""
    start: str = ""
    """Networks on the light one's features: those that they begin with, `light` (the shipped network) or a training's
    best.pt, relative to the recipe; empty: random."""
    seed: Annotated[int, between(0, 2**32 - 1)] = 0
    loss: dict[str, Weight] = msgspec.field(default_factory=lambda: {"spatial_cross_entropy": 1.0})
    """Weights of the losses by name."""
    sigma: Annotated[float, above(0, 1000, "px")] = 0.75
    """Standard deviation of the target Gaussian, heatmap px."""
    ohkm_top_k: Annotated[int, between(0, 1024, "joints")] = 0
    """Online hard keypoint mining: only the k joints of largest loss in each picture count; 0 counts all."""
    hidden_weight: Weight = 0.5
    """Weight of a hidden joint; that of a visible one is 1."""
    segmentation_weight: Weight = 0.3
    """rendered, light: weight of the auxiliary loss on each pixel's body part, left and right apart; training only."""
    orientation_weight: Weight = 1.0
    """rendered, light: weight of the auxiliary loss on the body's orientation; training only."""
    network: Network = Network()
    data: Data = Data()
    augmentation: Augmentation = Augmentation()
    schedule: Schedule = Schedule()

    def __post_init__(self) -> None:
        unknown = sorted(set(self.loss) - set(LOSSES))
        if unknown or not self.loss:
            raise ValueError(f"loss: {', '.join(unknown) or 'none given'}; known are: {', '.join(LOSSES)}")
        if self.network.name not in NETWORKS[self.task]:
            raise ValueError(f"network.name: task {self.task} trains {', '.join(NETWORKS[self.task])}")
        for name, size in (
            ("network.input", self.network.input),
            ("schedule.low_res_input", self.schedule.low_res_input),
        ):
            if any(side % 32 or side <= 0 for side in size):
                raise ValueError(f"{name}: {size} must be multiples of 32")
        if self.schedule.processes < 1 or self.schedule.batch % self.schedule.processes:
            raise ValueError(
                f"schedule.processes: {self.schedule.processes} does not divide the batch of {self.schedule.batch}"
            )


def untrained_network(recipe: Recipe) -> nn.Module:
    """The network that a recipe trains, with random weights."""
    skeleton = load_skeleton(recipe.data.skeleton)
    outputs = 3 if recipe.task == "finder" else len(skeleton.joints)
    return build_network(recipe.network, outputs, len(limbs_of(skeleton)))


def build_network(network: Network, outputs: int, limbs: int = 0) -> nn.Module:
    """The untrained network with `outputs` maps or joints; `limbs` is the number of part affinity fields."""
    widths, depths = network.widths, network.depths
    match network.name:
        case "light":
            return Light(outputs, widths, depths)
        case "hrnet":
            return HRNet(network.width, outputs)
        case "hourglass":
            _check_hourglass(network)
            return StackedHourglass(outputs, network.width, network.stages, network.halvings)
        case "regression":
            return Regression(outputs, widths, depths)
        case "part_affinity":
            return PartAffinity(outputs, limbs, widths, depths, network.stages)
        case "associative_embedding":
            return AssociativeEmbedding(outputs, widths, depths)
        case "pose_queries":
            return PoseQueries(outputs, widths, depths, network.queries, network.stages)
    if network.depth not in LAYERS:
        raise ConfigError(f"network.depth: {network.depth}; known are: {', '.join(map(str, LAYERS))}")
    return SimpleBaseline(network.depth, outputs)


def _check_hourglass(network: Network) -> None:
    multiple = 4 * 2**network.halvings
    if any(side % multiple for side in network.input):
        raise ConfigError(
            f"network.input: {network.input} must be multiples of {multiple} for {network.halvings} halvings"
        )
