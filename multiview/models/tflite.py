"""TensorFlow Lite networks through ai-edge-litert, without the outputs that nobody reads."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import Float32

from multiview.common.foreign_errors import foreign_errors
from multiview.errors import ConfigError

__all__ = ["TfliteModel", "without_outputs"]

T = TypeVar("T")
GREETING = b"INFO: Created TensorFlow Lite"  # of the library's C++ part, which has no switch for it
_redirected = threading.Lock()


class TfliteModel:
    """One network, one image at a time, on `threads` threads; `outputs` are those to compute, by index, in order."""

    def __init__(self, path: Path, outputs: tuple[int, ...], threads: int = 1) -> None:
        from ai_edge_litert.interpreter import Interpreter

        with foreign_errors(path, "a TensorFlow Lite network that fits its card", ConfigError):
            content = path.read_bytes()
            if content[4:8] != b"TFL3":
                raise ConfigError(f"{path}: not a TensorFlow Lite network")
            reduced = without_outputs(content, outputs)
            with _without_greeting():
                self._interpreter = Interpreter(model_content=reduced, num_threads=threads)
                self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]
        self._outputs = [detail["index"] for detail in self._interpreter.get_output_details()]
        self.input_shape: tuple[int, ...] = tuple(int(n) for n in self._input["shape"])

    def __call__(
        self, tensor: Float32[np.ndarray, "1 H W C"], read: Callable[[list[Float32[np.ndarray, ...]]], T]
    ) -> T:
        """What `read` makes of the outputs, which it may look at only while it runs: they are not copied."""
        self._interpreter.set_tensor(self._input["index"], tensor)
        self._interpreter.invoke()
        return read([self._interpreter.tensor(index)() for index in self._outputs])


@contextlib.contextmanager
def _without_greeting() -> Iterator[None]:
    """Hold back what is written to the standard error meanwhile, and then pass on all but the library's greeting."""
    with _redirected, tempfile.TemporaryFile() as said:
        try:
            console = os.dup(2)
        except OSError:  # a process without a standard error
            yield
            return
        os.dup2(said.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(console, 2)
            os.close(console)
            said.seek(0)
            for line in said:
                if not line.startswith(GREETING):
                    os.write(2, line)


def without_outputs(model: bytes, keep: tuple[int, ...]) -> bytes:
    """The network with only the outputs `keep`, and without the operations that served the others.

    A network that also paints a segmentation mask spends almost half of its time on it.
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    content = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(model, 0))
    graph = content.subgraphs[0]
    outputs = [graph.outputs[i] for i in keep]
    needed, operators = set(outputs), []
    for operator in reversed(graph.operators):
        if needed & set(operator.outputs):
            operators.append(operator)
            needed |= {i for i in operator.inputs if i >= 0}
    graph.operators, graph.outputs = operators[::-1], outputs
    content.signatureDefs = []
    builder = flatbuffers.Builder(len(model) + 1024)
    builder.Finish(content.Pack(builder), b"TFL3")
    return bytes(builder.Output())
