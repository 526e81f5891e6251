"""The C interface of Aravis 0.8, as far as cameras need it; the library is loaded on use.

Reference: https://aravisproject.github.io/aravis/aravis-stable/
"""

from __future__ import annotations

import ctypes
import importlib.util
import sys
from ctypes import POINTER, c_char_p, c_double, c_int, c_size_t, c_uint, c_uint64, c_void_p
from ctypes.util import find_library
from functools import cache
from pathlib import Path
from typing import Any

from multiview.errors import SourceError, one_line

__all__ = ["CONTROL_LOST", "Aravis", "load_aravis"]

NO_ARAVIS = (
    'cameras by GenICam need Aravis 0.8: pip install "multiview-mocap[genicam]", or your system\'s package '
    "(libaravis-0.8-0, brew install aravis)"
)
CONTROL_LOST = ctypes.CFUNCTYPE(None, c_void_p, c_void_p)


class _GError(ctypes.Structure):
    _fields_ = [("domain", ctypes.c_uint32), ("code", c_int), ("message", c_char_p)]


# What each function returns and takes; the last argument of those in FALLIBLE is a GError.
FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "arv_enable_interface": (None, (c_char_p,)),
    "arv_update_device_list": (None, ()),
    "arv_get_n_devices": (c_uint, ()),
    "arv_get_device_id": (c_char_p, (c_uint,)),
    "arv_get_device_serial_nbr": (c_char_p, (c_uint,)),
    "arv_get_device_address": (c_char_p, (c_uint,)),
    "arv_camera_get_device": (c_void_p, (c_void_p,)),
    "arv_device_get_feature": (c_void_p, (c_void_p, c_char_p)),
    "arv_device_set_range_check_policy": (None, (c_void_p, c_int)),
    "arv_dom_node_get_node_name": (c_char_p, (c_void_p,)),
    "arv_buffer_new_allocate": (c_void_p, (c_size_t,)),
    "arv_buffer_get_status": (c_int, (c_void_p,)),
    "arv_buffer_get_data": (c_void_p, (c_void_p, POINTER(c_size_t))),
    "arv_buffer_get_frame_id": (c_uint64, (c_void_p,)),
    "arv_buffer_get_timestamp": (c_uint64, (c_void_p,)),
    "arv_buffer_get_image_width": (c_int, (c_void_p,)),
    "arv_buffer_get_image_height": (c_int, (c_void_p,)),
    "arv_stream_push_buffer": (None, (c_void_p, c_void_p)),
    "arv_stream_timeout_pop_buffer": (c_void_p, (c_void_p, c_uint64)),
    "arv_stream_get_statistics": (None, (c_void_p, POINTER(c_uint64), POINTER(c_uint64), POINTER(c_uint64))),
    "arv_stream_get_n_infos": (c_uint, (c_void_p,)),
    "arv_stream_get_info_name": (c_char_p, (c_void_p, c_uint)),
    "arv_stream_get_info_uint64": (c_uint64, (c_void_p, c_uint)),
    "arv_gv_fake_camera_new": (c_void_p, (c_char_p, c_char_p)),
    "arv_gv_fake_camera_is_running": (c_int, (c_void_p,)),
    "g_signal_connect_data": (c_uint64, (c_void_p, c_char_p, CONTROL_LOST, c_void_p, c_void_p, c_int)),
    "g_object_unref": (None, (c_void_p,)),
}
FALLIBLE: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "arv_camera_new": (c_void_p, (c_char_p,)),
    "arv_camera_new_with_device": (c_void_p, (c_void_p,)),
    "arv_fake_device_new": (c_void_p, (c_char_p,)),
    "arv_camera_create_stream": (c_void_p, (c_void_p, c_void_p, c_void_p)),
    "arv_camera_get_payload": (c_uint, (c_void_p,)),
    "arv_camera_start_acquisition": (None, (c_void_p,)),
    "arv_camera_stop_acquisition": (None, (c_void_p,)),
    "arv_device_is_feature_available": (c_int, (c_void_p, c_char_p)),
    "arv_device_set_float_feature_value": (None, (c_void_p, c_char_p, c_double)),
    "arv_device_set_integer_feature_value": (None, (c_void_p, c_char_p, ctypes.c_int64)),
    "arv_gc_feature_node_get_value_as_string": (c_char_p, (c_void_p,)),
    "arv_gc_feature_node_set_value_from_string": (None, (c_void_p, c_char_p)),
    "arv_gc_command_execute": (None, (c_void_p,)),
}


class Aravis:
    """Calls its functions by name; what fails there is a SourceError in its words."""

    def __init__(self, path: str) -> None:
        """OSError if the library, or one that it needs, cannot be loaded."""
        library = ctypes.CDLL(path)
        self._clear = library.g_clear_error
        self._clear.argtypes = [POINTER(POINTER(_GError))]
        self._functions: dict[str, Any] = {}
        for name, (result, taken) in (FUNCTIONS | FALLIBLE).items():
            function = getattr(library, name)
            function.restype = result
            function.argtypes = [*taken, POINTER(POINTER(_GError))] if name in FALLIBLE else list(taken)
            self._functions[name] = function

    def __call__(self, name: str, *arguments: Any) -> Any:
        """Call a function of the tables above."""
        if name not in FALLIBLE:
            return self._functions[name](*arguments)
        error = POINTER(_GError)()
        result = self._functions[name](*arguments, ctypes.byref(error))
        if error:
            words = one_line((error.contents.message or b"").decode(errors="replace"))
            self._clear(ctypes.byref(error))
            raise SourceError(words)
        return result

    def text(self, name: str, *arguments: Any) -> str:
        """The text that a function returns; empty for none."""
        return (self(name, *arguments) or b"").decode(errors="replace")


@cache
def load_aravis() -> Aravis:
    """The system's library, or that of the extra; SourceError, naming both, if there is neither."""
    reason = ""
    for path in _paths():
        try:
            return Aravis(path)
        except (OSError, AttributeError) as error:  # AttributeError: another version of it
            reason = f" ({one_line(error)})"
    raise SourceError(NO_ARAVIS + reason)


def _paths() -> list[str]:
    found = [path] if (path := find_library("aravis-0.8")) else []
    package = importlib.util.find_spec("aravis")  # its own import needs PyGObject, which is not needed here
    for folder in (package.submodule_search_locations or []) if package else []:
        pattern = {"win32": "bin/*aravis-0.8*.dll", "darwin": "lib/*aravis-0.8*.dylib"}.get(
            sys.platform, "lib/libaravis-0.8.so*"
        )
        found += sorted(str(path) for path in Path(folder).glob(pattern))
    return found
