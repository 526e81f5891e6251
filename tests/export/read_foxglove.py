"""Foxglove's MCAP, read by the libraries of MCAP and of Protocol Buffers with the schemas in the file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from mcap.reader import make_reader


class Logged(NamedTuple):
    """One message: its fields by name, as Protocol Buffers' JSON has them."""

    topic: str
    schema: str
    time_ns: int
    fields: dict[str, Any]


def read_foxglove(path: Path) -> Iterator[Logged]:
    """Every message, in the order of time."""
    classes: dict[str, Any] = {}
    with path.open("rb") as file:
        for schema, channel, message in make_reader(file).iter_messages():
            assert schema is not None
            if schema.name not in classes:
                pool = descriptor_pool.DescriptorPool()
                for one in descriptor_pb2.FileDescriptorSet.FromString(schema.data).file:
                    pool.Add(one)
                classes[schema.name] = message_factory.GetMessageClass(pool.FindMessageTypeByName(schema.name))
            found = json_format.MessageToDict(
                classes[schema.name].FromString(message.data), always_print_fields_with_no_presence=True
            )
            yield Logged(channel.topic, schema.name, message.log_time, found)
