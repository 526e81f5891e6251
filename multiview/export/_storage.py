"""OpenSim's storage files, `.mot` and `.sto`: columns over time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float64

from multiview.common.atomic_file import replacing
from multiview.export._rows import Block, write_rows

__all__ = ["write_storage"]


def write_storage(
    path: Path, time_s: Float64[np.ndarray, " T"], columns: dict[str, Float64[np.ndarray, " T"]], decimals: int
) -> Path:
    """Write columns in degrees or metres, NaN where unknown.

    https://opensimconfluence.atlassian.net/wiki/spaces/OpenSim/pages/53089415 (Storage (.sto) files)
    """
    head = [path.stem, "version=1", f"nRows={len(time_s)}", f"nColumns={1 + len(columns)}", "inDegrees=yes"]
    values = np.stack([*columns.values()], axis=1) if columns else np.empty((len(time_s), 0))
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write("\n".join([*head, "endheader", "\t".join(["time", *columns]), ""]).encode())
        write_rows(file, [Block(time_s[:, None], 6), Block(values, decimals)], "\t", unknown=b"NaN")
    return path
