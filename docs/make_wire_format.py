"""Writes docs/wire_format.md and the JSON Schemas beside it from the message structs; a test says when to run it."""

from __future__ import annotations

import ast
import inspect
import json
from pathlib import Path

from multiview.common.names import NAME
from multiview.wire import messages
from services.bridges import websocket

HEAD = """# Wire format

Schema version {version}, generated from `multiview/wire/messages.py` by `python docs/make_wire_format.py`. The same as
JSON Schema: [wire_format.schema.json](wire_format.schema.json), where bytes appear as base64 text; on the wire they
are MessagePack's bin type.

Everything live goes through the hub as ZeroMQ multipart messages, and a recording (`take.mcap`) holds the same bytes,
all but the previews.
Subscribe (SUB) to the hub's publish port, `tcp://HOST:5556` by default. A message has three parts:

| part | what it is |
|---|---|
| topic | UTF-8 text, see below |
| stamp | 24 bytes, 3 little-endian int64: place in the stream, place in its topic, arrival on the hub's clock (ns) |
| body | one MessagePack map, then the CRC-32 of the map's bytes (as in zlib), 4 bytes, little-endian |

The map's key `type` names the message, `version` is the schema version and always there. Unknown keys are ignored,
other absent keys have their default; a message of another version, or without one, must be rejected. A body is at most
{max_bytes} bytes. Bulk numbers are in `blob`: little-endian float32, row by row. Positions are metres in the world
(x, y, z; z up where there is a floor), times integer nanoseconds. A missing joint has score 0 and NaN coordinates,
together. A gap in the stamp's second number means dropped messages; previews are no part of the stream, and their first
number is -1. A name is 1 to 64 characters in any script, on one
line, without `/` and `\\`; the schema has its pattern. Integers have up to 63 bits: a reader whose numbers are
double-precision must read them as big integers.

`boot_id` is a random number of up to 62 bits that a process draws when it starts: where it changes, its counters and
the identities of `poses` begin anew, and `people` of one `boot_id` are not those of another.

| topic | sent by | carries |
|---|---|---|
| `poses` | fusion | `poses`: everyone at one tick; this is the one to read |
| `regions` | fusion | `regions`: predicted boxes of people; only where a source has `regions = true` |
| `keypoints/CAMERA` | a worker | `keypoints`, and `end_of_stream` at the end |
| `clock/CAMERA` | a worker | `clock` |
| `camera_health/CAMERA` | a worker | `camera_health`, about once a second |
| `identity_label` | the viewer, `multiview actor` | `identity_label`: a name that a user assigns to a person |
| `fusion_request` | the pages | `fusion_request`: a user begins identities anew, or leaves cameras out |
| `preview_request` | the pages | `preview_request`, while somebody looks at pictures; not recorded |
| `preview/CAMERA` | a worker | `preview`, while somebody looks at pictures; not recorded |
| `service_health/SERVICE` | a service | `service_health`, about once a second |
| `heartbeat` | the hub | `heartbeat`, 20 times a second |

Where the studio has keys, connections are encrypted and authenticated by CurveZMQ. A client sets its own pair of keys
and the hub's public key before it connects; all are ZeroMQ's Z85 text, 40 characters. `keys/client.key` holds the pair
of a listener as TOML (`public = "..."`, `secret = "..."`), `keys/hub.pub` the hub's key alone. In libzmq these are the
options `ZMQ_CURVE_PUBLICKEY`, `ZMQ_CURVE_SECRETKEY` and `ZMQ_CURVE_SERVERKEY`. Without a permitted key nothing comes,
and there is no error: ZeroMQ goes on trying. Do not use ZeroMQ's heartbeats on a subscriber (`ZMQ_HEARTBEAT_IVL`):
libzmq 4.3.5 aborts when one is due on a broken connection with a full queue. The hub's `heartbeat` says that it lives.

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
                default = f"always `{messages.SCHEMA_VERSION}`" if name == "version" else default
                parts.append(f"| `{name}` | {_type(described)} | {default} |\n")
        parts.append("\n")
    return "".join(parts).rstrip("\n") + "\n"


def schema_text() -> str:
    """The JSON Schema file."""
    return json.dumps(messages.json_schema(), indent=1) + "\n"


def websocket_schema_text() -> str:
    """The JSON Schema of what the WebSocket bridge sends."""
    return json.dumps(websocket.json_schema(), indent=1) + "\n"


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
    pattern = str(described.get("pattern", ""))
    if pattern.startswith(NAME):
        return "name" if pattern == NAME else "name, or empty"
    if pattern:
        kind += " `" + pattern.removeprefix("^").removesuffix(r"$(?!\n)").replace("|", r"\|") + "`"
    return kind


if __name__ == "__main__":
    Path(__file__).with_name("wire_format.md").write_text(document(), encoding="utf-8")
    Path(__file__).with_name("wire_format.schema.json").write_text(schema_text(), encoding="utf-8")
    Path(__file__).with_name("websocket.schema.json").write_text(websocket_schema_text(), encoding="utf-8")
