"""Keeps the shape of the house: which room imports which, no cycles of files, one home for each heavy library.

The rules are read from the source, imports inside functions included; only `client.py` is judged by what it imports
on start, because that is what must work without the other dependencies.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from typing import NamedTuple

import networkx
import pytest

from tests.source_files import PACKAGES, repository_files

# The rooms: a folder, or a file at the root of a package. Each may import the rooms named here, itself, and GROUND.
GROUND = frozenset({"multiview/data", "multiview/errors"})
ARROWS: dict[str, str] = {
    "multiview/data": "",
    "multiview/errors": "",
    "multiview/geometry": "common",
    "multiview/common": "",
    "multiview/nets": "",
    "multiview/keypoints": "geometry",
    "multiview/wire": "common geometry",
    "multiview/client": "wire common",
    "multiview/cameras": "common geometry",
    "multiview/body": "common geometry",
    "multiview/timing": "wire common",
    "multiview/sources": "timing wire common",
    "multiview/models": "common keypoints",
    "multiview/recordings": "body cameras timing wire common geometry",
    "multiview/biomechanics": "recordings",
    "multiview/editing": "recordings common",
    "multiview/keypoint_formats": "recordings body cameras common",
    "multiview/fusion/state": "body common geometry",
    "multiview/fusion/estimation": "fusion/state cameras geometry",
    "multiview/fusion/association": "common fusion/state cameras geometry",
    "multiview/fusion": "fusion/association fusion/estimation fusion/state body cameras common geometry",
    "multiview/lifting": "fusion fusion/state timing body cameras common",
    "multiview/selfcalib": "cameras geometry",
    "multiview/synthetic": "marker_files recordings body cameras wire common geometry",
    "multiview/drawing": "biomechanics evaluation fusion/association fusion/state recordings body cameras timing "
    "wire common",
    "multiview/retarget": "body common",
    "multiview/export": "retarget biomechanics drawing recordings body cameras common",
    "multiview/marker_files": "common",
    "multiview/evaluation": "biomechanics marker_files recordings body geometry",
    "multiview/detect": "models nets keypoints recordings synthetic body common",
    "multiview/learn": "lifting nets keypoints synthetic recordings sources body cameras common",
    "multiview/studio": "lifting detect fusion fusion/association selfcalib timing wire synthetic sources "
    "recordings body cameras common",
    "multiview/commands": "lifting retarget biomechanics editing studio wire keypoints learn detect evaluation "
    "marker_files export drawing synthetic selfcalib fusion keypoint_formats recordings models sources body cameras "
    "common",
    "multiview/batch": "__init__ commands studio detect keypoint_formats recordings models sources body cameras common",
    "multiview/__init__": "detect evaluation fusion recordings sources client cameras body geometry",
    "multiview/__main__": "__init__ common",
    "calib/board": "common geometry",
    "calib/corners": "calib/board sources common",
    "calib/solve": "calib/board calib/corners cameras timing geometry",
    "calib/people": "recordings body cameras common geometry",
    "calib/report": "calib/board calib/corners calib/people calib/solve cameras common geometry",
    "calib/formats": "cameras common geometry",
    "calib/commands": "calib/board calib/corners calib/formats calib/people calib/report calib/solve "
    "commands studio detect sources recordings body cameras common",
    "calib/cli": "",
    "services/runtime": "common",
    "services/transport": "studio wire common",
    "services/nodes": "editing services/runtime services/transport studio wire timing recordings "
    "cameras body common commands detect sources synthetic",
    "services/bridges": "services/runtime services/transport studio wire cameras body common drawing",
    "services/supervise": "services/nodes services/runtime services/transport studio wire recordings "
    "cameras fusion common",
    "services/viewer": "editing services/nodes services/runtime services/transport studio wire "
    "recordings cameras body common drawing",
    "services/capture": "detect models services/nodes services/supervise services/runtime services/transport "
    "studio synthetic wire recordings sources cameras common",
    "services/dashboard": "services/capture services/nodes services/supervise services/runtime services/transport "
    "editing studio wire recordings cameras body common commands drawing export retarget sources",
    "services/batch": "__init__ batch commands export common",
    "services/batch/engines": "services/batch services/runtime",
    "services/demo": "services/supervise studio wire recordings cameras body "
    "common commands drawing evaluation synthetic",
}

# A heavy library is imported only below these paths.
HOMES: dict[str, tuple[str, ...]] = {
    "torch": ("multiview/nets/", "multiview/learn/", "multiview/detect/"),
    "open3d": ("services/viewer/",),
    "nicegui": ("services/dashboard/",),
    "networkx": ("multiview/fusion/association/", "calib/"),
    "zmq": ("services/transport/", "multiview/client.py"),
    "h5py": ("multiview/keypoint_formats/", "multiview/export/nwb.py"),
    "pypylon": ("multiview/sources/basler.py",),
    "av": (
        "multiview/common/video_writer.py",
        "multiview/sources/_video_reader.py",
        "multiview/sources/_hardware.py",
        "multiview/sources/_video_start.py",
        "multiview/sources/_sound.py",
        "multiview/sources/_frame_filters.py",
    ),
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


def room_of(path: str) -> str:
    """The room that a file belongs to: its folder, or the file itself at the root of a package."""
    folder = path.rsplit("/", 1)[0]
    return path.removesuffix(".py") if folder in PACKAGES else folder


def allowed_rooms(room: str) -> set[str]:
    """The rooms that a room may import."""
    names = ARROWS[room].split()
    return {name if name.split("/")[0] in PACKAGES else f"multiview/{name}" for name in names} | GROUND | {room}


def violations(files: dict[str, str]) -> list[str]:
    """Broken rules in {path: source}, each as `path:line what`."""
    imports = [found for path, source in files.items() for found in read_imports(path, source)]
    rules = (_rooms(files), _between_rooms(files, imports), _cycles(files, imports))
    rules += (_private(imports), _homes(imports), _client(files, imports))
    return list(dict.fromkeys(line for rule in rules for line in rule))


def _rooms(files: dict[str, str]) -> Iterator[str]:
    for path in files:
        if room_of(path) not in ARROWS and not path.endswith("/__init__.py"):
            yield f"{path}:1 room {room_of(path)!r} has no arrows: add it to ARROWS"


def imported_files(files: dict[str, str], imports: list[Import]) -> Iterator[tuple[Import, str]]:
    """Every import of a file by a file; of `from package import module` the module alone."""
    modules = {path.removesuffix(".py").removesuffix("/__init__").replace("/", "."): path for path in files}
    lines: dict[tuple[str, int], list[Import]] = {}
    for found in imports:
        if found.module in modules:
            lines.setdefault((found.path, found.line), []).append(found)
    for group in lines.values():
        for found in group:
            longer = any(other.module.startswith(f"{found.module}.") for other in group)
            if not longer and modules[found.module] != found.path:
                yield found, modules[found.module]


def _between_rooms(files: dict[str, str], imports: list[Import]) -> Iterator[str]:
    for found, target in imported_files(files, imports):
        own, other = room_of(found.path), room_of(target)
        if own in ARROWS and other not in allowed_rooms(own):
            yield f"{found.path}:{found.line} {own} must not import {other}"


def _cycles(files: dict[str, str], imports: list[Import]) -> Iterator[str]:
    graph = networkx.DiGraph((found.path, target) for found, target in imported_files(files, imports))
    for circle in networkx.strongly_connected_components(graph):
        if len(circle) > 1:
            yield f"{min(circle)}:1 files import each other: {', '.join(sorted(circle))}"


def _private(imports: list[Import]) -> Iterator[str]:
    """A module that begins with _ belongs to its room."""
    for found in imports:
        parts = found.module.split(".")
        for number, part in enumerate(parts):
            inside = found.path.startswith("/".join(parts[:number]) + "/")
            if part.startswith("_") and not part.startswith("__") and parts[0] in PACKAGES and not inside:
                yield f"{found.path}:{found.line} {'.'.join(parts[: number + 1])} is private to its room"


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


def test_house_keeps_its_rules() -> None:
    files = repository_files()
    assert "multiview/data.py" in files
    assert violations(files) == []


def test_every_arrow_is_used() -> None:
    files = repository_files()
    imports = [found for path, source in files.items() for found in read_imports(path, source)]
    used = {(room_of(found.path), room_of(target)) for found, target in imported_files(files, imports)}
    unused = [(room, other) for room in ARROWS for other in allowed_rooms(room) - GROUND - {room}]
    assert [arrow for arrow in unused if arrow not in used] == []


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {"multiview/fusion/tracker.py": "import services.nodes.hub", "services/nodes/hub.py": ""},
            "multiview/fusion must not import services/nodes",
        ),
        (
            {"calib/cli.py": "def f():\n    from services.nodes import hub", "services/nodes/hub.py": ""},
            "calib/cli must not import services/nodes",
        ),
        (
            {"multiview/geometry/lens.py": "from ..cameras.camera import Camera", "multiview/cameras/camera.py": ""},
            "multiview/geometry must not import multiview/cameras",
        ),
        (
            {
                "multiview/cameras/camera.py": "def f():\n    from multiview.cameras.rig_file import read",
                "multiview/cameras/rig_file.py": "from multiview.cameras.camera import Camera",
            },
            "files import each other",
        ),
        ({"multiview/cellar/wine.py": ""}, "has no arrows"),
        (
            {"services/nodes/hub.py": "from multiview.sources._reader import f", "multiview/sources/_reader.py": ""},
            "multiview.sources._reader is private to its room",
        ),
        ({"multiview/fusion/pipeline.py": "def f():\n    import torch.nn"}, "torch lives in"),
        ({"services/nodes/hub.py": "import open3d as o3d"}, "open3d lives in"),
        ({"services/nodes/hub.py": "import zmq"}, "zmq lives in"),
        ({"multiview/fusion/state/bones.py": "import networkx"}, "networkx lives in"),
        (
            {
                "multiview/client.py": "from multiview.wire.messages import A",
                "multiview/wire/messages.py": "import scipy",
            },
            "the client must not need scipy",
        ),
        ({"multiview/client.py": "import jaxtyping"}, "the client must not need jaxtyping"),
    ],
)
def test_violations_finds_a_broken_rule(files: dict[str, str], expected: str) -> None:
    found = violations(files)
    assert len(found) == 1
    assert expected in found[0]


@pytest.mark.parametrize(
    "files",
    [
        {"multiview/client.py": "import zmq, numpy, json\ndef f():\n    import pandas"},
        {
            "services/nodes/hub.py": "from multiview.wire.messages import A",
            "multiview/wire/messages.py": "import msgspec",
        },
        {
            "multiview/learn/train.py": "import torch",
            "multiview/fusion/pipeline.py": "from multiview.data import Views",
        },
        {"services/viewer/viewer.py": "import open3d", "calib/solve/solve.py": "import networkx"},
    ],
)
def test_violations_passes_what_is_allowed(files: dict[str, str]) -> None:
    assert violations(files) == []
