"""Receive live people in your own program.

    multiview demo                          # or: multiview run studio.toml
    python examples/05_live_client.py tcp://127.0.0.1:5556

Needs only numpy, msgspec and pyzmq beside multiview. Ends when nothing has come for ten seconds.
"""

import sys

from multiview.client import DEFAULT_ADDRESS, connect


def main(argv: list[str]) -> None:
    address = argv[0] if argv else DEFAULT_ADDRESS
    frames = 0
    for frame in connect(address, timeout_s=10.0):
        frames += 1
        if frames % 30 == 1:
            who = ", ".join(f"{person.name or person.id} at {person['nose'].round(2)} m" for person in frame.people)
            print(f"{frame.time_s:8.2f} s  {who or 'nobody'}")
    print(f"{frames} frames received")


if __name__ == "__main__":
    main(sys.argv[1:])
