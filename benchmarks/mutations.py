"""Random mutations of a message."""

from __future__ import annotations

import random
import zlib


def mutate(rng: random.Random, body: bytes) -> bytes:
    """Change, cut, repeat or insert some bytes; half of the results carry a valid CRC."""
    content = bytearray(body[:-4])
    for _ in range(rng.randrange(1, 6)):
        place = rng.randrange(len(content) + 1)
        kind = rng.randrange(4)
        if kind == 0 and place < len(content):
            content[place] = rng.randrange(256)
        elif kind == 1:
            content[place:place] = rng.randbytes(rng.randrange(1, 9))
        elif kind == 2:
            del content[place : place + rng.randrange(1, 9)]
        elif place < len(content):
            content += content[place : place + rng.randrange(1, 99)]
    tail = zlib.crc32(content).to_bytes(4, "little") if rng.random() < 0.5 else body[-4:]
    return bytes(content) + tail
