"""The JSON Schemas that we publish are read by libraries that we did not write: jsonschema here, ajv in JavaScript."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import numpy as np
import pytest

from multiview.wire.messages import Heartbeat, PosesMessage, write_blob
from services.bridges._serve import open_bridge
from tests.figures import crowd

DOCS = Path(__file__).parents[2] / "docs"
_WEBSOCKET, _WIRE = DOCS / "websocket.schema.json", DOCS / "wire_format.schema.json"

# Reads schemas and, for each, the texts that it has to accept and to refuse; says what it did otherwise.
_AJV = """
const Ajv = require('ajv/dist/2020');
for (const [schema, good, bad] of JSON.parse(require('fs').readFileSync(0))) {
  const valid = new Ajv({strict: true, strictTuples: false, allErrors: true}).compile(schema);
  for (const one of good) if (!valid(one)) console.log('refused', JSON.stringify(one), JSON.stringify(valid.errors));
  for (const one of bad) if (valid(one)) console.log('accepted', JSON.stringify(one));
}
"""


def _websocket() -> tuple[Any, list[Any], list[Any]]:
    skeleton, tracks = crowd(3)
    bridge = open_bridge("websocket", {"port": 0}, skeleton, 25.0)
    try:
        good = json.loads(bridge._text(tracks))  # type: ignore[attr-defined]
    finally:
        bridge.close()
    assert [person["id"] for person in good["people"]] == [track.person for track in tracks.tracks]
    short = json.loads(json.dumps(good))
    short["people"][0]["joints"]["nose"] = [1.0, 2.0]
    return json.loads(_WEBSOCKET.read_text()), [good, {**good, "people": []}], [short, {"tick": 1}]


def _wire(kind: str, good: Any, **wrong: object) -> tuple[Any, list[Any], list[Any]]:
    schema = json.loads(_WIRE.read_text())
    sent = json.loads(msgspec.json.encode(good))
    return {**schema, "$ref": f"#/$defs/{kind}"}, [sent], [{**sent, key: value} for key, value in wrong.items()]


def cases() -> list[tuple[Any, list[Any], list[Any]]]:
    poses = PosesMessage(
        tick=4, time_ns=2**61, boot_id=2**61, cameras=["cam01"], missing=["cam-2"], skeleton="coco17", joints=17,
        people=[3], blob=write_blob(np.zeros((1, 17, 12))),
    )  # fmt: skip
    beat = Heartbeat(boot_id=1, hub_ns=-2, utc_ns=3)
    return [
        _websocket(),
        _wire("PosesMessage", poses, clock="wall", skeleton="", cameras=["a\nb"], version=1, tick="4"),
        _wire("Heartbeat", beat, boot_id=-1),
    ]


def test_schemas_hold_for_jsonschema() -> None:
    for schema, good, bad in cases():
        jsonschema.Draft202012Validator.check_schema(schema)
        valid = jsonschema.Draft202012Validator(schema)
        for one in good:
            valid.validate(one)
        for one in bad:
            assert not valid.is_valid(one), one


def test_schemas_hold_in_javascript() -> None:
    if shutil.which("node") is None:
        pytest.skip("no node: the schemas cannot be compiled in JavaScript")
    if subprocess.run(["node", "-e", "require.resolve('ajv/dist/2020')"], capture_output=True).returncode:
        pytest.skip("node has no ajv: npm install ajv, and set NODE_PATH to its node_modules")
    done = subprocess.run(
        ["node", "-e", _AJV], input=json.dumps(cases()), capture_output=True, text=True, timeout=280, check=False
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


@pytest.mark.parametrize("path", sorted(DOCS.glob("*.schema.json")), ids=lambda path: path.name)
def test_patterns_of_schemas_are_regular_expressions_of_javascript(path: Path) -> None:
    """ECMA-262 has no \\A and \\Z; with the flag u, which JSON Schema demands, they do not even compile."""
    schema = path.read_text()
    assert r"\\A" not in schema
    assert r"\\Z" not in schema
