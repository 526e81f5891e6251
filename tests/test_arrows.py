"""Keeps the shape of the house: who may import whom, and one home for each heavy library.

The rules are read from the source, imports inside functions included; only `client.py` is judged by what it imports
on start, because that is what must work without the other dependencies.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

REPOSITORY = Path(__file__).parents[1]
PACKAGES = ("multiview", "calib", "services")

# Inside multiview, lowest first; a room imports its own floor and those below. A name is a folder or a file's stem.
FLOORS: tuple[frozenset[str], ...] = (
    frozenset({"__init__", "errors", "package_data", "files", "toml_file"}),
    frozenset({"geometry", "keypoints", "nets", "models", "plugins"}),
    frozenset({"data", "camera", "rig_file", "skeleton", "keypoint_folder", "poses", "messages", "packing", "truth"})
    | frozenset({"unpack"})
    | frozenset({"rays", "joint_names", "palette", "stick_figure", "solids", "volume"}),
    frozenset({"synthetic", "associate", "track", "fit", "kinematics", "detect", "sources", "export"})
    | frozenset({"assign", "metrics", "joint_angles", "prepare", "draw", "top_view", "plot", "client", "actor"})
    | frozenset({"between", "clock", "knocked", "sync", "open_source", "make_detector", "picture_size", "regions"})
    | frozenset({"recognise", "reprojection", "turned", "turns"}),
    frozenset({"frame", "pipeline", "smooth", "explain", "latency", "learn", "time_shift"}),
    frozenset({"config", "recording", "take", "take_poses", "plot_errors"}),
    frozenset({"commands", "__main__"}),
)

# A heavy library is imported only below these paths.
HOMES: dict[str, tuple[str, ...]] = {
    "torch": ("multiview/nets/", "multiview/learn/", "multiview/detect/"),
    "open3d": ("services/viewer",),
    "networkx": ("multiview/associate/", "calib/"),
    "zmq": ("services/bus.py", "multiview/client.py"),
}

# What a downstream program has installed.
CLIENT_MAY_IMPORT = frozenset({"numpy", "msgspec", "zmq", "multiview"}) | sys.stdlib_module_names


class Import(NamedTuple):
    path: str  # importing file, relative to the repository, with forward slashes
    line: int
    module: str  # absolute dotted name; for `from a import b` also a.b, which may be a module
    on_start: bool  # not inside a function


def read_imports(path: str, source: str) -> Iterator[Import]:
    """Every import of one file; relative ones are made absolute."""
    package = path.removesuffix(".py").split("/")[:-1]

    def visit(node: ast.AST, on_start: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                yield from (Import(path, child.lineno, alias.name, on_start) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                base = package[: len(package) - child.level + 1] if child.level else []
                module = ".".join([*base, *([child.module] if child.module else [])])
                yield Import(path, child.lineno, module, on_start)
                yield from (Import(path, child.lineno, f"{module}.{alias.name}", on_start) for alias in child.names)
            else:
                inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
                yield from visit(child, on_start and not inside)

    yield from visit(ast.parse(source), True)


def floor_of(room: str) -> int | None:
    return next((number for number, rooms in enumerate(FLOORS) if room in rooms), None)


def room_of(path_or_module: str) -> str:
    """The room of multiview that a file or a dotted module belongs to."""
    parts = path_or_module.removesuffix(".py").replace("/", ".").split(".")
    return parts[1].removesuffix("_kernels") if len(parts) > 1 else "__init__"


def violations(files: dict[str, str]) -> list[str]:
    """Broken rules in {path: source}, each as `path:line what`."""
    imports = [found for path, source in files.items() for found in read_imports(path, source)]
    rules = (_between_packages(imports), _between_floors(files, imports), _homes(imports), _client(files, imports))
    return list(dict.fromkeys(line for rule in rules for line in rule))


def _between_packages(imports: list[Import]) -> Iterator[str]:
    forbidden = {"multiview": {"calib", "services"}, "calib": {"services"}, "services": {"calib"}}
    for found in imports:
        package, target = found.path.split("/")[0], found.module.split(".")[0]
        if target in forbidden.get(package, set()):
            yield f"{found.path}:{found.line} {package} must not import {target}"


def _between_floors(files: dict[str, str], imports: list[Import]) -> Iterator[str]:
    for path in files:
        if path.startswith("multiview/") and floor_of(room_of(path)) is None:
            yield f"{path}:1 room {room_of(path)!r} stands on no floor: add it to FLOORS"
    modules = {path.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for path in files}
    for found in imports:
        if not found.path.startswith("multiview/") or found.module not in modules:
            continue
        own, target = room_of(found.path), room_of(found.module)
        own_floor, target_floor = floor_of(own), floor_of(target)
        if found.module.startswith("multiview") and None not in (own_floor, target_floor) and own_floor < target_floor:
            yield f"{found.path}:{found.line} {own} must not import {target}, which stands above it"


def _homes(imports: list[Import]) -> Iterator[str]:
    for found in imports:
        library = found.module.split(".")[0]
        if library in HOMES and not found.path.startswith(HOMES[library]):
            yield f"{found.path}:{found.line} {library} lives in {', '.join(HOMES[library])}"


def _client(files: dict[str, str], imports: list[Import]) -> Iterator[str]:
    """What the client imports on start, directly and through our own modules."""
    todo, seen = ["multiview/client.py"], set()
    while todo:
        path = todo.pop()
        if path in seen or path not in files:
            continue
        seen.add(path)
        for found in imports:
            if found.path != path or not found.on_start:
                continue
            if found.module.split(".")[0] not in CLIENT_MAY_IMPORT:
                yield f"{path}:{found.line} the client must not need {found.module.split('.')[0]}"
            if found.module.startswith("multiview"):
                stem = found.module.replace(".", "/")
                todo += [f"{stem}.py", f"{stem}/__init__.py"]


def repository_files() -> dict[str, str]:
    found = (file for package in PACKAGES for file in sorted((REPOSITORY / package).rglob("*.py")))
    return {file.relative_to(REPOSITORY).as_posix(): file.read_text(encoding="utf-8") for file in found}


def test_the_house_keeps_its_arrows() -> None:
    files = repository_files()
    assert "multiview/data.py" in files
    assert violations(files) == []


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"multiview/track.py": "import services.bus"}, "multiview must not import services"),
        ({"calib/cli.py": "def f():\n    from services import bus"}, "calib must not import services"),
        ({"services/hub.py": "from calib.board import Board"}, "services must not import calib"),
        (
            {"multiview/camera.py": "from multiview.pipeline import step", "multiview/pipeline.py": ""},
            "camera must not import pipeline",
        ),
        (
            {"multiview/geometry/lens.py": "from ..camera import Camera", "multiview/camera.py": ""},
            "geometry must not import camera",
        ),
        ({"multiview/cellar.py": ""}, "stands on no floor"),
        ({"multiview/pipeline.py": "def f():\n    import torch.nn"}, "torch lives in"),
        ({"services/hub.py": "import open3d as o3d"}, "open3d lives in"),
        ({"services/hub.py": "import zmq"}, "zmq lives in"),
        ({"multiview/fit/bones.py": "import networkx"}, "networkx lives in"),
        (
            {"multiview/client.py": "from multiview.messages import Hello", "multiview/messages.py": "import scipy"},
            "the client must not need scipy",
        ),
        ({"multiview/client.py": "import jaxtyping"}, "the client must not need jaxtyping"),
    ],
)
def test_a_broken_arrow_is_found(files: dict[str, str], expected: str) -> None:
    found = violations(files)
    assert len(found) == 1
    assert expected in found[0]


@pytest.mark.parametrize(
    "files",
    [
        {"multiview/client.py": "import zmq, numpy, json\ndef f():\n    import pandas"},
        {"services/hub.py": "from multiview.messages import Hello", "multiview/messages.py": "import msgspec"},
        {"multiview/learn/train.py": "import torch", "multiview/pipeline.py": "from multiview.data import Views"},
        {"services/viewer.py": "import open3d", "calib/solve.py": "import networkx"},
    ],
)
def test_what_is_allowed_passes(files: dict[str, str]) -> None:
    assert violations(files) == []
