"""Keeps what the project says of itself: who reads a clock, who writes a file, private names, randomness, `Any`.

The rules are read from the source; what they cannot see (a clock behind a variable) is left to whoever reviews.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache

import pytest

from tests.source_files import repository_files

# What tells the time, or waits for it. What the library computes must not depend on it.
CLOCKS = {
    "time": {
        "time", "time_ns", "monotonic", "monotonic_ns", "clock_gettime", "clock_gettime_ns", "sleep",
        "strftime", "localtime", "gmtime", "ctime", "asctime",
    },
    "datetime": {"now", "utcnow", "today"},
}  # fmt: skip
CLOCKS_AT = ("multiview/sources/", "multiview/client.py", "services/")

# What only measures how long something took.
STOPWATCHES = {"time": {"perf_counter", "perf_counter_ns", "process_time", "process_time_ns", "thread_time"}}
STOPWATCHES_AT = (
    *("multiview/detect/", "multiview/fusion/pipeline.py", "multiview/studio/stream_fusion.py", "multiview/learn/"),
    *("multiview/commands/", "calib/commands/", "services/"),
)

# What makes, changes or removes a file.
WRITES = {
    "method": {"write_text", "write_bytes", "unlink", "rename", "tofile", "savefig"},
    "call": {
        "cv2.imwrite", "cv2.VideoWriter", "np.save", "np.savez", "np.savez_compressed", "np.savetxt", "torch.save",
        "onnx.save", "shutil.copy", "shutil.copy2", "shutil.copyfile", "shutil.move", "shutil.rmtree", "os.remove",
        "os.unlink", "os.rename", "os.replace", "os.link", "os.open", "os.truncate", "pq.write_table",
        "pq.ParquetWriter", "csv.CSVWriter", "VideoWriter",
    },
}  # fmt: skip
# The way to a file that is written; and where one goes without, with the reason.
WAYS = {"replacing", "writing"}
WRITES_AT = {
    "multiview/commands/report.py:_picture": "writes into memory",
    "multiview/common/kernel_cache.py": "its own cache",
    "multiview/commands/models.py": "its own cache",
    "multiview/commands/recover.py": "its own scratch folder, renamed to a name that is free",
    "multiview/common/video_writer.py": "is given what `replacing` or `writing` made",
    "multiview/export/nwb.py:_content": "writes into memory",
    "multiview/learn/deploy.py:_sign": "is given what `replacing` made",
    "multiview/recordings/ground_truth.py:_arrays": "reads",
    "multiview/recordings/keypoint_folder.py:_content": "reads",
    "multiview/recordings/take.py": "renames a take to a name that is free, removes one that never began",
    "multiview/recordings/take_lock.py": "its own lock",
    "calib/board/sheet.py:_write_pdf": "is given what `replacing` made",
    "calib/report/figures.py": "writes into memory",
    "services/capture/captured.py:record_counts": "removes its own summary, which is cut off",
    "multiview/recordings/written_keypoints.py:remove_earlier": "removes only what it has written itself",
    "multiview/batch/results.py:install": "renames results, which are the batch's own",
    "multiview/batch/results.py:_descriptor": "reads",
    "services/batch/claims.py": "its own claims and locks, and what dead batches left",
    "services/batch/driver.py": "removes its own scratch folders",
    "services/batch/worker.py:perform": "its own scratch folder",
    "services/nodes/take_writer.py": "removes a file of its own that holds nothing",
    "services/nodes/video_log.py": "makes only files that do not exist",
    "services/dashboard/access.py": "a key, which nobody else may read",
    "services/dashboard/detached.py": "locks and logs",
    "services/dashboard/downloads.py": "its own scratch folder",
    "services/runtime/process.py": "a setting of the operating system",
    "multiview/__main__.py:main": "nowhere: the null device",
    "services/supervise/child.py": "logs",
    "services/supervise/launch.py": "its own scratch folder",
    "services/transport/keyring.py": "keys, which nobody else may read",
    "services/viewer/record.py": "a log in a scratch folder",
    "services/nodes/camera_process.py": "removes shared memory of its own, no file",
}

parse = cache(ast.parse)  # each rule reads every file


@cache
def nodes(tree: ast.AST) -> tuple[ast.AST, ...]:
    """A node and everything in it."""
    return tuple(ast.walk(tree))


BUILT_IN_MEMBERS = {*dir(dict), *dir(list), *dir(str)}  # what may as well be one of these

PUBLIC_UNDERSCORES = {"_asdict", "_fields", "_replace", "_make", "_exit"}  # of NamedTuple and os


def uses(tree: ast.AST, names: dict[str, set[str]]) -> Iterator[tuple[int, str]]:
    """Where a file uses these names of these modules, whether as `time.time` or by `from time import time`."""
    for node in nodes(tree):
        if isinstance(node, ast.Attribute):
            owner = _last_name(node.value)
            if node.attr in names.get("datetime" if owner == "date" else owner, ()):
                yield node.lineno, f"{owner}.{node.attr}"
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if alias.name in names.get(node.module or "", ()):
                    yield node.lineno, f"{node.module}.{alias.name}"


def _last_name(node: ast.AST) -> str:
    """`d` of `a.b.d` and of `d`."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def clocks(files: dict[str, str]) -> Iterator[str]:
    for path, source in files.items():
        tree = parse(source)
        for kind, names, places in (("clock", CLOCKS, CLOCKS_AT), ("stopwatch", STOPWATCHES, STOPWATCHES_AT)):
            if not path.startswith(places):
                yield from (f"{path}:{line} {name}: no {kind} here" for line, name in uses(tree, names))


def randomness(files: dict[str, str]) -> Iterator[str]:
    """The library is given its randomness as an `rng`, or seeds it: it has none of its own."""
    for path, source in files.items():
        for node in nodes(parse(source)):
            if isinstance(node, ast.Call) and _last_name(node.func) == "default_rng":
                if not node.args and not node.keywords:
                    yield f"{path}:{node.lineno} default_rng() without a seed"
            elif isinstance(node, ast.Import | ast.ImportFrom) and not path.startswith("services/"):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module]
                if {"random", "secrets", "uuid"} & set(names):
                    yield f"{path}:{node.lineno} randomness from outside"


def private(files: dict[str, str]) -> Iterator[str]:
    """A name that begins with _ is used where it is defined: in its file, or on `self`."""
    for path, source in files.items():
        tree = parse(source)
        own = {node.name for node in nodes(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        own |= {n.id for n in nodes(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        own |= {n.attr for n in nodes(tree) if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)}
        for node in nodes(tree):
            if isinstance(node, ast.Attribute) and _is_private(node.attr) and node.attr not in own | PUBLIC_UNDERSCORES:
                if _last_name(node.value) not in ("self", "cls"):
                    yield f"{path}:{node.lineno} {ast.unparse(node)} is private to another file"
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    module = f"{node.module}.{alias.name}".replace(".", "/")
                    if _is_private(alias.name) and f"{module}.py" not in files:
                        yield f"{path}:{node.lineno} {node.module}.{alias.name} is private to another file"


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def hidden_classes(files: dict[str, str]) -> Iterator[str]:
    """A parameter is called `Any`, and what is read of it are all attributes of one class of ours: name the class."""
    trees = {path: parse(source) for path, source in files.items()}
    classes = {
        node.name: _members(node) for tree in trees.values() for node in nodes(tree) if isinstance(node, ast.ClassDef)
    }
    for path, tree in trees.items():
        for function in nodes(tree):
            if not isinstance(function, ast.FunctionDef):
                continue
            for argument in (*function.args.args, *function.args.kwonlyargs):
                if argument.annotation is None or _last_name(argument.annotation) != "Any":
                    continue
                read = _attributes(function, argument.arg)
                if read <= BUILT_IN_MEMBERS:
                    continue
                for name in (name for name, members in classes.items() if read <= members):
                    yield f"{path}:{argument.lineno} {argument.arg}: Any may be a {name}: say so"
                    break


def _members(node: ast.ClassDef) -> set[str]:
    """Fields and methods that a class declares, and attributes that its methods set."""
    found = {
        item.target.id for item in node.body if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
    }
    found |= {item.name for item in node.body if isinstance(item, ast.FunctionDef)}
    return found | {
        item.attr
        for item in nodes(node)
        if isinstance(item, ast.Attribute) and isinstance(item.ctx, ast.Store) and _last_name(item.value) == "self"
    }


def _attributes(function: ast.FunctionDef, name: str) -> set[str]:
    """What a function reads of one of its arguments."""
    return {
        node.attr for node in nodes(function)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == name
    }  # fmt: skip


def writes(files: dict[str, str]) -> Iterator[str]:
    """A file is written where `replacing` or `writing` of `multiview.common.atomic_file` say that it may be."""
    for path, source in files.items():
        if not path.startswith(("multiview/", "calib/", "services/")) or path in WRITES_AT:
            continue
        for name, function in _functions(parse(source)):
            if f"{path}:{name}" in WRITES_AT:
                continue
            written = [(n, what) for n in _own_nodes(function) if isinstance(n, ast.Call) and (what := _write(n))]
            safe = _safe_names(function) if written else set()
            for node, what in written:
                if not _mentions(node, safe):
                    yield f"{path}:{node.lineno} {what}: go through multiview.common.atomic_file"


def _functions(tree: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    yield "", tree
    for node in nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node


def _own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    """Everything in a function but the functions in it."""
    for child in ast.iter_child_nodes(function):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child
            yield from _own_nodes(child)


def _safe_names(function: ast.AST) -> set[str]:
    """Names of paths and files that came the right way, also by way of each other."""
    safe: set[str] = set()
    for _ in range(4):
        for node in nodes(function):
            pairs: list[tuple[ast.AST, ast.AST | None]] = []
            if isinstance(node, ast.With):
                pairs = [(item.context_expr, item.optional_vars) for item in node.items]
            elif isinstance(node, ast.Assign):
                pairs = [(node.value, target) for target in node.targets]
            elif isinstance(node, ast.For | ast.comprehension):
                pairs = [(node.iter, node.target)]
            for value, target in pairs:
                if target is not None and _mentions(value, safe):
                    safe |= {found.id for found in nodes(target) if isinstance(found, ast.Name)}
    return safe


def _mentions(node: ast.AST, safe: set[str]) -> bool:
    return any(isinstance(found, ast.Name) and found.id in safe | WAYS for found in nodes(node))


def _write(node: ast.Call) -> str:
    """What a call writes with, or nothing."""
    name = ast.unparse(node.func)
    if name in WRITES["call"]:
        return name
    if isinstance(node.func, ast.Attribute) and node.func.attr in WRITES["method"]:
        return node.func.attr
    mode = node.args[1:2] if name in ("open", "zipfile.ZipFile") else node.args[:1] if name.endswith(".open") else []
    modes = [*mode, *(keyword.value for keyword in node.keywords if keyword.arg == "mode")]
    if any(set(text) & set("wa+") for m in modes for text in _texts(m)):
        return f"{name} to write"
    return ""


def _texts(node: ast.AST) -> list[str]:
    """What may be a mode: short words of the letters of modes."""
    words = [n.value for n in nodes(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return [word for word in words if word and set(word) <= set("rwxabt+")]


RULES = (clocks, writes, randomness, private, hidden_classes)


def violations(files: dict[str, str]) -> list[str]:
    """Broken rules in {path: source}, each as `path:line what`."""
    return [line for rule in RULES for line in rule(files)]


def test_source_keeps_the_rules() -> None:
    assert violations(repository_files()) == []


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"multiview/recordings/take.py": "import time\nx = time.time()"}, "take.py:2 time.time: no clock here"),
        ({"multiview/fusion/tracker.py": "from time import monotonic_ns"}, "no clock here"),
        ({"multiview/export/csv.py": "import datetime\nx = datetime.datetime.now()"}, "datetime.now: no clock here"),
        ({"multiview/export/csv.py": "from datetime import date\nx = date.today()"}, "date.today: no clock here"),
        ({"multiview/detect/rtmo.py": "import time\ntime.sleep(1.0)"}, "time.sleep: no clock here"),
        ({"multiview/export/csv.py": "import time\nx = time.perf_counter()"}, "no stopwatch here"),
        ({"calib/solve/solve.py": "import numpy as np\nrng = np.random.default_rng()"}, "without a seed"),
        ({"multiview/body/actor.py": "import random"}, "randomness from outside"),
        ({"multiview/a.py": "def f(pipeline):\n    return pipeline._body"}, "pipeline._body is private"),
        ({"multiview/export/csv.py": "def f(path):\n    path.write_text('')"}, "csv.py:2 write_text: go through"),
        ({"calib/a.py": "import cv2\ndef f(path):\n    cv2.VideoWriter(str(path))"}, "cv2.VideoWriter: go through"),
        ({"services/a.py": "def f(path):\n    path.open('wb')"}, "path.open to write: go through"),
        ({"multiview/a.py": "def f(path):\n    with open(path, 'a') as x:\n        pass"}, "open to write: go through"),
        ({"multiview/a.py": "from multiview.b import _c", "multiview/b.py": ""}, "multiview.b._c is private"),
        (
            {
                "multiview/a.py": "class Frame:\n    rays: int\n    slots: int",
                "multiview/b.py": "def f(frame: Any):\n    return frame.rays + frame.slots",
            },
            "frame: Any may be a Frame",
        ),
    ],
)
def test_violations_finds_a_broken_rule(files: dict[str, str], expected: str) -> None:
    found = violations(files)
    assert len(found) == 1
    assert expected in found[0]


@pytest.mark.parametrize(
    "files",
    [
        {"services/nodes/hub.py": "import time, secrets\nx = time.monotonic(), secrets.randbits(62)"},
        {"multiview/sources/stream.py": "import time\nx = time.monotonic_ns()"},
        {"multiview/fusion/pipeline.py": "import time\nclock = time.perf_counter_ns"},
        {"multiview/a.py": "def f(message):\n    return message.time_ns"},
        {"multiview/a.py": "def f(path):\n    with replacing(path) as t, t.open('wb') as file:\n        np.save(file)"},
        {"multiview/a.py": "def f(path):\n    place = writing(path)\n    place.write_text('')"},
        {"multiview/a.py": "def f(path):\n    return path.open('rb'), path.open(encoding='utf-8')"},
        {"multiview/a.py": "import numpy as np\nrng = np.random.default_rng(seed)"},
        {"multiview/a.py": "class A:\n    def __init__(self, other):\n        self._x = other._x"},
        {"multiview/a.py": "class B(A):\n    def f(self):\n        return self._x"},
        {
            "multiview/a.py": "def f(node: Any):\n    return node.isSeq()",
            "multiview/b.py": "class Frame:\n    rays: int",
        },
        {"multiview/a.py": "from multiview.sources import _reader", "multiview/sources/_reader.py": ""},
    ],
)
def test_violations_passes_what_is_allowed(files: dict[str, str]) -> None:
    assert violations(files) == []
