"""`python -m benchmarks STUDY ...`: run one study."""

from __future__ import annotations

import argparse
import importlib
import os
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one thread for everyone, before numpy is imported

STUDIES = {
    "accuracy": "how near the truth, on synthetic studios",
    "speed": "how long a frame takes, and how that grows",
    "triangulation": "against other libraries' triangulation of the same points",
}


def main(argv: list[str] | None = None) -> int:
    """Run the study that is named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    subparsers = parser.add_subparsers(dest="study", metavar="STUDY", required=True)
    for name, meaning in STUDIES.items():
        module = importlib.import_module(f"benchmarks.{name}")
        subparser = subparsers.add_parser(
            name, help=meaning, description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        module.add_arguments(subparser)
        subparser.set_defaults(run=module.run)
    args = parser.parse_args(argv)
    return int(args.run(args))


if __name__ == "__main__":
    sys.exit(main())
