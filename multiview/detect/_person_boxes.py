"""Boxes about people, from a person detector's card (RTMDet, YOLOX, our own)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, UInt8

from multiview.errors import ConfigError
from multiview.keypoints.crop import invert_affine, letterbox_affine, transform_points
from multiview.keypoints.finder import decode_boxes
from multiview.keypoints.one_stage import decode_boxes_nms_free, decode_yolox
from multiview.models.card import load_card, model_file
from multiview.models.onnx import Device, OnnxModel
from multiview.models.tensor import network_input

__all__ = ["PersonBoxes"]


class PersonBoxes:
    """People's boxes (x1, y1, x2, y2, px of the picture), best first."""

    def __init__(self, card_name: str, device: Device, threads: int, min_score: float) -> None:
        name, self.card = load_card(card_name)
        if self.card.decoder not in ("rtmdet", "yolox", "middles"):
            raise ConfigError(
                f'the card {name} has the decoder "{self.card.decoder}"; a person detector has rtmdet, yolox or middles'
            )
        self._model = OnnxModel(model_file(name, self.card.files[0]), device, threads)
        if self.card.decoder == "rtmdet":
            self._model.expect("dets")
        self.min_score = min_score

    def find(self, image: UInt8[np.ndarray, "H W 3"]) -> Float64[np.ndarray, "P 4"]:
        """Who is in the picture; no one gives no rows."""
        height, width = image.shape[:2]
        affine = letterbox_affine((width, height), self.card.input_size, self.card.crop == "letterbox_centred")
        outputs = self._model(network_input([image], [affine], self.card))
        if self.card.decoder == "middles":
            maps = outputs[self._model.outputs[0]][0]
            boxes, _ = decode_boxes(maps, self.card.input_size[0] // maps.shape[2], self.min_score)
            return self._in_picture(boxes, affine, width, height)
        raw = outputs["dets"][0] if "dets" in outputs else outputs[self._model.outputs[0]][0]
        if raw.shape[-1] == 5:
            found = decode_boxes_nms_free(raw, self.min_score)
            labels = outputs.get("labels")
            if labels is not None:  # class 0 is the person in every COCO order
                people = raw[np.asarray(labels[0]) == 0]
                found = decode_boxes_nms_free(people, self.min_score)
        else:
            try:
                found = decode_yolox(raw, self.card.input_size, self.min_score)
            except ValueError as error:
                raise ConfigError(f"{self._model.path} does not fit its card: {error}") from error
        return self._in_picture(found.boxes, affine, width, height)

    @staticmethod
    def _in_picture(
        boxes: Float64[np.ndarray, "P 4"], affine: Float64[np.ndarray, "2 3"], width: int, height: int
    ) -> Float64[np.ndarray, "P 4"]:
        corners = transform_points(invert_affine(affine), boxes.reshape(-1, 2, 2)).reshape(-1, 4)
        return np.clip(corners, 0, np.array([width, height, width, height], np.float64))
