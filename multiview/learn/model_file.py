"""A trained network ready to answer: from a training's weights, or from an ONNX file that deployment wrote.

The ONNX file carries its recipe in its own metadata, so that crop, normalisation and decoding cannot be mistaken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import onnxruntime as ort
import torch
from jaxtyping import Float, Float32, Float64, UInt8

from multiview.body.skeleton import load_skeleton
from multiview.common.foreign_errors import foreign_errors
from multiview.common.ledger import reading
from multiview.errors import ConfigError, SourceError
from multiview.keypoints.crop import crop_affine, crop_region, invert_affine, transform_points
from multiview.keypoints.expected_oks import expected_oks
from multiview.keypoints.flip import answer_both_ways
from multiview.keypoints.heatmaps import Joints
from multiview.keypoints.regression import joints_of_numbers
from multiview.learn.augment import crop_sample
from multiview.learn.recipe import Recipe
from multiview.learn.sample import Sample
from multiview.learn.tensors import normalise
from multiview.learn.weights import load_weights

__all__ = ["Model", "from_network", "onnx_session", "open_model"]

Batch = Float32[np.ndarray, "N 3 H W"]
RECIPE_KEY = "multiview.recipe"


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A network as a function of normalised crops, and the recipe that says what they are."""

    recipe: Recipe
    logits: Callable[[Batch], Float[np.ndarray, "N K *size"]]
    """What the network gives: maps of logits, in most cases."""

    def predict_crops(
        self, images: list[UInt8[np.ndarray, "H W 3"]], batch: int = 32
    ) -> tuple[Float64[np.ndarray, "N J 2"], Float64[np.ndarray, "N J"]]:
        """Joints (crop px) and scores of crops of the network's input size."""
        found, scores = [], []
        sigmas = load_skeleton(self.recipe.data.skeleton).oks_sigmas
        for start in range(0, len(images), batch):
            joints = self._joints(self.logits(normalise(images[start : start + batch])), sigmas)
            found.append(joints.xy)
            scores.append(joints.score)
        return np.concatenate(found), np.concatenate(scores)

    def _joints(self, answer: Float[np.ndarray, "N K *size"], sigmas: Float64[np.ndarray, " J"]) -> Joints:
        """Joints in crop px, from numbers or from maps."""
        size = self.recipe.network.input
        if self.recipe.task == "regression":
            return joints_of_numbers(answer, sigmas, size)
        joints = expected_oks(answer, sigmas, self.recipe.sigma)
        return joints._replace(xy=joints.xy * (size[0] / answer.shape[-1]))

    def flipped(self) -> Model:
        """The same, asked about the mirrored crops too: a little better, twice the time."""
        if self.recipe.task != "pose":
            raise ConfigError("mirrored crops help networks that give maps of a person's joints; this one gives none")
        pairs = load_skeleton(self.recipe.data.skeleton).symmetric_pairs
        return Model(self.recipe, lambda crops: answer_both_ways(self.logits, crops, pairs))

    def predict(self, samples: list[Sample]) -> tuple[Float64[np.ndarray, "N J 2"], Float64[np.ndarray, "N J"]]:
        """Joints (px of each sample's picture) and scores, by the samples' boxes."""
        size = self.recipe.network.input
        maps = [crop_affine(*crop_region(sample.box, size), size) for sample in samples]
        crops = [crop_sample(sample, size, A).image for sample, A in zip(samples, maps, strict=True)]
        xy, score = self.predict_crops(crops)
        return np.stack([transform_points(invert_affine(A), p) for A, p in zip(maps, xy, strict=True)]), score


def from_network(network: torch.nn.Module, recipe: Recipe) -> Model:
    """A torch network in evaluation mode."""
    network.eval()
    device = next(network.parameters()).device

    @torch.inference_mode()
    def logits(batch: Batch) -> Float32[np.ndarray, "N K *size"]:
        return np.asarray(network(torch.from_numpy(batch).to(device)).float().cpu().numpy())

    return Model(recipe, logits)


def onnx_session(path: Path, threads: int = 1) -> ort.InferenceSession:
    """The file opened for the CPU; SourceError where it is no ONNX network."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    try:
        providers = ["CPUExecutionProvider"]
        return ort.InferenceSession(str(reading(path)), options, providers=providers, enable_fallback=0)
    except Exception as error:  # onnxruntime's own exceptions share no base class
        raise SourceError(f"{path}: not an ONNX network that can be run ({type(error).__name__})") from None


def open_model(path: Path, threads: int = 1) -> Model:
    """The model in `best.pt`, `last.pt` or a deployed `.onnx`."""
    if not path.is_file():
        raise SourceError(f"{path}: no such file; give a training's best.pt or a deployed .onnx")
    if path.suffix != ".onnx":
        recipe, network = load_weights(path)
        return from_network(network, recipe)
    session = onnx_session(path, threads)
    text = session.get_modelmeta().custom_metadata_map.get(RECIPE_KEY)
    if text is None:
        raise SourceError(f"{path}: does not say how it was trained; make it with `multiview deploy`")
    with foreign_errors(path, "a network with the recipe of its training"):
        recipe = msgspec.json.decode(text, type=Recipe)
    name = session.get_inputs()[0].name
    return Model(recipe, lambda batch: np.asarray(session.run(None, {name: batch})[0], np.float32))
