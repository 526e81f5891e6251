"""A file of every calibration format of one camera: by hand as its documentation has it, or by a library of its own.

Nothing here is written by the code under test. `FILES` makes each file in a folder and gives its path.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from shutil import copytree

import cv2
import numpy as np
from scipy.io import savemat
from scipy.spatial.transform import Rotation

POINTS = np.random.default_rng(3).uniform(-1, 1, (20, 3))
LEVEL = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # 4 m along -y, looking along +y: x is right and -z is down
TURNED = cv2.Rodrigues(np.array([0.3, -0.8, 0.2]))[0] @ LEVEL  # camera_from_world, with no axis along the world's
TURNED_T = np.array([0.2, -0.1, 4.0])
CENTRE = -TURNED.T @ TURNED_T
K = np.array([[1500.0, 0, 955], [0, 1490, 547], [0, 0, 1]])
DIST = np.array([0.03, -0.05, 0.001, -0.002, 0.01])
NO_TANGENTIAL = DIST * [1, 1, 0, 0, 1]
KEPT = Path(__file__).parent / "files"


def by_turned(points: np.ndarray = POINTS, dist: np.ndarray = DIST) -> np.ndarray:
    return cv2.projectPoints(points, cv2.Rodrigues(TURNED)[0], TURNED_T, K, dist)[0][:, 0]


def pose(t: np.ndarray = TURNED_T) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = TURNED, t
    return matrix


def toml_table(**values: object) -> str:
    return "\n".join(f"{key} = {json.dumps(value)}" for key, value in values.items()) + "\n"


def anipose(folder: Path) -> Path:
    """As aniposelib dumps its cameras: https://anipose.readthedocs.io, calibration.toml."""
    path = folder / "calibration.toml"
    path.write_text("[cam_0]\n" + _vectors("A", 1000 * TURNED_T) + '\n[metadata]\nadjusted = false\nunits = "mm"\n')
    return path


def pose2sim(folder: Path) -> Path:
    path = folder / "Calib.toml"
    text = _vectors("A", TURNED_T) + "fisheye = false\n\n[metadata]\nadjusted = false\nerror = 0.0\n"
    path.write_text("[A]\n" + text)
    return path


def _vectors(name: str, t: np.ndarray) -> str:
    return toml_table(
        name=name,
        size=[1920.0, 1080.0],
        matrix=K.tolist(),
        distortions=DIST.tolist(),
        rotation=cv2.Rodrigues(TURNED)[0].ravel().tolist(),
        translation=t.tolist(),
    )


def caliscope(folder: Path) -> Path:
    path = folder / "camera_array.toml"
    values = {"cam_id": 4, "rotation_count": 0, "size": [1920, 1080], "matrix": K.tolist()}
    values |= {"distortions": DIST.tolist(), "rotation": TURNED.tolist(), "translation": TURNED_T.tolist()}
    path.write_text("[cameras.4]\n" + toml_table(**values))
    return path


def multiview(folder: Path) -> Path:
    """By docs/formats.md."""
    path = folder / "rig.toml"
    values = {"name": "A", "size": [1920, 1080], "model": "pinhole", "K": K.tolist(), "dist": DIST.tolist()}
    text = toml_table(**values, R=TURNED.tolist(), t=TURNED_T.tolist())
    path.write_text("version = 1\n\n[[cameras]]\n" + text)
    return path


def opencv_yaml(folder: Path) -> Path:
    """By OpenCV's own FileStorage."""
    path = folder / "cameras.yaml"
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
    storage.startWriteStruct("cameras", cv2.FileNode_SEQ)
    storage.startWriteStruct("", cv2.FileNode_MAP)
    storage.write("image_width", 1920)
    storage.write("image_height", 1080)
    matrices = {"camera_matrix": K, "distortion_coefficients": DIST[None], "R": TURNED, "T": TURNED_T[:, None]}
    for key, matrix in matrices.items():
        storage.write(key, matrix)
    storage.endWriteStruct()
    storage.endWriteStruct()
    storage.release()
    return path


def easymocap(folder: Path) -> Path:
    """With the rotation in both of its forms."""
    return write_easymocap(folder, {"R": cv2.Rodrigues(TURNED)[0], "Rot": TURNED, "T": TURNED_T[:, None]})


def write_easymocap(folder: Path, pose: dict[str, np.ndarray]) -> Path:
    """Two files by OpenCV's FileStorage, as EasyMocap does."""
    for name, matrices in (("intri", {"K": K, "dist": DIST[None]}), ("extri", pose)):
        storage = cv2.FileStorage(str(folder / f"{name}.yml"), cv2.FILE_STORAGE_WRITE)
        storage.startWriteStruct("names", cv2.FileNode_SEQ)
        storage.write("", "01")
        storage.endWriteStruct()
        for key, matrix in matrices.items():
            storage.write(f"{key}_01", matrix)
        storage.release()
    return folder / "intri.yml"


def qualisys(folder: Path) -> Path:
    """Subpixels of 1/64; y up and z backward in the camera; millimetres."""
    axes = (np.diag([1.0, -1, -1]) @ TURNED).tolist()
    turn = " ".join(f'r{i + 1}{j + 1}="{axes[i][j]!r}"' for i in range(3) for j in range(3))
    x, y, z = (1000 * CENTRE).tolist()
    inner = f'focalLengthU="{64 * 1500}" focalLengthV="{64 * 1490}" centerPointU="{64 * 955}" centerPointV="{64 * 547}"'
    radial = 'radialDistortion1="0.03" radialDistortion2="-0.05" radialDistortion3="0.01"'
    path = folder / "studio.qca.txt"
    path.write_text(f"""<?xml version="1.0" encoding="UTF-8"?>
<calibration source="QTM" type="regular">
 <cameras>
  <camera active="1" serial="A" viewrotation="0">
   <fov_video left="0" top="0" right="1919" bottom="1079"/>
   <transform x="{x!r}" y="{y!r}" z="{z!r}" {turn}/>
   <intrinsic {inner} skew="0" {radial} tangentalDistortion1="0.001" tangentalDistortion2="-0.002"/>
  </camera>
 </cameras>
</calibration>
""")
    return path


def vicon(folder: Path) -> Path:
    """The quaternion by scipy, scalar last; ViconRadial2 has no tangential part."""
    path = folder / "session.xcp"
    path.write_text(xcp(Rotation.from_matrix(TURNED).as_quat(), centre=CENTRE))
    return path


def xcp(
    orientation: np.ndarray,
    radial: str = "ViconRadial2 955 547 0.03 -0.05 0.01",
    centre: np.ndarray = CENTRE,
) -> str:
    place = " ".join(repr(float(1000 * x)) for x in centre)
    turn = " ".join(map(repr, orientation.tolist()))
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<Cameras VERSION="1.2.0">
  <Camera DEVICEID="2111437" DISPLAY_TYPE="Vue" SENSOR_SIZE="1920 1080" PIXEL_ASPECT_RATIO="{1500 / 1490!r}" USERID="1">
    <KeyFrames>
      <KeyFrame FOCAL_LENGTH="1500" PRINCIPAL_POINT="955 547" ORIENTATION="{turn}" POSITION="{place}"
        VICON_RADIAL2="{radial}" WORLD_ERROR="0.2"/>
    </KeyFrames>
  </Camera>
  <Camera DEVICEID="2111438" SENSOR_SIZE="1920 1080"/>
</Cameras>"""


def opencap(folder: Path) -> Path:
    """A pickle of numpy's arrays, in millimetres."""
    path = folder / "cameraIntrinsicsExtrinsics.pickle"
    content = {
        "distortion": DIST[None],
        "intrinsicMat": K,
        "imageSize": np.array([[1080.0], [1920.0]]),
        "rotation": TURNED,
        "translation": 1000 * TURNED_T[:, None],
        "rotation_EulerAngles": cv2.Rodrigues(TURNED)[0],
    }
    path.write_bytes(pickle.dumps(content))
    return path


def kalibr(folder: Path) -> Path:
    """Two cameras, the second by the first, which is the world; radtan has four coefficients."""
    rows = "\n".join(f"  - {row}" for row in pose().tolist())
    lens = f"""  camera_model: pinhole
  distortion_coeffs: {DIST[:4].tolist()}
  distortion_model: radtan
  intrinsics: [1500.0, 1490.0, 955.0, 547.0]
  resolution: [1920, 1080]
"""
    path = folder / "camchain.yaml"
    second = f"cam1:\n  T_cn_cnm1:\n{rows}\n  cam_overlaps: [0]\n{lens}  rostopic: /right/image_raw\n"
    path.write_text(f"cam0:\n  cam_overlaps: [1]\n{lens}  rostopic: /left/image_raw\n{second}")
    return path


def nerfstudio(folder: Path) -> Path:
    """OpenGL's axes: x right, y up, z backward are the columns; the first pixel's centre is at (0.5, 0.5)."""
    world = np.eye(4)
    world[:3, 0], world[:3, 1], world[:3, 2], world[:3, 3] = TURNED[0], -TURNED[1], -TURNED[2], CENTRE
    lens = {"fl_x": 1500.0, "fl_y": 1490.0, "cx": 955.5, "cy": 547.5, "w": 1920, "h": 1080}
    lens |= {"k1": 0.03, "k2": -0.05, "p1": 0.001, "p2": -0.002, "camera_model": "OPENCV"}
    path = folder / "transforms.json"
    frames = [{"file_path": "./images/cam01.png", "transform_matrix": world.tolist()}]
    path.write_text(json.dumps({**lens, "frames": frames}))
    return path


def colmap(folder: Path) -> Path:
    """By pycolmap (files/make_colmap.py)."""
    return copytree(KEPT / "colmap/text", folder / "sparse") / "cameras.txt"


def mcal() -> str:
    """As Motive writes it: columns are the camera's axes right, up and backward in Motive's world, whose y is up."""
    axes = np.stack([TURNED[0], -TURNED[1], -TURNED[2]], axis=1)
    orientation = " ".join(f'OrientMatrix{n}="{value!r}"' for n, value in enumerate(axes.ravel().tolist()))
    x, y, z = CENTRE.tolist()
    standard = 'k1="0.03" k2="-0.05" k3="0.01" TangentialX="0.001" TangentialY="-0.002"'
    centre = 'LensCenterX="955" LensCenterY="547"'
    return f"""<?xml version="1.0" encoding="utf-16"?>
<calibrationProfile><Calibration><Cameras Count="2">
 <Camera Serial="C11764">
  <Properties CameraID="13"/>
  <Attributes ImagerPixelWidth="1920" ImagerPixelHeight="1080"/>
  <Intrinsic LensCenterX="900" LensCenterY="500" HorizontalFocalLength="1" VerticalFocalLength="1" k1="9"/>
  <IntrinsicStandardCameraModel {centre} HorizontalFocalLength="1500" VerticalFocalLength="1490" {standard}/>
  <Extrinsic X="{x!r}" Y="{y!r}" Z="{z!r}" {orientation}/>
 </Camera>
 <Camera Serial="M1"/>
</Cameras></Calibration></calibrationProfile>"""


def optitrack(folder: Path) -> Path:
    path = folder / "calibration.mcal"
    path.write_text(mcal().replace("utf-16", "utf-8"))
    return path


def captury_text() -> str:
    """By its documentation: everything in mm, on a sensor of 4.8 mm for 1920 px; `up` is against the picture's y."""
    pitch = 4.8 / 1920
    vectors = TURNED[0], -TURNED[1], 1000 * CENTRE
    right, up, place = (" ".join(map(repr, vector.tolist())) for vector in vectors)
    return f"""tc camera calibration v0.3
camera 3 00:11:22:33
 serialNumber 56826091
 cameraModel a
 colorCorrection
  red 0 1 2
 frame 0
  sensorSize 4.8 2.7   # in mm; 1920 x 1080 px
  focalLength {1500 * pitch!r}
  pixelAspect {1490 / 1500!r}
  centerOffset {(955 - 960) * pitch!r} {(547 - 540) * pitch!r} # right and down
  distortionModel OpenCV
  distortion {" ".join(map(str, DIST.tolist()))}
  origin {place}
  up {up}
  right {right}
"""


def captury(folder: Path) -> Path:
    path = folder / "studio.calib"
    path.write_text(captury_text())
    return path


def biocv_text() -> str:
    parts = [[[1920], [1080], *K.tolist()], pose(1000 * TURNED_T).tolist(), [DIST.tolist()]]
    return "\n\n".join("\n".join(" ".join(map(str, row)) for row in rows) for rows in parts) + "\n"


def biocv(folder: Path) -> Path:
    path = folder / "01.mp4.calib"
    path.write_text(biocv_text())
    return path


def matlab_lens(transposed: bool = False) -> dict[str, object]:
    """MATLAB puts the centre of the first pixel at (1, 1)."""
    ours = K.copy()
    ours[:2, 2] += 1
    lens = {
        "ImageSize": np.array([1080.0, 1920]),
        "RadialDistortion": DIST[[0, 1, 4]],
        "TangentialDistortion": DIST[2:4],
    }
    return lens | ({"IntrinsicMatrix": ours.T} if transposed else {"K": ours}) | {"WorldUnits": "millimeters"}


def matlab_stereo() -> dict[str, object]:
    return {
        "CameraParameters1": matlab_lens(transposed=True),
        "CameraParameters2": matlab_lens(),
        "RotationOfCamera2": TURNED.T,  # second = first @ RotationOfCamera2 + TranslationOfCamera2
        "TranslationOfCamera2": 1000 * TURNED_T[None],
    }


def matlab(folder: Path) -> Path:
    """By scipy's writer of MATLAB files."""
    path = folder / "stereo.mat"
    savemat(path, {"s": matlab_stereo()})
    return path


FILES: dict[str, Callable[[Path], Path]] = {
    make.__name__: make
    for make in (
        anipose, biocv, caliscope, captury, colmap, easymocap, kalibr, matlab, multiview, nerfstudio, opencap,
        opencv_yaml, optitrack, pose2sim, qualisys, vicon,
    )
}  # fmt: skip
