"""Write the model that the tests of COLMAP's format read, and where COLMAP sees some points, with pycolmap 4.2.1.

pip install pycolmap && python make_colmap.py colmap
"""

import json
import sys
from pathlib import Path

import numpy as np
import pycolmap

LENSES = [
    ("OPENCV", [1100.3, 1098.7, 959.6, 541.7, 0.01, -0.02, 0.001, 0.002]),
    ("OPENCV_FISHEYE", [800, 801, 960.5, 540.5, 0.01, 0.02, -0.01, 0.003]),
    ("SIMPLE_RADIAL", [1000, 960.5, 540.5, 0.05]),
]


def main(out: Path) -> None:
    model = pycolmap.Reconstruction()
    for n, (lens, values) in enumerate(LENSES, 1):
        camera = pycolmap.Camera(camera_id=n, model=lens, width=1920, height=1080, params=values)
        model.add_camera_with_trivial_rig(camera)
        xyzw = np.array([0.1 * n, 0.2, -0.3, 0.9])
        rotation = pycolmap.Rotation3d(xyzw / np.linalg.norm(xyzw))
        pose = pycolmap.Rigid3d(rotation, np.array([0.1 * n, -0.2, 1.5 + n]))
        model.add_image_with_trivial_frame(pycolmap.Image(name=f"cam_{n}.png", camera_id=n, image_id=n), pose)
    points = np.random.default_rng(0).uniform(-1, 1, (6, 3))
    for kind, write in (("text", model.write_text), ("binary", model.write_binary)):
        (out / kind).mkdir(parents=True, exist_ok=True)
        write(str(out / kind))
        for file in (out / kind).iterdir():
            if file.stem not in ("cameras", "images"):
                file.unlink()
    pixels = {model.image(n).name: [model.image(n).project_point(p).tolist() for p in points] for n in (1, 2, 3)}
    (out / "projected.json").write_text(json.dumps({"points": points.tolist(), "pixels": pixels}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
