"""ONNX networks through onnxruntime, which says aloud what it runs on."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float32, Shaped

from multiview.errors import ConfigError
from multiview.models.graphics_card import has_gpu, say_once

__all__ = ["Device", "OnnxModel"]

Device = Literal["auto", "cpu", "cuda"]


class OnnxModel:
    """One network; `device` auto takes CUDA where this onnxruntime has it, cuda insists on it.

    That networks run on a GPU, or why not where there is one, is printed to stderr, once for all of them. Raises
    ConfigError where the file is no network, or where CUDA was insisted on and is not to be had.
    """

    def __init__(self, path: Path, device: Device = "auto", threads: int = 1) -> None:
        import onnxruntime

        onnxruntime.set_default_logger_severity(3)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3
        has_cuda = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
        if device == "cuda" and not has_cuda:
            raise ConfigError(
                "device = cuda, but this onnxruntime has no CUDA: install onnxruntime-gpu instead, or use device = cpu"
            )
        providers = ["CPUExecutionProvider"]
        if device != "cpu" and has_cuda:
            providers.insert(0, "CUDAExecutionProvider")
        try:
            self._session = onnxruntime.InferenceSession(
                str(path),
                options,
                providers=providers,
                enable_fallback=int(len(providers) > 1),  # else it only talks
            )
        except Exception as error:  # onnxruntime has an exception type for each of its own status codes
            raise ConfigError(f"{path} cannot be loaded as an ONNX network: {_first_line(error)}") from error
        runs_on = self._session.get_providers()[0]
        if device == "cuda" and runs_on != "CUDAExecutionProvider":
            raise ConfigError(f"{path}: CUDA is there but did not start (see above); use device = cpu to go on without")
        if runs_on.startswith("CUDA"):
            say_once("networks run on CUDA")
        elif device != "cpu" and has_gpu():
            say_once(f"networks run on the CPU: {_why_not_cuda(has_cuda)}")
        self.path = path
        inputs = self._session.get_inputs()
        if not inputs or not inputs[0].shape:
            raise ConfigError(f"{path} is no network of pictures: it has no input, or one without a shape")
        entry = inputs[0]
        self._input = entry.name
        self.input_shape: list[int | None] = [n if isinstance(n, int) else None for n in entry.shape]
        self.batch_is_free = self.input_shape[0] is None
        self.outputs = [output.name for output in self._session.get_outputs()]

    def __call__(self, tensor: Float32[np.ndarray, N * shape]) -> dict[str, Shaped[np.ndarray, ...]]:
        """The outputs by name; ConfigError where the network does not take such an input."""
        try:
            if self.batch_is_free or len(tensor) == self.input_shape[0]:
                return dict(zip(self.outputs, self._session.run(None, {self._input: tensor}), strict=True))
            parts = [self._session.run(None, {self._input: tensor[i : i + 1]}) for i in range(len(tensor))]
            return {
                name: np.concatenate(values)
                for name, values in zip(self.outputs, zip(*parts, strict=True), strict=True)
            }
        except Exception as error:
            wish = f"{self.path} does not take an input of {list(tensor.shape)}, which its card names"
            raise ConfigError(f"{wish}: {_first_line(error)}") from error

    def expect(self, *names: str) -> None:
        """ConfigError unless the network has these outputs, as its card's decoder needs."""
        missing = [name for name in names if name not in self.outputs]
        if missing:
            raise ConfigError(
                f"{self.path} has no output {', '.join(missing)} (it has {', '.join(self.outputs)}): "
                "its card names another decoder than the file needs"
            )


def _why_not_cuda(has_cuda: bool) -> str:
    if has_cuda:
        return "CUDA is there but did not start"
    return "this onnxruntime has no CUDA (pip install onnxruntime-gpu to use the graphics card)"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [repr(error)])[0][:300]
