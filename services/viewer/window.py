"""The window: Open3D draws the scene's arrays; keys and mouse call actions."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, SupportsFloat, SupportsInt

import numpy as np

from multiview.common.atomic_file import replacing
from multiview.drawing.mesh import Mesh
from multiview.errors import MultiviewError
from services.runtime.display import draws_in_software
from services.viewer.hud import Hud, billboards, time_at
from services.viewer.orbit import Orbit
from services.viewer.scene import Lines, Scene
from services.viewer.text import GROUND, Billboard, billboard_mesh, text_image

__all__ = ["Window"]

_DEBIAN = "apt-get install libgl1 libegl1 libgl1-mesa-dri libx11-6 libusb-1.0-0 libgomp1"
_PRESS = 1
_FIELD_OF_VIEW_STEP = 5.0  # degrees; a constant of Open3D
_BOUNDING_BOX_M = 10.0  # the box that Open3D measures its zoom by; any size will do
_AHEAD_M = 5.0  # where the window is said to look; any distance will do
_LEFT = 0  # mouse button
_NAME_PX = 14


class Window:
    """Draws a scene from an orbit; raises MultiviewError if no window can be opened."""

    def __init__(self, title: str, size: tuple[int, int], scale: int = 1, visible: bool = True) -> None:
        if draws_in_software():
            os.environ.setdefault("DRI_NO_MSAA", "1")  # smooth edges there cost as much as all the rest
            os.environ.setdefault("LP_NUM_THREADS", "0")  # no further threads: the other cores have work to do
        try:
            import open3d as o3d
        except ImportError as error:  # its wheel needs libraries of the system
            raise MultiviewError(f"Open3D does not load ({error}); on Debian and Ubuntu: {_DEBIAN}") from None

        o3d.utility.set_verbosity_level(o3d.utility.VerbosityLevel.Error)
        self._o3d = o3d
        self._size = (size[0] * scale, size[1] * scale)
        self._scale = scale
        self.open = True
        self._vis = o3d.visualization.VisualizerWithKeyCallback()
        if not self._vis.create_window(title, *self._size, visible=visible):
            raise MultiviewError(
                "no window could be opened: use a display with OpenGL, or --snapshot, which needs none"
            )
        options = self._vis.get_render_option()
        options.background_color = np.array(GROUND)
        options.mesh_show_back_face = True
        options.light_on = True
        options.mesh_shade_option = o3d.visualization.MeshShadeOption.Color
        self._meshes: dict[str, Any] = {}
        self._keys: dict[str, object] = {}
        self._changed = False
        self.hud = Hud(())
        self._drag: tuple[int, float, float] | None = None
        self._mouse = (0.0, 0.0)
        corners = o3d.geometry.LineSet(
            o3d.utility.Vector3dVector(np.array([[-0.5] * 3, [0.5] * 3]) * _BOUNDING_BOX_M),
            o3d.utility.Vector2iVector([[0, 1]]),
        )
        self._vis.add_geometry(corners)
        self._vis.remove_geometry(corners, reset_bounding_box=False)
        control = self._vis.get_view_control()
        control.set_constant_z_near(0.05)
        control.set_constant_z_far(200.0)

    def on_key(self, key: str | int, action: Callable[[], None]) -> None:
        """Call `action` when a letter, or a GLFW key code, is pressed."""

        def pressed(vis: object) -> bool:
            action()
            return False

        self._vis.register_key_callback(ord(key) if isinstance(key, str) else key, pressed)

    def on_mouse(self, orbit: Orbit, seek: Callable[[float], None]) -> None:
        """Left button turns, right or middle pans, the wheel goes nearer; a click on the time line calls `seek`."""

        def button(vis: object, which: SupportsInt, action: SupportsInt, mods: SupportsInt) -> bool:
            time = time_at(self.hud, self._size, self._scale, *self._mouse)
            if time is not None and int(action) == _PRESS:
                seek(time)
                return True
            self._drag = (int(which), np.nan, np.nan) if int(action) == _PRESS else None
            return True

        def move(vis: object, at_x: SupportsFloat, at_y: SupportsFloat) -> bool:
            x, y = self._mouse = float(at_x), float(at_y)
            if self._drag is not None:
                which, last_x, last_y = self._drag
                self._drag = (which, x, y)
                if np.isfinite(last_x) and which == _LEFT:
                    orbit.turn(x - last_x, y - last_y)
                elif np.isfinite(last_x):
                    orbit.pan(x - last_x, y - last_y, self._size[1])
            return True

        def wheel(vis: object, dx: SupportsFloat, dy: SupportsFloat) -> bool:
            orbit.zoom(float(dy))
            return True

        self._vis.register_mouse_button_callback(button)
        self._vis.register_mouse_move_callback(move)
        self._vis.register_mouse_scroll_callback(wheel)

    def draw(self, scene: Scene, orbit: Orbit, hud: Hud) -> bool:
        """Draw one image, replacing only changed geometry; False, without drawing, if nothing changed."""
        self._changed = False
        self._size = self._measure()
        self.hud = hud
        view, focal = orbit.cam_from_world(self._size[1]), orbit.focal_px(*self._size)
        seen = (view.tobytes(), focal, self._size)
        states = tuple(scene.camera_states.items())
        self._on_change("room", None, lambda: self._set_lines("room", scene.room_lines()))
        self._on_change("cameras", (states, orbit.through), lambda: self._set_cameras(scene, orbit.through))
        self._on_change("people", (scene.version, scene.uncertainty), lambda: self._set_people(scene.people()))
        self._on_change("trails", scene.version, lambda: self._set_trails(*scene.trails_ribbon()))
        rays = scene.version if scene.rays_of is not None else None
        self._on_change("rays", rays, lambda: self._set_lines("rays", scene.ray_lines()))
        names = (scene.version, states, orbit.through, tuple(scene.names.items()), seen)
        self._on_change("names", names, lambda: self._set_names(scene, orbit, view, focal, seen))
        self._on_change("hud", (hud, seen), lambda: self._set_hud(hud, seen))
        self._on_change("view", seen, lambda: self._look(view, focal))
        if self._changed:
            self._vis.update_renderer()
        self.open = bool(self._vis.poll_events()) and self.open
        return self._changed

    def _measure(self) -> tuple[int, int]:
        """The window's size in pixels, which its user may change."""
        intrinsic = self._vis.get_view_control().convert_to_pinhole_camera_parameters().intrinsic
        return int(intrinsic.width), int(intrinsic.height)

    def _on_change(self, name: str, key: object, action: Callable[[], None]) -> bool:
        """Do it if `key` is not what it was the last time; whether it was done."""
        if name in self._keys and self._keys[name] == key:
            return False
        self._keys[name] = key
        action()
        self._changed = True
        return True

    def snapshot(self, path: Path, reduce: int = 1) -> None:
        """Save the last picture as PNG, `reduce` times smaller than the window, which makes its edges smooth."""
        import cv2

        picture = np.asarray(self._vis.capture_screen_float_buffer(do_render=True))
        picture = np.round(picture[..., ::-1] * 255).astype(np.uint8)
        size = (picture.shape[1] // reduce, picture.shape[0] // reduce)
        with replacing(path) as temporary:
            cv2.imwrite(str(temporary), cv2.resize(picture, size, interpolation=cv2.INTER_AREA))

    def close(self) -> None:
        self._vis.destroy_window()

    def _look(self, view: np.ndarray, focal: float) -> None:
        """By eye, direction and opening: Open3D's way from a camera matrix clamps the eye to its bounding box."""
        control = self._vis.get_view_control()
        opening = float(np.clip(np.rad2deg(2 * np.arctan(self._size[1] / 2 / focal)), 5.5, 90.0))
        control.change_field_of_view((opening - control.get_field_of_view()) / _FIELD_OF_VIEW_STEP)
        forward = view[2, :3]
        eye = -view[:3, :3].T @ view[:3, 3]
        control.set_lookat(eye + _AHEAD_M * forward)
        control.set_front(-forward)
        control.set_up(-view[1, :3])
        control.set_zoom(_AHEAD_M * np.tan(np.deg2rad(opening) / 2) / _BOUNDING_BOX_M)

    def _set_people(self, mesh: Mesh) -> None:
        vector = self._o3d.utility.Vector3dVector
        shape, new = self._shape("people", self._o3d.geometry.TriangleMesh)
        vertices, triangles = _something(mesh.vertices, mesh.triangles)
        shape.vertices = vector(vertices)
        shape.vertex_colors = vector(mesh.colours if len(mesh.colours) else np.zeros((3, 3)))
        if len(shape.triangles) != len(triangles):
            shape.triangles = self._o3d.utility.Vector3iVector(triangles)
            shape.triangle_normals = vector(np.zeros((len(triangles), 3)))  # unused, but without it no light
        shape.vertex_normals = vector(mesh.normals if len(mesh.normals) else np.tile([0.0, 0.0, 1.0], (3, 1)))
        self._show(shape, new)

    def _set_cameras(self, scene: Scene, through: str) -> None:
        self._set_lines("cameras", scene.camera_lines(hidden=through))

    def _set_lines(self, name: str, lines: Lines) -> None:
        shape, new = self._shape(name, self._o3d.geometry.LineSet)
        if len(lines.pairs) == 0:  # Open3D wants at least one line
            lines = Lines(np.zeros((2, 3)), np.array([[0, 1]], dtype=np.int32), np.zeros((1, 3)))
        shape.points = self._o3d.utility.Vector3dVector(lines.points)
        shape.lines = self._o3d.utility.Vector2iVector(lines.pairs)
        shape.colors = self._o3d.utility.Vector3dVector(lines.colours)
        self._show(shape, new)

    def _set_names(
        self, scene: Scene, orbit: Orbit, view: np.ndarray, focal: float, seen: tuple[bytes, float, tuple[int, int]]
    ) -> None:
        self._set_billboards("names", self._names(scene, orbit, view, focal), seen)

    def _set_hud(self, hud: Hud, seen: tuple[bytes, float, tuple[int, int]]) -> None:
        self._set_billboards("hud", billboards(hud, self._size, self._scale), seen)

    def _names(self, scene: Scene, orbit: Orbit, view: np.ndarray, focal: float) -> list[Billboard]:
        """Names above heads and cameras, all of one size, and as far away as what they name."""
        found = []
        for text in scene.texts(hidden=orbit.through):
            x, y, depth = view[:3, :3] @ text.place + view[:3, 3]
            if depth < 0.2:
                continue
            picture = text_image(text.text, text.colour, _NAME_PX * self._scale, True)
            left = round(x / depth * focal + self._size[0] / 2 - picture.shape[1] / 2)
            found.append(Billboard(picture, left, round(y / depth * focal + self._size[1] / 2) - len(picture), depth))
        return found

    def _set_billboards(self, name: str, found: list[Billboard], seen: tuple[bytes, float, tuple[int, int]]) -> None:
        """Pictures on rectangles, without normals, so that no light falls on them."""
        nothing = Billboard(np.zeros((1, 1, 3), dtype=np.uint8), -9, -9, 1.0)  # Open3D wants at least one triangle
        shape, new = self._shape(name, self._o3d.geometry.TriangleMesh)
        made = billboard_mesh(found or [nothing], np.frombuffer(seen[0]).reshape(4, 4), seen[1], seen[2])
        shape.vertices = self._o3d.utility.Vector3dVector(made.vertices)
        shape.triangles = self._o3d.utility.Vector3iVector(made.triangles)
        shape.triangle_uvs = self._o3d.utility.Vector2dVector(made.uvs)
        shape.triangle_material_ids = self._o3d.utility.IntVector(np.zeros(len(made.triangles), dtype=np.int32))
        image: Any = self._o3d.geometry.Image
        shape.textures = [image(made.picture)]
        self._show(shape, new)

    def _set_trails(self, vertices: np.ndarray, triangles: np.ndarray, colours: np.ndarray) -> None:
        """Triangles without normals, so that no light falls on them."""
        shape, new = self._shape("trails", self._o3d.geometry.TriangleMesh)
        colours = colours if len(triangles) else np.zeros((3, 3))
        vertices, triangles = _something(vertices, triangles)
        shape.vertices = self._o3d.utility.Vector3dVector(vertices)
        shape.vertex_colors = self._o3d.utility.Vector3dVector(colours)
        shape.triangles = self._o3d.utility.Vector3iVector(triangles)
        self._show(shape, new)

    def _shape(self, name: str, kind: Callable[[], Any]) -> tuple[Any, bool]:
        new = name not in self._meshes
        if new:
            self._meshes[name] = kind()
        return self._meshes[name], new

    def _show(self, shape: Any, new: bool) -> None:
        if new:
            self._vis.add_geometry(shape, reset_bounding_box=False)
        else:
            self._vis.update_geometry(shape)


def _something(vertices: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Open3D wants at least one triangle."""
    return (vertices, triangles) if len(triangles) else (np.zeros((3, 3)), np.array([[0, 1, 2]], dtype=np.int32))
