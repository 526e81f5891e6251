"""Writes docs/wire_format.md from the message structs: `python docs/make_wire_format.py`; a test says when to."""

from __future__ import annotations

import ast
import inspect
import json
from pathlib import Path

from multiview.wire import messages

HEAD = """# Wire format

Generated from `multiview/wire/messages.py` by `python docs/make_wire_format.py`; version {version} of the schema.

Everything live goes through the hub as ZeroMQ multipart messages, and a recording (`take.mcap`) holds the same bytes.
Subscribe (SUB) to the hub's publish port, `tcp://HOST:5556` by default. A message has three parts:

| part | what it is |
|---|---|
| topic | UTF-8 text, see below |
| stamp | 24 bytes, 3 little-endian int64: place in the stream, place in its topic, arrival on the hub's clock (ns) |
| body | one MessagePack map, then the CRC-32 of the map's bytes (as in zlib), 4 bytes, little-endian |

The map's key `type` names the message. Unknown keys are ignored, absent keys have their default; another major
`version` must be refused. A body is at most {max_bytes} bytes. Bulk numbers are in `blob`: little-endian float32, row
by row. Positions are metres in the world (x, y, z; z up where there is a floor), times integer nanoseconds. A missing
joint has score 0 and NaN coordinates, together. A gap in the stamp's second number is a lost message.

| topic | sent by | carries |
|---|---|---|
| `poses` | fusion | `poses`: everyone at one tick; this is the one to read |
| `regions` | fusion | `regions`: where each camera should see people; only where a source has `regions = true` |
| `keypoints/CAMERA` | a worker | `keypoints`, and `goodbye` at the end |
| `clock/CAMERA` | a worker | `clock` |
| `camera/CAMERA` | a worker | `camera_health`, about once a second |
| `naming` | the viewer, `multiview actor` | `naming`: who a person is, said by somebody who knows |
| `service/SERVICE` | a service | `service_health`, about once a second |
| `hub` | the hub | `hub`, 20 times a second |

In Python, `multiview.client` does all of this. Joint names and their order are those of the named skeleton, in
`configs/skeletons/NAME.toml`.

"""


def document() -> str:
    """The whole page."""
    parts = [HEAD.format(version=messages.SCHEMA_VERSION, max_bytes=messages.MAX_BYTES)]
    schema = messages.json_schema()
    for kind in _kinds():
        tag = kind.__struct_config__.tag
        parts.append(f"## `{tag}`\n\n{inspect.cleandoc(kind.__doc__ or '')}\n\n")
        parts.append("| field | type | default |\n|---|---|---|\n")
        properties = schema["$defs"][kind.__name__]["properties"]
        required = set(schema["$defs"][kind.__name__].get("required", []))
        for name, described in properties.items():
            if name != "type":
                default = "required" if name in required else f"`{json.dumps(described.get('default', ''))}`"
                parts.append(f"| `{name}` | {_type(described)} | {default} |\n")
        parts.append("\n")
    parts.append(
        "## JSON Schema\n\nBytes appear as base64 text in JSON Schema; on the wire they are MessagePack's bin type.\n\n"
    )
    parts.append("```json\n" + json.dumps(schema, indent=1) + "\n```\n")
    return "".join(parts)


def _kinds() -> list[type[messages.Message]]:
    """The message structs, in the order of the source."""
    tree = ast.parse(inspect.getsource(messages))
    names = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
    return [
        kind
        for kind in (getattr(messages, name) for name in names)
        if isinstance(kind, type) and issubclass(kind, messages.Message) and kind is not messages.Message
    ]


def _type(described: dict[str, object]) -> str:
    if described.get("type") == "array":
        items = described.get("items") or described.get("prefixItems")
        inner = items[0] if isinstance(items, list) else items
        return f"array of {_type(inner) if isinstance(inner, dict) else 'any'}"
    if described.get("contentEncoding") == "base64":
        return "bytes"
    kind = str(described.get("type", "any"))
    if "pattern" in described:
        pattern = str(described["pattern"]).removeprefix(r"\A").removesuffix(r"\Z")
        kind += " `" + pattern.replace("|", r"\|") + "`"
    return kind


if __name__ == "__main__":
    Path(__file__).with_name("wire_format.md").write_text(document(), encoding="utf-8")
