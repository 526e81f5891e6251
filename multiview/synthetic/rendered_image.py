"""Single pictures of rendered people with exact keypoints and visibility, for training and evaluation."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, Float64, Int64, UInt8

from multiview.synthetic import raycast_kernels as kernels
from multiview.synthetic.appearance import sample_appearance
from multiview.synthetic.backdrop import backdrop
from multiview.synthetic.body import LIMB_RADII, PARTS, Figure, J, build_figure
from multiview.synthetic.postures import EASY, sample_postures

__all__ = [
    "ABSENT",
    "HIDDEN",
    "VISIBLE",
    "RenderedImage",
    "Scene",
    "draw_figures",
    "project",
    "render_scene",
    "sample_image",
    "sample_person_image",
    "sample_scene",
]

ABSENT, HIDDEN, VISIBLE = 0, 1, 2
COCO = 17


@dataclass(frozen=True, slots=True, eq=False)
class RenderedImage:
    """A picture and its P people: COCO keypoints (px), visibility (0 absent, 1 hidden, 2 visible), boxes x y w h (px).

    `area` px^2 is what a person would cover if nothing hid them, NaN where not measured; `parts` is the part of
    `body.PARTS` that each pixel shows of person 0, 0 elsewhere; `xyz` m in camera axes.
    """

    image: UInt8[np.ndarray, "H W 3"]
    xy: Float64[np.ndarray, "P 17 2"]
    visibility: Int64[np.ndarray, "P 17"]
    box: Float64[np.ndarray, "P 4"]
    area: Float64[np.ndarray, " P"]
    xyz: Float64[np.ndarray, "P 17 3"]
    parts: UInt8[np.ndarray, "H W"]


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """People and things before a camera (its axes, m), lit as `raycast_kernels.shade` says."""

    joints: Float64[np.ndarray, "P 26 3"]
    stature: Float64[np.ndarray, " P"]
    figures: tuple[Figure, ...]
    things: Figure | None
    light: Float64[np.ndarray, "4 3"]


@dataclass(frozen=True, slots=True, eq=False)
class GBuffer:
    """Depth (m, inf where empty), owner primitive (-1), and each primitive's person (-1 for things) and part."""

    depth: Float32[np.ndarray, "H W"]
    owner: Int64[np.ndarray, "H W"]
    person: Int64[np.ndarray, " K"]
    part: Int64[np.ndarray, " K"]


def in_camera(figure: Figure, R: Float64[np.ndarray, "3 3"], t: Float64[np.ndarray, " 3"]) -> Figure:
    """The figure with its primitives in camera coordinates, for cam_from_world = (R, t)."""
    linear = figure.affine[:, :, :3] @ R.T
    offset = figure.affine[:, :, 3] - linear @ t
    reach = np.hstack([figure.reach[:, :3] @ R.T + t, figure.reach[:, 3:]])
    return Figure(
        np.concatenate([linear, offset[..., None]], axis=2),
        figure.shape,
        reach,
        figure.colour,
        figure.style,
        figure.part,
    )


def _joined(figures: list[Figure]) -> Figure:
    fields = ("affine", "shape", "reach", "colour", "style", "part")
    return Figure(*(np.concatenate([getattr(figure, field) for figure in figures]) for field in fields))


def project(xyz: Float64[np.ndarray, "*N 3"], K: Float64[np.ndarray, "3 3"]) -> Float64[np.ndarray, "*N 2"]:
    """Pinhole projection of camera coordinates (m) to pixels."""
    return xyz[..., :2] / xyz[..., 2:] * K[[0, 1], [0, 1]] + K[:2, 2]


def draw_figures(
    figures: list[Figure],
    people: int,
    light: Float64[np.ndarray, "4 3"],
    K: Float64[np.ndarray, "3 3"],
    image: Float32[np.ndarray, "H W 3"],
) -> GBuffer:
    """Draw figures (camera coordinates; the first `people` of them are people) over `image`, in place."""
    height, width = image.shape[:2]
    depth = np.full((height, width), np.inf, np.float32)
    owner = np.full((height, width), -1, np.int64)
    person = np.concatenate([np.full(len(f.part), i if i < people else -1) for i, f in enumerate(figures)])
    lens = (K[0, 0], K[1, 1], K[0, 2], K[1, 2])
    everything = _joined(figures)
    affine, shape = everything.affine, everything.shape
    kernels.cast_rays(affine, shape, everything.reach, *lens, depth, owner)
    kernels.shade(affine, shape, everything.colour, everything.style, light, *lens, depth, owner, image)
    return GBuffer(depth, owner, person, everything.part)


def _part_map(gbuffer: GBuffer, figures: list[Figure], K: Float64[np.ndarray, "3 3"]) -> UInt8[np.ndarray, "H W"]:
    """Parts of person 0; the trunk and the face are relabelled where the surface looks backwards."""
    front = np.zeros(gbuffer.depth.shape, np.bool_)
    affine = np.concatenate([figure.affine for figure in figures])
    kernels.facing(affine, K[0, 0], K[1, 1], K[0, 2], K[1, 2], gbuffer.depth, gbuffer.owner, front)
    label = np.where(gbuffer.person == 0, gbuffer.part, 0)[gbuffer.owner]
    label[gbuffer.owner < 0] = 0
    label[(label == PARTS.index("face")) & ~front] = PARTS.index("head")
    label[(label == PARTS.index("torso_front")) & ~front] = PARTS.index("torso_back")
    return label.astype(np.uint8)


def joint_visibility(
    gbuffer: GBuffer,
    xyz: Float64[np.ndarray, "P 17 3"],
    xy: Float64[np.ndarray, "P 17 2"],
    stature: Float64[np.ndarray, " P"],
) -> Int64[np.ndarray, "P 17"]:
    """Visible where nothing lies before the skin above the joint; absent outside the picture."""
    height, width = gbuffer.depth.shape
    inside = ((xy > -0.5) & (xy < np.array([width, height]) - 0.5)).all(-1) & (xyz[..., 2] > 0)
    column, row = (
        np.clip(np.rint(np.nan_to_num(xy[..., i])), 0, size - 1).astype(int) for i, size in ((0, width), (1, height))
    )
    seen = gbuffer.depth[row, column] > xyz[..., 2] - (LIMB_RADII * 1.3) * stature[:, None] - 0.01
    return np.where(inside, np.where(seen, VISIBLE, HIDDEN), ABSENT)


def person_boxes(
    joints: Float64[np.ndarray, "P 26 3"], stature: Float64[np.ndarray, " P"], K: Float64[np.ndarray, "3 3"]
) -> Float64[np.ndarray, "P 4"]:
    """Boxes x y w h (px) around whole people: joints and finger tips, widened by the flesh about them."""
    tips = [
        joints[:, [w]] + 0.55 * (joints[:, [w]] - joints[:, [e]])
        for w, e in ((J["left_wrist"], J["left_elbow"]), (J["right_wrist"], J["right_elbow"]))
    ]
    points = np.concatenate([joints, *tips], axis=1)
    xy = project(points, K)
    flesh = 0.035 * stature[:, None, None] * K[0, 0] / points[..., 2:]
    low, high = (xy - flesh).min(1), (xy + flesh).max(1)
    return np.concatenate([low, high - low], axis=1)


def render_scene(
    rng: np.random.Generator,
    scene: Scene,
    K: Float64[np.ndarray, "3 3"],
    size: tuple[int, int],
    held_out: bool = False,
    supersample: int = 2,
    measure: bool = False,
) -> RenderedImage:
    """Render a scene with a pinhole camera; `size` = width, height (px). `measure` finds the people's areas, too."""
    width, height = size
    s = supersample
    fine = K.copy()
    # Pixel centres stand on integers: the fine picture's coordinate is s (x + 1/2) - 1/2.
    fine[0], fine[1] = fine[0] * s, fine[1] * s
    fine[:2, 2] += (s - 1) / 2
    image = cv2.resize(backdrop(rng, height, width, held_out), (width * s, height * s), interpolation=cv2.INTER_LINEAR)
    figures = [*scene.figures, *([scene.things] if scene.things is not None else [])]
    people = len(scene.figures)
    gbuffer = draw_figures(figures, people, scene.light, fine, image)
    xyz = scene.joints[:, :COCO]
    visibility = joint_visibility(gbuffer, xyz, project(xyz, fine), scene.stature)
    image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    parts = _part_map(gbuffer, figures, fine)[s // 2 :: s, s // 2 :: s]
    box = person_boxes(scene.joints, scene.stature, K)
    area = np.full(people, np.nan)
    if measure:
        area = np.array([_covered(figure, fine, gbuffer.depth.shape) / s**2 for figure in scene.figures])
    return RenderedImage(
        (np.clip(image, 0, 1) * 255).astype(np.uint8),
        project(xyz, K),
        visibility,
        box,
        area,
        xyz,
        np.ascontiguousarray(parts),
    )


def _covered(figure: Figure, K: Float64[np.ndarray, "3 3"], shape: tuple[int, ...]) -> int:
    """Pixels that a figure covers when it is alone."""
    depth, owner = np.full(shape, np.inf, np.float32), np.full(shape, -1, np.int64)
    kernels.cast_rays(figure.affine, figure.shape, figure.reach, K[0, 0], K[1, 1], K[0, 2], K[1, 2], depth, owner)
    return int((owner >= 0).sum())


def _look_at(
    eye: Float64[np.ndarray, " 3"], target: Float64[np.ndarray, " 3"], roll: float
) -> Float64[np.ndarray, "3 3"]:
    """cam_from_world rotation of a camera at `eye` looking at `target`, rolled by `roll` rad."""
    z = (target - eye) / np.linalg.norm(target - eye)
    x = np.cross(z, np.array([0.0, 0.0, 1.0]))
    x /= np.linalg.norm(x)
    R = np.stack([x, np.cross(z, x), z])
    c, s = np.cos(roll), np.sin(roll)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ R


def sample_light(rng: np.random.Generator, R: Float64[np.ndarray, "3 3"]) -> Float64[np.ndarray, "4 3"]:
    """A lamp somewhere above, of some warmth, and its ambient light, in camera axes."""
    azimuth, elevation = rng.uniform(0, 2 * np.pi), np.radians(rng.uniform(5, 85))
    lamp = np.array([np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)])
    strength = rng.uniform(0.2, 0.9)
    ambient = rng.uniform(0.25, 0.7)
    return np.stack([R @ lamp, strength * rng.uniform(0.85, 1.0, 3), ambient * rng.uniform(0.88, 1.0, 3), R[:, 2]])


def _things(
    rng: np.random.Generator, centre: Float64[np.ndarray, " 3"], toward: Float64[np.ndarray, " 3"]
) -> Figure | None:
    """Furniture and clutter near the people, some of it between them and the camera."""
    count = int(rng.integers(1, 4)) if rng.random() < 0.45 else 0
    if count == 0:
        return None
    rows = []
    for _ in range(count):
        where = centre + rng.normal(0, 0.45, 3) + toward * rng.uniform(-1.2, 0.9)
        q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        scale = rng.uniform(0.03, 0.2, 3)
        height = rng.uniform(0.0, 0.9)
        linear = q.T / scale[:, None]
        rows.append(
            (
                np.hstack([linear, -(linear @ where)[:, None]]),
                [height / scale[2], 1.0, rng.uniform(0.5, 1.2)],
                np.append(where + q[:, 2] * height / 2, height / 2 + scale.max() * 1.2),
            )
        )
    style = np.zeros((count, 8), np.float32)
    style[:, kernels.STYLE_PATTERN] = rng.integers(0, 7, count)
    style[:, kernels.STYLE_FREQUENCY] = rng.uniform(0.5, 3, count)
    style[:, kernels.STYLE_CUT] = 9
    return Figure(
        np.stack([r[0] for r in rows]),
        np.array([r[1] for r in rows]),
        np.stack([r[2] for r in rows]),
        rng.random((count, 3, 3)).astype(np.float32),
        style,
        np.zeros(count, np.int64),
    )


def sample_scene(
    rng: np.random.Generator,
    people: int | None = None,
    held_out: bool = False,
    spread: float = 1.0,
    easy: bool = False,
) -> Scene:
    """Draw people about the first one, a camera that looks at them, light and clutter.

    `people` defaults to 1 to 3, mostly 1; `spread` m is the deviation of the others' places.
    """
    count = people if people is not None else int(rng.choice([1, 2, 3], p=[0.6, 0.28, 0.12]))
    joints, stature = sample_postures(rng, count, held_out, EASY if easy else None)
    for i in range(1, count):
        offset = rng.normal(0, spread, 2)
        joints[i, :, :2] += offset * max(1.0, 0.3 / max(float(np.linalg.norm(offset)), 1e-9))
    target = joints[0].mean(0)
    distance = float(rng.uniform(1.8, 7.5)) * float(stature[0]) / 1.7
    elevation = np.radians(float(np.clip(rng.normal(14, 18), -20, 70)))
    bearing = rng.uniform(0, 2 * np.pi)
    toward = np.array([np.cos(bearing) * np.cos(elevation), np.sin(bearing) * np.cos(elevation), np.sin(elevation)])
    eye = target + toward * distance
    R = _look_at(eye, target + rng.normal(0, 0.12, 3) * distance, float(np.radians(np.clip(rng.normal(0, 8), -30, 30))))
    t = -R @ eye
    figures = [
        in_camera(build_figure(joints[i], sample_appearance(rng, held_out), float(stature[i])), R, t)
        for i in range(count)
    ]
    things = None if easy else _things(rng, target, toward)
    cam = joints @ R.T + t
    keep = [i for i in range(count) if i == 0 or cam[i, :, 2].min() > 0.3]
    return Scene(
        cam[keep],
        stature[keep],
        tuple(figures[i] for i in keep),
        None if things is None else in_camera(things, R, t),
        sample_light(rng, R),
    )


def _crop_camera(
    box: Float64[np.ndarray, " 4"], size: tuple[int, int], zoom: float, shift: Float64[np.ndarray, " 2"]
) -> Float64[np.ndarray, "3 3"]:
    """Intrinsics that show a box of the z = 1 plane, grown to the picture's aspect and by `zoom`, centred on it."""
    width, height = size
    extent = max(float(box[3]), float(box[2]) * height / width) * zoom
    focal = height / extent
    centre = box[:2] + box[2:] / 2 + shift * extent
    return np.array(
        [[focal, 0, (width - 1) / 2 - focal * centre[0]], [0, focal, (height - 1) / 2 - focal * centre[1]], [0, 0, 1]]
    )


def sample_person_image(
    rng: np.random.Generator,
    size: tuple[int, int],
    held_out: bool = False,
    zoom: float = 1.25,
    cut_off: float = 0.0,
    easy: bool = False,
) -> RenderedImage:
    """A picture centred on its first person and `zoom` times as large; others may stand about, before or behind.

    A share `cut_off` ends early, as at the frame of a larger image: black beyond, joints absent. `easy`: one upright
    person in full view, to begin with.
    """
    scene = sample_scene(rng, 1 if easy else None, held_out, easy=easy)
    box = person_boxes(scene.joints[:1], scene.stature[:1], np.eye(3))[0]
    rendered = render_scene(rng, scene, _crop_camera(box, size, zoom, np.zeros(2)), size, held_out)
    if rng.random() < cut_off:
        _cut_off(rng, rendered)
    return rendered


def _cut_off(rng: np.random.Generator, rendered: RenderedImage) -> None:
    """The whole image ends inside this crop: black beyond, joints absent, the person's box ends there, too."""
    height, width = rendered.image.shape[:2]
    low, high = np.zeros(2), np.array([width, height], float)
    axis, share = int(rng.integers(2)), rng.uniform(0.05, 0.45)
    if rng.random() < 0.5:
        low[axis] = int(share * high[axis])
    else:
        high[axis] = int((1 - share) * high[axis])
    x0, y0, x1, y1 = (int(v) for v in (*low, *high))
    outside = np.ones((height, width), np.bool_)
    outside[y0:y1, x0:x1] = False
    rendered.image[outside] = 0
    rendered.parts[outside] = 0
    rendered.visibility[((rendered.xy < low - 0.5) | (rendered.xy > high - 0.5)).any(-1)] = ABSENT
    start, end = (
        np.clip(rendered.box[:, :2], low, high - 1),
        np.clip(rendered.box[:, :2] + rendered.box[:, 2:], low, high - 1),
    )
    rendered.box[:] = np.concatenate([start, np.maximum(end - start, 8.0)], axis=1)


def sample_image(
    rng: np.random.Generator,
    size: tuple[int, int],
    held_out: bool = False,
    people: int | None = None,
    measure: bool = False,
    supersample: int = 2,
) -> RenderedImage:
    """A whole picture of 1 to 4 people of various sizes, as a person detector is given it."""
    scene = sample_scene(rng, int(rng.integers(1, 5)) if people is None else people, held_out, spread=1.6)
    box = person_boxes(scene.joints[:1], scene.stature[:1], np.eye(3))[0]
    zoom = float(np.exp(rng.uniform(np.log(1.2), np.log(5.0))))
    K = _crop_camera(box, size, zoom, rng.uniform(-0.3, 0.3, 2) * (1 - 1 / zoom))
    return render_scene(rng, scene, K, size, held_out, supersample, measure)
