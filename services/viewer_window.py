"""The window: Open3D draws the scene's arrays; keys and mouse turn into calls."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, SupportsFloat, SupportsInt

import numpy as np

from multiview.errors import MultiviewError
from multiview.files import replacing
from multiview.solids import Mesh
from services.viewer_orbit import Orbit
from services.viewer_scene import GROUND, Lines, Scene, facing, heads_up

__all__ = ["Window"]

_PRESS, _RELEASE = 1, 0
_FIELD_OF_VIEW_STEP = 5.0  # degrees; a constant of Open3D
_BOUNDING_BOX_M = 10.0  # the box that Open3D measures its zoom by; any size will do
_AHEAD_M = 5.0  # where the window is said to look; any distance will do
_LEFT, _RIGHT, _MIDDLE = 0, 1, 2


class Window:
    """Draws a scene from an orbit; raises MultiviewError if there is no way to open a window."""

    def __init__(self, title: str, size: tuple[int, int], scale: int = 1, visible: bool = True) -> None:
        import open3d as o3d

        o3d.utility.set_verbosity_level(o3d.utility.VerbosityLevel.Error)
        self._o3d = o3d
        self._size = (size[0] * scale, size[1] * scale)
        self._scale = scale
        self.open = True
        self._vis = o3d.visualization.VisualizerWithKeyCallback()
        if not self._vis.create_window(title, *self._size, visible=visible):
            raise MultiviewError("no window could be opened: is there a display with OpenGL? (--snapshot needs none)")
        options = self._vis.get_render_option()
        options.background_color = np.array(GROUND)
        options.mesh_show_back_face = True
        options.light_on = True
        options.mesh_shade_option = o3d.visualization.MeshShadeOption.Color
        self._meshes: dict[str, Any] = {}
        self._drag: tuple[int, float, float] | None = None
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

    def on_mouse(self, orbit: Orbit) -> None:
        """Left button turns, right or middle pans, the wheel goes nearer."""

        def button(vis: object, which: SupportsInt, action: SupportsInt, mods: SupportsInt) -> bool:
            self._drag = (int(which), np.nan, np.nan) if int(action) == _PRESS else None
            return True

        def move(vis: object, at_x: SupportsFloat, at_y: SupportsFloat) -> bool:
            x, y = float(at_x), float(at_y)
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

    def draw(self, scene: Scene, orbit: Orbit, top: list[str], bottom: list[str]) -> None:
        """One picture."""
        view = orbit.cam_from_world(self._size[1])
        focal = orbit.focal_px(*self._size)
        self._set_mesh("people", scene.people())
        self._set_plain("trails", *scene.trails_ribbon())
        self._set_lines("room", scene.room_lines(hidden=orbit.through))
        self._set_text(scene, orbit.through, view, focal, top, bottom)
        self._look(view, focal)
        self.open = bool(self._vis.poll_events()) and self.open
        self._vis.update_renderer()

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

    def _set_mesh(self, name: str, mesh: Mesh) -> None:
        vector = self._o3d.utility.Vector3dVector
        shape, new = self._shape(name, self._o3d.geometry.TriangleMesh)
        shape.vertices, shape.vertex_colors = vector(mesh.vertices), vector(mesh.colours)
        if len(shape.triangles) != len(mesh.triangles):
            shape.triangles = self._o3d.utility.Vector3iVector(mesh.triangles)
            shape.triangle_normals = vector(np.zeros((len(mesh.triangles), 3)))  # unused, but without it no light
        shape.vertex_normals = vector(mesh.normals)
        self._show(shape, new)

    def _set_lines(self, name: str, lines: Lines) -> None:
        shape, new = self._shape(name, self._o3d.geometry.LineSet)
        if len(lines.pairs) == 0:  # Open3D wants at least one line
            lines = Lines(np.zeros((2, 3)), np.array([[0, 1]], dtype=np.int32), np.zeros((1, 3)))
        shape.points = self._o3d.utility.Vector3dVector(lines.points)
        shape.lines = self._o3d.utility.Vector2iVector(lines.pairs)
        shape.colors = self._o3d.utility.Vector3dVector(lines.colours)
        self._show(shape, new)

    def _set_text(
        self, scene: Scene, through: str, view: np.ndarray, focal: float, top: list[str], bottom: list[str]
    ) -> None:
        pieces = [
            heads_up(top, view, focal, self._size, self._scale, True),
            heads_up(bottom, view, focal, self._size, self._scale, False),
        ]
        pieces += [facing(text, view, focal / self._scale) for text in scene.texts(hidden=through)]
        triangles, count = [], 0
        for vertices, faces, _ in pieces:
            triangles.append(faces + np.int32(count))
            count += len(vertices)
        vertices, colours = (
            np.concatenate([piece[0] for piece in pieces]),
            np.concatenate([piece[2] for piece in pieces]),
        )
        self._set_plain("text", vertices, np.concatenate(triangles), colours)

    def _set_plain(self, name: str, vertices: np.ndarray, triangles: np.ndarray, colours: np.ndarray) -> None:
        """Triangles without normals, so that no light falls on them."""
        shape, new = self._shape(name, self._o3d.geometry.TriangleMesh)
        if len(triangles) == 0:
            vertices, triangles, colours = np.zeros((3, 3)), np.array([[0, 1, 2]], dtype=np.int32), np.zeros((3, 3))
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
