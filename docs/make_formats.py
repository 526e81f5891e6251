"""Writes docs/formats.md from docs/formats.md.in and the code: `python docs/make_formats.py`; a test says when to.

Each {{part}} of the text is a table or an example made here: of keys from the structs that files are decoded into, with
the text under each field as its meaning; of columns from the writers' own tables.
"""

from __future__ import annotations

import ast
import inspect
import json
import tempfile
import textwrap
import typing
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec.structs import fields

from calib.board.board import BoardTable
from calib.board.chessboard import ChessboardTable
from calib.board.circles import CirclesTable
from calib.board.markers import MarkersTable
from calib.board.several import SeveralTable
from calib.board.wand import WandTable
from calib.corners import corners
from multiview.body.actor import BONE_LENGTHS, Actor
from multiview.body.skeleton import SkeletonFile, load_skeleton, skeleton_names
from multiview.cameras.rig_file import CameraTable, RigTable, dumps
from multiview.data import Keypoints2D
from multiview.editing import edits
from multiview.editing.edit_list import EditsFile
from multiview.models.card import CardFile, ModelCard, card_names
from multiview.recordings import ground_truth, keypoint_folder, mcap_log, pose_table, take
from multiview.recordings.identities import IdentitiesFile
from multiview.synthetic import StudioOptions, make_rig

TEXT = Path(__file__).with_name("formats.md.in")


def document() -> str:
    """The whole page."""
    text = TEXT.read_text(encoding="utf-8")
    for struct in (
        RigTable,
        CameraTable,
        BoardTable,
        ChessboardTable,
        CirclesTable,
        SeveralTable,
        MarkersTable,
        WandTable,
        take.TakeInfo,
        take.PartContents,
        IdentitiesFile,
        EditsFile,
        SkeletonFile,
        ModelCard,
        CardFile,
        Actor,
    ):
        text = text.replace(f"{{{{{struct.__name__}}}}}", key_table(struct))
    parts = {
        "rig_example": rig_example(),
        "corners": column_table(corners.COLUMNS),
        "joints": str(len(load_skeleton("coco17").joints)),
        "keypoints": keypoints_example(),
        "poses": column_table(pose_table.COLUMNS),
        "required": ", ".join(f"`{name}`" for name in pose_table.REQUIRED_COLUMNS),
        "mcap_profile": mcap_log.PROFILE,
        "mcap_encoding": mcap_log.ENCODING,
        "mcap_schema": mcap_log.SCHEMA_NAME,
        "edits": edits_table(),
        "truth": column_table(ground_truth.ARRAYS, "array"),
        "skeletons": in_words(skeleton_names()),
        "cards": in_words(card_names()),
        "lengths": ", ".join(f"`{name}`" for name in BONE_LENGTHS),
    }
    for name, part in parts.items():
        text = text.replace(f"{{{{{name}}}}}", part)
    assert "{{" not in text, text[text.index("{{") :][:40]
    return text


def column_table(columns: dict[str, tuple[str, str]], what: str = "column") -> str:
    """A table of {name: (type, meaning)}."""
    rows = [f"| `{name}` | {kind} | {meaning} |" for name, (kind, meaning) in columns.items()]
    return "\n".join([f"| {what} | type | meaning |", "|---|---|---|", *rows])


def key_table(struct: type[msgspec.Struct]) -> str:
    """A table of a struct's fields: type, default, and the text under each field."""
    meanings = field_texts(struct)
    rows = []
    for field in fields(struct):
        default = "required" if field.required else default_words(field)
        rows.append(f"| `{field.encode_name}` | {type_words(field.type)} | {default} | {meanings[field.name]} |")
    return "\n".join(["| key | type | default | meaning |", "|---|---|---|---|", *rows])


def edits_table() -> str:
    """A table of the kinds of edits: what each does, and its keys."""
    rows = []
    for kind in typing.get_args(edits.Edit):
        keys = [f"`{field.encode_name}`" if field.required else f"[`{field.encode_name}`]" for field in fields(kind)]
        rows.append(f"| `{kind.__struct_config__.tag}` | {', '.join(keys)} | {' '.join(kind.__doc__.split())} |")
    return "\n".join(["| `kind` | keys | meaning |", "|---|---|---|", *rows])


def default_words(field: Any) -> str:
    """What an absent key means."""
    default = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    return "absent" if default is None else f"`{json.dumps(msgspec.to_builtins(default))}`"


def field_texts(struct: type) -> dict[str, str]:
    """The text under each field of a class, or behind it as a comment; KeyError where there is none."""
    source = textwrap.dedent(inspect.getsource(struct))
    body = ast.parse(source).body[0].body
    texts = {}
    for node, following in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.AnnAssign):
            if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
                text = inspect.cleandoc(following.value.value)
            else:
                text = source.splitlines()[node.end_lineno - 1].partition("  # ")[2]
            texts[node.target.id] = " ".join(text.split()).replace("|", r"\|")
    return texts


def type_words(kind: Any) -> str:
    """A type as somebody who writes the file would say it."""
    return _words(msgspec.json.schema(kind))


def _words(schema: dict[str, Any], plural: str = "") -> str:
    if "anyOf" in schema:
        return " or ".join(_words(option) for option in schema["anyOf"] if option != {"type": "null"})
    if "enum" in schema:
        return " ".join(f"`{json.dumps(value)}`" for value in schema["enum"])
    if schema.get("type") == "array":
        items = schema.get("prefixItems") or [schema["items"]]
        if len({json.dumps(item) for item in items}) > 1:
            return f"({', '.join(_words(item) for item in items)})"
        return f"{schema.get('maxItems', 'list of')} {_words(items[0], 's')}".replace("3 3 ", "3 x 3 ")
    words = {"string": "text", "number": "number", "integer": "integer", "boolean": "true or false"}
    return words.get(schema.get("type", ""), "table") + plural


def rig_example() -> str:
    """The beginning of a rig file: one camera."""
    rig = make_rig(StudioOptions(cameras=1, people=1, distortion=False))
    return dumps(rig)


def keypoints_example() -> str:
    """One person whose first joint was found, shortened."""
    xy, score = np.full((1, 17, 2), np.nan), np.zeros((1, 17))
    xy[0, 0], score[0, 0] = (412.5, 187.25), 0.875
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frame.json"
        keypoint_folder.write_keypoints(Keypoints2D(xy, score), path)
        text = path.read_text(encoding="utf-8")
    numbers = text[text.index("[412") : text.index("]", text.index("[412")) + 1]
    return text.replace(numbers, "[412.5,187.25,0.875,0.0,0.0,0.0, ...]")


def in_words(names: tuple[str, ...]) -> str:
    """`a`, `b` and `c`."""
    quoted = [f"`{name}`" for name in names]
    return ", ".join(quoted[:-1]) + f" and {quoted[-1]}"


if __name__ == "__main__":
    Path(__file__).with_name("formats.md").write_text(document(), encoding="utf-8", newline="\n")
