"""Run as a program: TRC files by both of OpenSim's readers, into an npz file; a reader that fails ends this program.

A program of its own, as OpenSim writes a log where it is imported, and its objects crash a process that outlives them.

    python read_with_opensim.py OUT.npz A.trc B.trc ...
"""

import sys
from pathlib import Path

import numpy as np
import opensim


def read(path: str) -> dict[str, np.ndarray]:
    table = opensim.TimeSeriesTableVec3(path)
    flat = table.flatten()
    matrix = flat.getMatrix()
    markers = opensim.MarkerData(path)
    frames = [markers.getFrame(i) for i in range(markers.getNumFrames())]
    places = [[frame.getMarker(j).get(k) for j in range(markers.getNumMarkers()) for k in range(3)] for frame in frames]
    return {
        "table": matrix.to_numpy().copy(),
        "markers": np.array(places),
        "time": np.array(table.getIndependentColumn()),
        "labels": np.array(table.getColumnLabels()),
        "unit": np.array(table.getTableMetaDataString("Units")),
    }


opensim.Logger.setLevelString("off")
found = {f"{Path(path).name}/{key}": value for path in sys.argv[2:] for key, value in read(path).items()}
np.savez(sys.argv[1], **found)
